"""One module a family of generators, found by its name. Each defines a class ``Sampler``."""

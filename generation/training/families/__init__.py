"""One module a family that can be trained, found by its name. Each defines a function ``train``."""

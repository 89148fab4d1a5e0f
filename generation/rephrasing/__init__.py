"""Other words for a prompt, and a reader that tells whether they mean the same. Pure."""

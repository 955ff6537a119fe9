"""store: see the module docstrings."""

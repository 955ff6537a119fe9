"""centre: see the module docstrings."""

"""health: see the module docstrings."""

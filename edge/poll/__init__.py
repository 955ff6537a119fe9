"""poll: see the module docstrings."""

"""config: see the module docstrings."""

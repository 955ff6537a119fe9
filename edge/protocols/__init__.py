"""protocols: see the module docstrings."""

"""identity: see the module docstrings."""

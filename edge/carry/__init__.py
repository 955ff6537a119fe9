"""carry: see the module docstrings."""

"""quality: see the module docstrings."""

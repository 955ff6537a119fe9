"""forward: see the module docstrings."""

"""bus: see the module docstrings."""

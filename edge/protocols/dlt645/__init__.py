"""protocols/dlt645: see the module docstrings."""

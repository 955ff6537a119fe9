"""control: see the module docstrings."""

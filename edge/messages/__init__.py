"""messages: see the module docstrings."""

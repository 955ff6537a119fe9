"""DL/T 645-1997 and -2007: frames, identifiers, values and read exchanges, without any port or clock."""

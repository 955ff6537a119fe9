"""The two addresses that are no meter's own."""

ANY = "A" * 12
BROADCAST = "9" * 12

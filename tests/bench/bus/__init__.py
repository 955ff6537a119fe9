"""The wire used to its limit: a timed bus of our own, the least time it allows, and what masters make of it."""

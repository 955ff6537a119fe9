"""The daemon: wires the rooms and owns the threads. Nothing else in edge starts a thread."""

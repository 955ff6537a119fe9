"""What is kept on this box: journal and outbox in one SQLite file, the register of meters in a TinyDB file.

`database` opens the file, `journal` is the poller's side of it, `outbox` the forwarder's. They share nothing else.
"""

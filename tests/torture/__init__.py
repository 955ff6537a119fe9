"""Power cuts: what the writers did to their files is recorded, and every moment of it is a moment to lose power.

`recording.py` runs the real writers (`writers.py`) under strace; `trace.py` reads what they did; `disk.py` says what a
disk may hold after a cut; `truth.py` says what had been promised by then; the judges open what is left with the
product's own code and compare. `make torture` does all of it, the tests a share.
"""

"""Python's collector of cycles, told what a centre is like: many small values, none of them in a cycle.

By default it looks through what is alive every few hundred new values; with some ten thousand polls in hand that takes
a sixth of the time and finds nothing. Values without cycles are freed at once as ever.
"""

import gc

_NEW_VALUES = 200_000  # between two looks: a few tens of MiB at the most, if all were in cycles


def calm_collector() -> None:
    """Let the collector look seldom, and never again through what has been loaded by now."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_VALUES, 10, 10)

"""The C library's heap, kept small: one for all threads, and what the start has used for a moment is given back.

glibc makes a heap of its own for each thread that asks for memory. Here threads take turns anyway, and a daemon that
lives for years would hold the holes of each. Another C library without these two calls is left as it is.
Source: mallopt(3), malloc_trim(3); M_ARENA_MAX is -8 in malloc.h.
"""

import ctypes
from contextlib import suppress

_M_ARENA_MAX = -8


def share_one_heap() -> None:
    """Let all threads use one heap. To be called before the first thread is started."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def give_back_heap() -> None:
    """Give what is free at the moment back to the system."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)

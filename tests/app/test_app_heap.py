"""The heap that all threads share, counted by the C library itself."""

import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, threading
from edge.app.heap import give_back_heap, share_one_heap
{first}
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
barrier = threading.Barrier(4)
def ask():
    for _ in range(100):
        libc.malloc(ctypes.c_size_t(5000))
    barrier.wait()
threads = [threading.Thread(target=ask) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
give_back_heap()
libc.fdopen.restype = ctypes.c_void_p
out = libc.fdopen(1, b"w")
libc.malloc_info(0, ctypes.c_void_p(out))
libc.fflush(ctypes.c_void_p(out))
"""


@pytest.mark.parametrize(("first", "is_one"), [("share_one_heap()", True), ("", False)])
def test_threads_share_one_heap(first, is_one):
    """With the call there is one heap however many threads ask for memory; without it there are more."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(first=first)], capture_output=True, text=True, timeout=180, check=True
    )
    assert is_one == (done.stdout.count("<heap nr=") == 1)

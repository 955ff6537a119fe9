"""What an input may cost: memory by the allocator's own count, time by the lines of Python that ran. No clock.

A parser that is quadratic, or takes a count from the wire at its word, goes beyond a bound that grows with the input's
length only. The tracer ends it there: nothing hangs.
"""

import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any


class TooManyStepsError(BaseException):
    """More lines ran than the input is worth. No Exception: no parser shall take it for a mistake of the input."""


@dataclass(frozen=True)
class Bounds:
    """What one input may cost: a part for any input, and a part for each of its bytes."""

    bytes_any: int = 8 << 20  # also what a fuzzer in the same process allocates meanwhile
    bytes_each: int = 400
    steps_any: int = 20_000
    steps_each: int = 200

    def memory(self, size: int) -> int:
        return self.bytes_any + self.bytes_each * size

    def steps(self, size: int) -> int:
        return self.steps_any + self.steps_each * size


class _Counter:
    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.count = 0

    def __call__(self, frame: FrameType, event: str, arg: Any) -> "_Counter":
        self.count += 1
        if self.count > self.limit:
            raise TooManyStepsError(f"{self.count} steps, at {frame.f_code.co_filename}:{frame.f_lineno}")
        return self


def count_steps(run: Callable[[bytes], object], data: bytes, bounds: Bounds) -> int:
    """Run on an input and return how many lines ran. Raises TooManyStepsError beyond the bound."""
    counter, before = _Counter(bounds.steps(len(data))), sys.gettrace()
    sys.settrace(counter)
    try:
        run(data)
    finally:
        sys.settrace(before)
    return counter.count


def measure_memory(run: Callable[[bytes], object], data: bytes, bounds: Bounds) -> int:
    """Run on an input and return the highest memory in bytes; fails beyond the bound."""
    was_on = tracemalloc.is_tracing()
    tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        run(data)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        if not was_on:
            tracemalloc.stop()
    assert peak <= bounds.memory(len(data)), f"{peak} bytes for an input of {len(data)}"
    return peak

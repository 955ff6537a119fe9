"""Gaps in a row of numbers. Pure."""

from collections.abc import Iterable, Iterator


def gaps_of(stored: int, seqs: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the ranges (first, last) that are not among ascending numbers above `stored`."""
    expected = stored + 1
    for seq in seqs:
        if seq > expected:
            yield expected, seq - 1
        expected = seq + 1

"""Frames decoded per second, beside the PyPI package dlt645 in the same run."""

import time

from dlt645 import DLT645Protocol

from edge.protocols.dlt645.frame import Frame, FrameReader, encode_frame, parse_flat
from tests.bench.table import Row

_SIZES = {20: 8, 68: 56}  # bytes of a frame: bytes of its data
_ROUNDS = 3
_SECONDS = 0.4


def rate(work, frames):
    """Return the best of a few runs, in frames a second: noise only ever slows a run down."""
    best = 0.0
    for _ in range(_ROUNDS):
        done, started = 0, time.perf_counter()
        while (spent := time.perf_counter() - started) < _SECONDS:
            work()
            done += frames
        best = max(best, done / spent)
    return best


def rows():
    for size, data in _SIZES.items():
        frame = encode_frame("202311000001", 0x91, bytes(range(data)), preamble=0)
        assert size == len(frame)
        hundred = frame * 100

        def flat(frame=frame):
            for _ in range(100):
                parse_flat(frame)

        def read(stream=hundred):
            reader = FrameReader()
            reader.receive(stream)
            for _ in range(100):
                assert isinstance(reader.next_event(), Frame)

        def peer(frame=frame):
            for _ in range(100):
                DLT645Protocol.deserialize(frame)

        beside = rate(peer, 100)
        for name, work in (("parse, checksum, offset (no object)", flat), ("through the stream reader", read)):
            found = rate(work, 100)
            yield Row(
                f"decode {size} B: {name}",
                f"{found:,.0f} frames/s",
                f"{found / beside:.2f} of dlt645 ({beside:,.0f}/s)",
            )

"""The timed bus as a process: meters on a pty at the true pace of a wire, and the log of truth when it ends.

Usage: python -m tests.bench.bus.serve SPEC, where SPEC is a JSON file: {"baud", "seed", "delay_s", "meters":
[{"address", "faults": {...}, "delay_s"}], "log"}. Prints the port, then serves until SIGTERM; writes the log.
The loop sleeps until shortly before a byte is due and spins the rest. How late each byte left is part of the log.
"""

import gc
import json
import os
import pty
import select
import signal
import sys
import time
import tty
from dataclasses import asdict
from pathlib import Path

from tests.bench.bus.least import BITS, DELAY_S
from tests.bench.bus.meter import Faults, TimedMeter
from tests.bench.bus.wire import TimedWire

_SPIN_S = 0.0003
_CHUNK = 4096
_LONGEST_S = 0.5


def make_wire(spec):
    """Return the wire that a spec describes."""
    addresses = [one["address"] for one in spec["meters"]]
    meters = [
        TimedMeter(
            one["address"],
            number,
            delay_s=one.get("delay_s", spec.get("delay_s", DELAY_S)),
            faults=Faults(**one.get("faults", {})),
            stranger=addresses[(number + 1) % len(addresses)],
            seed=spec.get("seed", 1),
        )
        for number, one in enumerate(spec["meters"])
    ]
    return TimedWire(meters, BITS / spec["baud"], seed=spec.get("seed", 1))


class Server:
    """Carries bytes between a pty and a wire; `late` holds how late each byte left, in seconds."""

    def __init__(self, wire, master):
        self.wire = wire
        self.late = []
        self.is_ending = False
        self._master = master

    def run(self):
        """Serve until told to end."""
        while not self.is_ending:
            self.step()

    def step(self):
        """Wait for the master or the next byte, whichever comes first, and do what is to be done."""
        due = self.wire.coming[0].end if self.wire.coming else None
        wait_s = _LONGEST_S if due is None else max(0.0, due - time.monotonic() - _SPIN_S)
        ready, _, _ = select.select([self._master], [], [], min(wait_s, _LONGEST_S))
        if ready:
            at = time.monotonic()
            self.wire.take(os.read(self._master, _CHUNK), at)
        elif due is not None and wait_s < _LONGEST_S:
            self._send(due)

    def _send(self, due):
        while (now := time.monotonic()) < due:
            pass
        heard = self.wire.hear(now)
        if heard:
            os.write(self._master, bytes(one.byte for one in heard))
            self.late += [now - one.end for one in heard]


def lateness(late):
    """Return mean, 99th percentile and greatest lateness in milliseconds."""
    if not late:
        return {"mean_ms": 0.0, "p99_ms": 0.0, "max_ms": 0.0, "bytes": 0}
    ranked = sorted(late)
    return {
        "mean_ms": round(1000 * sum(ranked) / len(ranked), 3),
        "p99_ms": round(1000 * ranked[len(ranked) * 99 // 100], 3),
        "max_ms": round(1000 * ranked[-1], 3),
        "bytes": len(ranked),
    }


def log_of(wire, late, offset_s):
    """Return the log of truth as a document; instants are wall-clock seconds."""

    def moved(one):
        row = asdict(one)
        return {name: value + offset_s if name.endswith(("start", "end")) else value for name, value in row.items()}

    return {
        "requests": [moved(one) for one in wire.requests],
        "answers": [moved(one) for one in wire.answers],
        "garbled": wire.garbled,
        "lateness": lateness(late),
    }


def main():
    """Serve the spec named on the command line."""
    spec = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    master, slave = pty.openpty()
    tty.setraw(slave)
    server = Server(make_wire(spec), master)
    offset_s = time.time() - time.monotonic()

    def end(*_):
        server.is_ending = True

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    print(os.ttyname(slave), flush=True)
    gc.disable()
    server.run()
    document = log_of(server.wire, server.late, offset_s)
    Path(spec["log"]).write_text(json.dumps(document), encoding="utf-8")


if __name__ == "__main__":
    main()

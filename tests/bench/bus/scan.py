"""Forty meters on one bus at 2400 Bd, addresses scattered, answers laid over each other bit by bit: `edge scan`."""

import json
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from tests.bench.bus.bus import TimedBus
from tests.bench.bus.least import DELAY_S, Line, finding_s

METERS = 40
BAUD = 2400
_DELAY_SPREAD_S = 0.020
_LONGEST_S = 1800


@dataclass(frozen=True, slots=True)
class Scan:
    """How a search went: the addresses that are there, those found, requests sent, seconds, and the least possible."""

    there: frozenset
    found: frozenset
    requests: int
    seconds: float
    least_s: float


def scattered(count, seed=40):
    """Return meters with scattered addresses, as the bus takes them; each has a response delay of its own."""
    chance = random.Random(seed)
    return [
        {"address": f"{number:012d}", "delay_s": DELAY_S + chance.uniform(0, _DELAY_SPREAD_S)}
        for number in chance.sample(range(10**12), count)
    ]


def run_scan(count=METERS, baud=BAUD):
    """Let `edge scan` look for meters; return how it went."""
    meters = scattered(count)
    with tempfile.TemporaryDirectory() as folder, TimedBus(folder, baud=baud, meters=meters) as bus:
        command = [sys.executable, "-m", "edge.cli.main", "scan", "--port", bus.port, "--baud", str(baud), "--json"]
        started = time.monotonic()
        done = subprocess.run(command, capture_output=True, timeout=_LONGEST_S, check=False)
        spent = time.monotonic() - started
        bus.end()
        listed = json.loads(done.stdout)["found"]
        found = frozenset(one if isinstance(one, str) else one["meter"] for one in listed)
        there = frozenset(one["address"] for one in meters)
        return Scan(there, found, len(bus.log.requests), spent, finding_s(Line(baud), count))

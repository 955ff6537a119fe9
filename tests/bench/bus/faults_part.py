"""Everything that goes wrong on a wire, mixed: no value of the wrong meter, item or time may come of it."""

import tempfile
from collections import Counter
from dataclasses import dataclass

from tests.bench.bus.bus import TimedBus
from tests.bench.bus.masters import expected_readings, recovered, run_edge
from tests.bench.bus.truth import judge
from tests.bench.bus.wire_part import ADDRESSES

_SHARES = {"late": 0.05, "bits": 0.05, "lost": 0.05, "slow": 0.05, "stranger": 0.05}
_PERIOD_S = 40
_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Mix:
    """What became of a faulty bus: faults given by name, what was expected, read, recovered; verdicts on the values."""

    faults: Counter
    expected: int
    read: int
    recovered: int
    verdicts: Counter
    garbled: int

    @property
    def wrong(self):
        """How many values were wrong in any way."""
        return sum(self.verdicts.values()) - self.verdicts["right"]


def faulty_meters(shares=None):
    """Return eight meters: all with any number of FEH and a share of each fault, some with a habit of their own."""
    habits = {1: {"refuse_blocks": True}, 2: {"dead": True}, 3: {"needs_wake": 2}, 4: {"knows_totals": False}}
    common = {**(_SHARES if shares is None else shares), "any_wake": True}
    return [{"address": one, "faults": {**common, **habits.get(n, {})}} for n, one in enumerate(ADDRESSES)]


def run_mix(baud=9600, period_s=_PERIOD_S, rounds=_ROUNDS):
    """Let the product poll faulty meters; return what became of it."""
    with tempfile.TemporaryDirectory() as folder, TimedBus(folder, baud=baud, meters=faulty_meters()) as bus:
        run = run_edge(folder, bus, ADDRESSES, gap_ms=None, period_s=period_s, rounds=rounds)
        faults = Counter(one.fault for one in bus.log.answers if one.fault)
        faults["met the master's bytes"] = bus.log.garbled
        return Mix(
            faults=faults,
            expected=expected_readings(ADDRESSES) * rounds,
            read=len(run.taken),
            recovered=recovered(run, bus.log),
            verdicts=judge(run.taken, bus.log.answers),
            garbled=bus.log.garbled,
        )

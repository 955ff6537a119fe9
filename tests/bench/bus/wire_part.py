"""Eight meters, fifteen registers: the product and the package dlt645 on the same bus, healthy and with one dead."""

import sys
import tempfile
from dataclasses import dataclass

from tests.bench.bus.bus import TimedBus
from tests.bench.bus.least import Line, blocks_s
from tests.bench.bus.masters import Round, expected_readings, run_dlt645, run_edge, totals
from tests.bench.bus.truth import judge

ADDRESSES = tuple(f"2026000000{n:02d}" for n in range(1, 9))
DEAD = ADDRESSES[2]
PERIOD_S = {2400: 15, 9600: 6}
DEAD_PERIOD_S = {2400: 20, 9600: 8}
ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: rounds of a master on a bus. `healthy_rate`: readings a second without the dead meter."""

    baud: int
    master: str
    which: str
    dead: bool
    made: Round
    expected: int
    wrong: int
    lateness: dict
    healthy_rate: float | None = None

    @property
    def rate(self):
        """Readings a second."""
        return self.made.readings / self.made.seconds

    @property
    def share(self):
        """The best plan's least time for what was read, as a share of the time taken."""
        least_s = blocks_s(Line(self.baud), 1) * self.made.readings / expected_readings(["one"])
        return least_s / self.made.seconds

    @property
    def pause_ms(self):
        """The mean time from the end of an answer to the next request."""
        return 1000 * sum(self.made.pauses) / max(1, len(self.made.pauses))

    @property
    def cpu_ms(self):
        """CPU a transaction."""
        return 1000 * self.made.cpu_s / max(1, self.made.transactions)


def figures(baud):
    """Yield all figures of a speed, one run after the other."""
    for master, gap_ms in (("edge, gap 0", 0), ("edge, default gap", None), ("dlt645", None)):
        healthy = None
        for dead in (False, True):
            print(f"measuring: {baud} Bd, {master}, {'one dead' if dead else 'healthy'}", file=sys.stderr)
            last = None
            for last in _measure(baud, master, gap_ms, dead, healthy):
                yield last
            healthy = healthy or last.rate


def _measure(baud, master, gap_ms, dead, healthy_rate):
    meters = [{"address": one, "faults": {"dead": dead and one == DEAD}} for one in ADDRESSES]
    with tempfile.TemporaryDirectory() as folder, TimedBus(folder, baud=baud, meters=meters) as bus:
        if master == "dlt645":
            run = run_dlt645(folder, bus, ADDRESSES)
        else:
            period_s = (DEAD_PERIOD_S if dead else PERIOD_S)[baud]
            run = run_edge(folder, bus, ADDRESSES, gap_ms=gap_ms, period_s=period_s, rounds=ROUNDS)
        log = bus.log
    verdicts = judge(run.taken, log.answers)
    wrong = sum(verdicts.values()) - verdicts["right"]
    first, later = run.rounds[:1], run.rounds[1:]
    for which, rounds in (("first round", first), ("later rounds", later)):
        if rounds:
            expected = expected_readings(ADDRESSES) * len(rounds)
            made = totals(rounds)
            yield Figure(baud, master, which, dead, made, expected, wrong, log.lateness, healthy_rate)

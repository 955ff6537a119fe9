"""Bare exchanges: random questions through the runner to the meters of a random world, each outcome judged.

A question is tried up to three times, as a poll does; the tries are one slot. Between two slots time passes: seconds,
or minutes; a meter that owes an answer is not asked for the same thing again so soon that it could still come, for
nothing in an answer says which question it is for. The answer to a question for older load records tells.
"""

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from edge.bus.runner import run_exchange
from edge.protocols.drivers import driver
from edge.protocols.exchange import Timing
from edge.reading.outcome import Answer, Malformed, Refused
from tests.simulation.judge import EMPTY, LET_BY, RIGHT, WRONG, judge
from tests.simulation.questions import load_question, random_question
from tests.simulation.worlds import Climate, World

PER_WORLD = 100
_TRIES = 3
_OWED_S = 10.0


@dataclass(slots=True)
class Tally:
    """What came of many exchanges. `wrong`: seeds with what was taken wrongly."""

    exchanges: int = 0
    verdicts: Counter = field(default_factory=Counter)
    outcomes: Counter = field(default_factory=Counter)
    faults: Counter = field(default_factory=Counter)
    values: int = 0
    wrong: list[str] = field(default_factory=list)
    let_by: list[str] = field(default_factory=list)

    def add(self, other):
        """Add what came of others."""
        self.exchanges += other.exchanges
        self.values += other.values
        self.verdicts += other.verdicts
        self.outcomes += other.outcomes
        self.faults += other.faults
        self.wrong += other.wrong
        self.let_by += other.let_by


def run_world(seed, exchanges=PER_WORLD, climate=None):
    """Return what came of so many exchanges, at least, in the world of a seed."""
    asking = _Asking(seed, climate or Climate())
    while asking.tally.exchanges < exchanges:
        asking.slot()
    asking.tally.faults += asking.world.faults
    return asking.tally


class _Asking:
    """A master without manners of its own: asks, tries again, and has each outcome judged."""

    def __init__(self, seed, climate):
        self.seed = seed
        self.random = Random(f"bare/{seed}")
        self.world = World(self.random, climate)
        self.tally = Tally()
        self.timing = Timing(reply_s=self.random.choice((0.55, 0.6, 1.0)), wake=self.random.choice((0, 2, 4, 4)))
        self.gap_s = self.random.choice((0.0, 0.02, 0.05))
        self.last = None
        self.owed_s = {}

    def slot(self):
        """Ask one question until it is answered, three times at most; then let time pass."""
        asked = self._question()
        since_s = self.world.clock.monotonic()
        for _ in range(_TRIES):
            outcome = self._ask(asked, since_s)
            is_answered = isinstance(outcome, Answer | Refused | Malformed)
            if not is_answered or asked.is_wildcard or len(self.world.of(asked.address)) > 1:
                self.owed_s[asked] = self.world.clock.monotonic() + _OWED_S
            if is_answered:
                break
        self.world.clock.sleep(self.random.choice((0, 0, 0, 0.3, 1, 5, 60, 600)))

    def _question(self):
        random, world = self.random, self.world
        asked = self.last
        if asked is None or random.random() < 0.7:
            meter = random.choice(world.meters)
            asked = random_question(random, meter, meter.local_time(world.clock.utc_now()))
        elif asked.begin is not None and random.random() < 0.8:
            meter = world.of(asked.address)[0]
            other = load_question(random, meter, meter.local_time(world.clock.utc_now()))
            asked = other if other.begin >= asked.begin else asked
        self.last = asked
        owed_s = max((until for owed, until in self.owed_s.items() if _may_answer(owed, asked)), default=0.0)
        world.clock.sleep(max(0.0, owed_s - world.clock.monotonic()))
        return asked

    def _ask(self, asked, since_s):
        world = self.world
        protocol = driver(f"dlt645-{asked.version}")
        late_from = frozenset(self.random.sample(world.addresses, self.random.randrange(2))) | self._owing()
        if asked.is_search:
            exchange = protocol.find(asked.address, self.timing)
        else:
            exchange = protocol.read(asked.address, asked.request, self.timing, late_from)
        outcome = run_exchange(world.link, exchange, world.clock, world.line, gap_s=self.gap_s, listener=world.listener)
        self._note(asked, outcome, judge(world, asked, outcome, since_s))
        return outcome

    def _owing(self):
        """Return the meters that may still answer an earlier question, or an earlier try of this one."""
        now_s = self.world.clock.monotonic()
        return frozenset(asked.address for asked, until_s in self.owed_s.items() if until_s > now_s)

    def _note(self, asked, outcome, verdict):
        tally = self.tally
        tally.exchanges += 1
        tally.outcomes[outcome.verdict.value] += 1
        tally.verdicts[verdict] += 1
        if verdict != EMPTY:
            tally.values += len(outcome.items)
        if verdict in (WRONG, LET_BY):
            kept = tally.wrong if verdict == WRONG else tally.let_by
            kept.append(
                f"seed {self.seed}, exchange {tally.exchanges}: {asked} -> {outcome} raw {outcome.raw.hex(' ')}"
            )


def _may_answer(owed, asked):
    """Return whether an answer that is owed to an earlier question could be one to this question too."""
    low, other = asked.address.lstrip("A"), owed.address.lstrip("A")
    is_earlier = asked.begin is not None and owed.begin is not None and owed.begin <= asked.begin
    is_same = asked.request.identifier == owed.request.identifier
    return is_same and not is_earlier and (low.endswith(other) or other.endswith(low))


__all__ = ["PER_WORLD", "RIGHT", "Tally", "run_world"]

"""What the poller of a bus knows of one meter while it runs: its manners, its noise, and what it refuses.

`learned` is the part that the register keeps. A single item counts as refused for good only after several polls in a
row that ask for it (a meter that starts up refuses what it has); a block at once, since single reads take its place.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from types import MappingProxyType

from edge.bus.link import LineSettings
from edge.config.settings import Bus
from edge.poll.learned import SOON, Learned
from edge.poll.manners import LongWay, Manners
from edge.poll.meter_poll import MeterPoll
from edge.poll.plan import PolledMeter
from edge.poll.speed import REFUSED_BACK, REFUSED_SPEED, agreed_speed
from edge.protocols.drivers import driver
from edge.protocols.exchange import PlanTerms, Timing
from edge.reading.outcome import Outcome
from edge.reading.vendor import VendorItem
from edge.reading.verdict import Verdict

_REMEMBERED = 64  # exchanges that tell how noisy the meter's line is
_NOISY = 2  # damaged ones among them
_NOISY_WITHOUT_PARITY = 1  # no parity bit finds the single flips: the checksum of one byte is all there is
_POLLS_REFUSED = 3
USUAL_ANSWER_S = 0.03
_NOT_PROVEN = 30
_STANDARD_QUIET_MS = 20  # DL/T 645-2007: no meter answers sooner, so none need hear sooner


@dataclass(slots=True)
class MeterState:
    """One meter of a bus. `protocol`: as the settings and the register say; "dlt645" until the year is known.

    `agreed`: the speed that the installer agreed it may be raised to.
    """

    address: str
    protocol: str
    bus: Bus
    manners: Manners
    items: tuple[VendorItem, ...] = ()
    agreed: int | None = None
    _is_at_other: bool = False
    _damage: deque[bool] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    _refusals: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, meter: PolledMeter, bus: Bus, items: tuple[VendorItem, ...] = ()) -> "MeterState":
        """Return the state at the start: what the register knows. `items`: those that the settings define."""
        long_way = LongWay(quiet_ms=max(_STANDARD_QUIET_MS, bus.gap_ms), set_ms=bus.gap_ms, reply_s=bus.reply_ms / 1000)
        manners = Manners(meter.learned, long_way)
        return cls(meter.address, meter.known_protocol, bus, manners, items, agreed_speed(meter.tags))

    @property
    def learned(self) -> Learned:
        """What is known by now."""
        return self.manners.learned

    @property
    def is_noisy(self) -> bool:
        """True if answers were damaged lately: then a value counts only when two answers agree."""
        return sum(self._damage) >= (_NOISY_WITHOUT_PARITY if self.bus.parity == "none" else _NOISY)

    @property
    def line(self) -> LineSettings:
        """How the port is set for this meter."""
        return LineSettings(baud=self.speed, parity=self.bus.parity)

    @property
    def speed(self) -> int:
        """The speed at which the meter is asked: its own, or the other one while it is looked for there."""
        known = self.learned.baud or self.bus.baud
        if not self._is_at_other or self.agreed is None:
            return known
        return self.agreed if known == self.bus.baud else self.bus.baud

    def look_at_other_speed(self) -> None:
        """Ask at the other speed the next time: the meter was not heard at this one."""
        self._is_at_other = self.agreed is not None and not self._is_at_other

    def wanted_speed(self, today: date) -> int | None:
        """Return the speed that the meter should be set to; None if it is as it should be, or does not come back."""
        may_raise = self.agreed is not None and REFUSED_SPEED not in self.learned.avoid(today) and not self.is_noisy
        wanted = self.agreed if may_raise else self.bus.baud
        is_stuck = wanted == self.bus.baud and REFUSED_BACK in self.learned.avoid(today, SOON)
        return None if self._is_at_other or is_stuck or wanted == self.speed else wanted

    def set_speed(self, reached: int | None, wanted: int, today: date) -> None:
        """Note at which speed the meter is; one that did not reach what was wanted is not asked again soon."""
        if reached is not None:
            self.manners.learned = replace(self.learned, baud=None if reached == self.bus.baud else reached)
        if reached != wanted and wanted == self.bus.baud:
            self.refuses(frozenset({REFUSED_BACK}), today)
        elif reached != wanted or self.is_noisy:
            self.refuses(frozenset({REFUSED_SPEED}), today)
        self._damage.clear()

    def poll(self, keys: Sequence[str], today: date, *, is_silent: bool, late_from: frozenset[str]) -> MeterPoll:
        """Return a poll of these items, made the way that suits the meter."""
        return MeterPoll(
            address=self.address,
            keys=tuple(keys),
            driver=driver(self.protocol, self.items),
            timing=Timing(reply_s=self.bus.reply_ms / 1000),
            tries=1 if is_silent else self.bus.tries + self.is_noisy,
            terms=self._terms(today),
            manners=self.manners,
            late_from=late_from,
            needs_two=self.is_noisy,
            is_silent=is_silent,
            proven=set(self.learned.proven),
        )

    def saw(self, outcome: Outcome) -> None:
        """Note the outcome of an exchange."""
        if outcome.verdict is not Verdict.SILENCE:
            self._damage.append(outcome.verdict in (Verdict.BAD_CHECKSUM, Verdict.GARBAGE))

    def spoke(self, protocol: str) -> None:
        """Note which year the meter speaks."""
        self.protocol = protocol
        self.manners.learned = replace(self.learned, protocol=protocol)

    def take(self, poll: MeterPoll, today: date) -> None:
        """Take what a poll found out."""
        if not poll.read:
            return
        if self._is_at_other:
            speed, self._is_at_other = self.speed, False
            self.manners.learned = replace(self.learned, baud=None if speed == self.bus.baud else speed)
        refused = {one: day for one, day in self.learned.refused.items() if one in self._terms(today).avoid}
        refused |= dict.fromkeys(poll.refused | self._refused_again(poll), today)
        self.manners.learned = replace(
            self.learned,
            refused=MappingProxyType(refused),
            proven=frozenset(poll.proven - poll.refused),
            tariffs=poll.tariffs if poll.tariffs is not None else self.learned.tariffs,
            sizes=self._odd_sizes(poll),
        )

    def refuses(self, identifiers: frozenset[str], today: date) -> None:
        """Note what it refuses for good."""
        refused = {**self.learned.refused, **dict.fromkeys(identifiers, today)}
        self.manners.learned = replace(self.learned, refused=MappingProxyType(refused))

    def clock_was_set(self, day: date) -> None:
        """Note the local day on which the meter was given the time."""
        self.manners.learned = replace(self.learned, clock_set=day)

    def worth_keeping(self) -> Learned:
        """Return what the register should hold: the response time only once it is proven."""
        if self.learned.answers >= _NOT_PROVEN:
            return self.learned
        return replace(self.learned, answers=0, slowest_ms=None)

    def _refused_again(self, poll: MeterPoll) -> set[str]:
        refused, answered = poll.refused_alone, {one.identifier for one in poll.read.values()}
        for identifier in answered - refused:  # polls of other tasks do not ask for it: they tell nothing
            self._refusals.pop(identifier, None)
        self._refusals.update(refused)
        return {one for one in refused if self._refusals[one] >= _POLLS_REFUSED}

    def _odd_sizes(self, poll: MeterPoll) -> Mapping[str, int]:
        """Return the sizes of blocks that differ from what would be expected of any such meter."""
        usual = PlanTerms(tariffs=poll.tariffs if poll.tariffs is not None else self.learned.tariffs)
        found = {**self.learned.sizes, **poll.sizes}
        odd = {one: size for one, size in found.items() if size != poll.driver.expected_size(one, usual)}
        return MappingProxyType(odd)

    def _terms(self, today: date) -> PlanTerms:
        return PlanTerms(
            avoid=self.learned.avoid(today),
            with_unlisted=True,
            tariffs=self.learned.tariffs,
            sizes=frozenset(self.learned.sizes.items()),
            byte_s=self.line.byte_time_s,
            turn_s=self.bus.gap_ms / 1000 + USUAL_ANSWER_S,
        )

"""The meters of one bus while it is polled: what is known of each, who rests, who may answer late."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from edge.bus.link import LineSettings
from edge.clock import Clock
from edge.config.settings import Bus
from edge.health.model import Health
from edge.poll.backoff import Backoff
from edge.poll.learned import Learned
from edge.poll.meter_poll import MeterPoll
from edge.poll.meter_state import MeterState
from edge.poll.plan import EITHER_YEAR, PolledMeter
from edge.poll.reporting import BusReport
from edge.poll.version import VersionSearch
from edge.protocols.exchange import Timing
from edge.reading.outcome import Outcome
from edge.reading.vendor import VendorItem
from edge.reading.verdict import SlotReason, Verdict

_LATE_S = 10.0  # a question that old is answered no more
_UNHEARD = {SlotReason.SILENCE, SlotReason.GARBAGE}


def clock_claim(address: str) -> str:
    """Return the name of the condition that a meter's clock is right."""
    return f"clock of meter {address}"


@dataclass(slots=True, kw_only=True)
class MetersHere:
    """The meters that a worker may ask. `learn` is told what is worth keeping about a meter (address, facts)."""

    bus: Bus
    clock: Clock
    health: Health
    meters: dict[str, PolledMeter]
    learn: Callable[[str, Learned], None]
    items: tuple[VendorItem, ...] = ()
    backoff: Backoff = field(default_factory=Backoff)
    report: BusReport = field(init=False)
    _states: dict[str, MeterState] = field(default_factory=dict)
    _silent_at: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.report = BusReport(self.bus.name, self.health)

    def __contains__(self, address: object) -> bool:
        return address in self.meters

    @property
    def here(self) -> list[PolledMeter]:
        """The meters of this bus, among those of the plan."""
        return [meter for meter in self.meters.values() if meter.bus == self.bus.name]

    def state(self, address: str) -> MeterState:
        """Return what is known of a meter."""
        state = self._states.get(address)
        if state is None:
            state = self._states[address] = MeterState.of(self.meters[address], self.bus, self.items)
        return state

    def line_of(self, address: str) -> LineSettings | None:
        """Return how the port is set for a meter; None for one that is not on this bus."""
        meter = self.meters.get(address)
        return self.state(address).line if meter is not None and meter.bus == self.bus.name else None

    def begin(self, address: str, keys: Sequence[str]) -> MeterPoll | VersionSearch:
        """Return a poll of these items; of a meter whose year is not known, the search for it comes first."""
        state = self.state(address)
        if state.protocol == EITHER_YEAR:
            return VersionSearch(address, Timing(reply_s=self.bus.reply_ms / 1000))
        poll = state.poll(keys, self._today(), is_silent=self.backoff.is_silent(address), late_from=self._late_from())
        poll.asked_s = self.clock.monotonic()
        return poll

    def is_resting(self, address: str) -> bool:
        """Return True if it is too early to ask this meter again."""
        return self.backoff.is_resting(address, self.clock.monotonic())

    def heard(self, poll: MeterPoll | VersionSearch, outcome: Outcome) -> None:
        """Note the outcome of an exchange of a poll; damage makes it more careful from here on."""
        state = self.state(poll.address)
        state.saw(outcome)
        if isinstance(poll, MeterPoll):
            poll.needs_two = poll.needs_two or state.is_noisy
        if outcome.verdict is Verdict.SILENCE:
            self.owes_answer(poll.address)

    def owes_answer(self, address: str) -> None:
        """Note that a meter was silent just now: its answer may still come."""
        self._silent_at[address] = self.clock.monotonic()

    def took(self, address: str, poll: MeterPoll) -> None:
        """Take a poll that has ended: who is silent rests, who lives is asked again; what was found out is kept."""
        if poll.reason is None:
            if self.report.is_dead:
                self.backoff.clear()  # one that lives on a dead bus wakes all
            self.backoff.lives(address)
            self.report.answered(address)
        else:
            if poll.reason is SlotReason.SILENCE:
                self.backoff.failed(address, self.clock.monotonic())
            elif poll.exchanges:
                self.backoff.lives(address)
            self.report.missed(address, poll.reason, poll)
        state = self.state(address)
        if poll.reason in _UNHEARD:
            state.look_at_other_speed()
        state.take(poll, self._today())
        self.tell_register(address)

    def tell_register(self, address: str) -> None:
        """Hand on what is known of a meter, if that is more than the register has."""
        worth = self.state(address).worth_keeping()
        meter = self.meters[address]
        if worth != meter.learned:
            self.meters[address] = replace(meter, learned=worth)
            self.learn(address, worth)

    def end_round(self) -> None:
        """Say what is wrong, now that a round is over."""
        self.report.end_round(len(self.here))

    def use(self, meters: Mapping[str, PolledMeter]) -> None:
        """Take other meters; what was learned in this run is newer than what the register held."""
        for address in self.meters.keys() - meters.keys():
            self.report.forget(address)
            self.health.forget(clock_claim(address))
        for address, state in list(self._states.items()):
            meter = meters.get(address)
            if meter is None or not self._is_same(meter):
                del self._states[address]
                self.backoff.lives(address)
            elif meter.learned != state.worth_keeping():
                meters = {**meters, address: replace(meter, learned=state.worth_keeping())}
        self.meters = dict(meters)

    def use_settings(self, bus: Bus, items: tuple[VendorItem, ...]) -> None:
        """Ask from now on as the bus is set now; what was learned stays, for `meters` holds it."""
        self.bus, self.items = bus, items
        self._states.clear()

    def _is_same(self, meter: PolledMeter) -> bool:
        """Return whether what is known of a meter still holds: its protocol and what was agreed are the same."""
        old = self.meters[meter.address]
        return (meter.protocol, meter.tags) == (old.protocol, old.tags)

    def _today(self) -> date:
        return self.clock.utc_now().date()

    def _late_from(self) -> frozenset[str]:
        """Return the meters that may still answer an earlier question."""
        now_s = self.clock.monotonic()
        self._silent_at = {address: at for address, at in self._silent_at.items() if now_s - at < _LATE_S}
        return frozenset(self._silent_at)

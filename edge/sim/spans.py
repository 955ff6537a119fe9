"""Stretches of time in which something was so: a meter unplugged, without power, without records."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from edge.sim.traits import Traits


@dataclass(frozen=True, slots=True)
class Span:
    """From `start`, up to but without `end`; aware instants."""

    start: datetime
    end: datetime

    def __contains__(self, at: datetime) -> bool:
        """Whether the instant lies in it."""
        return self.start <= at < self.end


@dataclass(slots=True)
class Outages:
    """When one meter was not as usual. `unplugged`: off the wire, and counting on. `power`: off altogether.

    `records`: recording nothing. `voltage`: phase A without voltage.
    """

    unplugged: list[Span] = field(default_factory=list)
    power: list[Span] = field(default_factory=list)
    records: list[Span] = field(default_factory=list)
    voltage: list[Span] = field(default_factory=list)

    def begin(self, traits: Traits, at: datetime) -> None:
        """Take in the stretches of the traits, which count from an instant."""
        self.unplugged += _spans(at, traits.unplugged)
        self.power += _spans(at, traits.without_power)
        self.records += _spans(at, traits.without_records)
        self.voltage += _spans(at, traits.without_voltage)

    def is_silent(self, at: datetime) -> bool:
        """Return whether the meter is off the wire."""
        return any(at in span for span in (*self.unplugged, *self.power))

    def is_recording(self, at: datetime) -> bool:
        """Return whether the meter keeps records."""
        return not any(at in span for span in (*self.records, *self.power))


def _spans(begin: datetime, stretches: Iterable[tuple[float, float]]) -> list[Span]:
    return [Span(begin + timedelta(seconds=start), begin + timedelta(seconds=end)) for start, end in stretches]

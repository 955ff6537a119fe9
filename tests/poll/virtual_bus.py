"""A bus on virtual time for jobs: simulated meters behind a memory link, and the documents that the job put."""

from edge.bus.link import LineSettings
from edge.bus.memory_link import Arrival, MemoryLink
from edge.bus.runner import run_exchange
from edge.clock import ManualClock
from edge.sim.wire import SimWire


class Way:
    """Keeps what a job says."""

    def __init__(self):
        self.is_closed = False
        self.documents = []

    def put(self, document):
        self.documents.append(dict(document))

    def end(self, document=None):
        self.documents.append({"done": True, **(document or {})})

    def fail(self, error):
        self.documents.append({"error": error.code})

    def of(self, kind):
        return [one[kind] for one in self.documents if kind in one]

    @property
    def last(self):
        return self.documents[-1]


class VirtualBus:
    """Lends one bus to a job. `spoil` may change what is heard of each request; `asked` counts the exchanges."""

    def __init__(self, meters=(), *, line=None, echo=False, spoil=None, wire=None):
        self.clock = ManualClock()
        self.line = line or LineSettings()
        self.wire = wire or SimWire(list(meters), self.clock, line=LineSettings(), echo=echo)
        self.link = MemoryLink(self.clock, self if spoil else self.wire)
        self.spoil = spoil
        self.asked = 0
        self.outcomes = []
        self.lines = {}

    def line_of(self, address):
        """Return the line of a meter that was raised to another speed."""
        return self.lines.get(address)

    def transmit(self, data, at, line=None):
        return self.spoil(list(self.wire.transmit(data, at, line)))

    def exchange(self, exchange, line=None):
        self.asked += 1
        outcome = run_exchange(self.link, exchange, self.clock, line or self.line, gap_s=0.02)
        self.outcomes.append(outcome)
        return outcome

    def run(self, job, steps=20_000):
        """Step a job to its end; return its last document."""
        for _ in range(steps):
            if not job.step(self):
                return job.way.last
        raise AssertionError("the job does not end")


def without_first_byte(arrivals):
    """Lose the first byte of each answer, as some adapters do."""
    return arrivals[1:]


def later(arrivals):
    """Hand bytes over 16 ms later, as adapters with a latency timer do."""
    return [Arrival(one.at + 0.016, one.data) for one in arrivals]

"""Random wires, each from a seed: meters with all their faults and habits, adapters, a second master, virtual time."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from edge.bus.link import LineSettings
from edge.bus.memory_link import MemoryLink
from edge.clock import Clock, ManualClock
from edge.protocols.dlt645.overheard import Overheard
from edge.sim.second_master import SecondMaster
from edge.sim.wire import Adapter, SimWire
from tests.simulation.witness import WitnessMeter

BEGIN = datetime(2026, 3, 1, 2, 3, 5, tzinfo=UTC)
STRANGER = "000000777777"  # nobody on these wires
_BAUDS = (1200, 2400, 4800, 9600, 19200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Climate:
    """How a world is made. `raw_flips`: nobody checks parity, as on a wire set to 8N1; `has_duplicates`: of addresses.

    `calm`: no fault at all. `frame_data`: the most data bytes of a frame, for every meter; None: as each is made.
    `faults`: what every meter has besides, also where it is calm.
    """

    raw_flips: bool = False
    has_duplicates: bool = True
    calm: bool = False
    frame_data: int | None = None
    faults: tuple[str, ...] = ()


class World:
    """One wire. `faults` counts what was put in; `meters` by address, two where an address is there twice.

    `clock`: of the wire and its meters; without it they have one of their own.
    """

    def __init__(self, random: Random, climate: Climate, *, most_meters: int = 5, clock: Clock | None = None) -> None:
        self.random = random
        self.climate = climate
        self.faults: Counter = Counter()
        self.clock = clock or ManualClock(now=BEGIN + timedelta(seconds=random.randrange(86400)))
        parity = "none" if climate.raw_flips else "even"
        self.line = LineSettings(baud=random.choice(_BAUDS), parity=parity)
        self.addresses = self._addresses(random.randint(2, most_meters))
        self.meters = [self._meter(address, number) for number, address in enumerate(self.addresses)]
        if climate.has_duplicates and not climate.calm and random.random() < 0.15:
            self.faults["two meters with one address"] += 1
            self.meters.append(self._meter(random.choice(self.addresses), len(self.meters)))
        self.master = self._second_master()
        self.wire = SimWire(self.meters, self.clock, line=self.line, adapter=self._adapter(), second_master=self.master)
        self.link = MemoryLink(self.clock, self.wire)
        self.listener = Overheard()

    def of(self, address: str) -> list[WitnessMeter]:
        """Return the meters of an address."""
        return [meter for meter in self.meters if meter.address == address]

    def _chance(self, share: float) -> bool:
        return not self.climate.calm and self.random.random() < share

    def _addresses(self, count: int) -> list[str]:
        """Return addresses; some differ in one bit or one digit only, some share their low digits."""
        first = f"{self.random.randrange(10**12):012d}"
        found = [first]
        while len(found) < count:
            near = list(self.random.choice(found))
            near[self.random.randrange(12)] = str(self.random.randrange(10))
            other = self.random.choice(("".join(near), f"{self.random.randrange(10**8):08d}{first[8:]}"))
            if other not in found:
                found.append(other)
        return found

    def _meter(self, address: str, number: int) -> WitnessMeter:
        random = self.random
        return WitnessMeter(
            address,
            version="1997" if random.random() < 0.3 else "2007",
            seed=random.randrange(10**9) + number,
            phases=random.choice((1, 3, 3)),
            tariffs=random.choice((1, 2, 4, 4)),
            reply_delay_ms=random.choice((20, 30, 60, 120)),
            preamble=random.randrange(9),
            frame_data=random.choice((24, 60, 200, 200))
            if self.climate.frame_data is None
            else self.climate.frame_data,
            interval=random.choice((15, 15, 60)),
            faults=(*self._faults(), *self.climate.faults),
            tally=self.faults,
        )

    def _faults(self) -> tuple[str, ...]:
        """Return a random choice of what can be wrong, with random values and shares."""
        random = self.random
        share = random.choice((0.05, 0.15, 0.4))
        other = random.choice((*self.addresses, STRANGER))
        texts = (
            (0.40, f"noise:{random.choice((0.002, 0.01, 0.03))}"),
            (0.30, f"late:{random.choice((300, 650, 800, 1200, 2500))}@{share}"),
            (0.30, f"lost:{share}"),
            (0.20, f"gap:{random.choice((3, 20, 90))}@{share}"),
            (0.15, f"wrong-address:{other}@{share}"),
            (0.15, "no-blocks"),
            (0.10, f"refuse:02@{share}"),
            (0.20, f"junk:{random.randint(1, 12)}@{share}"),
            (0.15, f"cut:{random.randint(1, 9)}@{share}"),
            (0.15, f"bad-checksum@{share}"),
            (0.10, f"malformed@{share}"),
            (0.15, f"spread:{random.choice((50, 400))}@{share}"),
            (0.10, f"slow:{random.choice((100, 480))}@{share}"),
            (0.10, f"garbage@{share}"),
            (0.08, f"foreign-master:{other}@{share}"),
            (0.04, "dead"),
            (0.20, f"needs-wake:{random.choice((1, 2, 4))}/{random.choice((0, 1, 30))}"),
            (0.15, f"needs-quiet:{random.choice((5, 20))}"),
            (0.25, "totals-block"),
            (0.04, f"speed:{random.choice((2400, 9600))}"),
            (0.03, "parity:odd"),
            (0.10, f"unplugged:{(start := random.randrange(3000))}-{start + random.randrange(2000)}"),
        )
        return tuple(text for chance, text in texts if self._chance(chance))

    def _adapter(self) -> Adapter:
        found = Adapter(
            echo=self._chance(0.2),
            latency_s=0.016 if self._chance(0.2) else 0.0,
            loses_first=self._chance(0.1),
            checks_parity=not self.climate.raw_flips,
        )
        self.faults["adapter echoes"] += found.echo
        self.faults["adapter hands over late"] += found.latency_s > 0
        self.faults["adapter loses a byte"] += found.loses_first
        return found

    def _second_master(self) -> SecondMaster | None:
        if not self._chance(0.12):
            return None
        asked = [(one.address, one.version) for one in self.meters]
        master = CountedMaster(
            asked,
            begin=self.clock.monotonic() + self.random.random() * 5,
            every_s=self.random.choice((7.0, 20.0, 60.0)),
            step_s=self.random.choice((0.4, 0.9)),
        )
        master.faults = self.faults
        return master


class CountedMaster(SecondMaster):
    """A second master whose requests are counted."""

    faults: Counter

    def next_request(self) -> bytes:
        self.faults["request of a second master"] += 1
        return super().next_request()

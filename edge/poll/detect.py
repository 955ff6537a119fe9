"""Finds how a line is set: speed, parity and year of the standard, one combination after the other, likely ones first.

1. Each combination is asked twice: who is there? (2007: 13H with AAH; 1997: a read with AAH, then with 99H.)
2. A sound frame proves a combination. So do several answers that lie cleanly over each other, for a wrong speed or
   parity leaves no start, length and end in their places.
3. Where bytes came and no frame, many meters may talk at once: shortened addresses are asked before anything is said.
4. A sound frame ends it, unless all combinations are wanted.
5. A port may not offer a combination, and is as good as gone while it is asked for: only twice in a row it is gone.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import product

from edge.bus.link import LineSettings, Parity
from edge.errors import EdgeError, LinkError
from edge.poll.jobs import Asker, Way
from edge.poll.plan import years_to_ask
from edge.poll.scan import scan_timing
from edge.protocols.dlt645.addresses import ANY, BROADCAST
from edge.protocols.dlt645.control import Version
from edge.protocols.dlt645.wildcard import addresses_in, narrower, overlap_in, who_has
from edge.protocols.drivers import driver
from edge.protocols.exchange import Exchange
from edge.reading.outcome import Outcome
from edge.reading.verdict import Verdict

_TRIES = 2
_NARROWED = 5  # every fifth pattern of two low digits
_BAUDS = (2400, 9600, 1200, 4800, 19200, 600)
_PARITIES: tuple[Parity, ...] = ("even", "none", "odd")
_PROTOCOLS = ("dlt645-2007", "dlt645-1997")
_SOUND = (Verdict.OK, Verdict.COLLISION, Verdict.REFUSED, Verdict.WRONG_ADDRESS, Verdict.LATE, Verdict.MALFORMED)
_DAMAGED = (Verdict.BAD_CHECKSUM, Verdict.GARBAGE)
_TELLING = (*_SOUND, Verdict.FOREIGN_MASTER, *_DAMAGED, Verdict.PORT_GONE, Verdict.SILENCE)


@dataclass(frozen=True, slots=True)
class Combination:
    """One way in which a line may be set; a bus may be set to either year, which nobody can be asked in."""

    baud: int
    parity: Parity
    protocol: str

    @property
    def line(self) -> LineSettings:
        """The line settings."""
        return LineSettings(baud=self.baud, parity=self.parity)

    @property
    def by_year(self) -> "tuple[Combination, ...]":
        """The combinations that can be tried for it: itself, or one for each year."""
        return tuple(replace(self, protocol=name) for name in years_to_ask(self.protocol))

    def __str__(self) -> str:
        return f"{self.baud} 8{self.parity[0].upper()}1 {self.protocol}"


LIKELY = (
    Combination(2400, "even", "dlt645-2007"),
    Combination(9600, "even", "dlt645-2007"),
    Combination(2400, "even", "dlt645-1997"),
    Combination(1200, "even", "dlt645-1997"),
    Combination(1200, "even", "dlt645-2007"),
    Combination(2400, "none", "dlt645-2007"),
    Combination(9600, "none", "dlt645-2007"),
    Combination(4800, "even", "dlt645-2007"),
)


def combinations(current: Combination | None, *, is_all: bool) -> tuple[Combination, ...]:
    """Return what to try, in order: what the bus is set to, then the likely ones, and all others if they are wanted."""
    first = dict.fromkeys([*(current.by_year if current else ()), *LIKELY])
    if not is_all:
        return tuple(first)[: len(LIKELY)]
    others = (Combination(baud, parity, name) for parity, baud, name in product(_PARITIES, _BAUDS, _PROTOCOLS))
    return tuple(dict.fromkeys([*first, *others]))


@dataclass(slots=True)
class Row:
    """What a combination brought: the most telling verdict, how many bytes, who answered."""

    combination: Combination
    verdict: Verdict = Verdict.SILENCE
    byte_count: int = 0
    address: str = ""
    response_ms: int | None = None
    tries: int = 0

    @property
    def is_sound(self) -> bool:
        """Whether frames were understood: then speed and parity are right."""
        return self.verdict in _SOUND

    def take(self, outcome: Outcome) -> None:
        """Add an outcome; what tells more stands."""
        self.tries += 1
        addresses = addresses_in(outcome.raw)
        is_clean = overlap_in(outcome.raw) is not None
        verdict = Verdict.COLLISION if is_clean and outcome.verdict in _DAMAGED else outcome.verdict
        if _TELLING.index(verdict) <= _TELLING.index(self.verdict):
            self.verdict, self.byte_count = verdict, len(outcome.raw)
            self.response_ms = outcome.response_ms
            self.address = addresses[0] if addresses else ""

    def document(self) -> dict[str, object]:
        """Return the row as `--json` shows it."""
        return {
            **asdict(self.combination),
            "verdict": self.verdict.value,
            "bytes": self.byte_count if self.verdict is not Verdict.SILENCE else 0,
            "address": self.address or None,
            "response_ms": self.response_ms,
            "tries": self.tries,
        }


@dataclass(slots=True)
class DetectRun:
    """Tries combinations. `meter`: ask this one only. `current`: what the bus is set to, None if nobody set it."""

    left: deque[Combination]
    way: Way
    reply_ms: int = 600
    meter: str = ""
    current: Combination | None = None
    is_all: bool = False
    port: str = "of this bus"
    rows: list[Row] = field(default_factory=list)
    _asking: Iterator[tuple[Row, Exchange]] | None = None

    @classmethod
    def over(
        cls,
        way: Way,
        *,
        current: Combination | None,
        reply_ms: int = 600,
        meter: str = "",
        is_all: bool = False,
        port: str = "of this bus",
    ) -> "DetectRun":
        """Return a run over the likely combinations, or all."""
        return cls(deque(combinations(current, is_all=is_all)), way, reply_ms, meter, current, is_all, port)

    def step(self, worker: Asker) -> bool:
        """Do one exchange; False when done."""
        if self.way.is_closed:
            return False
        self._asking = self._asking or self._questions()
        following = next(self._asking, None)
        if following is None:
            self.way.end(detect_document(self.rows, self.current))
            return False
        row, exchange = following
        try:
            outcome = worker.exchange(exchange, row.combination.line)
        except EdgeError as exc:
            self.way.fail(exc)
            return False
        row.take(outcome)
        if [one.verdict for one in self.rows[-2:]] == [Verdict.PORT_GONE] * 2:
            self.way.fail(LinkError("E-BUS-104", port=self.port, detail="it vanished while it was tried"))
            return False
        return True

    def _questions(self) -> Iterator[tuple[Row, Exchange]]:
        """Yield what to ask; between two of them the row has taken the outcome."""
        while self.left:
            row = Row(self.left.popleft())
            self.rows.append(row)
            self.way.put({"progress": {"row": row.document(), "left": len(self.left)}})
            for exchange in self._tries(row.combination):
                yield row, exchange
                if row.is_sound or row.verdict is Verdict.PORT_GONE:
                    break
            self.way.put({"result": row.document()})
            if row.is_sound and not self.is_all:
                return
        if not any(row.is_sound for row in self.rows) and not self.meter:
            yield from self._narrowed()

    def _tries(self, one: Combination) -> Iterator[Exchange]:
        timing, version = scan_timing(self.reply_ms), _version(one)
        for attempt in range(_TRIES):
            if self.meter:
                yield who_has(version, self.meter, timing)
            else:
                yield driver(one.protocol).find(BROADCAST if version == "1997" and attempt else ANY, timing)

    def _narrowed(self) -> Iterator[tuple[Row, Exchange]]:
        """Ask shortened addresses where bytes came and no frame, the most telling combination first."""
        damaged = [row for row in self.rows if row.verdict in _DAMAGED]
        for row in sorted(damaged, key=lambda one: _TELLING.index(one.verdict))[:1]:
            for pattern in list(narrower(ANY))[::_NARROWED]:
                yield row, who_has(_version(row.combination), pattern, scan_timing(self.reply_ms))
                if row.is_sound:
                    self.way.put({"result": row.document()})
                    return


def detect_document(rows: list[Row], current: Combination | None) -> dict[str, object]:
    """Return what `edge detect --json` prints: the rows, the combination found, and what a person should know."""
    sound = next((row for row in rows if row.is_sound), None)
    condition = _condition(rows, sound, current)
    return {
        "rows": [row.document() for row in rows],
        "found": None if sound is None else asdict(sound.combination),
        "address": sound.address or None if sound else None,
        "is_several": sound is not None and sound.verdict is Verdict.COLLISION,
        "condition": condition and {"code": condition[0], "values": dict(condition[1])},
    }


def _condition(
    rows: list[Row], sound: Row | None, current: Combination | None
) -> tuple[str, Mapping[str, object]] | None:
    """Return the code and values of what is wrong: nothing at all, bytes only, or another setting than the bus's."""
    if sound is None:
        best = min(rows, key=lambda row: _TELLING.index(row.verdict))
        if best.verdict in (Verdict.SILENCE, Verdict.PORT_GONE):
            return "E-BUS-216", {"count": len(rows)}
        if best.verdict is Verdict.FOREIGN_MASTER:
            return "E-BUS-209", {"meter": str(best.combination)}
        return "E-BUS-217", {"count": best.byte_count, "at": str(best.combination)}
    found = sound.combination
    if current is None or found in current.by_year:
        return None
    values = {"was": str(current), "now": str(found)}
    if found.baud != current.baud:
        return "E-BUS-219", values
    return ("E-BUS-218" if found.parity != current.parity else "E-BUS-220"), values


def _version(one: Combination) -> Version:
    return "1997" if one.protocol.endswith("1997") else "2007"

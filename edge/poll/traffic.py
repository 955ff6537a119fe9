"""What goes on on a bus, one row an address: how often, how fast, which errors, the last values. Pure.

A request opens a question; the next sound answer of that address closes it, another request or two seconds of nothing
make it silence. What comes within ten seconds after that is late, not somebody else's. A damaged answer counts for
whoever was asked last.
"""

from dataclasses import dataclass, field

from edge.protocols.dlt645.explain import Explanation, explain_bytes
from edge.protocols.dlt645.transcript import Line
from edge.reading.verdict import Verdict

_LOST_AFTER_S = 2.0
_LATE_S = 10.0  # a question that old is answered no more
_MOST_ROWS = 512
_BROADCAST = "9" * 12


@dataclass(slots=True)
class TrafficValue:
    """The last value of one item, and the one before it."""

    value: str
    unit: str
    before: str = ""


@dataclass(slots=True)
class TrafficRow:
    """One address. Times in seconds of the monotonic clock, response times in milliseconds."""

    address: str
    requests: int = 0
    answers: int = 0
    last_at: float = 0.0
    interval_s: float | None = None
    response_ms: list[int] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)
    values: dict[str, TrafficValue] = field(default_factory=dict)

    def document(self) -> dict[str, object]:
        """Return the row as `--json` shows it."""
        times = self.response_ms
        return {
            "meter": self.address,
            "requests": self.requests,
            "answers": self.answers,
            "interval_s": None if self.interval_s is None else round(self.interval_s, 3),
            "response_ms": {"min": min(times), "avg": round(sum(times) / len(times)), "max": max(times)}
            if times
            else None,
            "errors": dict(self.errors),
            "values": {
                key: {"value": one.value, "unit": one.unit, "before": one.before or None}
                for key, one in self.values.items()
            },
        }


@dataclass(slots=True)
class _Asked:
    address: str
    at: float
    is_explained: bool = False


@dataclass(slots=True)
class Traffic:
    """The rows of a bus. `byte_s`: how long a byte lasts there, to count response times from a request's end."""

    byte_s: float = 11 / 2400
    rows: dict[str, TrafficRow] = field(default_factory=dict)
    foreign: int = 0
    stray_bytes: int = 0
    _asked: _Asked | None = None
    _owing: dict[str, float] = field(default_factory=dict)

    def take(self, line: Line, *, is_listening: bool = False) -> None:
        """Take a line. `is_listening`: all requests are somebody else's, and that is no error."""
        frame = line.frame
        if frame is None:
            self._take_damaged(line)
        elif not frame.is_response:
            self._take_request(line, frame.address, is_ours=line.direction == "tx" or is_listening)
        else:
            self._take_answer(line, frame.address)

    def pass_time(self, now: float) -> None:
        """Close a question that nobody answered."""
        if self._asked is not None and now - self._asked.at > _LOST_AFTER_S:
            self._close()

    def clear(self) -> None:
        """Forget everything."""
        self.rows.clear()
        self._owing.clear()
        self.foreign = self.stray_bytes = 0
        self._asked = None

    def document(self) -> dict[str, object]:
        """Return the snapshot that `edge bus --json` prints."""
        rows = [self.rows[address].document() for address in sorted(self.rows)]
        return {"rows": rows, "foreign_requests": self.foreign, "stray_bytes": self.stray_bytes}

    def _take_request(self, line: Line, address: str, *, is_ours: bool) -> None:
        if not is_ours and self._asked is not None and self._asked.address == address:
            return  # our own echo
        self._close()
        row = self._row(address)
        row.requests += 1
        row.interval_s = line.at - row.last_at if row.last_at else None
        row.last_at = line.at
        if not is_ours:
            self.foreign += 1
            self._count(row, Verdict.FOREIGN_MASTER)
        elif address != _BROADCAST:
            self._asked = _Asked(address, line.at + len(line.raw) * self.byte_s)

    def _take_answer(self, line: Line, address: str) -> None:
        asked, row = self._asked, self._row(address)
        row.answers += 1
        explained = explain_bytes(line.raw)
        if asked is not None and ("A" in asked.address or asked.address == address):
            row.response_ms = [*row.response_ms[-99:], max(0, round((line.at - asked.at) * 1000))]
            self._asked = None
        elif line.at - self._owing.pop(address, -_LATE_S) < _LATE_S:
            self._count(row, Verdict.LATE)
        elif asked is not None:
            self._count(self._row(asked.address), Verdict.WRONG_ADDRESS)
            asked.is_explained = True
        if explained.refusal is not None:
            self._count(row, Verdict.REFUSED)
        elif not explained.is_ok:
            self._count(row, Verdict.MALFORMED)
        self._keep_values(row, explained)

    def _keep_values(self, row: TrafficRow, explained: Explanation) -> None:
        for item in explained.items:
            key = item.quantity or f"di:{item.di}"
            old, new = row.values.get(key), item.value or "-"
            before = "" if old is None else old.value if old.value != new else ""
            row.values[key] = TrafficValue(new, item.unit, before)

    def _take_damaged(self, line: Line) -> None:
        if self._asked is None:
            self.stray_bytes += len(line.raw)
            return
        address = bytes.fromhex(self._asked.address)[::-1]
        is_frame = address in line.raw or explain_bytes(line.raw).address is not None
        self._count(self._row(self._asked.address), Verdict.BAD_CHECKSUM if is_frame else Verdict.GARBAGE)
        self._asked.is_explained = True

    def _close(self) -> None:
        if self._asked is not None:
            self._owing = {one: at for one, at in self._owing.items() if self._asked.at - at < _LATE_S}
            self._owing[self._asked.address] = self._asked.at
            if not self._asked.is_explained:
                self._count(self._row(self._asked.address), Verdict.SILENCE)
        self._asked = None

    def _count(self, row: TrafficRow, verdict: Verdict) -> None:
        row.errors[verdict.value] = row.errors.get(verdict.value, 0) + 1

    def _row(self, address: str) -> TrafficRow:
        if address not in self.rows and len(self.rows) >= _MOST_ROWS:
            del self.rows[min(self.rows, key=lambda one: self.rows[one].last_at)]
        return self.rows.setdefault(address, TrafficRow(address))

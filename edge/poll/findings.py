"""What a diagnosis saw of a bus, and the one cause that follows from it. Pure.

The order of `conclude` is the order of causes: what makes everything behind it meaningless comes first.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from edge.poll.damage_hours import HourOfAnswers
from edge.poll.scan_state import Candidate
from edge.reading.verdict import Verdict

Condition = tuple[str, Mapping[str, object]]
ANSWERED = (Verdict.OK, Verdict.REFUSED, Verdict.MALFORMED)
_UNDERSTOOD = (*ANSWERED, Verdict.LATE, Verdict.WRONG_ADDRESS, Verdict.FOREIGN_MASTER, Verdict.COLLISION)
DAMAGED = (Verdict.BAD_CHECKSUM, Verdict.GARBAGE, Verdict.COLLISION)
_MOST_NAMED = 5
_NOISY_SHARE = 0.05
_FEW_BYTES = 3


class Mark(StrEnum):
    """How a check ended."""

    PASS = "pass"  # noqa: S105 - an answer, no password
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name, how it ended, the values that say why."""

    name: str
    mark: Mark
    values: Mapping[str, object] = field(default_factory=dict)

    def document(self) -> dict[str, object]:
        """Return the check as `--json` shows it."""
        return {"check": self.name, "answer": self.mark.value, "values": dict(self.values)}


@dataclass(slots=True)
class Seen:
    """What one meter brought."""

    meter: Candidate
    verdict: Verdict
    detail: str = ""
    response_ms: int | None = None
    byte_count: int = 0
    is_twin: bool = False

    def document(self) -> dict[str, object]:
        """Return the meter as `--json` shows it."""
        return {
            "meter": self.meter.pattern,
            "protocol": self.meter.protocol,
            "verdict": (Verdict.COLLISION if self.is_twin else self.verdict).value,
            "detail": self.detail,
            "response_ms": self.response_ms,
        }


@dataclass(slots=True)
class Repeats:
    """Repeated reads of one meter."""

    meter: str = ""
    verdicts: list[Verdict] = field(default_factory=list)
    response_ms: list[int] = field(default_factory=list)

    @property
    def bad(self) -> int:
        """How many answers were damaged."""
        return sum(verdict in DAMAGED for verdict in self.verdicts)


@dataclass(slots=True)
class Findings:
    """Everything that was seen. `detected`: what `edge detect` found, where nobody answered.

    `worst_hour`: the hour of the last day with the most damage.
    """

    noise_bytes: int = 0
    foreign: bool = False
    has_echo: bool = False
    meters: list[Seen] = field(default_factory=list)
    repeats: Repeats = field(default_factory=Repeats)
    detected: Mapping[str, object] | None = None
    port_error: Condition | None = None
    worst_hour: HourOfAnswers | None = None

    @property
    def is_understood(self) -> bool:
        """Whether a frame of any meter was sound: then speed and parity are right."""
        return any(one.verdict in _UNDERSTOOD or one.is_twin for one in self.meters)

    @property
    def is_worst_noisy(self) -> bool:
        """Whether in some hour of the last day more answers were damaged than a sound wire explains."""
        return self.worst_hour is not None and self.worst_hour.share > _NOISY_SHARE

    @property
    def answered(self) -> list[Seen]:
        """The meters that answered soundly."""
        return [one for one in self.meters if one.verdict in ANSWERED]

    @property
    def silent(self) -> list[Seen]:
        """The meters that did not answer."""
        return [one for one in self.meters if one.verdict is Verdict.SILENCE]

    @property
    def break_at(self) -> tuple[str, str] | None:
        """The last meter that answers and the first that does not, if all behind it are silent; None otherwise."""
        verdicts = [one.verdict in ANSWERED for one in self.meters]
        count = sum(verdicts)
        is_break = 0 < count <= len(verdicts) - 2 and all(verdicts[:count])
        if not is_break or any(one.verdict is not Verdict.SILENCE for one in self.meters[count:]):
            return None
        return self.meters[count - 1].meter.pattern, self.meters[count].meter.pattern


def conclude(seen: Findings) -> Condition | None:
    """Return the code and values of the one cause, None if nothing is wrong."""
    return next((found for cause in _CAUSES if (found := cause(seen)) is not None), None)


def _port(seen: Findings) -> Condition | None:
    return seen.port_error


def _foreign(seen: Findings) -> Condition | None:
    foreign = seen.foreign or any(one.verdict is Verdict.FOREIGN_MASTER for one in seen.meters)
    return ("E-BUS-209", {"meter": seen.meters[0].meter.pattern if seen.meters else "-"}) if foreign else None


def _noise(seen: Findings) -> Condition | None:
    return ("E-BUS-221", {"count": seen.noise_bytes}) if seen.noise_bytes >= _FEW_BYTES else None


def _nobody(seen: Findings) -> Condition | None:
    """Where nobody answered, what the search for other settings found."""
    found = seen.detected
    if found is None:
        return None
    condition = found.get("condition")
    if isinstance(condition, dict):
        return str(condition["code"]), condition["values"]
    if found.get("found") is None or len(seen.silent) <= 1:
        return None
    names = _names(seen.meters)
    return "E-BUS-224", {"meters": names, "other": found.get("address") or "?"}


def _twin(seen: Findings) -> Condition | None:
    twins = [one for one in seen.meters if one.is_twin]
    return ("E-BUS-206", {"meter": _names(twins)}) if twins else None


def _break(seen: Findings) -> Condition | None:
    found = seen.break_at
    return None if found is None else ("E-BUS-222", {"last": found[0], "first": found[1]})


def _single(seen: Findings) -> Condition | None:
    """One meter is wrong, each in its own way: the verdict itself is the cause."""
    wrong = [one for one in seen.meters if one.verdict is not Verdict.OK]
    if not wrong:
        return None
    if len(seen.silent) > 1:
        return "E-BUS-223", {"silent": len(seen.silent), "count": len(seen.meters), "meters": _names(seen.silent)}
    damaged = [one for one in wrong if one.verdict in DAMAGED]
    if len(damaged) > 1:
        return "E-BUS-225", {"bad": len(damaged), "count": len(seen.meters)}
    worst = wrong[0]
    code = worst.verdict.code or "E-BUS-201"
    values = {"meter": worst.meter.pattern, "detail": worst.detail, "other": worst.detail, "count": worst.byte_count}
    return code, values


def _unsteady(seen: Findings) -> Condition | None:
    bad, count = seen.repeats.bad, len(seen.repeats.verdicts)
    return ("E-BUS-225", {"bad": bad, "count": count}) if count and bad / count > _NOISY_SHARE else None


def _noisy_hour(seen: Findings) -> Condition | None:
    worst = seen.worst_hour
    if worst is None or not seen.is_worst_noisy:
        return None
    values = {"begin": worst.begin.isoformat(timespec="minutes"), "bad": worst.damaged, "count": worst.answers}
    return "E-BUS-226", values


_CAUSES: Sequence[Callable[[Findings], Condition | None]] = (
    *(_port, _foreign, _noise, _nobody, _twin, _break, _single, _unsteady, _noisy_hour),
)


def _names(meters: Sequence[Seen]) -> str:
    names = [one.meter.pattern for one in meters]
    return ", ".join(names[:_MOST_NAMED]) + (" ..." if len(names) > _MOST_NAMED else "")

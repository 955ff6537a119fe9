"""How far a scan has come, as a value that goes to a file and back: who was found, who is still to be asked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.errors import entry_of
from edge.poll.plan import EITHER_YEAR
from edge.protocols.drivers import protocol_names

SCHEMA = 1
_MOST_LEFT = 40_000
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Candidate:
    """An address or pattern to ask. `is_likely`: what was heard allows it.

    `protocol`: empty is the scan's; "dlt645" is a known meter whose year is not known.
    """

    pattern: str
    is_likely: bool = True
    protocol: str = ""


@dataclass(slots=True)
class ScanState:
    """The course of a scan. `found`: protocol by address. `damaged`: verdict by address. `silent`: known, no answer.

    `conditions`: what a person should know, values by code. `crowds`: how many patterns of so many digits were
    answered by several meters. `is_begun`: the address that nobody has was asked. `years`: all protocols in which
    `wanted` is asked, one after the other.
    """

    protocol: str = ""
    left: list[Candidate] = field(default_factory=list)
    found: dict[str, str] = field(default_factory=dict)
    collisions: list[str] = field(default_factory=list)
    damaged: dict[str, str] = field(default_factory=dict)
    silent: list[str] = field(default_factory=list)
    conditions: dict[str, dict[str, object]] = field(default_factory=dict)
    probes: int = 0
    skipped: int = 0
    crowds: dict[str, int] = field(default_factory=dict)
    is_begun: bool = False
    counts_refusals: bool = True
    years: list[str] = field(default_factory=list)
    wanted: list[str] = field(default_factory=list)


def state_document(state: ScanState) -> dict[str, object]:
    """Return a state as a JSON object."""
    return {
        "schema": SCHEMA,
        "protocol": state.protocol,
        "left": [[one.pattern, one.is_likely, one.protocol] for one in state.left],
        "found": dict(state.found),
        "collisions": list(state.collisions),
        "damaged": dict(state.damaged),
        "silent": list(state.silent),
        "conditions": dict(state.conditions),
        "probes": state.probes,
        "skipped": state.skipped,
        "crowds": dict(state.crowds),
        "is_begun": state.is_begun,
        "counts_refusals": state.counts_refusals,
        "years": list(state.years),
        "wanted": list(state.wanted),
    }


def state_of(document: Any) -> ScanState:
    """Return the state of a JSON object. Raises ValueError for anything that is none."""
    if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
        raise ValueError("schema")
    try:
        return ScanState(
            protocol=_protocol(document["protocol"]),
            left=[_candidate(*one) for one in document["left"][:_MOST_LEFT]],
            found=_texts(document["found"]),
            collisions=[_pattern(one) for one in document["collisions"]],
            damaged=_texts(document["damaged"]),
            silent=[_pattern(one) for one in document["silent"]],
            conditions={entry_of(code).code: dict(values) for code, values in document["conditions"].items()},
            probes=int(document["probes"]),
            skipped=int(document["skipped"]),
            crowds={str(depth): int(count) for depth, count in document["crowds"].items()},
            is_begun=bool(document["is_begun"]),
            counts_refusals=bool(document["counts_refusals"]),
            years=[_protocol(one) for one in document.get("years", ())],
            wanted=[_pattern(one) for one in document.get("wanted", ())][:_MOST_LEFT],
        )
    except (KeyError, TypeError, AttributeError, OverflowError) as exc:
        raise ValueError(str(exc)) from exc


def candidates(patterns: Iterable[str]) -> list[Candidate]:
    """Return candidates of the scan's own protocol."""
    return [Candidate(pattern) for pattern in dict.fromkeys(patterns)]


def _candidate(pattern: object, is_likely: object, protocol: object) -> Candidate:
    name = EITHER_YEAR if protocol == EITHER_YEAR else _protocol(protocol)
    return Candidate(_pattern(pattern), bool(is_likely), name)


def _protocol(name: object) -> str:
    """Return the name if there is such a protocol, or none is named. Raises ValueError."""
    if name not in ("", *protocol_names()):
        raise ValueError(f"{name!r} is no protocol")
    return str(name)


def _pattern(text: object) -> str:
    """Return the text if it can be asked for. Raises ValueError."""
    digits = text.lstrip("A") if isinstance(text, str) else "-"
    is_whole_bytes = len(str(text)) == _DIGITS and len(digits) % 2 == 0
    if not is_whole_bytes or not (digits == "" or (digits.isascii() and digits.isdecimal())):
        raise ValueError(f"{text!r} is no address")
    return str(text)


def _texts(document: Mapping[str, Any]) -> dict[str, str]:
    return {_pattern(address): str(text) for address, text in document.items()}

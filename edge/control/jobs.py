"""What can be asked over the control socket: one JSON object a connection, checked here, values out.

Replies are JSON lines: any number of `{"progress": ...}` or `{"result": ...}`, then one `{"done": true, ...}` or
`{"error": {"code", "fact", "cause", "next"}}`. Closing the connection ends the job.
"""

import json
import re
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import get_args

from edge.config.settings import Protocol
from edge.errors import ControlError, EdgeError, Language
from edge.reading.quantities import expand_item

MOST_BYTES = 1 << 20
_MOST_PROBES = 10_000
_MOST_HEX = 2 * 64 * 1024
_ADDRESS = re.compile(r"[0-9]{12}")
_PATTERN = re.compile(r"(?=.{12}$)(?:AA)*[0-9]*")


@dataclass(frozen=True, slots=True)
class ReadJob:
    """Read items of one meter, now."""

    meter: str
    items: tuple[str, ...]
    protocol: str = ""
    bus: str = ""


@dataclass(frozen=True, slots=True)
class ScanJob:
    """Ask who is on a bus: the addresses given, else the known meters, and everybody unless `only_known`.

    `state`: that of a scan which was stopped, as it was sent with its progress; whoever runs the scan checks it.
    """

    bus: str
    addresses: tuple[str, ...] = ()
    protocol: str = ""
    is_quick: bool = False
    only_known: bool = False
    state: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class DetectJob:
    """Find speed, parity and protocol of a bus: the likely combinations, or all. `meter`: ask this one only."""

    bus: str
    meter: str = ""
    is_all: bool = False


@dataclass(frozen=True, slots=True)
class TraceJob:
    """Tell what goes over a bus, beginning with the last events."""

    bus: str
    last: int = 0


@dataclass(frozen=True, slots=True)
class DiagnoseJob:
    """Find the cause of what is wrong on a bus. `meter`: look at this one only."""

    bus: str
    meter: str = ""
    protocol: str = ""


@dataclass(frozen=True, slots=True)
class RegisterJob:
    """Change the meter register; `change` is read by the store's meter list."""

    change: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class SealJob:
    """Seal all that waits, now, and give the signed birth: batches are to leave on a stick."""


@dataclass(frozen=True, slots=True)
class CarriedReceiptJob:
    """Apply a receipt that came on a stick; its signature is checked by whoever applies it."""

    receipt: bytes


@dataclass(frozen=True, slots=True)
class ReloadJob:
    """Read the settings file again and put in force what a running daemon can take."""


@dataclass(frozen=True, slots=True)
class SettingsJob:
    """Say which settings are in force."""


@dataclass(frozen=True, slots=True)
class StatusJob:
    """Say how things are."""


Job = (
    ReadJob
    | ScanJob
    | DetectJob
    | TraceJob
    | DiagnoseJob
    | RegisterJob
    | SealJob
    | CarriedReceiptJob
    | StatusJob
    | ReloadJob
    | SettingsJob
)


def parse_job(line: bytes, own: Container[str] = ()) -> Job:
    """Return the job that a line asks for. Raises ControlError for anything that is none.

    `own`: the keys that the settings define by `[[item]]`.
    """
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise ControlError("E-CTL-101", detail=str(exc)) from exc
    if not isinstance(document, dict):
        raise ControlError("E-CTL-101", detail="not a JSON object")
    name = document.get("job")
    if name == "read":
        return _read_job(document, own)
    if not isinstance(name, str) or name not in _PARSERS:
        raise ControlError("E-CTL-102", job=str(name)[:40])
    return _PARSERS[name](document)


def _read_job(document: dict[str, object], own: Container[str]) -> ReadJob:
    items = _texts(document, "items")
    if not items:
        raise ControlError("E-CTL-103", field="items")
    for item in items:
        try:
            expand_item(item, own)
        except KeyError:
            raise ControlError("E-CTL-104", item=item[:40]) from None
    meter = _text(document, "meter")
    protocol = _protocol(document)
    if not _ADDRESS.fullmatch(meter):
        raise ControlError("E-CTL-105", address=meter[:40])
    return ReadJob(meter, items, protocol, _text(document, "bus"))


def _scan_job(document: dict[str, object]) -> ScanJob:
    addresses = _texts(document, "addresses")
    if len(addresses) > _MOST_PROBES:
        raise ControlError("E-CTL-103", field="addresses")
    for address in addresses:
        if not _PATTERN.fullmatch(address):
            raise ControlError("E-CTL-105", address=address[:40])
    state = document.get("state")
    if state is not None and not isinstance(state, dict):
        raise ControlError("E-CTL-103", field="state")
    return ScanJob(
        _text(document, "bus"),
        addresses,
        _protocol(document),
        is_quick=_flag(document, "quick"),
        only_known=_flag(document, "known"),
        state=state,
    )


def _detect_job(document: dict[str, object]) -> DetectJob:
    return DetectJob(_text(document, "bus"), _meter(document), _flag(document, "all"))


def _diagnose_job(document: dict[str, object]) -> DiagnoseJob:
    return DiagnoseJob(_text(document, "bus"), _meter(document), _protocol(document))


def _register_job(document: dict[str, object]) -> RegisterJob:
    return RegisterJob({key: value for key, value in document.items() if key != "job"})


_PARSERS: Mapping[str, Callable[[dict[str, object]], Job]] = {
    "status": lambda _: StatusJob(),
    "reload": lambda _: ReloadJob(),
    "settings": lambda _: SettingsJob(),
    "scan": _scan_job,
    "detect": _detect_job,
    "trace": lambda document: TraceJob(_text(document, "bus"), _count(document, "last")),
    "diagnose": _diagnose_job,
    "register": _register_job,
    "seal": lambda _: SealJob(),
    "receipt": lambda document: CarriedReceiptJob(_bytes(document, "receipt")),
}


def _meter(document: dict[str, object]) -> str:
    """Return the meter's address, empty if none is named."""
    meter = _text(document, "meter")
    if meter and not _ADDRESS.fullmatch(meter):
        raise ControlError("E-CTL-105", address=meter[:40])
    return meter


def _count(document: dict[str, object], field: str) -> int:
    value = document.get(field, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST_PROBES:
        raise ControlError("E-CTL-103", field=field)
    return value


def _flag(document: dict[str, object], field: str) -> bool:
    value = document.get(field, False)
    if not isinstance(value, bool):
        raise ControlError("E-CTL-103", field=field)
    return value


def _protocol(document: dict[str, object]) -> str:
    protocol = _text(document, "protocol")
    if protocol and protocol not in get_args(Protocol):
        raise ControlError("E-CTL-103", field="protocol")
    return protocol


def _text(document: dict[str, object], field: str) -> str:
    value = document.get(field, "")
    if not isinstance(value, str) or not _is_sound(value):
        raise ControlError("E-CTL-103", field=field)
    return value


def _bytes(document: dict[str, object], field: str) -> bytes:
    """Return what a field holds in hex."""
    value = document.get(field)
    if not isinstance(value, str) or len(value) > _MOST_HEX:
        raise ControlError("E-CTL-103", field=field)
    try:
        return bytes.fromhex(value)
    except ValueError:
        raise ControlError("E-CTL-103", field=field) from None


def _texts(document: dict[str, object], field: str) -> tuple[str, ...]:
    value = document.get(field, [])
    if not isinstance(value, list) or not all(isinstance(one, str) and _is_sound(one) for one in value):
        raise ControlError("E-CTL-103", field=field)
    return tuple(value)


def _is_sound(text: str) -> bool:
    """Return False for text that UTF-8 cannot carry: JSON lets lone surrogates in."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def error_document(error: EdgeError, lang: Language = "en") -> dict[str, object]:
    """Return an error as the control socket and `--json` show it."""
    return {
        "error": {
            "code": error.code,
            "fact": error.fact(lang),
            "cause": error.cause(lang),
            "next": error.advice(lang),
            "values": {key: str(value) for key, value in error.values.items()},
            "exit": error.exit_code,
        }
    }

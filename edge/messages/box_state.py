"""How a gateway is, beside where its chain stands: what a birth brings for whoever looks after many of them.

What is not known is left out. Bounded: buses and codes beyond the first ones are not told.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edge.messages.checks import as_instant, as_int, as_list, as_map, as_row, as_text, instant_of, refuse

MAX_BUSES, MAX_CODES = 16, 16
_NAME_CHARACTERS, _CODE_CHARACTERS, _HASH_CHARACTERS = 32, 16, 64
_MOST, _MOST_S, _MOST_DAYS = 2**53, 2**40, 400_000

_SETTINGS, _OFFSET, _OLDEST, _BUSES, _FAILING, _METERS, _DISK, _DAYS, _CODES = range(1, 10)
_KEYS = (_SETTINGS, _OFFSET, _OLDEST, _BUSES, _FAILING, _METERS, _DISK, _DAYS, _CODES)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxState:
    """How a gateway is.

    `settings`: the hash of its settings file. `offset_s`: how far its clock was ahead of the centre's. `oldest_at`: of
    what no receipt covers. `buses`: name, and how many of a hundred exchanges went well lately. `failing`: meters that
    were not read when they were asked last, of `meters`. `certificate_days`: left; negative once it is over.
    `codes`: the root causes of what is wrong.
    """

    settings: str | None = None
    offset_s: int | None = None
    oldest_at: datetime | None = None
    buses: tuple[tuple[str, int], ...] = ()
    failing: int | None = None
    meters: int | None = None
    disk_free: int | None = None
    certificate_days: int | None = None
    codes: tuple[str, ...] = ()


def encode_box_state(state: BoxState) -> dict[int, object]:
    """Return the fields of the state that are known."""
    fields: dict[int, object] = {
        _SETTINGS: state.settings,
        _OFFSET: state.offset_s,
        _OLDEST: instant_of(state.oldest_at, "oldest") if state.oldest_at is not None else None,
        _BUSES: [list(bus) for bus in state.buses[:MAX_BUSES]] or None,
        _FAILING: state.failing,
        _METERS: state.meters,
        _DISK: state.disk_free,
        _DAYS: state.certificate_days,
        _CODES: list(state.codes[:MAX_CODES]) or None,
    }
    return {key: value for key, value in fields.items() if value is not None}


def decode_box_state(value: object) -> BoxState:
    """Return the state. Raises MessageError for fields that are none."""
    fields = as_map(value, "state", _KEYS)
    if any(fields.get(key) == [] for key in (_BUSES, _CODES)):
        refuse("state", "a list is named, but empty")

    def number(key: int, what: str, low: int, high: int) -> int | None:
        return as_int(fields[key], what, low, high) if key in fields else None

    return BoxState(
        settings=as_text(fields[_SETTINGS], "settings", _HASH_CHARACTERS) if _SETTINGS in fields else None,
        offset_s=number(_OFFSET, "offset", -_MOST_S, _MOST_S),
        oldest_at=as_instant(fields[_OLDEST], "oldest") if _OLDEST in fields else None,
        buses=tuple(_bus(one) for one in as_list(fields.get(_BUSES, []), "buses", MAX_BUSES)),
        failing=number(_FAILING, "failing", 0, _MOST),
        meters=number(_METERS, "meters", 0, _MOST),
        disk_free=number(_DISK, "disk", 0, _MOST),
        certificate_days=number(_DAYS, "certificate", -_MOST_DAYS, _MOST_DAYS),
        codes=tuple(
            as_text(one, "code", _CODE_CHARACTERS) for one in as_list(fields.get(_CODES, []), "codes", MAX_CODES)
        ),
    )


def _bus(value: Any) -> tuple[str, int]:
    name, percent = as_row(value, "bus", 2)
    return as_text(name, "bus", _NAME_CHARACTERS), as_int(percent, "bus", 0, 100)

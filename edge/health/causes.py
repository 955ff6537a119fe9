"""What is wrong, root causes first: a condition that follows from another one stands under it. Pure.

Rules:
1. Only a "no" is trouble; what nobody knows is no cause and no consequence.
2. The first row of the table whose cause is wrong too takes the consequence; the rest stand by themselves.
3. What follows from a row stands in the table only below it, if it is a cause itself: so no circle can come up.
4. Two halves of a daemon may tell of one claim: a "no" of either counts.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Conditions = Mapping[str, Mapping[str, Any]]

_TLS_CODES = "E-FWD-105,E-FWD-115,E-FWD-116,E-FWD-117,E-FWD-118"
# Claims; `{bus}` is the same name on both sides. `meters of {bus}` stands for every claim of a meter on that bus, and
# what follows a colon limits a row to consequences whose codes begin so.
CAUSES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("disk_writable", ("store", "store_works", "register", "sealing_works:E-STO", "shedding_works", "store_has_room")),
    ("disk_has_room", ("store_has_room", "store", "store_works", "register", "sealing_works:E-STO", "shedding_works")),
    ("disk_has_inodes", ("store", "store_works", "register")),
    ("state_dir_sound", ("store", "store_works", "register")),
    ("store_has_room", ("readings_kept", "shedding_works", "sealing_works:E-STO", "store", "store_works")),
    ("store", ("store_works", "sealing_works:E-STO")),
    ("time_service", ("clock_known",)),
    (
        "clock_known",
        ("clock_trusted", "clock_agrees", "certificate_valid:E-HLT-163", "broker_reachable:E-FWD-114"),
    ),
    ("clock_agrees", ("certificate_valid:E-HLT-162,E-HLT-163", "broker_reachable:E-FWD-113,E-FWD-114")),
    ("port {bus}", ("bus {bus}", "bus {bus} answers", "bus {bus} quality", "meters of {bus}", "worker bus {bus}")),
    ("bus {bus} answers", ("bus {bus}", "bus {bus} quality", "meters of {bus}")),
    ("bus {bus} alone", ("bus {bus} quality",)),
    ("certificate_valid", (f"broker_reachable:{_TLS_CODES}",)),
    ("certificate_fits", (f"broker_reachable:{_TLS_CODES}",)),
    ("broker_reachable", ("centre_confirms", "id_is_ours", "delivery_current")),
    ("clock_trusted", ("delivery_current",)),
    ("sealing_works", ("delivery_current",)),
    ("centre_confirms", ("delivery_current",)),
)
_FIRST = ("power", "flash_life", "disk_writable", "disk_", "state_dir", "memory", "store", "time_", "clock_", "port ")
_WORST = ("no", "yes", "unknown")
_METERS = "meters of "
_OF_METER = re.compile(r"meter [0-9]{12}")


@dataclass(frozen=True, slots=True)
class Trouble:
    """A condition that does not hold, and what follows from it."""

    claim: str
    code: str
    values: Mapping[str, Any]
    since: str | None
    follows: tuple["Trouble", ...] = ()

    def __iter__(self) -> Iterator["Trouble"]:
        """Yield this one and everything that follows."""
        yield self
        for one in self.follows:
            yield from one


def troubles_of(conditions: Conditions) -> tuple[Trouble, ...]:
    """Return what is wrong among conditions as a snapshot has them, root causes first."""
    wrong = {claim: one for claim, one in conditions.items() if one["answer"] == "no"}
    cause_of = {claim: _cause_of(claim, wrong) for claim in wrong}
    return _below(None, wrong, cause_of)


def merged(documents: Iterable[Conditions]) -> Conditions:
    """Return conditions of several halves as one; of one claim "no" counts before "yes", and that before unknown."""
    found: dict[str, Mapping[str, Any]] = {}
    for conditions in documents:
        for claim, one in conditions.items():
            if claim not in found or _WORST.index(one["answer"]) < _WORST.index(found[claim]["answer"]):
                found[claim] = one
    return found


def _below(cause: str | None, wrong: Conditions, cause_of: Mapping[str, str | None]) -> tuple[Trouble, ...]:
    found = sorted((claim for claim, above in cause_of.items() if above == cause), key=_rank)
    return tuple(
        Trouble(
            claim=claim,
            code=wrong[claim]["code"],
            values=wrong[claim].get("values", {}),
            since=wrong[claim].get("since"),
            follows=_below(claim, wrong, cause_of),
        )
        for claim in found
    )


def _rank(claim: str) -> tuple[int, str]:
    place = next((number for number, start in enumerate(_FIRST) if claim.startswith(start)), len(_FIRST))
    return (place, claim)


def _cause_of(claim: str, wrong: Conditions) -> str | None:
    for cause, effects in CAUSES:
        for effect in effects:
            for bus in _buses_of(effect, claim, wrong[claim]):
                named = cause.format(bus=bus)
                if named in wrong and named != claim:
                    return named
    return None


def _buses_of(effect: str, claim: str, condition: Mapping[str, Any]) -> Iterator[str]:
    """Yield the bus that binds a consequence to its cause: an empty name where none is needed; nothing if no fit."""
    form, _, codes = effect.partition(":")
    if codes and not str(condition["code"]).startswith(tuple(codes.split(","))):
        return
    if form.startswith(_METERS):
        bus = condition.get("values", {}).get("bus")
        if bus is not None and _OF_METER.fullmatch(claim):
            yield str(bus)
    elif "{bus}" not in form:
        if form == claim:
            yield ""
    elif found := re.fullmatch(re.escape(form).replace(r"\{bus\}", "([A-Za-z0-9_-]+)"), claim):
        yield found[1]

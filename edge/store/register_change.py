"""A change of the register as a value: made by a command, done by whoever may write, sent as JSON between them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge.errors import UsageError
from edge.store.meter import Meter, check_address, meter_document, meter_of


@dataclass(frozen=True, slots=True)
class RegisterChange:
    """Meters to add, to put in place of what is there under their address, and addresses to remove."""

    add: tuple[Meter, ...] = ()
    remove: tuple[str, ...] = ()
    replace: tuple[Meter, ...] = ()

    @property
    def is_empty(self) -> bool:
        """True if nothing changes."""
        return not (self.add or self.remove or self.replace)


def change_document(change: RegisterChange) -> dict[str, Any]:
    """Return a change as a JSON object."""
    return {
        "add": [meter_document(meter) for meter in change.add],
        "remove": list(change.remove),
        "replace": [meter_document(meter) for meter in change.replace],
    }


def change_of(document: Mapping[str, Any]) -> RegisterChange:
    """Return the change of a JSON object, checked like any input. Raises UsageError for what cannot be."""
    remove = _list(document, "remove")
    for address in remove:
        check_address(address if isinstance(address, str) else repr(address))
    return RegisterChange(
        add=tuple(_meter(one) for one in _list(document, "add")),
        remove=tuple(remove),
        replace=tuple(_meter(one) for one in _list(document, "replace")),
    )


def _list(document: Mapping[str, Any], name: str) -> list[Any]:
    value = document.get(name, [])
    if not isinstance(value, list):
        raise UsageError("E-STO-203", address="-", field=name, value=str(value), rule="a list")
    return value


def _meter(one: Any) -> Meter:
    if not isinstance(one, dict):
        raise UsageError("E-STO-203", address="-", field="meter", value=str(one), rule="an object")
    return meter_of(one)

"""What the simulated meters answered, by their own record: the only truth that a value is compared with."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

# Where a quantity stands: identifier of a request, and its place among the values of the answer.
PLACES = {
    "energy_active_import_total": (("0001FF00", 0), ("00010000", 0)),
    "energy_active_import_t1": (("0001FF00", 1), ("00010100", 0)),
    "voltage_l1": (("0201FF00", 0), ("02010100", 0)),
    "current_l1": (("0202FF00", 0), ("02020100", 0)),
}
ITEMS = tuple(PLACES)
_STAMPS_APART = timedelta(seconds=1)  # a stamp may travel in whole seconds


@dataclass(slots=True)
class Truth:
    """Answers by meter and quantity, and all texts of a meter."""

    _answers: dict[tuple[str, str], list[tuple[datetime, str]]] = field(default_factory=dict)
    _texts: dict[str, set[str]] = field(default_factory=dict)

    def said(self, meter: str, quantity: str, value: str, slot_at: datetime, read_at: datetime) -> bool:
        """Return True if the meter answered just this text for the quantity after the slot and before the stamp."""
        answers = self._answers.get((meter, quantity), ())
        return any(text == value and slot_at <= when <= read_at + _STAMPS_APART for when, text in answers)

    def said_ever(self, meter: str, value: str) -> bool:
        """Return True if the meter answered this text at all: what a value from its memory must at least be."""
        return value in self._texts.get(meter, ())

    def take(self, line: str) -> None:
        """Take in an answer as `edge sim --answers` writes it."""
        document = json.loads(line)
        self._texts.setdefault(document["meter"], set()).update(filter(None, document["values"]))
        for quantity, places in PLACES.items():
            for di, place in places:
                if document["di"] == di and len(document["values"]) > place:
                    when = datetime.fromisoformat(document["at"])
                    self._answers.setdefault((document["meter"], quantity), []).append(
                        (when, document["values"][place])
                    )


def load_truth(path: Path) -> Truth:
    """Return what stands in the record of a simulation."""
    truth = Truth()
    for line in path.read_text(encoding="utf-8").splitlines():
        truth.take(line)
    return truth

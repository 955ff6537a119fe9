"""Every code of the catalogue is named by a test that provokes it, or stands here with the reason why none can."""

import re
from pathlib import Path

from edge.errors.catalogue import CATALOGUE

TESTS = Path(__file__).parent.parent
CODE = re.compile(r"E-[A-Z]{3}-[0-9]{3}")
# Data for other tests, and this list itself, provoke nothing.
SILENT = ("vectors", "__pycache__")
NOT_HERE: dict[str, str] = {}


def named_codes() -> set[str]:
    """Return every whole code that stands in a test."""
    files = [path for path in TESTS.rglob("*.py") if path != Path(__file__) and not set(SILENT) & set(path.parts)]
    assert len(files) > 50
    return {code for path in files for code in CODE.findall(path.read_text(encoding="utf-8"))}


def test_every_code_is_provoked() -> None:
    """A code that no test names may have a text that no person can use, or no way to come up at all."""
    assert [] == sorted(set(CATALOGUE) - named_codes() - set(NOT_HERE))


def test_nothing_is_excused_that_is_provoked_or_gone() -> None:
    """The list of excuses holds only codes that exist and that no test names."""
    assert [] == sorted(set(NOT_HERE) & (named_codes() | (set(NOT_HERE) - set(CATALOGUE))))


def test_no_test_waits_for_a_code_that_does_not_exist() -> None:
    """A mistyped code in a test would never be compared with anything."""
    made_up = {"E-CFG-999", "E-XXX-000"}
    assert [] == sorted(named_codes() - set(CATALOGUE) - made_up)

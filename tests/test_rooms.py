"""The house: who may import whom, what pure rooms never touch, and which file knows which library."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

EDGE = Path(__file__).parent.parent / "edge"

_POLL = {"errors", "clock", "reading", "config", "health", "quality", "protocols", "bus"}
_FORWARD = {
    "errors",
    "clock",
    "reading",
    "config",
    "health",
    "quality",
    "messages",
    "store",
    "identity",
    "mqtt",
    "carry",
}
_CENTRE = {"errors", "clock", "reading", "config", "messages", "quality", "identity", "mqtt", "carry"}
_APP = {
    *{"errors", "clock", "reading", "config", "health", "protocols", "messages", "bus", "store", "poll", "forward"},
    *{"quality", "identity", "commands", "control", "web", "mqtt", "notify", "carry"},
}
MAY_IMPORT = {
    "errors": set(),
    "clock": set(),
    "notify": set(),
    "reading": {"errors"},
    "config": {"errors", "reading"},
    "health": {"errors", "clock", "reading"},
    "protocols": {"errors", "reading"},
    "messages": {"errors", "reading"},
    "bus": {"errors", "clock", "reading", "config", "protocols"},
    "store": {"errors", "clock", "reading", "config"},
    "poll": _POLL,
    "forward": _FORWARD,
    "quality": {"errors", "reading"},
    "identity": {"errors", "clock", "config", "messages"},
    "commands": {"errors", "clock", "reading", "config", "messages", "store", "identity"},
    "control": {"errors", "clock", "reading", "config", "health"},
    "mqtt": {"errors", "clock", "identity"},
    "carry": {"errors"},
    "centre": _CENTRE,
    "sim": {"errors", "clock", "reading", "protocols", "bus"},
    "web": {"errors", "clock", "reading", "config", "health", "control"},
    "app": _APP,
    # The demonstration wires both ends and the simulated meters, as `cli` may; nothing but `cli` imports it.
    "demo": _APP | {"app", "centre", "sim"},
    "cli": _APP | {"app", "centre", "sim", "demo"},
}
PURE = (
    "protocols/",
    "messages/",
    "reading/",
    "quality/",
    "poll/plan.py",
    "poll/rounds.py",
    "forward/allowance.py",
    "poll/laying.py",
    "forward/outbox.py",
    "forward/shed_rules.py",
    "health/causes.py",
    "health/metrics.py",
    "carry/layout.py",
)
IMPURE = {
    *{"serial", "socket", "select", "time", "threading"},
    *{"asyncio", "os", "random", "paho", "tinydb", "apsw", "psycopg", "subprocess", "selectors"},
}

# The files that know a foreign library; they translate its errors.
KNOWN_BY = {
    "apsw": ("store/", "centre/"),
    "psycopg": ("centre/",),
    "tinydb": ("store/",),
    "serial": ("bus/",),
    "paho": ("mqtt/",),
    "iotcore": ("demo/",),
    "prometheus_client": ("health/exposition.py",),
    "rich": ("cli/",),
    "click": ("cli/",),
}


@dataclass(frozen=True)
class Import:
    file: str
    line: int
    module: str
    is_relative: bool

    @property
    def room(self) -> str:
        return self.file.split("/")[0].removesuffix(".py")

    @property
    def top(self) -> str:
        return self.module.split(".")[0]


def _imports_of(file: str, source: str) -> Iterator[Import]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (Import(file, node.lineno, alias.name, is_relative=False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            names = [f"edge.{alias.name}" for alias in node.names] if base == "edge" else [base]
            yield from (Import(file, node.lineno, name, is_relative=node.level > 0) for name in names)


def _all_imports() -> list[Import]:
    files = [path for path in sorted(EDGE.rglob("*.py")) if path.parent != EDGE or path.name != "__init__.py"]
    return [
        found
        for path in files
        for found in _imports_of(path.relative_to(EDGE).as_posix(), path.read_text(encoding="utf-8"))
    ]


def _strangers(imports: list[Import]) -> list[str]:
    return [
        f"{found.file}:{found.line}: {found.room} may not import {found.module}"
        for found in imports
        if found.top == "edge" and "." in found.module
        for target in [found.module.split(".")[1]]
        if target not in {found.room, "__version__"} | MAY_IMPORT.get(found.room, set())
    ]


def _impurities(imports: list[Import]) -> list[str]:
    return [
        f"{found.file}:{found.line}: {found.module}"
        for found in imports
        if found.file.startswith(PURE) and found.top in IMPURE
    ]


def _relatives(imports: list[Import]) -> list[str]:
    return [f"{found.file}:{found.line}" for found in imports if found.is_relative]


def _leaks(imports: list[Import]) -> list[str]:
    return [
        f"{found.file}:{found.line}: {found.module}"
        for found in imports
        if found.top in KNOWN_BY and not found.file.startswith(KNOWN_BY[found.top])
    ]


def test_every_room_imports_only_what_the_house_allows() -> None:
    """The table of rooms holds for every import in the package."""
    assert [] == _strangers(_all_imports())


def test_every_room_is_in_the_table() -> None:
    """A new room is entered in the table before it is moved into."""
    names = {path.name.removesuffix(".py") for path in EDGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert set() == names - {"__init__", "__pycache__"} - set(MAY_IMPORT)


def test_pure_rooms_touch_no_port_clock_thread_or_file() -> None:
    """Pure rooms import nothing that could reach the world."""
    assert [] == _impurities(_all_imports())


def test_pure_files_exist() -> None:
    """The table of pure places names files that are there: a renamed file must not slip out of it."""
    assert [] == [place for place in PURE if not (EDGE / place).exists()]


def test_imports_are_absolute() -> None:
    """No relative import anywhere."""
    assert [] == _relatives(_all_imports())


def test_libraries_are_known_at_their_doors_only() -> None:
    """Only the files that translate a library's errors import it."""
    assert [] == _leaks(_all_imports())


@pytest.mark.parametrize(
    ("file", "source", "rule"),
    [
        ("reading/x.py", "from edge.store import journal", _strangers),
        ("reading/x.py", "import edge.store.journal", _strangers),
        ("errors/x.py", "from edge import clock", _strangers),
        ("clock.py", "def f():\n    import edge.errors", _strangers),
        ("app/x.py", "from edge.cli import main", _strangers),
        ("unknown/x.py", "from edge.errors import EdgeError", _strangers),
        ("protocols/x.py", "import os.path", _impurities),
        ("poll/plan.py", "from time import sleep", _impurities),
        ("bus/x.py", "from . import link", _relatives),
        ("bus/x.py", "from .link import Link", _relatives),
        ("app/x.py", "import apsw", _leaks),
    ],
)
def test_a_breach_is_seen(file: str, source: str, rule: object) -> None:
    """Each rule sees its breach, in whatever way the import is written."""
    assert callable(rule)
    assert 1 == len(rule(list(_imports_of(file, source))))

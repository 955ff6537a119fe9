"""The table of figures, as Markdown."""

import platform
from dataclasses import dataclass
from pathlib import Path

from edge import __version__

PAGE = Path(__file__).parents[2] / "docs" / "bench.md"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: what, how much, beside what or against which budget."""

    what: str
    figure: str
    beside: str = ""


def write(rows, parts=()):
    """Write the page and print it; with `parts`, only their rows are new."""
    rows, machines = list(rows), {"": _machine()}
    if parts:
        old, machines = read(PAGE.read_text(encoding="utf-8"))
        new = {row.what: row for row in rows}
        kept = [new.pop(row.what, row) for row in old]
        rows = [*kept, *new.values()]
        machines |= dict.fromkeys(parts, _machine())
    page = render(rows, machines)
    PAGE.write_text(page, encoding="utf-8")
    print(page)


def render(rows, machines):
    """Return the page: rows, and the machine that they were measured on; "" stands for all parts that are not named."""
    lines = [
        "# Figures",
        "",
        "Written by `make bench`; do not edit. Rates vary by about a third from run to run on a shared machine; ratios",
        "and byte counts do not.",
        "",
        *(f"- {part or 'measured'}: {machine}" for part, machine in machines.items()),
        "",
        "| what | figure | beside |",
        "|---|---|---|",
        *(f"| {row.what} | {row.figure} | {row.beside} |" for row in rows),
        "",
    ]
    return "\n".join(lines)


def read(page):
    """Return rows and machines of a page that `render` has made."""
    cells = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")][1:]
    rows = [Row(*(cell.rstrip(" |") for cell in row)) for row in cells]
    machines = dict(line[2:].split(": ", 1) for line in page.splitlines() if line.startswith("- "))
    return rows, {"" if part == "measured" else part: machine for part, machine in machines.items()}


def _machine():
    return f"edge {__version__}, Python {platform.python_version()}, {platform.machine()}, {cpu_name()}"


def cpu_name():
    """Return the name of this machine's processor."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown processor"

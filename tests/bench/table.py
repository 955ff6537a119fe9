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


def write(rows):
    """Write the page and print it."""
    lines = [
        "# Figures",
        "",
        "Written by `make bench`; do not edit. Rates vary by about a third from run to run on a shared machine; ratios",
        "and byte counts do not.",
        "",
        f"edge {__version__}, Python {platform.python_version()}, {platform.machine()}, {cpu_name()}.",
        "",
        "| what | figure | beside |",
        "|---|---|---|",
        *(f"| {row.what} | {row.figure} | {row.beside} |" for row in rows),
        "",
    ]
    PAGE.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


def cpu_name():
    """Return the name of this machine's processor."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown processor"

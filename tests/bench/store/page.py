"""The page of figures of the store, as Markdown."""

import platform
from dataclasses import dataclass
from pathlib import Path

from edge import __version__
from tests.bench.path import sizes
from tests.bench.table import cpu_name

PAGE = Path(__file__).parents[3] / "docs" / "bench-store.md"
_MB = 1_000_000
_WEAR = 60

_HEAD = """# What the store costs

Written by `make bench-store`; do not edit. edge {version}, Python {python}, {machine}, {cpu}.

A day is {meters} meters (or as many as are named) x 12 quantities x {rounds} rounds. Each engine runs in a process
of its own on the same disk. The disk's bytes are counted as
{how}.

edge on two buses: the product's own polling half, register included, polls simulated meters on virtual time, at the
pace that the speed of the buses allows; beside it batches are sealed by its own rules, under receipts that call them
durable. In its first rounds, what is learned of the meters goes into the register. edge, 16 polls a commit: the same
records as for the others, through the poller's buffer into the journal, a batch sealed after each round, a receipt for
it. Each has one ballast in it. JSON: one message a reading (`{{"METER": [{{"ts": ..., "values": {{...}}}}]}}`) in a
SQLite table (WAL, synchronous FULL), deleted once sent. TinyDB keeps what it was given.

Commits decide the wear: all buses share one after `store.commit_polls` polls or `store.commit_s` seconds, so that on
slow buses fewer polls share it. Rates vary by about a third from run to run on a shared machine; bytes do not.

| engine | readings | readings/s into the store | device bytes a reading | device MB a day | wire bytes a reading |
|---|---|---|---|---|---|
"""
_REST = """
*At least*: from the readings that were measured; a day would take hours, and TinyDB writes its whole file each time, so
that each reading costs more than the one before. TinyDB as shipped syncs nothing: what it has acknowledged may be gone
after a cut.

| edge | figure | budget |
|---|---|---|
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One engine's day, or a part of it. `device`: bytes written; `wire`: bytes sent, 0 if it sends nothing.

    `commits`: how many it chose to make, 0 if it was told; `longest_s`: the longest time a record waited for its own.
    """

    name: str
    polls: int
    readings: int
    storing_s: float
    storing_cpu_s: float
    sealing_s: float
    wire: int
    device: int
    pss_before_mib: float
    pss_mib: float
    is_whole: bool
    commits: int = 0
    longest_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Opened:
    """A store with many readings: bytes used, and the seconds of its openings, shortest first."""

    name: str
    readings: int
    used: int
    seconds: list[float]


def page(how, meters, rounds, runs, opened):
    """Return the page."""
    day = meters * 12 * rounds
    head = _HEAD.format(
        version=__version__,
        python=platform.python_version(),
        machine=platform.machine(),
        cpu=cpu_name(),
        meters=meters,
        rounds=rounds,
        how=how,
    )
    lines = [_line(run, day) for run in runs]
    rest = [f"| {what} | {figure} | {budget} |" for what, figure, budget in _own(runs, opened)]
    return head + "\n".join(lines) + "\n" + _REST + "\n".join(rest) + "\n"


def _line(run, day):
    each = run.device / run.readings
    wire = f"{run.wire / run.readings:.2f}" if run.wire else "-"
    megabytes = f"{run.device / _MB:,.1f}" if run.is_whole else f"at least {each * day / _MB:,.1f}"
    return (
        f"| {run.name} | {run.readings:,} | {run.readings / run.storing_s:,.0f} | {each:,.0f} | {megabytes} | {wire} |"
    )


def _own(runs, opened):
    for one in runs:
        if one.name.startswith("edge"):
            is_met = "met" if one.device <= _WEAR * _MB else "missed"
            what = one.name.removeprefix("edge, ")
            yield f"device bytes a day, {what}", f"{one.device / _MB:.1f} MB", f"{_WEAR} MB: {is_met}"
            if one.commits:
                yield (
                    f"commits, {what}",
                    f"{one.commits:,}, of {one.polls / one.commits:.1f} polls; the longest wait {one.longest_s:.1f} s",
                    "-",
                )
    run = next(one for one in runs if one.name.startswith("edge") and not one.commits)
    yield "CPU from record to disk", f"{1000 * run.storing_cpu_s / run.polls:.3f} ms a poll of 12 readings", "-"
    yield "sealing, signing, receipts", f"{run.readings / run.sealing_s:,.0f} readings/s", "-"
    yield (
        "memory after that day (PSS)",
        f"{run.pss_mib:.1f} MiB, {run.pss_mib - run.pss_before_mib:.1f} more than before",
        "-",
    )
    for row in sizes():
        yield row.what, row.figure, row.beside.removeprefix("budget ")
    for one in opened:
        what = f"{one.readings:,} readings {one.name}"
        yield f"{what}: on the disk", f"{one.used / one.readings:.1f} B a reading", "-"
        middle = one.seconds[len(one.seconds) // 2]
        yield f"{what}: opening", f"{middle:.2f} s ({one.seconds[0]:.2f} to {one.seconds[-1]:.2f})", "1 s"

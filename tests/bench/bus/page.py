"""The page of figures, as Markdown."""

import platform
from pathlib import Path

from edge import __version__
from tests.bench.bus.least import BLOCK_PLAN, Line, blocks_s, single_s
from tests.bench.table import cpu_name

PAGE = Path(__file__).parents[3] / "docs" / "bench-bus.md"

_HEAD = """# The wire used to its limit

Written by `make bench-bus`; do not edit. edge {version}, Python {python}, {machine}, {cpu}.

Masters read 8 meters x 15 registers on a timed bus of the project's own: a pty at the pace of a wire (11 bits a
character), half duplex, 20 ms response delay, 4 FEH before every answer. A request counts as received when its last bit
would be over; each byte of an answer leaves when its last bit is over, never before. The bus has frame code of its own.
The speeds are measured at the same time, each on a bus of its own.

## The least possible

A request has 12 bytes and 4 of identifier, an answer the same and its data, both 4 FEH in front.
Between them lies the meter's delay.
The best block plan reads {plan}.
A master that sends fewer FEH where a meter wants none moves below the mark: its share may exceed 1.

| | 2400 Bd | 9600 Bd |
|---|---|---|
| one identifier a request | {single_2400:.2f} s | {single_9600:.2f} s |
| best block plan | {blocks_2400:.2f} s | {blocks_9600:.2f} s |
"""
_WIRE = """## Masters

*Share*: the best plan's least time for the values read, over the time taken. *Pause*: from the end of an answer to the
next request, the mean. *Of healthy*: readings a second beside those of the same master without the dead meter.
A round of edge lasts from its first request to the record of its last meter, and one mean pause; CPU is that of the
whole daemon, store and the wait for the next round included. The default gap is 20 ms of quiet before each request.
dlt645 is the PyPI package's serial client, version 3.2.0.

| Bd | bus | master | rounds | readings | wrong | per s | share | of healthy | transactions | pause ms | CPU ms each |
|---|---|---|---|---|---|---|---|---|---|---|---|
"""
_LATE = """
How late the bus let its bytes go: {mean:.3f} ms in the mean, {p99:.3f} ms for 99 of 100 in the worst run, {most:.1f} ms
at the most; it never lets one go early.
"""


def page(figures=(), mix=None, scan=None):
    """Return the page with the parts that were measured."""
    parts = [_head()]
    if figures:
        parts.append(_masters(figures))
    if mix is not None:
        parts.append(_mix(mix))
    if scan is not None:
        parts.append(_scan(scan))
    return "\n".join(parts)


def _head():
    return _HEAD.format(
        version=__version__,
        python=platform.python_version(),
        machine=platform.machine(),
        cpu=cpu_name(),
        plan=", ".join(BLOCK_PLAN),
        **{f"single_{baud}": single_s(Line(baud)) for baud in (2400, 9600)},
        **{f"blocks_{baud}": blocks_s(Line(baud)) for baud in (2400, 9600)},
    )


def _masters(figures):
    late = [figure.lateness for figure in figures]
    words = _LATE.format(
        mean=sum(one["mean_ms"] * one["bytes"] for one in late) / max(1, sum(one["bytes"] for one in late)),
        p99=max(one["p99_ms"] for one in late),
        most=max(one["max_ms"] for one in late),
    )
    return _WIRE + "\n".join(_row(figure) for figure in figures) + "\n" + words


def _row(figure):
    cells = (
        figure.baud,
        "1 of 8 dead" if figure.dead else "healthy",
        figure.master,
        figure.which,
        f"{figure.made.readings} of {figure.expected}",
        figure.wrong,
        f"{figure.rate:.2f}",
        f"{figure.share:.3f}",
        f"{figure.rate / figure.healthy_rate:.3f}" if figure.healthy_rate else "",
        figure.made.transactions,
        f"{figure.pause_ms:.2f}",
        f"{figure.cpu_ms:.2f}",
    )
    return "| " + " | ".join(map(str, cells)) + " |"


def _mix(mix):
    rows = "\n".join(f"| {name} | {count} |" for name, count in sorted(mix.faults.items()))
    verdicts = ", ".join(f"{name.replace('_', ' ')} {mix.verdicts[name]}" for name in _WRONG)
    return f"""## Faults mixed in

9600 Bd, default gap, 0 to 8 FEH before answers. One meter refuses blocks, one is dead, one wants FEH before a request,
one does not know 02FF0000. Every value taken is held against what that meter said, for that item, in that slot.

| fault | how often |
|---|---|
{rows}

**{mix.wrong} wrong** of {mix.read} values taken ({verdicts}). Expected {mix.expected}, lost {mix.expected - mix.read}
(the dead meter's {mix.expected // 8} among them), read in spite of a failed answer {mix.recovered}.
"""


_WRONG = ("wrong_meter", "wrong_time", "wrong_value")


def _scan(scan):
    there, right, strange = len(scan.there), len(scan.there & scan.found), len(scan.found - scan.there)
    return f"""## Finding meters

{there} meters on one bus at 2400 Bd, addresses scattered over all twelve digits, response delays of 20 to 40 ms,
answers of several meters laid over each other bit by bit. `edge scan` without a hint found {right} of
{there} ({strange} that are not there) in {scan.seconds:.1f} s with {scan.requests} requests.

The least possible is {scan.least_s:.1f} s: one read of 04000401 a meter, every one a hit, 4 FEH both ways, 20 ms delay.
No search that does not know the addresses gets there.
"""

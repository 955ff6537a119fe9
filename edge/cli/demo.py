"""`edge demo`: a whole site on this machine, with three built-in faults, and what came of it."""

import contextlib
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.cli.common import is_terminal, language, say, tell
from edge.errors import EdgeError, entry_of
from edge.reading.verdict import Verdict

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from edge.demo.site import DemoSite
    from edge.demo.watch import DemoWatch, RoundView

_LOOK_S = 0.5
_NOT_CONFIRMED, _STOPPED_BY_HAND = 8, 130
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_GRACE_S = 30.0
_PERIODS = {True: 8, False: 20}


class _Stopped(Exception):  # noqa: N818 - a request, no error
    pass


@click.command()
@click.option(
    "--rounds", type=click.IntRange(1, 1000), help="end after so many rounds; exit 0 only if all are confirmed"
)
@click.option("--fast", is_flag=True, help="no wire time, a round every 8 seconds")
@click.option("--dir", "folder", type=click.Path(path_type=Path), help="keep everything in this (new) folder")
def demo(rounds: int | None, fast: bool, folder: Path | None) -> int:
    """Run 12 simulated meters on two buses, a broker, the gateway and the centre, until Ctrl-C.

    One meter is dead, one has a bad wire, and one address is there twice: see how each is told apart.
    """
    from edge.demo.site import DemoSite

    if folder is not None and folder.exists():
        raise EdgeError("E-CLI-108", path=str(folder))
    place = folder or Path(tempfile.mkdtemp(prefix="edge-demo-"))
    place.mkdir(parents=True, exist_ok=True)
    site = DemoSite(place.resolve(), _PERIODS[fast], fast)
    for number in _SIGNALS:
        signal.signal(number, _stop)
    try:
        return _run_until_stopped(site, rounds)
    finally:
        site.stop()
        if folder is None:
            shutil.rmtree(place, ignore_errors=True)


def _stop(*_: object) -> None:
    raise _Stopped


def _run_until_stopped(site: "DemoSite", rounds: int | None) -> int:
    """Run the site; from its end on signals are ignored, so that nothing disturbs the clearing up."""
    try:
        try:
            return _run(site, rounds)
        finally:
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_IGN)
    except _Stopped:
        tell(say("\nstopped", "\n已停止"))
        return _STOPPED_BY_HAND


def _run(site: "DemoSite", rounds: int | None) -> int:
    from edge.demo.watch import DemoWatch

    _introduce(site)
    site.start()
    watch = DemoWatch(site)
    watch.open()
    try:
        with _screen() as show:
            return _follow(site, watch, rounds, show)
    finally:
        watch.close()


def _introduce(site: "DemoSite") -> None:
    tell(
        say(
            f"12 simulated meters on 2 buses, a round every {site.period_s} s; "
            "readings go through broker and centre; Ctrl-C ends it.",
            f"2 条总线上 12 块仿真电表，每 {site.period_s} 秒一轮；读数经 MQTT 代理到主站；Ctrl-C 结束。",
        )
    )


def _follow(site: "DemoSite", watch: "DemoWatch", rounds: int | None, show: "_Screen") -> int:
    from edge.demo.watch import count_confirmed

    deadline = time.monotonic() + (rounds or 0) * site.period_s + site.period_s + _GRACE_S
    told: set[str] = set()
    shown = 0
    while True:
        watch.step(_LOOK_S)
        if name := site.failed():
            raise EdgeError("E-CLI-107", part=name, detail=site.log_of(name).read_text(errors="replace")[-600:])
        views = watch.rounds()
        _tell_faults(site, views, told, show)
        for number, view in enumerate(views[shown : count_confirmed(site, views)], start=shown + 1):
            show.round_done(site, view, number)
            shown = number
        show.update(site, watch, views, shown)
        if rounds is not None:
            code = judge(site, views, rounds, is_over=time.monotonic() > deadline)
            if code is not None:
                return code


def judge(site: "DemoSite", views: Sequence["RoundView"], rounds: int, *, is_over: bool) -> int | None:
    """Return the exit code: 0 if the rounds are confirmed and as built, 8 if not; None while there is still time."""
    from edge.demo.watch import count_confirmed, is_as_built

    confirmed = count_confirmed(site, views)
    if confirmed >= rounds:
        return _conclude(site, rounds, sum(not is_as_built(site, view) for view in views[:rounds]))
    if not is_over:
        return None
    tell(say(f"only {confirmed} of {rounds} rounds are confirmed", f"{rounds} 轮中仅 {confirmed} 轮得到确认"))
    return _NOT_CONFIRMED


def _conclude(site: "DemoSite", rounds: int, wrong: int) -> int:
    slots = rounds * len(site.meters)
    if wrong:
        tell(say(f"{wrong} rounds did not come out as built", f"{wrong} 轮的结果与设置不符"))
        return _NOT_CONFIRMED
    healthy = sum(site.fault_of(meter) is None for meter in site.meters)
    click.echo(
        say(
            f"{rounds} rounds, {slots} slots, all under signed receipts: {rounds * healthy} read, "
            f"{slots - rounds * healthy} missing with their reason",
            f"{rounds} 轮 {slots} 个时段全部有签名回执：读到 {rounds * healthy} 个，"
            f"缺失并注明原因 {slots - rounds * healthy} 个",
        )
    )
    return 0


def _tell_faults(site: "DemoSite", views: list["RoundView"], told: set[str], show: "_Screen") -> None:
    """Say in one line what each fault is, as soon as the centre knows of it."""
    for view in views:
        for meter, row in view.rows.items():
            if row.reason is None or meter in told:
                continue
            told.add(meter)
            code = Verdict(row.reason).code if row.reason in set(Verdict) else None
            if code is None:
                show.tell(f"{meter}: {row.reason}")
                continue
            entry, values = entry_of(code), {"meter": meter, "detail": "", "other": "", "count": "?"}
            fault = site.fault_of(meter)
            built = say(fault.en, fault.zh) if fault else "?"
            show.tell(f"[{code}] {entry.fact(language(), values)}; {entry.cause(language(), values)} ({built})")


class _Screen:
    """Lines, one a round: for pipes and logs."""

    def tell(self, line: str) -> None:
        """Print a line that stays."""
        click.echo(line)

    def round_done(self, site: "DemoSite", view: "RoundView", number: int) -> None:
        """Tell that a round is confirmed."""
        read = sum(row.reason is None for row in view.rows.values())
        at = view.slot_at.astimezone().strftime("%H:%M:%S")
        self.tell(
            say(
                f"round {number} ({at}): {read} read, {len(view.rows) - read} missing, all under a signed receipt",
                f"第 {number} 轮（{at}）：读到 {read}，缺失 {len(view.rows) - read}，均有签名回执",
            )
        )

    def update(self, site: "DemoSite", watch: "DemoWatch", views: list["RoundView"], confirmed: int) -> None:
        """Draw nothing: there is no screen."""


class _Table(_Screen):
    """A live table: for terminals only."""

    def __init__(self, live: "Live") -> None:
        self._live = live

    def tell(self, line: str) -> None:
        """Print a line above the table."""
        self._live.console.print(line, markup=False, highlight=False)

    def update(self, site: "DemoSite", watch: "DemoWatch", views: list["RoundView"], confirmed: int) -> None:
        """Draw the table anew."""
        self._live.update(_table(site, watch, views, confirmed))


@contextlib.contextmanager
def _screen() -> Iterator[_Screen]:
    if not is_terminal():
        yield _Screen()
        return
    from rich.live import Live

    with Live(refresh_per_second=4) as live:
        yield _Table(live)


def _table(site: "DemoSite", watch: "DemoWatch", views: list["RoundView"], confirmed: int) -> "RenderableType":
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from edge.demo.site import BUSES, PER_BUS

    readings = watch.latest_readings()
    rows = next((view.rows for view in reversed(views) if view.rows), {})
    table = Table()
    for heading in (say("bus", "总线"), say("meter", "电表"), "kWh", "V", "A", "W", say("state", "状态")):
        table.add_column(heading, justify="right" if len(heading) < 4 else "left")  # noqa: PLR2004 - units are short
    for number, meter in enumerate(site.meters):
        cells = [
            str(reading.value or "-") if (reading := readings.get((meter, key))) else ""
            for key in ("energy_active_import_total", "voltage_l1", "current_l1", "power_active_total")
        ]
        row = rows.get(meter)
        state = "" if row is None else row.reason or "ok"
        colour = "green" if state == "ok" else "red"
        table.add_row(BUSES[number // PER_BUS], meter, *cells, f"[{colour}]{state}[/]")
    return Group(table, Text(_title(watch, confirmed)))


def _title(watch: "DemoWatch", confirmed: int) -> str:
    receipt = watch.receipt
    if receipt is None or not receipt.epochs:
        return say("no receipt yet", "尚无回执")
    newest = receipt.epochs[0]
    return say(
        f"{confirmed} rounds under signed receipts; receipt {receipt.n}: stored up to batch {newest.stored}",
        f"{confirmed} 轮有签名回执；回执 {receipt.n}：已存到第 {newest.stored} 批",
    )

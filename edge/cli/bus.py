"""`edge bus`: a live view of a bus, one row an address, like a CAN viewer; or a snapshot for programs."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from edge.cli.common import is_terminal, json_option, say, tell
from edge.cli.draw import columns, print_json
from edge.cli.on_bus import BusChoice, bus_argument
from edge.cli.trace_source import Source, source_of
from edge.poll.traffic import Traffic, TrafficRow
from edge.protocols.dlt645.transcript import Line, Transcript

if TYPE_CHECKING:
    from rich.console import RenderableType

_NOTHING, _STOPPED = 5, 130
_SCHEMA = 1
_MOST_VALUES = 3
_SORTS: tuple[Callable[[TrafficRow], Any], ...] = (
    lambda row: row.address,
    lambda row: -sum(row.errors.values()),
    lambda row: -row.last_at,
)


@click.command()
@bus_argument
@click.option("--meter", default="", help="only this address")
@click.option("--seconds", type=click.FloatRange(min=0), help="end after so long  [default: q or Ctrl-C]")
@json_option
def bus(choice: BusChoice, meter: str, seconds: float | None, as_json: bool) -> int:
    """Show what goes on on BUS: address, count, interval, response time, errors, last values.

    Keys: q quit, c clear, s sort, space pause, h help. With --port, or without a daemon, it only listens. Without a
    terminal: one line a frame, or with --json one document after --seconds.
    """
    view = _View(source_of(choice, 0, seconds), meter)
    is_stopped = False
    try:
        if is_terminal() and not as_json:
            _draw_live(view)
        else:
            for line in (line for lines in view.turns() for line in lines):
                if not as_json:
                    click.echo(view.event(line))
    except KeyboardInterrupt:
        is_stopped = True
    document = view.traffic.document()
    if as_json:
        print_json({"schema": _SCHEMA, "header": dict(view.source.header), **document})
    if not view.traffic.rows:
        tell(say("nothing was heard", "没有听到任何数据"))
    if is_stopped:
        return _STOPPED
    return 0 if view.traffic.rows else _NOTHING


class _View:
    """The rows, and what the person at the keyboard wants to see of them."""

    def __init__(self, source: Source, meter: str) -> None:
        self.source = source
        self.traffic = Traffic(byte_s=source.byte_s)
        self.is_paused = False
        self.has_help = False
        self._meter = meter
        self._sort = 0

    def turns(self) -> Iterator[list[Line]]:
        """Yield after each event and each beat the lines that count, after they are counted."""
        transcript, now = Transcript(), self.source.now
        for event in self.source.events:
            if event is not None:
                lines = transcript.take(event.at_monotonic, event.direction, event.data)
                self.traffic.pass_time(event.at_monotonic)
            else:
                lines = transcript.pass_time(now()) if now else []
            yield [line for line in lines if self._count(line)]
            if now is not None:
                self.traffic.pass_time(now())
        yield [line for line in transcript.flush() if self._count(line)]

    def _count(self, line: Line) -> bool:
        is_wanted = self._is_wanted(line)
        if is_wanted:
            self.traffic.take(line, is_listening=self.source.is_listening)
        return is_wanted

    def _is_wanted(self, line: Line) -> bool:
        return not self._meter or line.frame is None or line.frame.address == self._meter

    def event(self, line: Line) -> str:
        """Return a line for who has no terminal."""
        address = line.frame.address if line.frame else "?"
        row = self.traffic.rows.get(address)
        kind = "?" if line.frame is None else "answer" if line.frame.is_response else "request"
        what = _cells(row) if row else [address, say(f"{len(line.raw)} bytes", f"{len(line.raw)} 字节")]
        return f"{self.source.wall(line.at):%H:%M:%S}  {kind:8}" + "  ".join(what)

    def press(self, key: str) -> bool:
        """Do what a key says; False to end."""
        match key:
            case "q":
                return False
            case "c":
                self.traffic.clear()
            case "s":
                self._sort = (self._sort + 1) % len(_SORTS)
            case " ":
                self.is_paused = not self.is_paused
            case "h":
                self.has_help = not self.has_help
        return True

    def rows(self) -> list[TrafficRow]:
        """Return the rows in the order that is wanted."""
        return sorted(self.traffic.rows.values(), key=_SORTS[self._sort])

    def text(self) -> "RenderableType":
        """Return the whole picture."""
        from rich.text import Text

        head = [say("address", "表地址"), say("asked", "请求"), say("answers", "应答"), say("every", "间隔"), "ms"]
        table = columns([[*head, say("errors", "错误"), say("last values", "最新值")], *map(_cells, self.rows())])
        foreign, stray = self.traffic.foreign, self.traffic.stray_bytes
        foot = say(f"foreign requests {foreign}, stray bytes {stray}", f"外来请求 {foreign}，零散字节 {stray}")
        keys = say("q quit  c clear  s sort  space pause  h help", "q 退出  c 清空  s 排序  空格 暂停  h 帮助")
        more = say(
            "errors by verdict; ms: least/mean/most; ^ a value that changed, with the digits that did",
            "错误按判定分类；ms：最小/平均/最大；^ 表示变化的值及其变化的数字",
        )
        state = say("paused  ", "已暂停  ") if self.is_paused else ""
        return Text("\n".join([*table, "", foot, state + (more if self.has_help else keys)]))


def _cells(row: TrafficRow) -> list[str]:
    times = row.response_ms
    values = [f"{key} {_marked(one.before, one.value)} {one.unit}".rstrip() for key, one in row.values.items()]
    return [
        row.address,
        str(row.requests),
        str(row.answers),
        "-" if row.interval_s is None else f"{row.interval_s:.1f} s",
        f"{min(times)}/{round(sum(times) / len(times))}/{max(times)}" if times else "-",
        " ".join(f"{verdict} {count}" for verdict, count in row.errors.items()) or "-",
        ", ".join(values[:_MOST_VALUES]) or "-",
    ]


def _marked(before: str, value: str) -> str:
    """Return a value with a mark before the first digit that changed."""
    if not before or before == value:
        return value
    at = next((n for n, (old, new) in enumerate(zip(before, value, strict=False)) if old != new), 0)
    return value if len(before) != len(value) and at == 0 else f"{value[:at]}^{value[at:]}"


def _draw_live(view: _View) -> None:
    from rich.live import Live

    with _keys() as pressed, Live(view.text(), refresh_per_second=4, screen=True) as live:
        for _ in view.turns():
            keys = pressed()
            if not all(view.press(key) for key in keys):
                return
            if keys or not view.is_paused:
                live.update(view.text())


@contextmanager
def _keys() -> Iterator[Callable[[], str]]:
    """Give a function that returns the keys pressed since it was asked last; the terminal is put back at the end."""
    import os
    import select
    import termios
    import tty

    if not sys.stdin.isatty():
        yield lambda: ""
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)

    def pressed() -> str:
        ready = select.select([descriptor], [], [], 0)[0]
        return os.read(descriptor, 64).decode("utf-8", "ignore") if ready else ""

    try:
        yield pressed
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)

"""`edge trace`: what goes over a bus, frame by frame, in hex and in one line of words; saved and shown again."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import click

from edge.cli.common import check_address, json_option, language, tell
from edge.cli.draw import print_json
from edge.cli.on_bus import BusChoice, bus_argument
from edge.cli.trace_source import Source, saved_line, source_of, source_of_file, utc_text
from edge.errors import UsageError
from edge.protocols.dlt645.explain import Explanation, explain_bytes
from edge.protocols.dlt645.transcript import Line, Transcript

_NOTHING, _STOPPED = 5, 130
_MOST_ITEMS = 6


@click.command()
@bus_argument
@click.option("--save", type=click.Path(path_type=Path, dir_okay=False), help="write everything heard to this file too")
@click.option(
    "--replay", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="show a saved file, without waiting"
)
@click.option("--filter", "wanted", metavar="TEXT", default="", help="only lines that hold this text: tx, BAD, a word")
@click.option("--meter", default="", help="only frames of this address")
@click.option(
    "--last", type=click.IntRange(0, 2000), default=0, help="begin with so many events of the daemon's memory"
)
@click.option("--seconds", type=click.FloatRange(min=0), help="end after so long  [default: Ctrl-C]")
@json_option
@click.option("--jsonl", "as_lines", is_flag=True, help="print one JSON document for each frame")
def trace(
    choice: BusChoice,
    save: Path | None,
    replay: Path | None,
    wanted: str,
    meter: str,
    last: int,
    seconds: float | None,
    as_json: bool,
    as_lines: bool,
) -> int:
    """Show what goes over BUS, both directions. With --port, or without a daemon, it only listens and sends nothing."""
    if meter:
        check_address(meter)
    source = source_of_file(replay) if replay else source_of(choice, last, seconds)
    shown = _Shown(source, wanted.lower(), meter, as_json=as_json, as_lines=as_lines)
    code = 0
    with ExitStack() as stack:
        file = stack.enter_context(_open(save)) if save else None
        if file is not None:
            file.write(_header_line(source))
        try:
            for line in _lines(source, file):
                shown.take(line)
        except KeyboardInterrupt:
            code = _STOPPED
    shown.end()
    return code or (0 if shown.count else _NOTHING)


def _open(file: Path) -> IO[str]:
    try:
        return file.open("w", encoding="utf-8")
    except OSError as exc:
        raise UsageError("E-CLI-114", file=file, detail=str(exc)) from exc


def _header_line(source: Source) -> str:
    import json

    return json.dumps(dict(source.header)) + "\n"


def _lines(source: Source, file: IO[str] | None) -> Iterator[Line]:
    """Yield the lines of a source, and write its events down as they come."""
    transcript = Transcript()
    for event in source.events:
        if event is None:
            yield from transcript.pass_time(source.now()) if source.now else []
            continue
        if file is not None:
            file.write(saved_line(event))
            file.flush()
        yield from transcript.take(event.at_monotonic, event.direction, event.data)
    yield from transcript.flush()


@dataclass(slots=True)
class _Shown:
    """Prints lines, and counts them."""

    source: Source
    wanted: str
    meter: str
    as_json: bool
    as_lines: bool
    count: int = 0
    documents: list[dict[str, Any]] | None = None

    def take(self, line: Line) -> None:
        """Print a line if it is wanted."""
        explained = explain_bytes(line.raw, lang="en" if self.as_json or self.as_lines else language())
        way = self._way(line)
        text = (
            f"{self.source.wall(line.at):%H:%M:%S.%f}"[:-3] + f"  {way}  {line.raw.hex().upper()}  {meaning(explained)}"
        )
        if self.meter and explained.address != self.meter:
            return
        if self.wanted and self.wanted not in text.lower():
            return
        self.count += 1
        if self.as_lines or self.as_json:
            self._take_document(line, explained, way)
        else:
            click.echo(text)

    def end(self) -> None:
        """Print the document, if one is wanted."""
        if self.as_json:
            print_json({"schema": 1, "header": dict(self.source.header), "lines": self.documents or []})
        elif not self.count:
            tell(_nothing())

    def _way(self, line: Line) -> str:
        """Return who sent it: tx is ours; where all is only heard, requests and answers are told by their frames."""
        if not self.source.is_listening:
            return line.direction
        return "??" if line.frame is None else "<-" if line.frame.is_response else "->"

    def _take_document(self, line: Line, explained: Explanation, way: str) -> None:
        document = {
            "time": utc_text(self.source.wall(line.at)),
            "at": round(line.at - float(self.source.header["at"]), 6),
            "direction": line.direction,
            "hex": line.raw.hex().upper(),
            "ok": explained.is_ok,
            "sender": None if line.frame is None else "meter" if line.frame.is_response else "master",
            "meter": explained.address,
            "meaning": meaning(explained),
        }
        if self.as_lines:
            print_json(document)
        else:
            self.documents = [*(self.documents or []), document]


def meaning(explained: Explanation) -> str:
    """Return a frame in one line of words: address, function, identifier, values; or what is wrong with it."""
    lang = language()
    parts = [explained.address or "", explained.function_text, explained.di or ""]
    items = [f"{item.value if item.value is not None else '-'} {item.unit}".strip() for item in explained.items]
    if items and explained.direction == "response":
        parts += ["= " + ", ".join(items[:_MOST_ITEMS]) + (" ..." if len(items) > _MOST_ITEMS else "")]
    if explained.refusal is not None:
        parts.append(f"ERR {explained.refusal.code}: {', '.join(explained.refusal.reasons)}")
    if explained.more:
        parts.append("还有后续帧" if lang == "zh" else "more follows")
    if explained.problem is not None:
        parts.insert(0, "有误：" if lang == "zh" else "BAD:")
        parts.append(explained.problem.text(lang))
    return " ".join(part for part in parts if part)


def _nothing() -> str:
    return "没有听到任何数据" if language() == "zh" else "nothing was heard"

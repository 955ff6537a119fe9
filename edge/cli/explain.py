"""`edge explain`: what the bytes of a DL/T 645 frame say, in words or as one JSON object a line."""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click

from edge.cli.common import language
from edge.cli.explain_layout import draw
from edge.errors import UsageError
from edge.protocols.dlt645.explain import Explanation, explain_bytes
from edge.protocols.dlt645.search import Problem

_PARTLY = 6
_PREFIX = re.compile(r"0[xX]|\\[xX]|(?<=[0-9A-Fa-f]{2})[hH](?![0-9A-Za-z])")
_BETWEEN = re.compile(r"[\s:,;._|'\"()\[\]{}\ufeff-]+")
_NOT_HEX = re.compile(r"[^0-9A-Fa-f]")
_ONE_BYTE = re.compile(r"(?:0[xX])?[0-9A-Fa-f]{2}[hH]?,?")


@dataclass(frozen=True, slots=True)
class _Unread:
    """A line that is no hex: why."""

    problem: Problem


@click.command()
@click.argument("frames", nargs=-1, metavar="[HEX]...")
@click.option("--jsonl", "as_lines", is_flag=True, help="print one JSON object for each frame")
@click.option(
    "--protocol",
    type=click.Choice(["dlt645-2007", "dlt645-1997"]),
    help="version of the standard [default: as the control code tells]",
)
@click.pass_context
def explain(ctx: click.Context, frames: tuple[str, ...], as_lines: bool, protocol: str | None) -> None:
    """Explain frames given in hex, as arguments or one a line on standard input."""
    lang = "en" if as_lines else language()  # what programs read is the same in every language
    version = protocol.removeprefix("dlt645-") if protocol else None
    all_ok = True
    for line in _lines(frames):
        result = explain_line(line, version, lang)
        all_ok &= isinstance(result, Explanation) and result.is_ok
        if as_lines:
            click.echo(json.dumps(as_document(result, protocol), ensure_ascii=False))
        else:
            click.echo(_text(result, lang))
    ctx.exit(0 if all_ok else _PARTLY)


def explain_line(line: str, version: str | None = None, lang: str = "en") -> Explanation | _Unread:
    """Return what one line of hex says. Blanks, colons, commas, 0x and small letters are fine."""
    digits = _BETWEEN.sub("", _PREFIX.sub("", line))
    if match := _NOT_HEX.search(digits):
        shown = ascii(match[0])
        problem = Problem("not_hex", match.start() // 2, f"{shown} is no hex digit", f"{shown} 不是十六进制数字")
        return _Unread(problem)
    if len(digits) % 2:
        problem = Problem("not_hex", len(digits) // 2, "an odd number of hex digits", "十六进制数字的个数为奇数")
        return _Unread(problem)
    return explain_bytes(bytes.fromhex(digits), version, lang)


def as_document(result: Explanation | _Unread, protocol: str | None) -> dict[str, Any]:
    """Return the JSON object of one frame; its keys are a contract, its words are English."""
    if isinstance(result, _Unread):
        result = Explanation(data=b"", start=0, frame=b"", protocol=protocol, problem=result.problem)
    problem, refusal = result.problem, result.refusal
    return {
        "ok": result.is_ok,
        "protocol": result.protocol,
        "direction": result.direction,
        "address": result.address,
        "control": result.control,
        "function": result.function,
        "more": result.more,
        "di": result.di,
        "items": [
            {"di": fact.di, "quantity": fact.quantity, "value": fact.value, "unit": fact.unit, "name": fact.name}
            | ({"bits": list(fact.bits)} if fact.bits else {})
            for fact in result.items
        ],
        "refusal": refusal and {"code": refusal.code, "reasons": list(refusal.reasons)},
        "problem": problem and {"code": problem.code, "at": problem.at, "text": problem.text("en")},
    }


def _text(result: Explanation | _Unread, lang: str) -> str:
    if isinstance(result, _Unread):
        return f"{'有误' if lang == 'zh' else 'BAD'}: {result.problem.text(lang)}\n"
    return draw(result, lang)


def _lines(frames: Sequence[str]) -> Iterator[str]:
    """Yield the frames given; bytes given as arguments of their own are one frame. Raises UsageError for nothing."""
    if len(frames) > 1 and all(_ONE_BYTE.fullmatch(frame) for frame in frames):
        yield " ".join(frames)
    elif frames and frames != ("-",):
        yield from frames
    elif not frames and sys.stdin.isatty():
        raise UsageError("E-CLI-301")
    else:
        for raw in sys.stdin.buffer:
            if line := raw.decode("utf-8", errors="replace").strip("\ufeff \t\r\n"):
                yield line

"""`edge centre completeness`: what was expected, what came, and who can close the holes."""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge.cli.centre_ledger import (
    database_option,
    folder_argument,
    open_ledger,
    parse_moment,
    since_option,
    until_option,
)
from edge.cli.common import json_option, say
from edge.errors import UsageError

if TYPE_CHECKING:
    from edge.centre.completeness import Hole, SlotFate, Statement, Unnamed

_FINE, _PARTLY = 0, 6
_DAY = timedelta(days=1)


@click.command()
@folder_argument
@click.option("--gateway", help="only this one")
@since_option
@until_option
@database_option
@json_option
@click.option("--jsonl", "as_jsonl", is_flag=True, help="print each slot of each meter, one JSON object a line")
def completeness(  # one argument an option
    folder: Path,
    gateway: str | None,
    since: str | None,
    until: str | None,
    database: str | None,
    as_json: bool,
    as_jsonl: bool,
) -> int:
    """Tell what was expected, what came, and who can close the holes [default: the last 24 hours]."""
    from edge.centre.completeness import Question, Statement, slot_fates
    from edge.centre.completeness import completeness as state
    from edge.centre.keyring import FolderKeyring
    from edge.clock import SystemClock
    from edge.config.centre import load_centre
    from edge.config.settings import parse_duration

    settings = load_centre(folder)
    now = SystemClock().utc_now()
    last = parse_moment(until) or now
    first = parse_moment(since) or last - _DAY
    if first >= last:
        raise UsageError("E-CEN-112", since=_text(first), until=_text(last))
    grace_s = parse_duration(settings.completeness.grace)
    enrolled = FolderKeyring(Path(settings.centre.gateways)).names()
    question = Question(since=first, until=last, now=now, grace_s=grace_s, gateway=gateway, enrolled=enrolled)
    with open_ledger(settings, database, must_exist=True, to_read=True) as ledger:
        if gateway is not None and gateway not in {*enrolled, *ledger.gateways()}:
            raise UsageError("E-CEN-111", gateway=gateway)
        if as_jsonl:
            statement = Statement(first, last)
            holes = sum(map(_print_slot, slot_fates(ledger, question, statement)))
            for one in statement.unnamed:
                _print_unnamed(one)
            return _FINE if statement.is_complete and not holes else _PARTLY
        statement = state(ledger, question)
        unassigned = ledger.unassigned()
    if as_json:
        click.echo(json.dumps(_statement_document(statement, unassigned), ensure_ascii=False))
    else:
        _print_statement(statement, unassigned)
    return _FINE if statement.is_complete else _PARTLY


def _statement_document(statement: "Statement", unassigned: Iterable[str]) -> dict[str, Any]:
    from edge.centre.completeness import Fill

    def counts(found: Any) -> dict[str, int]:
        return {"expected": sum(found.values()), **{str(fill): found[fill] for fill in Fill}}

    tasks: dict[tuple[str, str], dict[str, dict[str, int]]] = {key: {} for key in statement.totals}
    for (gateway, meter, task), found in statement.tasks.items():
        tasks[gateway, meter][task] = counts(found)
    return {
        "from": _text(statement.since),
        "to": _text(statement.until),
        "complete": statement.is_complete,
        "total": counts(statement.total),
        "meters": [
            {
                "gateway": key[0],
                "meter": key[1],
                **counts(found),
                "conflicts": statement.conflicts[key],
                "tasks": tasks[key],
            }
            for key, found in sorted(statement.totals.items())
        ],
        "holes": [_hole_document(hole) for hole in statement.holes],
        "unheard": statement.unheard,
        "ahead": dict(statement.ahead),
        "begun_anew": [{"gateway": gateway, "epoch": epoch.hex()} for gateway, epoch in statement.begun_anew],
        "closed": {gateway: _text(at) for gateway, at in statement.closed.items()},
        "unplanned": statement.unplanned,
        "never_heard": [
            {"meter": one.meter, "gateway": one.gateway, "closed_by": str(one.closer)} for one in statement.unnamed
        ],
        "unreadable": statement.unreadable,
        "unassigned": list(unassigned),
    }


def _hole_document(hole: "Hole") -> dict[str, object]:
    return {
        "gateway": hole.gateway,
        "meter": hole.meter,
        "task": hole.task,
        "from": _text(hole.first_at),
        "to": _text(hole.last_at),
        "count": hole.count,
        "state": str(hole.fill),
        "reason": hole.reason,
        "closed_by": str(hole.closer),
        "batches": [list(span) for span in hole.closing.batches],
    }


def _print_slot(fate: "SlotFate") -> bool:
    """Print a slot as a line of JSON, and return True if it is a hole."""
    document = {
        "gateway": fate.gateway,
        "meter": fate.meter,
        "task": fate.task,
        "slot_at": _text(fate.slot_at),
        "state": str(fate.fill),
        "reason": fate.reason,
        "closed_by": str(fate.closing.closer) if fate.closing else None,
        "conflict": fate.is_conflict,
    }
    click.echo(json.dumps(document, ensure_ascii=False))
    return fate.closing is not None


def _print_unnamed(one: "Unnamed") -> None:
    """Print a meter without slots as a line of JSON with the keys of a slot's."""
    whole = {"gateway": one.gateway, "meter": one.meter, "task": None, "slot_at": None, "state": "never_heard"}
    click.echo(json.dumps({**whole, "reason": "", "closed_by": str(one.closer), "conflict": False}))


def _unnamed_words(one: "Unnamed") -> str:
    meter, other = one.meter, one.gateway
    if other is not None:
        return say(
            f"meter {meter} is on the list and not heard of: no plan of this span names it, one of {other} did;"
            f" edge meters add at {other} if it should still be read, else take it off the list here:"
            " edge centre enrol --meters FILE --replace",
            f"电表 {meter} 在清单中但没有数据：该时段内没有抄读计划包含它，{other} 曾包含它；"
            f"若仍需抄读，请在 {other} 上执行 edge meters add，否则从本清单中移除："
            "edge centre enrol --meters 文件 --replace",
        )
    return say(
        f"meter {meter} is on the list and never heard of: no gateway's plan names it; edge meters add at the gateway"
        " that it hangs on, or take it off the list here: edge centre enrol --meters FILE --replace",
        f"电表 {meter} 在清单中，但从未上报：没有任何网关的抄读计划包含它；请在其所接的网关上执行 edge meters add，"
        "或从本清单中移除：edge centre enrol --meters 文件 --replace",
    )


def _print_statement(statement: "Statement", unassigned: Iterable[str]) -> None:
    from edge.centre.completeness import Fill

    heads = ["gateway", "meter", "expected", *(str(fill) for fill in Fill), "conflicts"]
    rows = [
        [*key, sum(found.values()), *(found[fill] for fill in Fill), statement.conflicts[key]]
        for key, found in sorted(statement.totals.items())
    ]
    for line in _columns([heads, *rows]):
        click.echo(line)
    words = _closer_words()
    for hole in statement.holes:
        span = f"{_text(hole.first_at)} .. {_text(hole.last_at)}"
        why = f"{hole.fill}{f' ({hole.reason})' if hole.reason else ''}"
        batches = ", ".join(f"{low}-{high}" if low < high else str(low) for low, high in hole.closing.batches)
        who = words[hole.closer] + (f" ({say('batches', '批次')} {batches})" if batches else "")
        click.echo(f"{hole.gateway} {hole.meter} {hole.task} {span} x{hole.count}: {why}; {who}")
    _print_gateways(statement)
    for gateway in statement.unplanned:
        click.echo(say(f"{gateway}: sent no plan yet, nothing is expected of it", f"{gateway}：尚未上送抄读计划"))
    for one in statement.unnamed:
        click.echo(_unnamed_words(one))
    for problem in statement.unreadable:
        click.echo(say(f"plan cannot be read: {problem}", f"计划无法读取：{problem}"))
    for meter in unassigned:
        click.echo(say(f"meter {meter} is not on the list", f"电表 {meter} 不在清单中"))


def _print_gateways(statement: "Statement") -> None:
    for gateway in statement.unheard:
        click.echo(say(f"{gateway}: enrolled, and never heard of", f"{gateway}：已登记，从未收到任何消息"))
    for gateway, count in statement.ahead.items():
        click.echo(
            say(
                f"{gateway}: {count} slots lie more than a day in the future; compare its clock and this one's",
                f"{gateway}：有 {count} 个时隙在一天以后的未来，请核对网关与本机时钟",
            )
        )
    for gateway, epoch in statement.begun_anew:
        click.echo(
            say(
                f"{gateway}: began anew with epoch {epoch.hex()}, which follows none: its store was lost or the box"
                " exchanged; what it had not sent by then is gone",
                f"{gateway}：以新纪元 {epoch.hex()} 重新开始，没有前一纪元：存储丢失或设备已更换；此前未上送的已丢失",
            )
        )
    for gateway, at in statement.closed.items():
        click.echo(
            say(f"{gateway}: closed, nothing is expected after {_text(at)}", f"{gateway}：已于 {_text(at)} 关闭")
        )


def _closer_words() -> dict[Any, str]:
    from edge.centre.closers import Closer

    return {
        Closer.METER: say("the meter may still have it, the gateway asks", "电表内可能仍有数据，网关会补抄"),
        Closer.GATEWAY: say("look at the gateway: edge status there", "请检查网关：在网关上执行 edge status"),
        Closer.NETWORK: say("on its way, or the gateway is cut off or without power", "仍在途中，或网关断网、断电"),
        Closer.CENTRE: say("this centre rejected it: look at its messages", "被本主站退回：请查看主站消息"),
        Closer.NOBODY: say("final, nobody can close it", "已确定缺失，无法补抄"),
    }


def _columns(rows: list[list[Any]]) -> Iterator[str]:
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*texts, strict=True)]
    for row in texts:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

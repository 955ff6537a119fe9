"""`edge centre`: the other end. It accepts signed batches from a broker, keeps them once, and says what is missing."""

import csv
import json
import signal
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge.cli.centre_ledger import backup, database_option, folder_argument, open_ledger
from edge.cli.centre_receive import receive
from edge.cli.common import json_option, say, show_error, tell
from edge.errors import ControlError, UsageError

if TYPE_CHECKING:
    from edge.centre.accept import Taken
    from edge.centre.completeness import Hole, SlotFate, Statement
    from edge.centre.ledger import ReadingRow
    from edge.centre.worker import Notice

FINE, PARTLY, STOPPED = 0, 6, 130
_DAY = timedelta(days=1)

_since = click.option("--from", "since", metavar="TIME", help="first slot, as in 2026-11-23 or 2026-11-23T08:00+08:00")
_until = click.option("--to", "until", metavar="TIME", help="slots before this [default: now]")


@click.group()
def centre() -> None:
    """Run the other end: accept signed batches, keep each reading once, tell what is missing."""


centre.add_command(backup)


@centre.command()
@folder_argument
@click.option("--tenant", default="demo", show_default=True, help="name of the utility, as in each edge.toml")
def init(folder: Path, tenant: str) -> None:
    """Make the centre's settings, its key and the folder for the gateways' keys."""
    from edge.centre.folder import PUBLIC_NAME, make_folder

    for path in make_folder(folder, tenant):
        tell(f"{say('made', '已创建')} {path}")
    tell(
        say(
            f"next: copy {folder / PUBLIC_NAME} to each gateway ([centre] key), then edge centre enrol {folder} ...",
            f"下一步：把 {folder / PUBLIC_NAME} 复制到各网关（[centre] key），然后 edge centre enrol {folder} ...",
        )
    )


@centre.command()
@folder_argument
@click.argument("gateway", required=False)
@click.argument("public", metavar="PUBFILE", required=False, type=click.Path(path_type=Path))
@click.option(
    "--meters", type=click.Path(path_type=Path), help="CSV list of known meters; readings of others are marked"
)
@click.option("--replace", is_flag=True, help="take this key in the place of the one that is enrolled")
@database_option
def enrol(
    folder: Path, gateway: str | None, public: Path | None, meters: Path | None, replace: bool, database: str | None
) -> None:
    """Take in a gateway's public key, or a list of known meters."""
    from edge.centre.folder import enrol_gateway, read_addresses
    from edge.config.centre import load_centre

    settings = load_centre(folder)
    if meters is None and (gateway is None or public is None):
        raise UsageError("E-CEN-107", folder=folder)
    if gateway is not None and public is not None:
        kid = enrol_gateway(settings, gateway, public, replace=replace)
        tell(say(f"enrolled {gateway}, key {kid.hex()}", f"已登记 {gateway}，密钥 {kid.hex()}"))
    if meters is not None:
        addresses = list(read_addresses(meters))
        with open_ledger(settings, database) as ledger:
            count = ledger.import_meters(addresses)
        tell(say(f"{count} meters are known", f"已登记电表 {count} 块"))


@centre.command()
@folder_argument
@click.option("--broker", metavar="URL", help="mqtt(s)://host:port in the place of the settings' endpoint")
@click.option("--jsonl", "as_jsonl", is_flag=True, help="print events on standard output, one JSON object a line")
@database_option
def run(folder: Path, broker: str | None, as_jsonl: bool, database: str | None) -> int:
    """Accept batches and answer with receipts until it is stopped."""
    from edge.centre.collector import calm_collector
    from edge.centre.folder import build_worker
    from edge.cli.centre_loop import step_until
    from edge.clock import SystemClock
    from edge.config.centre import load_centre

    settings = load_centre(folder)
    clock = SystemClock()
    stop = _Stop()
    with open_ledger(settings, database) as ledger:
        ledger.claim()
        calm_collector()
        worker = build_worker(settings, ledger, clock, _print_jsonl if as_jsonl else _print_line, broker=broker)
        try:
            step_until(worker, clock, lambda: stop.code is not None)
        finally:
            worker.close()
            stop.restore()
    return stop.code or FINE


@centre.command()
@folder_argument
@click.option("--gateway", help="only this one")
@_since
@_until
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
    last = _instant(until) or now
    first = _instant(since) or last - _DAY
    if first >= last:
        raise UsageError("E-CEN-105", text=since or until)
    grace_s = parse_duration(settings.completeness.grace)
    enrolled = FolderKeyring(Path(settings.centre.gateways)).names()
    question = Question(since=first, until=last, now=now, grace_s=grace_s, gateway=gateway, enrolled=enrolled)
    with open_ledger(settings, database, must_exist=True) as ledger:
        if as_jsonl:
            statement = Statement(first, last)
            holes = [_print_slot(fate) for fate in slot_fates(ledger, question, statement)]
            return FINE if statement.is_complete and not any(holes) else PARTLY
        statement = state(ledger, question)
        unassigned = ledger.unassigned()
    if as_json:
        click.echo(json.dumps(_statement_document(statement, unassigned), ensure_ascii=False))
    else:
        _print_statement(statement, unassigned)
    return FINE if statement.is_complete else PARTLY


@centre.command()
@folder_argument
@click.option("--json", "form", flag_value="json", help="one JSON document")
@click.option("--jsonl", "form", flag_value="jsonl", default=True, help="one JSON object a line [default]")
@click.option("--csv", "form", flag_value="csv", help="CSV with a heading")
@click.option("--gateway", help="only this one")
@click.option("--meter", help="only this one")
@_since
@_until
@database_option
def export(
    folder: Path,
    form: str,
    gateway: str | None,
    meter: str | None,
    since: str | None,
    until: str | None,
    database: str | None,
) -> None:
    """Print readings, each once, in the order of their slots."""
    from edge.centre.ledger import Span
    from edge.config.centre import load_centre

    span = Span(since=_instant(since), until=_instant(until), gateway=gateway, meter=meter)
    with open_ledger(load_centre(folder), database, must_exist=True) as ledger:
        _print_readings(ledger.readings(span), form)


centre.add_command(receive)


class _Stop:
    """Notes SIGTERM and Ctrl-C, so that a step ends in order; `code` is the exit code then."""

    def __init__(self) -> None:
        self.code: int | None = None
        self._before = {
            signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: self._note(FINE)),
            signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: self._note(STOPPED)),
        }

    def restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, code: int) -> None:
        self.code = code


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError("E-CEN-105", text=text) from None


def _print_line(notice: "Notice") -> None:
    from edge.centre.accept import Fate, Taken
    from edge.centre.worker import Heard, Trouble

    match notice:
        case Trouble(error):
            show_error(error)
        case Heard(birth):
            waiting = say(f"{birth.buffered} readings wait", f"待发读数 {birth.buffered} 条")
            tell(f"{birth.gateway} {say('is there', '在线')}: {birth.version}, {waiting}")
        case Taken(fate=Fate.FORK | Fate.REFUSED | Fate.REJECTED):
            show_error(_alarm(notice))
        case Taken():
            words = {
                Fate.STORED: say("stored", "已入库"),
                Fate.DUPLICATE: say("duplicate, ignored", "重复，已忽略"),
                Fate.HELD: say("replacement not needed, the original is here", "已有原批次，无需替代"),
                Fate.RESTORED: say("original came after its replacement, stored", "原批次补到，已入库"),
            }
            readings = f", {notice.counts.readings} {say('readings', '条读数')}" if notice.counts.readings else ""
            tell(f"{notice.gateway} {say('batch', '批次')} {notice.seq}: {words[notice.fate]}{readings}")
        case _:
            tell(say("connected to the broker", "已连接MQTT 代理"))


def _alarm(taken: "Taken") -> ControlError:
    codes = {"fork": "E-CEN-201", "refused": "E-CEN-202", "rejected": "E-CEN-203"}
    return ControlError(codes[taken.fate], gateway=taken.gateway, seq=taken.seq, reason=taken.reason)


def _print_jsonl(notice: "Notice") -> None:
    click.echo(json.dumps(_notice_document(notice), ensure_ascii=False))


def _notice_document(notice: "Notice") -> dict[str, object]:
    from edge.centre.accept import Taken
    from edge.centre.worker import Heard, Trouble

    match notice:
        case Trouble(error):
            return {"event": "trouble", "code": error.code, "text": error.fact()}
        case Heard(birth):
            return {"event": "birth", "gateway": birth.gateway, "epoch": birth.epoch.hex(), "next_seq": birth.next_seq}
        case Taken():
            document: dict[str, object] = {"event": str(notice.fate), "gateway": notice.gateway, "seq": notice.seq}
            epoch = notice.epoch.hex() if notice.epoch else None
            return {**document, "epoch": epoch, "reason": notice.reason, **asdict(notice.counts)}
    return {"event": "online"}


def _print_readings(rows: "Iterable[ReadingRow]", form: str) -> None:
    if form == "jsonl":
        for row in rows:
            click.echo(json.dumps(asdict(row), ensure_ascii=False))
    elif form == "json":
        click.echo(json.dumps({"readings": [asdict(row) for row in rows]}, ensure_ascii=False))
    else:
        from edge.centre.ledger import ReadingRow

        writer = csv.DictWriter(sys.stdout, [field.name for field in fields(ReadingRow)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


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
        "unplanned": statement.unplanned,
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
    for gateway in statement.unheard:
        click.echo(say(f"{gateway}: enrolled, and never heard of", f"{gateway}：已登记，从未收到任何消息"))
    for gateway in statement.unplanned:
        click.echo(say(f"{gateway}: sent no plan yet, nothing is expected of it", f"{gateway}：尚未上送抄读计划"))
    for problem in statement.unreadable:
        click.echo(say(f"plan cannot be read: {problem}", f"计划无法读取：{problem}"))
    for meter in unassigned:
        click.echo(say(f"meter {meter} is not on the list", f"电表 {meter} 不在清单中"))


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

"""`edge centre run`: the centre at work, and what it says of it, for people and for programs."""

import json
import signal
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.cli.centre_ledger import database_option, folder_argument, open_ledger
from edge.cli.common import say, show_error, tell
from edge.errors import ControlError

if TYPE_CHECKING:
    from edge.centre.accept import Taken
    from edge.centre.ledger import Ledger
    from edge.centre.worker import CentreWorker, Notice
    from edge.cli.centre_loop import Turns

_FINE, _STOPPED = 0, 130


@click.command()
@folder_argument
@click.option("--broker", metavar="URL", help="mqtt(s)://host:port in the place of the settings' endpoint")
@click.option("--jsonl", "as_jsonl", is_flag=True, help="print events on standard output, one JSON object a line")
@database_option
def run(folder: Path, broker: str | None, as_jsonl: bool, database: str | None) -> int:
    """Accept batches and answer with receipts until it is stopped.

    While the database cannot be reached it waits, at the start too; nothing is acknowledged meanwhile.
    """
    from edge.centre.folder import build_worker
    from edge.centre.waiting import start_when_there
    from edge.cli.centre_loop import Turns
    from edge.clock import SystemClock
    from edge.config.centre import load_centre

    settings = load_centre(folder)
    clock = SystemClock()
    show = _print_jsonl if as_jsonl else _print_line
    stop = _Stop()
    turns = Turns(clock, lambda: stop.code is not None)

    def start() -> "tuple[Ledger, CentreWorker]":
        ledger = open_ledger(settings, database)
        try:
            ledger.claim()
            return ledger, build_worker(settings, ledger, clock, show, broker=broker)
        except BaseException:
            ledger.close()
            raise

    try:
        started = start_when_there(start, clock, show, turns.are_over)
        if started is not None:
            _work(*started, turns)
    finally:
        turns.close()
        stop.restore()
    return stop.code or _FINE


def _work(ledger: "Ledger", worker: "CentreWorker", turns: "Turns") -> None:
    from edge.centre.collector import calm_collector
    from edge.cli.centre_loop import step_until

    calm_collector()
    with ledger:
        try:
            step_until(worker, worker.clock, turns.are_over)
        finally:
            worker.close()


class _Stop:
    """Notes SIGTERM and Ctrl-C, so that a step ends in order; `code` is the exit code then."""

    def __init__(self) -> None:
        self.code: int | None = None
        self._before = {
            signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: self._note(_FINE)),
            signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: self._note(_STOPPED)),
        }

    def restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, code: int) -> None:
        self.code = code


def _print_line(notice: "Notice") -> None:
    from edge.centre.accept import Fate, Taken
    from edge.centre.worker import Heard, Trouble

    match notice:
        case Trouble(error, pause_s):
            show_error(error)
            tell(say(f"  trying again in {pause_s:g} s", f"  {pause_s:g} 秒后重试"))
        case Heard(birth):
            waiting = say(f"{birth.buffered} readings wait", f"待发读数 {birth.buffered} 条")
            tell(f"{birth.gateway} {say('is there', '在线')}: {birth.version}, {waiting}")
        case Taken(fate=Fate.FORK | Fate.REFUSED | Fate.REJECTED):
            show_error(_alarm(notice))
            if notice.times > 1:
                tell(say(f"  {notice.times} such messages so far", f"  至今已有 {notice.times} 条此类消息"))
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
        case Trouble(error, pause_s):
            return {"event": "trouble", "code": error.code, "text": error.fact(), "retry_s": pause_s}
        case Heard(birth):
            return {"event": "birth", "gateway": birth.gateway, "epoch": birth.epoch.hex(), "next_seq": birth.next_seq}
        case Taken():
            document: dict[str, object] = {"event": str(notice.fate), "gateway": notice.gateway, "seq": notice.seq}
            epoch = notice.epoch.hex() if notice.epoch else None
            return {**document, "epoch": epoch, "reason": notice.reason, "times": notice.times, **asdict(notice.counts)}
    return {"event": "online"}

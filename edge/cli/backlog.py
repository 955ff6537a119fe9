"""`edge backlog`: what has not reached the centre, how long it will take, and the way by a stick without a network."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge.cli.common import DEFAULT_CONFIG, config_option, json_option, language, say, show_error, tell
from edge.errors import EdgeError

if TYPE_CHECKING:
    from edge.cli.backlog_store import Backlog
    from edge.forward.carrying import Exported

_FINE, _PARTLY = 0, 6
_MIB = 1 << 20
_SHORT_MINUTES = 120
_folder = click.Path(path_type=Path)


@click.command()
@click.option("--export", "export_to", metavar="DIR", type=_folder, help="write all that no receipt covers to a stick")
@click.option(
    "--import-receipts",
    "import_from",
    metavar="DIR",
    type=_folder,
    help="apply the receipt that the stick brought back",
)
@config_option
@json_option
def backlog(export_to: Path | None, import_from: Path | None, config_path: Path | None, *, as_json: bool) -> int:
    """Show what has not reached the centre yet; or carry it there on a stick, and bring its receipt back.

    With both options the receipt is applied first. Works with and without the daemon.
    """
    from edge.cli.backlog_store import BacklogStore
    from edge.cli.settings_file import load_settings

    path = config_path or DEFAULT_CONFIG
    store = BacklogStore(load_settings(path), path.resolve().parent)
    document: dict[str, Any] = {"schema": 1, "gateway": store.gateway}
    codes = [_FINE]
    if import_from is not None:
        codes.append(_import(store, import_from, document, is_quiet=as_json))
    if export_to is not None:
        codes.append(_export(store, export_to, document, is_quiet=as_json))
    if import_from is None and export_to is None:
        found = store.look()
        document |= found.document()
        codes.append(_PARTLY if found.rejected else _FINE)
        if not as_json:
            _show(found)
    if as_json:
        click.echo(json.dumps(document, ensure_ascii=False))
    return max(codes)


def _import(store: Any, stick: Path, document: dict[str, Any], *, is_quiet: bool) -> int:
    result: dict[str, Any] = store.import_receipt(stick)
    document["import"] = result
    if not is_quiet:
        stored, rejected = result["stored"], result["rejected"]
        click.echo(
            say(
                f"receipt applied: {stored} batches stored, {rejected} rejected",
                f"回执已采用：入库 {stored} 批，退回 {rejected} 批",
            )
        )
    return _PARTLY if result["rejected"] else _FINE


def _export(store: Any, stick: Path, document: dict[str, Any], *, is_quiet: bool) -> int:
    exported, troubles = store.export(stick)
    document["export"] = _exported_document(exported, troubles)
    for trouble in troubles:
        show_error(trouble)
    if not is_quiet:
        _show_exported(exported)
    return _PARTLY if troubles or exported.beyond else _FINE


def _exported_document(exported: "Exported", troubles: list[EdgeError]) -> dict[str, Any]:
    return {
        "folder": str(exported.folder),
        "batches": exported.batches,
        "kept": exported.kept,
        "removed": exported.removed,
        "bytes": exported.size_bytes,
        "beyond": exported.beyond,
        "birth": exported.has_birth,
        "troubles": [{"code": one.code, "text": one.fact(language())} for one in troubles],
    }


def _show_exported(exported: "Exported") -> None:
    size, batches, kept = exported.size_bytes, exported.batches, exported.kept
    click.echo(
        say(
            f"{exported.folder}: {batches} batches, {size} bytes; {kept} of them were there already",
            f"{exported.folder}：{batches} 批，{size} 字节；其中 {kept} 批原已存在",
        )
    )
    if exported.beyond:
        click.echo(
            say(
                f"{exported.beyond} batches do not fit one export; bring the receipt back and export again",
                f"另有 {exported.beyond} 批超出单次导出上限；带回回执后再次导出",
            )
        )
    tell(
        say(
            "the stick may be pulled out; at the centre: edge centre receive. Nothing is released before its receipt.",
            "可以拔出 U 盘；在主站执行 edge centre receive。收到回执之前不会释放任何批次。",
        )
    )


def _show(found: "Backlog") -> None:
    oldest = found.oldest_at.isoformat(timespec="seconds") if found.oldest_at else "-"
    share = 100 * found.store_bytes // max(1, found.store_limit_bytes)
    for name, text in (
        (
            say("unsent batches", "未发批次"),
            f"{found.unsent_batches} ({found.unsent_readings} {say('readings', '条读数')})",
        ),
        (say("waiting readings", "待封装读数"), str(found.waiting_readings)),
        (say("oldest", "最早"), oldest),
        (say("store", "存储"), f"{found.store_bytes // _MIB} / {found.store_limit_bytes // _MIB} MiB ({share} %)"),
        (say("estimate", "预计"), _estimate_text(found)),
        (say("in quarantine", "隔离批次"), str(len(found.rejected))),
    ):
        click.echo(f"{name:18} {text}")
    for one in found.rejected:
        click.echo(f"  {one.epoch.hex()} {one.seq}: {one.reason}")


def _estimate_text(found: "Backlog") -> str:
    rates = found.rates
    if rates is None:
        return say("none: no daemon forwards here", "无：没有转发进程运行")
    minutes = round(rates.seconds / 60)
    basis = say(
        f"receipts released {rates.released} batches in the last {minutes} min, {rates.sealed} new ones were sealed",
        f"最近 {minutes} 分钟回执释放 {rates.released} 批，新封装 {rates.sealed} 批",
    )
    if found.seconds_left is None:
        return say("none, it does not shrink", "无，积压没有减少") + f" ({basis})"
    if not found.seconds_left:
        return say("nothing is left to send", "没有待发内容")
    return f"{_duration(found.seconds_left)} ({basis})"


def _duration(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    if minutes < _SHORT_MINUTES:
        return say(f"{minutes} min", f"{minutes} 分钟")
    return say(f"{minutes // 60} h {minutes % 60} min", f"{minutes // 60} 小时 {minutes % 60} 分钟")

"""What `edge run` becomes once the settings are read and checked: the process that stays for years.

Reading TOML, judging settings, showing mistakes and parsing a command line take memory that is needed once. So the verb
does these, then runs this program in its own place: the same process, with its number, its streams and its supervisor,
and nothing loaded but what the daemon lives on. The settings are handed over in a file that is in memory only.
"""

import json
import os
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

from edge.cli.log_lines import set_up_logging
from edge.cli.streams import open_closed_streams
from edge.config.settings import Settings
from edge.config.table import build_table, raw_of
from edge.errors import EdgeError, Language


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the daemon is told; `data` is what stood in the settings file, `only` one half or empty for both."""

    settings: Settings
    file: Path
    data: bytes
    only: str
    is_verbose: bool
    lang: Language


def become_daemon(order: Order, arguments: list[str]) -> NoReturn:
    """Run the daemon in the place of this program. Raises OSError if the system does not let it.

    `arguments` are what was called, for whoever looks at the list of processes.
    """
    document = {
        **asdict(order),
        "settings": raw_of(order.settings),
        "file": os.fsdecode(order.file),
        "data": order.data.decode("latin-1"),
    }
    descriptor = os.memfd_create("edge-settings", 0)  # 0: it stays open for who comes
    with open(descriptor, "wb", closefd=False) as out:
        out.write(json.dumps(document).encode("ascii"))
    os.lseek(descriptor, 0, os.SEEK_SET)
    sys.stdout.flush()
    # -P: the folder that one stands in is no place for modules.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "edge.cli.daemon", str(descriptor), *arguments])  # noqa: S606


def read_order(descriptor: int) -> Order:
    """Return what was handed over, and close it."""
    with open(descriptor, "rb") as handed:
        fields: dict[str, Any] = json.loads(handed.read())
    settings = build_table(Settings, fields["settings"])
    data = fields["data"].encode("latin-1")
    return Order(**{**fields, "settings": settings, "file": Path(fields["file"]), "data": data})


def main() -> int:
    """Run the daemon until it is stopped; return its exit code."""
    open_closed_streams()
    if not sys.argv[1:]:
        sys.stderr.write("edge run starts this\n")
        return 2
    order = read_order(int(sys.argv[1]))
    try:
        return run_daemon(order)
    except (EdgeError, OSError, UnicodeError) as exc:
        from edge.cli.common import choose_language
        from edge.cli.main import show_failure

        choose_language(order.lang)
        return show_failure(exc)
    except KeyboardInterrupt:
        return 130


def run_daemon(order: Order) -> int:
    """Run the daemon in this process until SIGTERM or SIGINT; return its exit code. Raises EdgeError."""
    from edge.app.daemon import App, Half, make_clock
    from edge.app.reload import SettingsFile
    from edge.notify import Notifier

    set_up_logging(is_verbose=order.is_verbose)
    half: Half | None = "poll" if order.only == "poll" else "forward" if order.only == "forward" else None
    clock, notifier = make_clock(order.settings), Notifier.from_env(os.environ)
    handed = os.environ.get("CREDENTIALS_DIRECTORY")
    app = App(
        order.settings,
        order.file.resolve().parent,
        only=half,
        clock=clock,
        notifier=notifier,
        handed=Path(handed) if handed else None,
        file=SettingsFile(
            path=order.file,
            data=order.data,
            read_again=[sys.executable, "-P", "-m", "edge.cli.reread", str(order.file)],
        ),
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: app.stopping.set())
    signal.signal(signal.SIGHUP, lambda *_: app.reload.ask())
    return app.run()


if __name__ == "__main__":
    sys.exit(main())

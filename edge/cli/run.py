"""`edge run`: the daemon."""

import logging
import os
import signal
import sys
from pathlib import Path

import click

from edge.cli.common import DEFAULT_CONFIG, config_option, make_state_dir
from edge.errors import ConfigError

# journald reads a priority in front of the line.
_PRIORITY = {logging.DEBUG: "<7>", logging.INFO: "<6>", logging.WARNING: "<4>", logging.ERROR: "<3>"}


class _Lines(logging.Formatter):
    def __init__(self, *, has_journal: bool) -> None:
        super().__init__("%(message)s" if has_journal else "%(asctime)s %(levelname)s %(message)s")
        self._has_journal = has_journal

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return _PRIORITY.get(record.levelno, "<6>") + text if self._has_journal else text


def set_up_logging(*, is_verbose: bool) -> None:
    """Send log lines to standard error: with priorities under systemd, with the time elsewhere."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(has_journal="JOURNAL_STREAM" in os.environ))
    logging.basicConfig(handlers=[handler], level=logging.DEBUG if is_verbose else logging.INFO)


@click.command()
@config_option
@click.option("--only", type=click.Choice(["poll", "forward"]), help="run one half: poll the buses, or forward")
@click.option("-v", "--verbose", is_flag=True, help="say more")
def run(config_path: Path | None, only: str | None, verbose: bool) -> int:
    """Poll the meters, keep every reading, forward signed batches, until stopped.

    With --only the two halves run as two processes: `poll` needs no key and no network, `forward` no serial port.
    """
    from edge.app.daemon import App, Half, make_clock
    from edge.cli.settings_file import load_settings
    from edge.notify import Notifier

    set_up_logging(is_verbose=verbose)
    path = config_path or DEFAULT_CONFIG
    settings = load_settings(path)
    if only == "forward" and settings.mqtt is None:
        raise ConfigError("E-FWD-109")
    make_state_dir(settings.state_dir)
    half: Half | None = "poll" if only == "poll" else "forward" if only == "forward" else None
    app = App(
        settings,
        path.resolve().parent,
        only=half,
        clock=make_clock(settings),
        notifier=Notifier.from_env(os.environ),
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: app.stopping.set())
    return app.run()

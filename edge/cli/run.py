"""`edge run`: the daemon. Here its settings are read and checked; what runs then is `daemon.py`."""

from pathlib import Path

import click

from edge.cli.common import DEFAULT_CONFIG, config_option, language, make_state_dir


@click.command()
@config_option
@click.option("--only", type=click.Choice(["poll", "forward"]), help="run one half: poll the buses, or forward")
@click.option("-v", "--verbose", is_flag=True, help="say more")
def run(config_path: Path | None, only: str | None, verbose: bool) -> int:
    """Poll the meters, keep every reading, forward signed batches, until stopped.

    With --only the two halves run as two processes: `poll` needs no key and no network, `forward` no serial port.
    """
    from edge.cli.daemon import Order, become_daemon
    from edge.cli.settings_file import read_settings

    path = config_path or DEFAULT_CONFIG
    data, loaded = read_settings(path)
    make_state_dir(loaded.value.state_dir)
    order = Order(
        settings=loaded.value,
        file=path.absolute(),
        data=data,
        only=only or "",
        is_verbose=verbose,
        lang=language(),
    )
    return become_daemon(order, ["run", *(["--only", only] if only else []), "--config", str(path)])

"""A whole site whose daemon is recorded: meters, a broker, the centre, and both halves of the daemon, twice."""

import subprocess
import sys
import time
from pathlib import Path

from iotcore import Broker

from edge.identity.keys import load_signer
from tests.flow.processes import FlowSite, eventually, free_port
from tests.torture.words import Mouth

_METERS = 8
_FIRST = 202311000001


def run_site(folder: Path, seconds: int) -> None:
    """Let the daemon work in this folder for so many seconds, end it in order, and once more."""
    outside = folder.with_name("site")
    outside.mkdir()
    broker = Broker(port=free_port(), listen="127.0.0.1", max_payload_size=1 << 20).start()
    try:
        with FlowSite(outside, f"mqtt://127.0.0.1:{broker.port}") as site:
            _prepare(site, folder)
            for _ in range(2):
                _run_daemon(site, folder, seconds)
    finally:
        broker.stop()


def _prepare(site: FlowSite, folder: Path) -> None:
    site.state_dir = folder
    port = site.start_sim("--bus", f"A=pty:{site.folder / 'bus'}", "--meters", _METERS, "--first", _FIRST)
    site.configure(("A", port, ""), every="1s", items=("voltage", "current", "energy_active_import_total"))
    for number in range(_METERS):
        add = ("meters", "add", f"{_FIRST + number:012d}", "--bus", "A", "--config", site.config)
        subprocess.run(_saying(folder, *add), check=True, capture_output=True)
    site.start_centre()
    signer = load_signer(site.gateway_dir / "batch.key")
    Mouth(folder).say("key", public=signer.public.hex())


def _run_daemon(site: FlowSite, folder: Path, seconds: int) -> None:
    for half in ("poll", "forward"):
        site.start_program(half, *_saying(folder, "run", "--only", half, "--config", site.config))
        eventually((site.state_dir / f"{half}.sock").exists, what=f"the {half} half")
    time.sleep(seconds)
    for half in ("poll", "forward"):
        if code := site.end(half):
            raise RuntimeError(f"{half} ended with {code}: {site.log(half)[-2000:]}")


def _saying(folder: Path, *words: object) -> list[str]:
    return [sys.executable, "-m", "tests.torture.saying_daemon", str(folder), *map(str, words)]

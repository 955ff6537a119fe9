"""Starting and ending the timed bus, and its log of truth for those who measure."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.bench.bus.wire import Asked, Told

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Log:
    """What was on the wire; instants are wall-clock seconds."""

    requests: list
    answers: list
    garbled: int
    lateness: dict


class TimedBus:
    """The bus as a process. `log` is there after the end."""

    def __init__(self, folder, *, baud, meters, seed=1):
        self.baud = baud
        self._log_path = Path(folder) / "wire.json"
        spec_path = Path(folder) / "bus.json"
        spec = {"baud": baud, "seed": seed, "meters": meters, "log": str(self._log_path)}
        spec_path.write_text(json.dumps(spec), encoding="utf-8")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.bus.serve", str(spec_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        self.port = self._process.stdout.readline().strip()
        self.log = None

    def end(self):
        """End the process and take its log."""
        self._process.terminate()
        assert self._process.wait(30) == 0, "the timed bus failed"
        found = json.loads(self._log_path.read_text(encoding="utf-8"))
        self.log = Log(
            requests=[Asked(**one) for one in found["requests"]],
            answers=[Told(**one) for one in found["answers"]],
            garbled=found["garbled"],
            lateness=found["lateness"],
        )

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None and self.log is None:
            self.end()
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

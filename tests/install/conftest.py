"""An archive laid out as `make bundle` does, without its wheels, and stand-ins for what a machine says of itself."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from scripts import bundle

SHELL = "/bin/sh"


@dataclass
class Archive:
    """An unpacked archive, and a folder of programs that stand before the machine's own."""

    folder: Path
    programs: Path
    environment: dict[str, str] = field(default_factory=dict)

    def says(self, program: str, text: str, code: int = 0) -> None:
        """Let a program print a text and end."""
        path = self.programs / program
        path.write_text(f"#!{SHELL}\necho '{text}'\nexit {code}\n", encoding="utf-8")
        path.chmod(0o755)

    def run(self, script: str, *options: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a script of the archive."""
        path = f"{self.programs}:{os.environ['PATH']}:/usr/sbin:/sbin"
        environment = {"PATH": path, "EDGE_LANG": "en", **self.environment, **more}
        return subprocess.run(
            [SHELL, str(self.folder / script), *options],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Return an archive for this machine; its installer stops before it would change anything."""
    folder, programs = tmp_path / "archive", tmp_path / "programs"
    bundle.lay_out(folder, "x86_64")
    bundle.seal(folder, None)
    programs.mkdir()
    made = Archive(folder, programs)
    made.says("id", "0")
    made.says("uname", "x86_64")
    for program in ("systemctl", "systemd-sysusers", "systemd-tmpfiles"):
        made.says(program, "")
    return made

"""The settings files that came into force, kept beside the state they were used with: so that one can go back.

Rules:
1. A file is kept once it is in force, not when it was written: the newest one is what the daemon runs with.
2. The same file twice in a row is kept once. The number says the order; the time is that of a box whose clock may be
   wrong. The name holds the hash, so a file that was damaged since does not pass for what was in force.
3. No more than `MOST_KEPT`; the oldest go.
"""

import contextlib
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edge.config.aside import write_aside
from edge.errors import ConfigError

FOLDER = "settings"
MOST_KEPT = 20

_HASH_DIGITS = 16
_NAME = re.compile(r"([0-9]{6,})-([0-9]{8}T[0-9]{6}Z)-([0-9a-f]{16})\.toml")
_TIME = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class KeptSettings:
    """A settings file that came into force."""

    number: int
    at: datetime
    digest: str
    path: Path

    def text(self) -> bytes:
        """Return what stood in the file. Raises ConfigError if it cannot be read, or is not what was kept."""
        try:
            data = self.path.read_bytes()
        except OSError as exc:
            raise ConfigError("E-CFG-008", file=self.path, detail=str(exc)) from exc
        if digest_of(data) != self.digest:
            raise ConfigError("E-CFG-089", file=self.path)
        return data


def digest_of(data: bytes) -> str:
    """Return the name that a file has by its content: the first 16 digits of its SHA-256."""
    return hashlib.sha256(data).hexdigest()[:_HASH_DIGITS]


def kept_settings(state_dir: Path) -> tuple[KeptSettings, ...]:
    """Return the files that were kept, the newest first."""
    try:
        found = [_kept(path) for path in (state_dir / FOLDER).iterdir()]
    except OSError:
        return ()
    return tuple(sorted((one for one in found if one), key=lambda one: one.number, reverse=True))


def keep_settings(state_dir: Path, data: bytes, at: datetime) -> None:
    """Keep a file that came into force, if it is another one than the last. Durable on return. Raises OSError."""
    digest, kept = digest_of(data), kept_settings(state_dir)
    if kept and kept[0].digest == digest and _is_sound(kept[0]):
        return
    folder = state_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    number = kept[0].number + 1 if kept else 1
    stamp = at.astimezone(UTC).strftime(_TIME)
    write_aside(folder / f"{number:06d}-{stamp}-{digest}.toml", data)
    for old in kept[MOST_KEPT - 1 :]:
        with contextlib.suppress(OSError):
            old.path.unlink()


def _kept(path: Path) -> KeptSettings | None:
    match = _NAME.fullmatch(path.name)
    if match is None:
        return None
    try:
        at = datetime.strptime(match[2], _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
    return KeptSettings(int(match[1]), at, match[3], path)


def _is_sound(kept: KeptSettings) -> bool:
    try:
        kept.text()
    except ConfigError:
        return False
    return True

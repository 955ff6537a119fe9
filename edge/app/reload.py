"""The settings file read again while the daemon runs, and what of it comes into force.

Rules:
1. Reading and judging a file takes code and memory that the daemon does not keep: a short-lived process does it and
   gives back the settings as JSON, or what is wrong with them. The main thread never waits for it.
2. Wrong settings change nothing. That is a condition, `settings_are_right`, until a reload finds the file right.
3. What can only be taken at a start keeps its old value, and is a condition too: `settings_are_in_force`.
4. Whoever asks while the file is being read is answered by the next reading: the file may have changed since.
5. A file that came into force is kept (`config/history.py`); that it cannot be kept stops nothing.
"""

import json
import logging
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.clock import Clock
from edge.config.force import Change, changes_between
from edge.config.history import FOLDER, digest_of, keep_settings
from edge.config.settings import Settings
from edge.config.table import build_table, raw_of
from edge.control.server import Reply
from edge.errors import ConfigError, EdgeError
from edge.health.model import Health

log = logging.getLogger(__name__)

_LONGEST_S = 60.0
_ARE_RIGHT, _ARE_IN_FORCE = "settings_are_right", "settings_are_in_force"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFile:
    """Where the settings came from: the file, what stood in it, and the command that reads and judges it again."""

    path: Path
    data: bytes
    read_again: Sequence[str]


class Reload:
    """The settings in force. `use` puts in force what it can of others and returns what is; `tend` calls it."""

    def __init__(
        self,
        settings: Settings,
        file: SettingsFile | None,
        clock: Clock,
        health: Health,
        use: Callable[[Settings], Settings],
    ) -> None:
        self.settings = settings
        self._file = file
        self._clock = clock
        self._health = health
        self._use = use
        self._since = clock.utc_now()
        self._digest = digest_of(file.data) if file else ""
        self._is_asked = False
        self._asking: list[Reply] = []
        self._answering: list[Reply] = []
        self._reader: _Reader | None = None

    def began(self) -> None:
        """Note that the daemon has started with these settings."""
        self._since = self._clock.utc_now()
        self._health.holds(_ARE_RIGHT)
        self._health.holds(_ARE_IN_FORCE)
        if self._file is not None:
            self._keep(self._file.data)

    def ask(self, reply: Reply | None = None) -> None:
        """Read the file again soon; from the main thread, or from a signal (without a reply)."""
        self._is_asked = True
        if reply is not None:
            self._asking.append(reply)

    def tend(self) -> None:
        """Begin to read the file if that was asked; take what was read."""
        if self._reader is None:
            if self._is_asked:
                self._begin()
            return
        found = self._reader.look(self._clock.monotonic())
        if found is None:
            return
        self._reader = None
        answering, self._answering = self._answering, []
        try:
            result = self._take(found)
        except EdgeError as exc:
            self._refuse(exc)
            for reply in answering:
                reply.fail(exc)
        else:
            for reply in answering:
                reply.end({"result": result})

    @property
    def digest(self) -> str:
        """The hash of the file in force; empty where the settings came from no file."""
        return self._digest

    def status(self) -> dict[str, object]:
        """Return which file is in force since when; empty where the settings came from no file."""
        if self._file is None:
            return {}
        since = self._since.isoformat(timespec="seconds")
        return {"settings": {"file": str(self._file.path), "hash": self._digest, "since": since}}

    def in_force(self) -> dict[str, object]:
        """Return the settings in force, whole."""
        return {"in_force": raw_of(self.settings), **self.status()}

    def close(self) -> None:
        """End a reading that is under way."""
        if self._reader is not None:
            self._reader.kill()
            self._reader = None

    def _begin(self) -> None:
        self._is_asked = False
        self._answering, self._asking = self._asking, []
        if self._file is not None:
            self._reader = _Reader(self._file.read_again, self._clock.monotonic() + _LONGEST_S)
            return
        for reply in self._answering:
            reply.fail(ConfigError("E-CFG-085", detail="no file"))

    def _take(self, found: Mapping[str, Any]) -> dict[str, object]:
        """Put in force what was read. Raises EdgeError if it is wrong, and then nothing was changed."""
        if "error" in found:
            raise _error_of(found["error"])
        new, data = build_table(Settings, found["settings"]), found["text"].encode("utf-8", "surrogateescape")
        old, self.settings = self.settings, self._use(new)
        changed, waiting = changes_between(old, self.settings), changes_between(self.settings, new)
        if changed or self._digest != digest_of(data):
            self._digest, self._since = digest_of(data), self._clock.utc_now()
        self._keep(data)
        self._tell(changed, waiting)
        return {"changed": [one.as_json() for one in changed], "waiting": [one.as_json() for one in waiting]}

    def _tell(self, changed: Sequence[Change], waiting: Sequence[Change]) -> None:
        for change in changed:
            log.info("settings in force: %s", change)
        if not changed and not waiting:
            log.info("settings read again: nothing is different")
        self._health.holds(_ARE_RIGHT)
        if not waiting:
            self._health.holds(_ARE_IN_FORCE)
            return
        error = ConfigError("E-CFG-084", names=", ".join(change.path for change in waiting))
        self._health.holds(_ARE_IN_FORCE)  # other names are news
        self._health.fails(_ARE_IN_FORCE, error)
        log.warning("%s", error)

    def _refuse(self, error: EdgeError) -> None:
        if error.code != "E-CFG-085" and self._file is not None:
            error = ConfigError("E-CFG-083", file=self._file.path, detail=_detail(error))
        self._health.fails(_ARE_RIGHT, error)
        log.error("%s", error)

    def _keep(self, data: bytes) -> None:
        try:
            keep_settings(self.settings.state_dir, data, self._clock.utc_now())
        except OSError as exc:
            log.warning("%s", ConfigError("E-CFG-087", folder=self.settings.state_dir / FOLDER, detail=str(exc)))


class _Reader:
    """The process that reads the file; what it says goes into a file in memory."""

    def __init__(self, command: Sequence[str], deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._failure = ""
        self._out = os.memfd_create("edge-settings", os.MFD_CLOEXEC)
        self._pid = 0
        try:
            self._pid = os.posix_spawn(
                command[0], list(command), os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, self._out, 1)]
            )
        except OSError as exc:
            self._failure = str(exc)

    def look(self, now_s: float) -> Mapping[str, Any] | None:
        """Return what the process found, once it has ended; its failure is an error like any other."""
        if self._pid:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if not pid and now_s < self._deadline_s:
                return None
            if not pid:
                self.kill()
                return _failed(f"no answer within {_LONGEST_S:g} s")
            self._pid = 0
            if code := os.waitstatus_to_exitcode(status):
                self._failure = f"exit code {code}"
        return self._said()

    def kill(self) -> None:
        """End the process, and give everything back."""
        if self._pid:
            with suppress(OSError):
                os.kill(self._pid, signal.SIGKILL)
                os.waitpid(self._pid, 0)
            self._pid = 0
        os.close(self._out)

    def _said(self) -> Mapping[str, Any]:
        with open(self._out, "rb") as said:  # noqa: PTH123 - it has no path
            said.seek(0)
            text = said.read()
        if self._failure:
            return _failed(self._failure)
        try:
            found: Mapping[str, Any] = json.loads(text)
        except ValueError as exc:
            return _failed(str(exc))
        return found


def _failed(detail: str) -> Mapping[str, Any]:
    return {"error": {"code": "E-CFG-085", "values": {"detail": detail}}}


def _error_of(document: Mapping[str, Any]) -> EdgeError:
    return ConfigError(document["code"], **document["values"])


def _detail(error: EdgeError) -> str:
    """Return in a few words what is wrong with the file: where the first mistake stands, or that it cannot be read."""
    line, count = error.values.get("first_line"), error.values.get("count")
    return f"line {line}, {error.values.get('first_code')} ({count})" if line is not None else error.code

"""The control socket's client: ask a running daemon, get its replies one by one."""

import contextlib
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from edge.errors import ControlError

_CONNECT_S = 5.0


def is_served(path: Path) -> bool:
    """Return True if a process serves this socket. Raises ControlError if this user may not ask."""
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as sock:
        sock.settimeout(_CONNECT_S)
        try:
            sock.connect(str(path))
        except PermissionError as exc:
            raise ControlError("E-CTL-106") from exc
        except OSError:
            return False
    return True


def ask(path: Path, job: Mapping[str, object], *, silence_s: float = 120.0) -> Iterator[dict[str, object]]:
    """Yield the replies to a job, the last one (`done` or `error`) included. Closing the iterator ends the job.

    Raises ControlError if nobody serves the socket, or if the daemon falls silent or goes away in the middle.
    """
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as sock:
        sock.settimeout(_CONNECT_S)
        try:
            sock.connect(str(path))
            with contextlib.suppress(BrokenPipeError):  # refused before it was asked: the reason waits to be read
                sock.sendall(json.dumps(job).encode() + b"\n")
        except PermissionError as exc:
            raise ControlError("E-CTL-106") from exc
        except OSError as exc:
            raise ControlError("E-CTL-110", path=str(path), detail=str(exc)) from exc
        sock.settimeout(silence_s)
        with sock.makefile("rb") as lines:
            yield from _replies(lines, path)


def _replies(lines: Iterator[bytes], path: Path) -> Iterator[dict[str, object]]:
    try:
        for line in lines:
            document: dict[str, object] = json.loads(line)
            yield document
            if "done" in document or "error" in document:
                return
    except (OSError, ValueError) as exc:
        raise ControlError("E-CTL-111", path=str(path), detail=str(exc)) from exc
    raise ControlError("E-CTL-111", path=str(path), detail="connection closed")

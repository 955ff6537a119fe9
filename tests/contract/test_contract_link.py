"""One suite for every link: memory, a serial port (a pty), plain TCP."""

import os
import pty
import socket
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from edge.bus.link import LineSettings, Link
from edge.bus.memory_link import Arrival, MemoryLink
from edge.bus.open import open_link
from edge.clock import ManualClock, SystemClock
from edge.errors import LinkError

SOON_S = 2.0  # far more than a loopback needs; reads come back at once when a byte is there
SILENCE_S = 0.02


@dataclass
class Rig:
    """A link and the far end of its wire."""

    link: Link
    say: Callable[[bytes], None]
    heard: Callable[[int], bytes]
    vanish: Callable[[], None]


class _Listener:
    """A wire on which nobody answers."""

    def __init__(self) -> None:
        self.heard = b""

    def transmit(self, data: bytes, at: float, line=None) -> list[Arrival]:
        self.heard += data
        return []


@contextmanager
def _memory() -> Iterator[Rig]:
    clock, wire = ManualClock(), _Listener()
    link = MemoryLink(clock, wire)
    yield Rig(
        link,
        lambda data: link.hear([Arrival(clock.monotonic(), data)]),
        lambda _count: wire.heard,
        link.vanish,
    )


@contextmanager
def _pty() -> Iterator[Rig]:
    master, slave = pty.openpty()
    tty.setraw(slave)
    link = open_link(os.ttyname(slave), SystemClock())
    os.close(slave)
    ends = [master]
    try:
        yield Rig(
            link,
            lambda data: _write_all(master, data),
            lambda count: _read_all(lambda limit: os.read(master, limit), count),
            lambda: os.close(ends.pop()),
        )
    finally:
        link.close()
        for end in ends:
            os.close(end)


@contextmanager
def _tcp() -> Iterator[Rig]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = open_link(f"socket://127.0.0.1:{server.getsockname()[1]}", SystemClock())
        far, _ = server.accept()
        try:
            yield Rig(link, far.sendall, lambda count: _read_all(far.recv, count), far.close)
        finally:
            link.close()
            far.close()


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _read_all(read: Callable[[int], bytes], count: int) -> bytes:
    heard = b""
    while len(heard) < count:
        heard += read(count - len(heard))
    return heard


def _collect(link: Link, count: int) -> bytes:
    """Read until so many bytes came or the wire fell silent."""
    heard = b""
    while len(heard) < count and (data := link.read(count - len(heard), SOON_S)):
        heard += data
    return heard


@pytest.fixture(params=[_memory, _pty, _tcp], ids=["memory", "pty", "tcp"])
def rig(request):
    """Give each link in turn."""
    with request.param() as made:
        yield made


def test_silence_is_no_bytes(rig):
    """A read after whose time-out nothing came gives no bytes and no error."""
    assert rig.link.read(16, SILENCE_S) == b""


def test_reads_what_was_said(rig):
    """Every byte value passes unchanged, also those that terminals like to eat."""
    rig.say(bytes(range(256)))
    assert bytes(range(256)) == _collect(rig.link, 256)


def test_partial_read_keeps_the_rest(rig):
    """A read gives at most its limit; the rest comes with the next."""
    rig.say(b"abcdef")
    assert [_collect(rig.link, 2), _collect(rig.link, 4)] == [b"ab", b"cdef"]


def test_read_does_not_wait_for_more(rig):
    """A read comes back with the bytes that are there, long before its limit is reached."""
    rig.say(b"x")
    assert rig.link.read(100, SOON_S) == b"x"


def test_write_arrives_whole(rig):
    """Every byte value of a request reaches the far end in order."""
    rig.link.write(bytes(range(256)) * 2, 60.0)
    assert bytes(range(256)) * 2 == rig.heard(512)


def test_drop_input_forgets(rig):
    """What was received and not read is gone after drop_input, and what comes later is not."""
    rig.say(b"stale")
    assert _collect(rig.link, 1) == b"s"
    rig.link.drop_input()
    rig.say(b"new")
    assert _collect(rig.link, 3) == b"new"


def test_drop_input_of_nothing(rig):
    """Dropping where nothing is is fine."""
    rig.link.drop_input()
    assert rig.link.read(1, SILENCE_S) == b""


def test_line_may_be_set_again_and_again(rig):
    """The same line, then others, can be used on an open port; parity too."""
    for line in (LineSettings(), LineSettings(), LineSettings(baud=9600), LineSettings(parity="none", stop_bits=2)):
        rig.link.use(line)
    rig.say(b"x")
    assert _collect(rig.link, 1) == b"x"


def test_unread_write_ends_in_link_error(rig):
    """A far end that takes nothing costs the time-out, not the daemon."""
    with pytest.raises(LinkError) as caught:
        rig.link.write(bytes(32 * 1024 * 1024), 0.05)
    assert caught.value.code == "E-BUS-106"


def _write_until_lost(link: Link) -> None:
    """Write a few times: TCP learns only from the answer to the first write that nobody is there."""
    for _ in range(1000):
        link.write(b"x", SOON_S)


@pytest.mark.parametrize(
    "act",
    [lambda link: link.read(1, SOON_S), lambda link: _collect(link, 10), _write_until_lost],
    ids=["read", "collect", "write"],
)
def test_vanished_port_is_link_error(rig, act):
    """Reading or writing a port that is gone raises LinkError with the code of a vanished port."""
    rig.vanish()
    with pytest.raises(LinkError) as caught:
        act(rig.link)
    assert caught.value.code == "E-BUS-104"


def test_closed_link_is_link_error(rig):
    """A closed link raises LinkError from every verb, and closing again is fine."""
    rig.link.close()
    rig.link.close()
    for act in (
        lambda: rig.link.use(LineSettings(baud=600)),
        lambda: rig.link.read(1, 0),
        lambda: rig.link.write(b"x", 1.0),
        rig.link.drop_input,
    ):
        with pytest.raises(LinkError) as caught:
            act()
        assert caught.value.code == "E-BUS-104"


def test_close_after_vanish(rig):
    """Closing a port that is gone raises nothing."""
    rig.vanish()
    rig.link.close()
    with pytest.raises(LinkError):
        rig.link.read(1, 0)


def test_link_names_its_port(rig):
    """A link says which port it is, for messages."""
    assert rig.link.port

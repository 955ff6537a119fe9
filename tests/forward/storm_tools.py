"""A gate in front of a broker, which ends connections at a moment that is set; and a fleet on one broker in memory."""

import select
import socket
import struct
import threading
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Self

from edge.clock import ManualClock
from edge.messages.topics import parse_batch_topic, receipt_topic
from tests.forward.forward_tools import AT, TENANT, Bench, MemoryBroker, MemoryBrokerLink

_CONNECT, _CONNACK, _PUBLISH, _SUBACK = 1, 2, 3, 9  # MQTT 3.1.1, table 2.1
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)
_LONGEST_S = 10.0


class Ends(StrEnum):
    """When a connection ends."""

    NEVER = "never"
    HANDSHAKE = "at the first bytes, by a TCP reset"
    REFUSED = "with an answer to the login"
    CONNACK = "after the login was accepted"
    SUBACK = "after the subscription was granted"
    PUBLISH = "after a batch was passed on, without an acknowledgement"
    QUOTA = "never, but each batch is refused: quota exceeded"


@dataclass
class Gate:
    """Stands before a broker on a loopback port. `seen` has when connections came, by the clock of the pauses.

    `refusal`: the answer to a login, for `Ends.REFUSED`. `batches`: how many batches were taken or refused.
    """

    broker: int
    clock: ManualClock
    ends: Ends = Ends.NEVER
    refusal: bytes = b""
    seen: list[float] = field(default_factory=list)
    batches: int = 0
    _threads: list[threading.Thread] = field(default_factory=list, repr=False)
    _open: set[socket.socket] = field(default_factory=set, repr=False)

    def __post_init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._threads.append(threading.Thread(target=self._serve))
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self.drop_all()
        for thread in self._threads:
            thread.join(_LONGEST_S)
        self._server.close()
        assert not any(thread.is_alive() for thread in self._threads)

    def drop_all(self) -> None:
        """End every connection."""
        for one in list(self._open):
            one.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            self.seen.append(self.clock.monotonic())
            self._threads.append(threading.Thread(target=self._carry, args=(client,)))
            self._threads[-1].start()

    def _carry(self, client: socket.socket) -> None:
        ends = self.ends
        with client, socket.create_connection(("127.0.0.1", self.broker)) as broker:
            if ends is Ends.HANDSHAKE:
                client.recv(1)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
                return
            self._open.add(client)
            try:
                self._relay(client, broker, ends)
            except OSError:
                pass  # the other side was quicker
            finally:
                self._open.discard(client)

    def _relay(self, client: socket.socket, broker: socket.socket, ends: Ends) -> None:
        others, left = {client: broker, broker: client}, {client: b"", broker: b""}
        while True:
            for one in select.select([client, broker], [], [])[0]:
                data = one.recv(65536)
                if not data:
                    return
                if ends is Ends.NEVER:
                    others[one].sendall(data)
                    continue
                packets, left[one] = _cut(left[one] + data)
                for packet in packets:
                    if self._answer(client, packet, ends):
                        continue
                    others[one].sendall(packet)
                    if _is_end(packet, ends):
                        self._end(client)
                        return

    def _answer(self, client: socket.socket, packet: bytes, ends: Ends) -> bool:
        """Answer a packet in the broker's place; return False if it is to be passed on."""
        if ends is Ends.REFUSED and packet[0] >> 4 == _CONNECT:
            client.sendall(self.refusal)
            self._end(client)
            raise ConnectionAbortedError
        if is_batch := _is_batch(packet):
            self.batches += 1
        if ends is Ends.QUOTA and is_batch:
            at = _body(packet)
            at += 2 + int.from_bytes(packet[at : at + 2])
            client.sendall(b"\x40\x03" + packet[at : at + 2] + b"\x97")
            return True
        return False

    @staticmethod
    def _end(client: socket.socket) -> None:
        """Close so that what was said arrives, and wait until the other side has gone."""
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass


def _is_end(packet: bytes, ends: Ends) -> bool:
    kind = packet[0] >> 4
    return (ends, kind) in ((Ends.CONNACK, _CONNACK), (Ends.SUBACK, _SUBACK)) or (
        ends is Ends.PUBLISH and _is_batch(packet)
    )


def _is_batch(packet: bytes) -> bool:
    if packet[0] >> 4 != _PUBLISH:
        return False
    at = _body(packet)
    return b"/up/b/" in packet[at : at + 2 + int.from_bytes(packet[at : at + 2])]


def _body(packet: bytes) -> int:
    """Return where a packet goes on behind its type and length."""
    return next(at for at in range(1, 5) if packet[at] < 0x80) + 1


def _cut(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the whole packets at the beginning of `data`, and the rest. Source: MQTT 3.1.1, 2.2.3."""
    packets = []
    while True:
        size, shift, at = 0, 0, 1
        while at < len(data) and data[at] >= 0x80:
            size, shift, at = size | (data[at] & 0x7F) << shift, shift + 7, at + 1
        if at >= len(data):
            return packets, data
        end = at + 1 + (size | data[at] << shift)
        if end > len(data):
            return packets, data
        packets.append(data[:end])
        data = data[end:]


# A fleet


class _Link(MemoryBrokerLink):
    """A connection on which waiting takes no time: the fleet moves the clock for all."""

    def step(self, timeout_s):
        events, self.events = self.events, []
        return events

    def subscribe(self, topics):
        number = super().subscribe(topics)
        self.broker.subscribed.append(self)
        return number


class FleetBroker(MemoryBroker):
    """One broker for all. `tried` has when each gateway tried to connect; `is_hasty`: it drops who has subscribed."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.tried: dict[str, list[float]] = {}
        self.subscribed: list[_Link] = []
        self.is_hasty = False

    def link(self, url, will):
        gateway = will[0].split("/")[2]
        self.tried.setdefault(gateway, []).append(self.clock.monotonic())
        self.links = [one for one in self.links if one.is_connected] + [_Link(self, will)]
        return self.links[-1]


class Fleet:
    """Gateways with a store each, one broker, one clock; the centre takes what came whenever it is asked to."""

    TICK_S = 0.25

    def __init__(self, folder: Path, count: int) -> None:
        self.clock = ManualClock(now=AT)
        self.broker = FleetBroker(self.clock)
        self.gateways = [self._gateway(folder, number) for number in range(count)]
        self._due = dict.fromkeys(range(count), 0.0)
        self._taken = 0

    def _gateway(self, folder: Path, number: int) -> Bench:
        bench = Bench(folder / f"{number}.db", clock=self.clock, seed=number)
        bench.settings = replace(bench.settings, gateway=f"gw-{number}", endpoints=("mqtt://one",), look_s=2.0)
        bench.broker = self.broker
        bench.start()
        return bench

    def run(self, seconds: float) -> None:
        """Let all of them run for so long."""
        end = self.clock.monotonic() + seconds
        while (now_s := self.clock.monotonic()) < end:
            for number, bench in enumerate(self.gateways):
                if self._due[number] <= now_s:
                    self._due[number] = bench.worker.step(now_s)
            if self.broker.is_hasty and self.broker.subscribed:
                self.broker.break_connections()
            self.broker.subscribed.clear()
            self.clock.advance(self.TICK_S)

    def confirm(self) -> None:
        """Let the centre take all that came since, and send its receipts."""
        heard = set()
        for topic, payload in self.broker.published[self._taken :]:
            if (found := parse_batch_topic(topic)) is not None:
                heard.add(found[1])
                self._bench(found[1]).centre.accept(payload)
        self._taken = len(self.broker.published)
        for gateway in sorted(heard):
            receipt = self._bench(gateway).centre.receipt(gateway=gateway)
            self.broker.deliver(receipt_topic(TENANT, gateway), receipt)

    def _bench(self, gateway: str) -> Bench:
        return self.gateways[int(gateway.removeprefix("gw-"))]

    def close(self) -> None:
        """Close all files."""
        for bench in self.gateways:
            bench.close()

"""One connection to an MQTT broker, as events: the only file that knows paho.

Rules: no hidden thread, everything happens inside `connect`, `step`, `publish` and `disconnect`. A callback of paho
only appends to a list. Nothing is entrusted to paho's queue: each connection has a client of its own, so that what a
lost connection had under way is the caller's to send again; publishing without a connection is an error.
What arrives is acknowledged only by `acknowledge`.

An acknowledgement by the broker (`Published`) says that the broker took a message, never that anybody has it.
"""

import os
import select
import socket
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.clock import Clock
from edge.errors import ForwardError
from edge.mqtt.events import Connected, Disconnected, Event, MqttOptions, Published, Received, Subscribed, Token
from edge.mqtt.socket import Endpoint, Tls, connect_socket, error_of, load_tls, parse_url

__all__ = [
    "Connected",
    "Disconnected",
    "Event",
    "MqttLink",
    "MqttOptions",
    "Published",
    "Received",
    "Subscribed",
    "Token",
]

_PER_STEP = 64  # events collected before a step returns, so that a flood cannot hold it
_UNACKNOWLEDGED = 256  # messages that the broker has not acknowledged; beyond it publishing is refused
_GOODBYE_S = 2.0
_FOREVER_S = 0xFFFFFFFF  # MQTT 5, 3.1.2.11.2: the session does not expire

# CONNACK codes of 3.1.1 as paho gives them, in the numbers of MQTT 5 (table 3-1 and 3.2.2.2 there).
_PROTOCOL_ERROR, _TAKEN_OVER = 130, 142  # the latter: another connection has the same client id
_LOGIN_CODES = {132: "E-FWD-125", 133: "E-FWD-123", 134: "E-FWD-121", 135: "E-FWD-122"}
_NOT_NOW = (136, 137, 151, 159)  # not available, busy, quota exceeded, connection rate exceeded


class MqttLink:
    """A connection that can be opened again after it was lost. `wake_fd` ends a waiting step; it is drained here."""

    def __init__(self, options: MqttOptions, clock: Clock, wake_fd: int | None = None) -> None:
        self._options = options
        self._clock = clock
        self._wake_fd = wake_fd
        self._endpoint = parse_url(options.url)
        self._client: _Client | None = None
        self._events: list[Event] = []
        self._connection = 0
        self._is_session_unwanted = False

    @property
    def endpoint(self) -> Endpoint:
        """Where the broker is."""
        return self._endpoint

    @property
    def is_plain(self) -> bool:
        """True if what is sent leaves this machine unencrypted."""
        return self._endpoint.is_plain

    def connect(self) -> None:
        """Connect and log in; `Connected` and what came with it are in the next step's events.

        Time: up to `connect_timeout_s` for TCP, TLS and login together. Before that the name is looked up, which only
        the system's resolver bounds (resolv.conf(5): 5 s, twice a server). Raises ForwardError, leaves nothing open.
        """
        self.close()
        self._events.clear()
        self._connection += 1
        options, deadline_s = self._options, self._clock.monotonic() + self._options.connect_timeout_s
        if self._is_session_unwanted:
            options = replace(options, clean_session=True)
        tls = load_tls(options.ca, options.certificate, options.key) if self._endpoint.is_tls else None
        opener = partial(connect_socket, self._endpoint, tls, self._clock, deadline_s)
        self._client = _Client(options, self._endpoint, tls, self._connection)
        try:
            self._client.open(opener)
            self._await_login(self._client, deadline_s)
        except BaseException:
            self.close()
            raise
        self._is_session_unwanted = False

    def forget_session(self) -> None:
        """Let the next connection begin without what the broker keeps for this client, once.

        For a message that can never be taken: the broker would bring it first at every connection, for ever.
        """
        self._is_session_unwanted = True

    def step(self, timeout_s: float) -> list[Event]:
        """Return what happened, after waiting at most `timeout_s` for something to happen."""
        client = self._client
        if self._events or (client is not None and client.events):
            return self._collect()
        if client is None:
            self._wait_for_wake(timeout_s)
        else:
            # paho counts its keep-alive by itself, but only when it is asked.
            self._turn(client, min(timeout_s, self._options.keepalive_s / 2))
        return self._collect()

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool = False) -> int:
        """Hand a message to the broker and return its number. Raises ForwardError if there is no connection."""
        client = self._require()
        info = client.publish(topic, payload, qos=qos, retain=retain)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise ForwardError("E-FWD-131", topic=topic, detail=info.rc.name, **self._where())
        return info.mid

    def subscribe(self, topics: list[tuple[str, int]]) -> int:
        """Ask for topics with their QoS; the answer is a `Subscribed` event with the number returned here."""
        client = self._require()
        code, mid = client.subscribe(topics)
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None:
            raise ForwardError("E-FWD-131", topic=topics[0][0], detail=code.name, **self._where())
        client.asked[mid] = tuple(topic for topic, _ in topics)
        return mid

    def acknowledge(self, token: Token) -> None:
        """Tell the broker that a message was dealt with. A token of an earlier connection does nothing."""
        if self._client is not None and token.connection == self._connection and token.qos > 0:
            self._client.ack(token.mid, token.qos)

    def disconnect(self) -> None:
        """Say goodbye, so that the broker drops the will, and close. Time: at most 2 s for what is still to be sent."""
        client = self._client
        if client is not None and client.is_usable():
            client.is_leaving = True
            client.disconnect()
            deadline = self._clock.monotonic() + _GOODBYE_S
            while (sock := client.socket()) is not None and client.want_write():
                left = deadline - self._clock.monotonic()
                if left <= 0 or not _poll({sock.fileno(): select.POLLOUT}, left):
                    break
                client.turn_write()
        self.close()

    def close(self) -> None:
        """Drop the connection without a goodbye: the broker publishes the will."""
        if self._client is not None:
            self._events += self._client.shut()
            self._client = None

    def _where(self) -> dict[str, object]:
        return {"host": self._endpoint.host, "port": self._endpoint.port}

    def _require(self) -> "_Client":
        if self._client is None or not self._client.is_usable():
            raise ForwardError("E-FWD-106", detail="not connected", **self._where())
        return self._client

    def _await_login(self, client: "_Client", deadline_s: float) -> None:
        while not client.events:
            left = deadline_s - self._clock.monotonic()
            if left <= 0 or not self._turn(client, left):
                raise ForwardError("E-FWD-107", **self._where())
        match client.events[0]:
            case Disconnected(reason):
                client.events.clear()
                raise reason or ForwardError("E-FWD-105", detail="", **self._where())

    def _turn(self, client: "_Client", timeout_s: float) -> bool:
        """Wait for the socket and let paho work; False if nothing happened in that time."""
        sock = client.socket()
        if sock is None:
            return False
        wanted = {sock.fileno(): select.POLLIN | (select.POLLOUT if client.want_write() else 0)}
        if self._wake_fd is not None:
            wanted[self._wake_fd] = select.POLLIN
        ready = _poll(wanted, 0 if client.has_pending() else timeout_s)
        if self._wake_fd in ready:
            os.read(self._wake_fd, 4096)
        client.turn(ready.get(sock.fileno(), 0))
        return bool(ready) or bool(client.events)

    def _wait_for_wake(self, timeout_s: float) -> None:
        if self._wake_fd is None:
            self._clock.sleep(timeout_s)
        elif _poll({self._wake_fd: select.POLLIN}, timeout_s):
            os.read(self._wake_fd, 4096)

    def _collect(self) -> list[Event]:
        events, self._events = self._events, []
        if self._client is not None:
            events += self._client.events
            self._client.events.clear()
            if self._client.socket() is None:
                self._client = None
        return events


class _Client(Client):
    """paho for one connection: the socket comes from us, the callbacks only append to `events`."""

    def __init__(self, options: MqttOptions, endpoint: Endpoint, tls: Tls | None, connection: int) -> None:
        version = MQTTProtocolVersion.MQTTv5 if options.version == "5" else MQTTProtocolVersion.MQTTv311
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=options.client_id,
            clean_session=None if options.version == "5" else options.clean_session,
            protocol=version,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        self.events: list[Event] = []
        self.asked: dict[int, tuple[str, ...]] = {}
        self.is_leaving = False
        self._edge_options = options
        self._edge_endpoint = endpoint
        self._edge_tls = tls
        self._edge_connection = connection
        self._edge_fault: BaseException | None = None
        self._edge_logged_in = False
        self.max_inflight_messages_set(0)  # 0: sent at once, never queued
        self.max_queued_messages_set(_UNACKNOWLEDGED)
        if tls is not None:  # the socket is ours; should a later paho make its own, it is not a plain one
            self.tls_set_context(tls.context)
        if options.username is not None:
            self.username_pw_set(options.username, options.password)
        if options.will is not None:
            self.will_set(*options.will)
        self.on_connect = self._note_connect
        self.on_disconnect = self._note_disconnect
        self.on_message = self._note_message
        self.on_publish = self._note_publish
        self.on_subscribe = self._note_subscribe

    def open(self, opener: Callable[[], socket.socket]) -> None:
        """Connect the socket, as `opener` does it, and send the login."""
        self._edge_opener, options, endpoint = opener, self._edge_options, self._edge_endpoint
        if options.version == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.MaximumPacketSize = options.max_packet
            properties.SessionExpiryInterval = 0 if options.clean_session else _FOREVER_S
            self.connect(
                endpoint.host,
                endpoint.port,
                options.keepalive_s,
                clean_start=options.clean_session,
                properties=properties,
            )
        else:
            self.connect(endpoint.host, endpoint.port, options.keepalive_s)

    def is_usable(self) -> bool:
        """Return True while logged in."""
        return self._edge_logged_in and self.socket() is not None

    def has_pending(self) -> bool:
        """Return True if TLS has decrypted bytes that the socket will not announce any more."""
        pending = getattr(self.socket(), "pending", None)
        return pending is not None and pending() > 0

    def turn(self, ready: int) -> None:
        """Read, write and keep alive as the socket allows."""
        try:
            if ready & select.POLLOUT:
                self.loop_write()
            if ready & ~select.POLLOUT or self.has_pending():
                self._read_all()
            self.loop_misc()
        except Exception as exc:  # noqa: BLE001 - paho's parser lets hostile bytes raise anything
            self._lose(exc)

    def turn_write(self) -> None:
        """Write what waits."""
        try:
            self.loop_write()
        except Exception as exc:  # noqa: BLE001 - as above
            self._lose(exc)

    def shut(self) -> list[Event]:
        """Close the socket and return what was not collected yet."""
        if (sock := self.socket()) is not None:
            sock.close()
            self._sock = None
        events, self.events = self.events, []
        return events

    def _read_all(self) -> None:
        while len(self.events) < _PER_STEP and (sock := self.socket()) is not None:
            self.loop_read()
            if self.socket() is None or not (self.has_pending() or _poll({sock.fileno(): select.POLLIN}, 0)):
                return

    def _lose(self, exc: BaseException) -> None:
        if (sock := self.socket()) is not None:
            self._edge_fault = exc
            sock.close()
            self._sock = None
            self.events.append(Disconnected(self._reason(type(exc).__name__)))

    # What paho calls. The three overrides of private methods are pinned by tests: a paho without them fails there.

    def _create_socket(self) -> Any:
        return self._edge_opener()

    def _sock_recv(self, bufsize: int) -> bytes:
        if bufsize > self._edge_options.max_packet:
            self._edge_fault = ForwardError(
                "E-FWD-134", size=bufsize, limit=self._edge_options.max_packet, host=self._edge_endpoint.host
            )
            raise ConnectionAbortedError
        try:
            return super()._sock_recv(bufsize)
        except BlockingIOError:
            raise
        except OSError as exc:
            self._edge_fault = exc
            raise

    def _sock_send(self, buf: bytes | bytearray) -> int:
        try:
            return super()._sock_send(buf)
        except BlockingIOError:
            raise
        except OSError as exc:
            self._edge_fault = exc
            raise

    def _note_connect(
        self, client: Client, userdata: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._edge_fault = ForwardError(
                "E-FWD-124" if reason.value in _NOT_NOW else _LOGIN_CODES.get(reason.value, "E-FWD-126"),
                host=self._edge_endpoint.host,
                port=self._edge_endpoint.port,
                detail=str(reason),
            )
        else:
            self._edge_logged_in = True
            limit = getattr(properties, "ReceiveMaximum", 65535)
            self.events.append(Connected(flags.session_present, limit))

    def _note_disconnect(
        self, client: Client, userdata: Any, flags: DisconnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self.events.append(Disconnected(None if self.is_leaving else self._reason(str(reason), reason.value)))

    def _note_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        token = Token(self._edge_connection, message.mid, message.qos)
        self.events.append(Received(message.topic, bytes(message.payload), token, message.retain))

    def _note_publish(
        self, client: Client, userdata: Any, mid: int, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self.events.append(Published(mid, reason.is_failure))

    def _note_subscribe(
        self, client: Client, userdata: Any, mid: int, reasons: list[ReasonCode], properties: Properties | None
    ) -> None:
        topics = self.asked.pop(mid, ())
        refused = (topic for topic, reason in zip(topics, reasons, strict=False) if reason.is_failure)
        self.events.append(Subscribed(mid, tuple(refused)))

    def _reason(self, said: str, code: int = 0) -> ForwardError:
        """Return why the connection is gone, from the best witness: our own finding, the system, then paho."""
        fault, endpoint = self._edge_fault, self._edge_endpoint
        if isinstance(fault, ForwardError):
            return fault
        where = {"host": endpoint.host, "port": endpoint.port, "detail": str(fault or said)}
        if self._edge_logged_in:
            return ForwardError("E-FWD-135" if code == _TAKEN_OVER else "E-FWD-106", **where)
        if code == _PROTOCOL_ERROR:
            return ForwardError("E-FWD-125", **where)
        if fault is None:
            fault = ConnectionResetError(said)
        return error_of(fault, endpoint, has_certificate=self._edge_tls is None or self._edge_tls.has_certificate)


def _poll(wanted: dict[int, int], timeout_s: float) -> dict[int, int]:
    poller = select.poll()
    for fd, events in wanted.items():
        poller.register(fd, events)
    return dict(poller.poll(max(0.0, timeout_s) * 1000))

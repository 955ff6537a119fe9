"""The connection to a broker: events, manual acknowledgement, and a code of its own for each way to fail."""

import os
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import iotcore
import pytest

from edge.clock import ManualClock, SystemClock
from edge.errors import ForwardError
from edge.mqtt.link import (
    Connected,
    Disconnected,
    Event,
    MqttLink,
    MqttOptions,
    Published,
    Received,
    Subscribed,
)
from edge.mqtt.socket import Endpoint, Tls, connect_socket, load_tls, parse_url
from tests.forward.broker_tools import free_port, issue, mosquitto_at, scripted_broker, tls_lines

CLOCK = SystemClock()
CONNACK = bytes.fromhex("20020000")


@pytest.fixture(scope="module")
def broker(tmp_path_factory) -> Iterator[int]:
    """Run mosquitto for this file and give its port."""
    with mosquitto_at(tmp_path_factory.mktemp("broker")) as port:
        yield port


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    """Make a CA and what it signed (broker certificates good and bad, a gateway's), and two of somebody else."""
    folder = tmp_path_factory.mktemp("papers")
    ca = issue(folder, "ca")
    return {
        "ca": ca,
        "other_ca": issue(folder, "other_ca"),
        "good": issue(folder, "good", ca),
        "other_name": issue(folder, "other_name", ca, hosts=("broker.example",)),
        "expired": issue(folder, "expired", ca, from_day=-3, until_day=-1),
        "not_yet": issue(folder, "not_yet", ca, from_day=1, until_day=3),
        "gateway": issue(folder, "gateway", ca),
        "stranger": issue(folder, "stranger", issue(folder, "strange_ca")),
    }


def options(port: int, **more) -> MqttOptions:
    """Return options for a loopback port, changed by `more`."""
    return MqttOptions(**{"url": f"mqtt://127.0.0.1:{port}", "client_id": "gw-test", "connect_timeout_s": 5.0, **more})


def opened(port: int, **more) -> MqttLink:
    """Return a connected link."""
    link = MqttLink(options(port, **more), CLOCK)
    link.connect()
    return link


def events_until(link: MqttLink, done: Callable[[list[Event]], bool]) -> list[Event]:
    """Return the events up to the one that was waited for; fails if it is not there after 10 s."""
    seen: list[Event] = []
    give_up_s = CLOCK.monotonic() + 10
    while not done(seen):
        assert CLOCK.monotonic() < give_up_s, f"nothing more came after {seen}"
        seen += link.step(5.0)
    return seen


def has(kind: type) -> Callable[[list[Event]], bool]:
    """Return the condition that an event of this kind was seen."""
    return lambda seen: any(isinstance(event, kind) for event in seen)


def why(port: int, **more) -> str:
    """Return the code with which a connection fails."""
    link = MqttLink(options(port, **more), CLOCK)
    with pytest.raises(ForwardError) as caught:
        link.connect()
    with pytest.raises(ForwardError, match="E-FWD-106"):
        link.publish("t", b"", qos=1)
    return caught.value.code


@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_a_message_goes_out_and_comes_in(broker, version):
    """Both MQTT versions carry bytes to a subscriber, and each step is an event."""
    link = opened(broker, version=version)
    connected, *_ = events_until(link, has(Connected))
    assert isinstance(connected, Connected)
    assert not connected.session_present
    asked = link.subscribe([(f"t/{version}/#", 1)])
    assert [Subscribed(asked, ())] == events_until(link, has(Subscribed))
    sent = link.publish(f"t/{version}/a", b"\x00\xff", qos=1)
    events = events_until(link, lambda seen: has(Published)(seen) and has(Received)(seen))
    assert Published(sent, refused=False) in events
    assert [(f"t/{version}/a", b"\x00\xff")] == [(e.topic, e.payload) for e in events if isinstance(e, Received)]
    link.disconnect()
    assert [Disconnected(None)] == [event for event in link.step(0) if isinstance(event, Disconnected)]


@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_what_the_broker_had_kept_is_told_from_what_comes_now(broker, version):
    """The same message, before the subscription and after it."""
    link = opened(broker, version=version)
    topic = f"kept/{version}"
    link.publish(topic, b"x", qos=1, retain=True)
    events_until(link, has(Published))
    link.subscribe([(topic, 1)])
    events_until(link, has(Received))
    link.publish(topic, b"y", qos=1, retain=True)
    (now,) = [event for event in events_until(link, has(Received)) if isinstance(event, Received)]
    assert (b"y", False) == (now.payload, now.is_retained)
    other = opened(broker, version=version, client_id="other")
    other.subscribe([(topic, 1)])
    (kept,) = [event for event in events_until(other, has(Received)) if isinstance(event, Received)]
    assert (b"y", True) == (kept.payload, kept.is_retained)
    link.close()
    other.close()


def test_a_client_with_our_id_is_named_where_the_broker_says_so():
    """MQTT 5 has a reason for it; the mosquitto of these tests gives none."""
    taken_over = bytes.fromhex("2003000000") + bytes.fromhex("e0028e00")
    with scripted_broker(taken_over) as port:
        link = opened(port, version="5")
        (gone,) = [event for event in events_until(link, has(Disconnected)) if isinstance(event, Disconnected)]
    assert gone.reason is not None
    assert "E-FWD-135" == gone.reason.code


def test_a_client_with_our_id_ends_the_connection(broker):
    """With 3.1.1 it is just gone."""
    link = opened(broker, client_id="twin")
    twin = opened(broker, client_id="twin")
    (gone,) = [event for event in events_until(link, has(Disconnected)) if isinstance(event, Disconnected)]
    assert gone.reason is not None
    assert "E-FWD-106" == gone.reason.code
    twin.close()


def test_what_was_not_acknowledged_comes_again(broker):
    """A message stays the broker's until `acknowledge`; a token of an earlier connection acknowledges nothing."""
    first = opened(broker, clean_session=False, client_id="keeps")
    first.subscribe([("keep/#", 1)])
    first.publish("keep/1", b"one", qos=1)
    first.publish("keep/2", b"two", qos=1)
    events = events_until(first, lambda seen: len([e for e in seen if isinstance(e, Received)]) == 2)
    one, two = (event for event in events if isinstance(event, Received))
    first.acknowledge(one.token)
    first.disconnect()
    first.connect()
    events = events_until(first, has(Received))
    assert Connected(session_present=True) in events
    again = next(event for event in events if isinstance(event, Received))
    assert again.payload == b"two"
    first.acknowledge(two.token)
    first.disconnect()
    first.connect()
    assert next(e.payload for e in events_until(first, has(Received)) if isinstance(e, Received)) == b"two"
    first.disconnect()


def test_the_will_is_published_only_without_a_goodbye(broker):
    """`close` leaves the will to the broker; `disconnect` takes it back."""
    watcher = opened(broker, client_id="watcher")
    watcher.subscribe([("will/#", 1)])
    events_until(watcher, has(Subscribed))
    polite = opened(broker, client_id="polite", will=("will/polite", b"gone", 1, False))
    polite.disconnect()
    rude = opened(broker, client_id="rude", will=("will/rude", b"gone", 1, False))
    rude.close()
    events = events_until(watcher, has(Received))
    assert [event.topic for event in events if isinstance(event, Received)] == ["will/rude"]
    watcher.disconnect()


def test_a_large_message_passes_whole(broker):
    """A message of the size of the largest envelope arrives byte for byte."""
    link = opened(broker)
    link.subscribe([("large", 1)])
    payload = bytes(range(256)) * 256
    link.publish("large", payload, qos=1)
    events = events_until(link, has(Received))
    assert payload == next(event.payload for event in events if isinstance(event, Received))
    link.disconnect()


def test_nothing_is_published_without_a_connection(broker):
    """Nothing is left to a queue: publishing before a connection or after its end is an error."""
    link = MqttLink(options(broker), CLOCK)
    with pytest.raises(ForwardError) as caught:
        link.publish("t", b"", qos=1)
    assert caught.value.code == "E-FWD-106"
    link.connect()
    link.disconnect()
    with pytest.raises(ForwardError):
        link.publish("t", b"", qos=1)


def test_a_wake_ends_the_waiting(broker):
    """A byte on the wake descriptor ends a step, connected or not, and is drained."""
    wake = os.eventfd(0, os.EFD_NONBLOCK)
    try:
        link = MqttLink(options(broker), CLOCK, wake_fd=wake)
        os.eventfd_write(wake, 1)
        assert link.step(3600) == []
        link.connect()
        events_until(link, has(Connected))
        os.eventfd_write(wake, 1)
        assert link.step(10) == []
        with pytest.raises(BlockingIOError):
            os.eventfd_read(wake)
        link.disconnect()
    finally:
        os.close(wake)


def test_a_broker_that_dies_is_one_event(tmp_path):
    """A killed broker is reported once with its reason, and the same link connects again to the next one."""
    with mosquitto_at(tmp_path) as port:
        link = opened(port)
        events_until(link, has(Connected))
    events = events_until(link, has(Disconnected))
    assert [e.reason.code for e in events if isinstance(e, Disconnected) and e.reason] == ["E-FWD-106"]
    with pytest.raises(ForwardError, match="E-FWD-106"):
        link.publish("t", b"", qos=1)
    with mosquitto_at(tmp_path, port=port):
        link.connect()
        assert has(Connected)(link.step(5))
        link.disconnect()


def test_the_demo_broker_carries_messages():
    """The embedded broker of the demo takes an envelope of full size and gives it back."""
    with iotcore.Broker(port=free_port(), listen="127.0.0.1", max_payload_size=1 << 20) as embedded:
        link = opened(embedded.port)
        link.subscribe([("demo/#", 1)])
        link.publish("demo/1", bytes(65536), qos=1, retain=True)
        events = events_until(link, lambda seen: has(Published)(seen) and has(Received)(seen))
        assert bytes(65536) in [event.payload for event in events if isinstance(event, Received)]
        link.disconnect()


# Ways to fail


def test_an_unknown_name_has_its_code():
    """A host that no name server knows (RFC 6761 reserves .invalid) is told apart."""
    assert why(0, url="mqtt://broker.invalid:1883") == "E-FWD-101"


def test_a_refused_connection_has_its_code():
    """A port that nobody listens on is told apart."""
    assert why(free_port()) == "E-FWD-102"


def test_a_network_that_swallows_has_its_code():
    """A listener whose queue is full answers nothing: the wait is bounded and has its code."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = server.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
            assert why(port, connect_timeout_s=0.2) == "E-FWD-103"
        finally:
            for filler in fillers:
                filler.close()


def test_a_silent_broker_has_its_code():
    """A listener that never answers the login is told apart from one that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert why(server.getsockname()[1], connect_timeout_s=0.2) == "E-FWD-107"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("20020001", "E-FWD-125"),
        ("20020002", "E-FWD-123"),
        ("20020003", "E-FWD-124"),
        ("20020004", "E-FWD-121"),
        ("20020005", "E-FWD-122"),
        ("", "E-FWD-105"),
        ("485454502f312e3120343030", "E-FWD-105"),  # "HTTP/1.1 400": no broker at all
        ("f000", "E-FWD-125"),  # a packet type that MQTT 3.1.1 does not have
        ("30ffffff7f", "E-FWD-134"),  # announces 256 MiB
    ],
)
def test_each_refusal_of_the_login_has_its_code(answer, code):
    """CONNACK codes of MQTT 3.1.1 (table 3.1), an early end, a web server and an absurd size are told apart."""
    with scripted_broker(bytes.fromhex(answer)) as port:
        assert code == why(port)


@pytest.mark.parametrize(
    "hostile",
    ["3002ffff", "300400020fff", "9000", "400100", "f000", "3003000000", "320300017a", "30060002c328aabb", "62020001"],
)
def test_hostile_bytes_end_the_connection_at_most(hostile):
    """Malformed packets never raise out of a step: the connection is dropped with a reason, or they are ignored."""
    with scripted_broker(CONNACK, bytes.fromhex(hostile)) as port:
        link = opened(port)
        link.publish("t", b"", qos=1)
        events = events_until(link, has(Disconnected))
        assert [e.reason.code for e in events if isinstance(e, Disconnected) and e.reason] == ["E-FWD-106"]
        assert link.step(0) == []


def test_a_refused_subscription_names_its_topic():
    """A denied topic (SUBACK 0x80) is reported by name, the granted one is not."""
    with scripted_broker(CONNACK, bytes.fromhex("900400010180")) as port:
        link = opened(port)
        assert link.subscribe([("a", 1), ("b", 1)]) == 1
        assert Subscribed(1, ("b",)) in events_until(link, has(Subscribed))
        link.close()


def test_a_wrong_password_is_refused_by_a_real_broker(tmp_path):
    """With a password file at mosquitto, the right password enters, a wrong one has its code."""
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "gw", "right"], check=True, capture_output=True)
    passwords.chmod(0o644)
    with mosquitto_at(tmp_path, f"password_file {passwords}") as port:
        link = opened(port, username="gw", password="right")
        link.disconnect()
        assert why(port, username="gw", password="wrong") == "E-FWD-122"


@pytest.mark.parametrize(
    "url", ["mqtts://user:hunter2@broker.example:8883", "mqtt://hunter2@h", "http://a:hunter2@", "hunter2@mqtt"]
)
def test_a_secret_in_the_address_is_refused_and_not_shown(url):
    """It would stand in settings, logs and status for everybody."""
    with pytest.raises(ForwardError) as caught:
        parse_url(url)
    assert caught.value.code == "E-FWD-129"
    assert "hunter2" not in f"{caught.value} {caught.value.values}"


class Host:
    """Sockets and a resolver that stand in for the system's; each attempt takes all the time that it is given."""

    def __init__(self, monkeypatch, *answers: str) -> None:
        self.clock = ManualClock()
        self.answers = answers
        self.tried: list[tuple[str, float]] = []
        found = [(0, 0, 0, "", (name, 1)) for name in answers]
        monkeypatch.setattr("edge.mqtt.socket.socket.getaddrinfo", lambda *_, **__: found)
        monkeypatch.setattr("edge.mqtt.socket._connect_one", self.connect)

    def connect(self, address, timeout_s: float) -> socket.socket:
        """Answer as the address says."""
        name = address[4][0]
        self.tried.append((name, timeout_s))
        if name == "silent":
            self.clock.advance(timeout_s)
            raise TimeoutError("timed out")
        if name == "refusing":
            raise ConnectionRefusedError
        return socket.socket()

    def open(self, seconds: float, tls: Tls | None = None) -> None:
        """Connect within so many seconds."""
        deadline_s = self.clock.monotonic() + seconds
        connect_socket(Endpoint("h", 1, is_tls=tls is not None), tls, self.clock, deadline_s).close()


class Handshake:
    """A TLS context that notes how long a handshake may take."""

    allowed_s: float | None = None

    def wrap_socket(self, sock: socket.socket, **_: object) -> "Handshake":
        """Take the socket."""
        self._sock = sock
        return self

    def do_handshake(self) -> None:
        """Note the time."""
        self.allowed_s = self._sock.gettimeout()

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()


def test_the_handshake_has_what_is_left(monkeypatch):
    """TCP took its part of the one deadline, TLS gets the rest."""
    context = Handshake()
    Host(monkeypatch, "silent", "good").open(20, Tls(context, has_certificate=True))
    assert context.allowed_s == 10


def test_two_addresses_share_one_deadline(monkeypatch):
    """The first silent one gets half, the second the rest, a third is not tried; refusals leave the time to others."""
    host = Host(monkeypatch, "silent", "silent", "good")
    with pytest.raises(ForwardError) as caught:
        host.open(20)
    assert ("E-FWD-103", [("silent", 10), ("silent", 10)]) == (caught.value.code, host.tried)
    host = Host(monkeypatch, "silent", "good")
    host.open(20)
    assert [("silent", 10), ("good", 10)] == host.tried
    host = Host(monkeypatch, "refusing", "good")
    host.open(20)
    assert [("refusing", 10), ("good", 20)] == host.tried
    host = Host(monkeypatch, "good")
    with pytest.raises(ForwardError) as caught:
        host.open(0)
    assert ("E-FWD-103", []) == (caught.value.code, host.tried)


@pytest.mark.parametrize("url", ["http://a", "mqtt://", "mqtts://a:99999", "broker", "mqtt://[::1"])
def test_what_is_no_broker_address_is_refused(url):
    """Only mqtt:// and mqtts:// with a host and a sane port are endpoints."""
    with pytest.raises(ForwardError) as caught:
        parse_url(url)
    assert caught.value.code == "E-FWD-110"


@pytest.mark.parametrize(
    ("url", "is_plain"),
    [
        ("mqtt://broker.example", True),
        ("mqtts://broker.example", False),
        ("mqtt://127.0.0.1:1", False),
        ("mqtt://[::1]:1", False),
        ("mqtt://localhost", False),
    ],
)
def test_plain_text_over_a_network_is_known(url, is_plain):
    """Only an unencrypted way that leaves this machine counts as plain."""
    assert is_plain is MqttLink(options(0, url=url), CLOCK).is_plain


# TLS


def over_tls(port: int, papers, **more) -> dict:
    """Return options for TLS with the right CA, changed by `more`."""
    return {"url": f"mqtts://127.0.0.1:{port}", "ca": str(papers["ca"].certificate), **more}


@pytest.mark.parametrize("version", ["tlsv1.2", "tlsv1.3"])
def test_the_right_ca_lets_messages_through(tmp_path, papers, version):
    """With its CA pinned, a broker is reached by TLS 1.2 and 1.3, and large messages pass."""
    with mosquitto_at(tmp_path, *tls_lines(papers["ca"], papers["good"], version=version)) as port:
        link = opened(port, **over_tls(port, papers))
        link.subscribe([("t", 1)])
        link.publish("t", bytes(60000), qos=1)
        events = events_until(link, has(Received))
        assert bytes(60000) == next(event.payload for event in events if isinstance(event, Received))
        link.disconnect()


@pytest.mark.parametrize(
    ("shown", "code"), [("other_name", "E-FWD-112"), ("expired", "E-FWD-113"), ("not_yet", "E-FWD-114")]
)
def test_a_wrong_certificate_of_the_broker_fails_closed(tmp_path, papers, shown, code):
    """Wrong name, expired and not yet valid are refused, each with its own code."""
    with mosquitto_at(tmp_path, *tls_lines(papers["ca"], papers[shown])) as port:
        assert code == why(port, **over_tls(port, papers))


def test_a_broker_of_another_ca_fails_closed(tmp_path, papers):
    """With a CA pinned nothing else counts; without one, only the machine's own CAs do."""
    with mosquitto_at(tmp_path, *tls_lines(papers["ca"], papers["good"])) as port:
        assert why(port, **over_tls(port, papers, ca=str(papers["other_ca"].certificate))) == "E-FWD-111"
        assert why(port, **over_tls(port, papers, ca=None)) == "E-FWD-111"


@pytest.mark.parametrize("version", ["tlsv1.2", "tlsv1.3"])
def test_a_broker_that_wants_a_certificate_is_told_apart(tmp_path, papers, version):
    """Without a certificate of ours the broker breaks off, with it the login works; a stranger's is refused."""
    lines = tls_lines(papers["ca"], papers["good"], wants_certificate=True, version=version)
    with mosquitto_at(tmp_path, *lines) as port:
        assert why(port, **over_tls(port, papers)) == "E-FWD-115"
        ours = {"certificate": str(papers["gateway"].certificate), "key": str(papers["gateway"].key)}
        link = opened(port, **over_tls(port, papers, **ours))
        link.disconnect()
        strange = {"certificate": str(papers["stranger"].certificate), "key": str(papers["stranger"].key)}
        # The reset of the connection may overtake the alert that names the cause.
        assert why(port, **over_tls(port, papers, **strange)) in {"E-FWD-116", "E-FWD-105"}


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
def test_an_old_version_of_tls_is_never_used(papers):
    """A broker that has nothing newer than TLS 1.1 is refused, though its certificate is right."""
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.load_cert_chain(papers["good"].certificate, papers["good"].key)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            with server.accept()[0] as plain, suppress(OSError):
                old.wrap_socket(plain, server_side=True).close()

        thread = Thread(target=greet)
        thread.start()
        assert why(server.getsockname()[1], **over_tls(server.getsockname()[1], papers)) == "E-FWD-117"
        thread.join(5)
    assert load_tls(None, None, None).context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_port_without_tls_is_not_fallen_back_to(broker, papers):
    """A port that speaks no TLS is refused."""
    assert why(broker, **over_tls(broker, papers)) in {"E-FWD-117", "E-FWD-105"}


@pytest.mark.parametrize("mistake", ["missing", "no_pem", "other_key"])
def test_unusable_files_are_named(tmp_path, papers, mistake):
    """A missing file, a file that is no PEM and a key of another certificate are settings mistakes, named as such."""
    gateway, other = papers["gateway"], papers["good"]
    (tmp_path / "no.pem").write_text("no pem", encoding="utf-8")
    wrong = {
        "missing": {"ca": str(tmp_path / "missing.pem")},
        "no_pem": {"ca": str(tmp_path / "no.pem")},
        "other_key": {"certificate": str(gateway.certificate), "key": str(other.key)},
    }[mistake]
    assert why(0, **over_tls(1, papers, **wrong)) == "E-FWD-118"


def test_a_key_open_to_others_is_refused(tmp_path, papers):
    """A TLS key that other users can read is not used."""
    key = Path(tmp_path / "open.key")
    key.write_bytes(papers["gateway"].key.read_bytes())
    key.chmod(0o644)
    ours = {"certificate": str(papers["gateway"].certificate), "key": str(key)}
    assert why(0, **over_tls(1, papers, **ours)) == "E-FWD-119"

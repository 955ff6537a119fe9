"""Metrics over HTTP: a Unix socket or loopback, looked at only when asked, and never in the way of the gateway."""

import http.client
import socket
import threading

import pytest

from edge.app import metrics_port
from edge.app.metrics_port import MetricsPort, listen_of
from edge.clock import ManualClock
from edge.health.metrics import View
from edge.health.model import Health
from tests.flow.processes import free_port


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path) -> None:
        super().__init__("localhost")
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def connection(listen):
    if listen.startswith("unix:"):
        return UnixConnection(listen.removeprefix("unix:"))
    host, _, port = listen.rpartition(":")
    return http.client.HTTPConnection(host.strip("[]"), int(port), timeout=30)


def scrape(port, path="/metrics", *, is_tended=True):
    """Ask once, with the main thread at work or not; return status and body."""
    answered = threading.Event()
    found = []

    def ask() -> None:
        asking = connection(port.listen)
        asking.request("GET", path)
        response = asking.getresponse()
        found.append((response.status, response.read()))
        asking.close()
        answered.set()

    thread = threading.Thread(target=ask)
    thread.start()
    while not answered.wait(0.01):
        if is_tended:
            port.tend()
    thread.join()
    return found[0]


@pytest.fixture
def serve(tmp_path):
    """Serve an empty gateway at a place; the list has an entry for each look."""
    made, looks, health = [], [], Health(ManualClock())

    def view() -> View:
        looks.append(1)
        return View(version="9", health=health.snapshot(), halves={})

    def start(listen):
        port = MetricsPort(listen, view, health, with_meters=True)
        made.append(port)
        return port, looks, health

    yield start
    for port in made:
        port.close()


@pytest.mark.parametrize("kind", ["unix", "ipv4", "name", "ipv6"])
def test_it_answers_at_every_kind_of_place(serve, tmp_path, kind):
    """Text of Prometheus; the socket is closed to others and gone afterwards; another path is not found."""
    path = tmp_path / "metrics.sock"
    number = free_port()
    places = {
        "unix": f"unix:{path}",
        "ipv4": f"127.0.0.1:{number}",
        "name": f"localhost:{number}",
        "ipv6": f"[::1]:{number}",
    }
    if kind == "ipv6":
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            pytest.skip("this machine has no IPv6")
    port, looks, health = serve(places[kind])
    assert "yes" == health.snapshot()["conditions"]["metrics_served"]["answer"]
    status, text = scrape(port)
    assert (200, True) == (status, b'edge_build_info{version="9"} 1.0' in text)
    assert 404 == scrape(port, "/secrets")[0]
    assert 1 == len(looks)
    if kind == "unix":
        assert 0o660 == path.stat().st_mode & 0o777
        port.close()
        assert not path.exists()


def test_nothing_is_looked_at_unless_somebody_asks(serve, tmp_path):
    """A gateway that nobody scrapes pays nothing."""
    port, looks, _ = serve(f"unix:{tmp_path / 'm.sock'}")
    for _ in range(5):
        port.tend()
    assert [] == looks
    scrape(port)
    scrape(port)
    assert 2 == len(looks)


def test_a_main_thread_that_hangs_is_told(serve, tmp_path, monkeypatch):
    """No answer is made up: 503, and the next one is answered again."""
    monkeypatch.setattr(metrics_port, "_PATIENCE_S", 0.05)
    port, _, _ = serve(f"unix:{tmp_path / 'm.sock'}")
    assert 503 == scrape(port, is_tended=False)[0]
    assert 200 == scrape(port)[0]


def test_a_reader_that_says_nothing_is_dropped(serve, tmp_path, monkeypatch):
    """Whoever connects and stands still keeps nobody out for ever."""
    monkeypatch.setattr(metrics_port._Ask, "timeout", 0.05)
    port, _, _ = serve(f"unix:{tmp_path / 'm.sock'}")
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(tmp_path / "m.sock"))
        assert 200 == scrape(port)[0]


def test_a_place_that_cannot_be_had_is_a_condition(serve, tmp_path):
    """Taken by another, or in no folder: the gateway goes on, and says so."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port, _, health = serve(f"127.0.0.1:{other.getsockname()[1]}")
        assert "E-HLT-192" == health.snapshot()["conditions"]["metrics_served"]["code"]
        port.tend()
    for listen in (f"unix:{tmp_path / 'none' / 'm.sock'}", f"unix:{tmp_path / 'm.sock'}"):
        first, _, _ = serve(f"unix:{tmp_path / 'm.sock'}")
        _, _, health = serve(listen)
        assert "E-HLT-192" == health.snapshot()["conditions"]["metrics_served"]["code"]
        first.close()


def test_a_socket_that_was_left_behind_is_replaced(serve, tmp_path):
    """A process that was killed takes its socket's file with it nowhere."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "m.sock"))
    port, _, health = serve(f"unix:{tmp_path / 'm.sock'}")
    assert "yes" == health.snapshot()["conditions"]["metrics_served"]["answer"]
    assert 200 == scrape(port)[0]


def test_two_halves_have_two_places(tmp_path):
    """Each adds its name to a socket; a port is the forwarder's."""
    unix = "unix:/run/edge/metrics.sock"
    assert [unix, "unix:/run/edge/metrics-poll.sock", "unix:/run/edge/metrics-forward.sock"] == [
        listen_of(unix, half, tmp_path) for half in (None, "poll", "forward")
    ]
    tcp = "127.0.0.1:9645"
    assert [tcp, f"unix:{tmp_path}/metrics-poll.sock", tcp] == [
        listen_of(tcp, half, tmp_path) for half in (None, "poll", "forward")
    ]

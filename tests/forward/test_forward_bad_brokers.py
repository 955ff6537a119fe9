"""Brokers as they are met: refusing, dead, of another name, with hardly a queue, closing at once; and a stranger."""

import socket
from contextlib import contextmanager
from functools import partial
from random import Random

import pytest

from edge.mqtt.link import MqttLink, MqttOptions
from tests.forward.broker_tools import free_port, issue, mosquitto_at, tls_lines
from tests.forward.forward_tools import TinyCentre, record
from tests.forward.test_forward_broker import CLOCK, LinkedCentre, Rig


def arrived_once(centre: TinyCentre, *numbers: int) -> bool:
    """Return True if exactly these slots are at the centre, each once."""
    return [record(number).slot_at for number in numbers] == sorted(one.slot_at for one in centre.records())


def counter(rig: Rig, name: str) -> int:
    """Return a counter of the health model."""
    return rig.health.snapshot()["counters"].get(name, 0)


def has_counted(rig: Rig, name: str, number: int) -> bool:
    """Return True if a counter has come so far."""
    return counter(rig, name) >= number


def has_lost(rig: Rig, number: int) -> bool:
    """Return True if so many connections ended."""
    return counter(rig, "connections_lost") + counter(rig, "connections_failed") >= number


@contextmanager
def silent_host():
    """Listen, and never answer: connections are made by the system and nobody speaks."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_each_endpoint_has_its_turn_until_one_is_good(tmp_path):
    """One refuses, one is dead, one has the wrong name; the fourth gets every reading."""
    ca = issue(tmp_path, "ca")
    wrong, right = issue(tmp_path, "wrong", ca, hosts=("broker.example",)), issue(tmp_path, "right", ca)
    with (
        silent_host() as dead,
        mosquitto_at(tmp_path, *tls_lines(ca, wrong)) as other,
        mosquitto_at(tmp_path, *tls_lines(ca, right)) as good,
    ):
        urls = [f"mqtts://127.0.0.1:{port}" for port in (free_port(), dead, other, good)]
        rig = Rig(tmp_path / "edge.db", *urls, ca=str(ca.certificate), connect_timeout_s=0.5)
        centre = TinyCentre()
        linked = LinkedCentre(urls[-1], centre, ca=str(ca.certificate))
        try:
            rig.poll(1, 2, 3)
            rig.until(lambda: rig.outbox.counts().archived == 3, linked.step)
            assert (3, 1) == (counter(rig, "connections_failed"), counter(rig, "connections"))
            assert arrived_once(centre, 1, 2, 3)
        finally:
            rig.close()
            linked.link.disconnect()


@pytest.mark.parametrize(
    "lines",
    [
        ("max_queued_messages 1", "max_inflight_messages 1"),
        ("max_queued_messages 1", "max_inflight_messages 1", "queue_qos0_messages true"),
        ("max_queued_bytes 100",),
    ],
)
def test_a_broker_with_hardly_a_queue_loses_no_reading(tmp_path, lines):
    """It acknowledges and drops: whatever the centre did not get is sent again."""
    port = free_port()
    url = f"mqtt://127.0.0.1:{port}"
    with mosquitto_at(tmp_path, *lines, port=port):
        rig, centre = Rig(tmp_path / "edge.db", url), TinyCentre()
        linked = LinkedCentre(url, centre, clean_session=False)
        linked.link.disconnect()
        try:
            rig.poll(*range(1, 13))
            rig.until(lambda: counter(rig, "batches_sent") >= 9)
            linked = LinkedCentre(url, centre, clean_session=False)
            rig.until(lambda: rig.outbox.counts().archived == 12, linked.step)
            assert arrived_once(centre, *range(1, 13))
        finally:
            rig.close()
            linked.link.disconnect()


def test_a_broker_that_closes_at_once_is_left_for_another(tmp_path):
    """It takes the connection and ends it, again and again: the pauses grow, and the other one gets the readings."""
    with socket.create_server(("127.0.0.1", 0)) as server, mosquitto_at(tmp_path) as good:
        server.setblocking(False)
        closed = [0]

        def close_all() -> None:
            try:
                server.accept()[0].close()
            except BlockingIOError:
                return
            closed[0] += 1

        bad = f"mqtt://127.0.0.1:{server.getsockname()[1]}"
        rig, centre = Rig(tmp_path / "edge.db", bad, connect_timeout_s=0.5), TinyCentre()
        try:
            rig.poll(1)
            rig.until(lambda: counter(rig, "connections_failed") >= 4, close_all)
            assert "no" == rig.health.snapshot()["conditions"]["broker_reachable"]["answer"]
            assert closed[0] <= counter(rig, "connections_failed")
        finally:
            rig.close()
        url = f"mqtt://127.0.0.1:{good}"
        rig, linked = Rig(tmp_path / "edge.db", bad, url, connect_timeout_s=0.5), LinkedCentre(url, centre)
        try:
            rig.until(lambda: rig.outbox.counts().archived == 1, lambda: (close_all(), linked.step()))
            assert arrived_once(centre, 1)
        finally:
            rig.close()
            linked.link.disconnect()


def test_a_stranger_with_the_same_client_id_loses_no_reading(tmp_path):
    """He takes the connection over five times: each loss is counted, every reading arrives once."""
    with mosquitto_at(tmp_path) as port:
        url = f"mqtt://127.0.0.1:{port}"
        rig, centre = Rig(tmp_path / "edge.db", url), TinyCentre()
        linked = LinkedCentre(url, centre)
        strangers = []
        try:
            for number in range(1, 6):
                rig.poll(number)
                rig.until(partial(has_counted, rig, "connections", number), linked.step)
                strangers.append(MqttLink(MqttOptions(url=url, client_id="gw"), CLOCK))
                strangers[-1].connect()
                rig.until(partial(has_lost, rig, number), linked.step)
            rig.until(lambda: rig.outbox.counts().archived == 5, linked.step)
            assert arrived_once(centre, *range(1, 6))
        finally:
            rig.close()
            linked.link.disconnect()
            for stranger in strangers:
                stranger.close()


def test_a_start_at_any_point_sends_each_batch_as_it_was(tmp_path):
    """Stopped after a few steps, twenty times over, with a real broker: nothing lost, nothing doubled."""
    with mosquitto_at(tmp_path) as port:
        url, centre, chance = f"mqtt://127.0.0.1:{port}", TinyCentre(), Random(3)
        linked = LinkedCentre(url, centre)
        try:
            for number in range(1, 21):
                rig = Rig(tmp_path / "edge.db", url)
                rig.poll(number)
                for _ in range(chance.randrange(2, 40)):
                    rig.worker.step(CLOCK.monotonic())
                    linked.step()
                for database in rig.databases:
                    database.close()
                rig.worker._link and rig.worker._link.close()
            rig = Rig(tmp_path / "edge.db", url)
            rig.until(lambda: rig.outbox.counts().archived == rig.outbox.head().next_seq - 1 >= 1, linked.step)
            rig.until(lambda: rig.outbox.counts().waiting == 0 == rig.outbox.counts().unsent, linked.step)
            assert arrived_once(centre, *range(1, 21))
            rig.close()
        finally:
            linked.link.disconnect()

"""The forwarder's and the broker link's rarer errors, each provoked where it comes up."""

import errno
import socket
from dataclasses import replace

import pytest
from paho.mqtt.enums import MQTTErrorCode

from edge.clock import SystemClock
from edge.errors import ForwardError
from edge.messages.receipt import EpochReceipt
from edge.mqtt.link import Disconnected, MqttLink, MqttOptions
from tests.forward.broker_tools import mosquitto_at, scripted_broker
from tests.forward.forward_tools import Bench

CLOCK = SystemClock()


@pytest.fixture
def bench(tmp_path):
    """Return a gateway's forwarding with a broker in memory."""
    made = Bench(tmp_path / "edge.db")
    yield made
    made.close()


def link_to(port: int, **more) -> MqttLink:
    return MqttLink(MqttOptions(**{"url": f"mqtt://127.0.0.1:{port}", "client_id": "g", **more}), CLOCK)


@pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.EHOSTUNREACH])
def test_no_way_to_the_broker_is_told(monkeypatch, number):
    """The kernel knows no route: the network here is down, not the broker."""

    def unreachable(*_, **__):
        raise OSError(number, "no route")

    monkeypatch.setattr(socket.socket, "connect", unreachable)
    with pytest.raises(ForwardError) as caught:
        link_to(1883).connect()
    assert ("E-FWD-104", 7) == (caught.value.code, caught.value.exit_code)


def test_a_login_refused_for_another_reason_is_told():
    """MQTT 5 has many reasons; one without a code of its own is named in the broker's words (here: 155)."""
    with scripted_broker(bytes.fromhex("2003009b00")) as port, pytest.raises(ForwardError) as caught:
        _connected(link_to(port, version="5"))
    assert "E-FWD-126" == caught.value.code
    assert "QoS not supported" in caught.value.fact()


def _connected(link: MqttLink) -> None:
    """Step until the broker has answered the login; raise what it says."""
    try:
        link.connect()
        gone = None
        while gone is None:
            gone = next((event for event in link.step(5.0) if isinstance(event, Disconnected)), None)
        raise gone.error
    finally:
        link.close()


def test_what_the_library_does_not_take_is_told(tmp_path, monkeypatch):
    """A connection that breaks under a publish or a subscription: the message is not sent, and said so."""
    with mosquitto_at(tmp_path) as port:
        link = link_to(port)
        link.connect()
        monkeypatch.setattr(link._client, "_send_publish", lambda *_, **__: MQTTErrorCode.MQTT_ERR_NO_CONN)
        monkeypatch.setattr(link._client, "_send_subscribe", lambda *_, **__: (MQTTErrorCode.MQTT_ERR_NO_CONN, None))
        for act in (lambda: link.publish("t", b"x", qos=0), lambda: link.subscribe([("t", 1)])):
            with pytest.raises(ForwardError) as caught:
                act()
            assert ("E-FWD-131", "t") == (caught.value.code, caught.value.values["topic"])
        link.close()


def test_a_message_that_the_broker_refuses_is_logged(bench, caplog):
    """MQTT 5: an acknowledgement with a reason; it is tried again later, and the log says whose fault it is."""
    bench.broker.refuses_messages = True
    bench.poll(1)
    bench.until(bench.broker.envelopes)
    bench.run(1)
    assert "E-FWD-133" in caplog.text
    assert bench.counter("messages_refused") > 0


def test_a_receipt_of_another_chain_is_logged(bench, caplog):
    """The store was restored or copied: a new epoch, and the log says so."""
    bench.poll(1)
    bench.until(bench.broker.envelopes)
    old = bench.outbox.head()
    bench.send_receipt(bench.centre.receipt(EpochReceipt(old.epoch, old.next_seq + 5, 0, b"\x55" * 32)))
    assert "E-FWD-204" in caplog.text
    assert bench.outbox.head().epoch.hex() in caplog.text


def test_a_rejected_batch_is_logged(bench, caplog):
    """The centre cannot take a batch in: it is kept in quarantine, and the log counts it."""
    bench.poll(1)
    bench.until(bench.broker.envelopes)
    bench.centre.accept(bench.broker.envelopes()[0])
    state = bench.centre.state_of(bench.outbox.head().epoch)
    bench.send_receipt(bench.centre.receipt(replace(state, rejected=((1, "unreadable"),))))
    assert "E-FWD-206" in caplog.text
    assert 1 == bench.outbox.counts().quarantined


def test_plain_text_over_a_network_is_a_condition(bench, monkeypatch):
    """Readings in the clear on a foreign network: it works, and the health says that it should not be."""
    make = bench.broker.link

    def plain(url, will):
        link = make(url, will)
        link.is_plain = True
        return link

    monkeypatch.setattr(bench.broker, "link", plain)
    bench.start()
    bench.run(2)
    assert ("no", "E-FWD-209") == bench.condition("broker_encrypted")

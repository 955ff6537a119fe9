"""The forwarder over real brokers: mosquitto loses its queue, and TLS that is not right keeps everything here."""

from random import Random

import pytest

from edge.clock import SystemClock
from edge.forward.settings import ForwardSettings, SealRules
from edge.forward.worker import ForwardWorker
from edge.health.model import Health
from edge.messages.signing import Ed25519Verifier
from edge.messages.topics import all_batches, parse_batch_topic
from edge.mqtt.link import Event, MqttLink, MqttOptions, Published, Received, Subscribed
from edge.store.database import open_database
from edge.store.journal import Journal
from edge.store.outbox import Outbox
from tests.forward.broker_tools import free_port, issue, mosquitto_at, tls_lines
from tests.forward.forward_tools import (
    CENTRE_KEY,
    GATEWAY,
    GATEWAY_KEY,
    RECEIPTS,
    TENANT,
    TinyCentre,
    record,
)

CLOCK = SystemClock()


class Rig:
    """A forwarder on a real store and a real connection; steps of the test's own thread, nothing sleeps."""

    def __init__(self, path, *urls: str, backlog_per_minute: float = 60_000, link=MqttLink, **tls) -> None:
        self.databases = [open_database(path, max_mib=16) for _ in range(2)]
        self.journal = Journal(self.databases[0])
        self.outbox = Outbox(self.databases[1])
        self.health = Health(CLOCK)
        rules = SealRules(max_readings=3, quiet_s=0.05)
        settings = ForwardSettings(
            gateway=GATEWAY,
            tenant=TENANT,
            version="1",
            endpoints=urls,
            backlog_per_minute=backlog_per_minute,
            seal=rules,
            resend_s=0.3,
            max_resend_s=2,
            retry_s=0.02,
            max_retry_s=0.1,
            look_s=0.02,
        )
        self.worker = ForwardWorker(
            settings,
            outbox=self.outbox,
            signer=GATEWAY_KEY,
            centre=Ed25519Verifier(CENTRE_KEY.public),
            clock=CLOCK,
            make_link=lambda url, will: link(MqttOptions(url=url, client_id="gw", will=will, **tls), CLOCK),
            rng=Random(1),
            health=self.health,
        )

    def poll(self, *numbers: int) -> None:
        """Store records, each of which makes a batch."""
        for number in numbers:
            self.journal.append([record(number)])

    def until(self, done, beside=lambda: None) -> None:
        """Step the forwarder, and what runs beside it, until something is so."""
        give_up_s = CLOCK.monotonic() + 20
        while not done():
            assert CLOCK.monotonic() < give_up_s, self.health.snapshot()
            self.worker.step(CLOCK.monotonic())
            beside()

    def close(self) -> None:
        """Say goodbye and close the files."""
        self.worker.stop()
        for database in self.databases:
            database.close()


class LinkedCentre:
    """The tiny centre behind a real connection."""

    def __init__(self, url: str, centre: TinyCentre, **more) -> None:
        self.centre = centre
        self.link = MqttLink(MqttOptions(url=url, client_id="centre", **more), CLOCK)
        self.link.connect()
        self.link.subscribe([(all_batches(TENANT), 1)])
        self.early: list[Event] = []
        while not any(isinstance(event, Subscribed) for event in self.early):
            self.early += self.link.step(5)

    def step(self) -> None:
        """Take what came, answer with one receipt, then acknowledge."""
        came = [event for event in [*self.early, *self.link.step(0)] if isinstance(event, Received)]
        self.early = []
        for event in came:
            assert parse_batch_topic(event.topic)
            self.centre.accept(event.payload)
        if came:
            self.link.publish(RECEIPTS, self.centre.receipt(), qos=1, retain=True)
        for event in came:
            self.link.acknowledge(event.token)


def test_a_broker_that_loses_its_queue_loses_no_reading(tmp_path):
    """What mosquitto acknowledged and lost with its memory is sent again, and each record arrives once."""
    port = free_port()
    url = f"mqtt://127.0.0.1:{port}"
    rig = Rig(tmp_path / "edge.db", url)
    centre = TinyCentre()
    try:
        with mosquitto_at(tmp_path, port=port):
            rig.poll(*range(1, 6))
            rig.until(lambda: rig.health.snapshot()["counters"].get("batches_sent", 0) >= 5)
            assert rig.outbox.counts().unsent == 5
        rig.poll(*range(6, 9))
        rig.until(lambda: rig.health.snapshot()["conditions"]["broker_reachable"]["answer"] == "no")
        with mosquitto_at(tmp_path, port=port):
            linked = LinkedCentre(url, centre)
            rig.until(lambda: rig.outbox.counts().archived == 8, linked.step)
            linked.link.disconnect()
        assert rig.outbox.counts().unsent == 0
        assert [record(number).slot_at for number in range(1, 9)] == sorted(one.slot_at for one in centre.records())
    finally:
        rig.close()


class CountingLink(MqttLink):
    """A real connection that counts what the broker has not acknowledged. `most`: the highest count of all of them."""

    most = 0

    def publish(self, topic, payload, *, qos, retain=False):
        """Count, and hand over."""
        self.open = getattr(self, "open", 0) + 1
        CountingLink.most = max(CountingLink.most, self.open)
        return super().publish(topic, payload, qos=qos, retain=retain)

    def step(self, timeout_s):
        """Count down."""
        events = super().step(timeout_s)
        self.open = getattr(self, "open", 0) - sum(isinstance(event, Published) for event in events)
        return events


@pytest.mark.parametrize(("version", "limit", "most"), [("5", 1, 1), ("5", 3, 3), ("3.1.1", 3, 13)])
def test_no_more_is_under_way_than_the_broker_takes(tmp_path, monkeypatch, version, limit, most):
    """With MQTT 5 mosquitto says how many messages it takes at once; the birth is one of them."""
    monkeypatch.setattr(CountingLink, "most", 0)
    centre = TinyCentre()
    with mosquitto_at(tmp_path, f"max_inflight_messages {limit}") as port:
        url = f"mqtt://127.0.0.1:{port}"
        rig = Rig(tmp_path / "edge.db", url, link=CountingLink, version=version)
        linked = LinkedCentre(url, centre)
        try:
            rig.poll(*range(1, 31))
            while rig.worker.seal_now():
                pass
            rig.until(lambda: rig.outbox.counts().archived == 30, linked.step)
            assert most >= CountingLink.most >= min(most, 2)
            assert 1 == rig.health.snapshot()["counters"]["connections"]
        finally:
            linked.link.disconnect()
            rig.close()


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("wrong_ca", "E-FWD-111"),
        ("wrong_name", "E-FWD-112"),
        ("expired", "E-FWD-113"),
        ("no_certificate", "E-FWD-115"),
    ],
)
def test_tls_that_is_not_right_keeps_everything_here(tmp_path, kind, code, caplog):
    """Each fault of TLS fails closed: readings stay, one line with its code, and nothing is sent."""
    ca, other = issue(tmp_path, "ca"), issue(tmp_path, "other")
    hosts = ("broker.example",) if kind == "wrong_name" else ("127.0.0.1",)
    from_day, until_day = (-3, -1) if kind == "expired" else (-1, 1)
    server = issue(tmp_path, "server", ca, hosts=hosts, from_day=from_day, until_day=until_day)
    lines = tls_lines(ca, server, wants_certificate=kind == "no_certificate")
    trusted = other if kind == "wrong_ca" else ca
    with mosquitto_at(tmp_path, *lines) as port:
        rig = Rig(tmp_path / "edge.db", f"mqtts://127.0.0.1:{port}", ca=str(trusted.certificate))
        try:
            rig.poll(1)
            rig.until(lambda: rig.health.snapshot()["counters"].get("connections_failed", 0) >= 3)
            assert rig.health.snapshot()["conditions"]["broker_reachable"]["code"] == code
            assert [1] == [caplog.text.count(f"[{code}]")]
            assert "batches_sent" not in rig.health.snapshot()["counters"]
            rig.until(lambda: rig.outbox.counts().unsent == 1)
        finally:
            rig.close()

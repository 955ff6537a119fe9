"""Reconnect storms: whatever a broker does to connections, the pauses grow and differ; nothing is lost or doubled.

The sockets are real, the pauses are on a clock of the test: an hour of them takes seconds, and what is asserted is how
often the broker was called.
"""

from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from random import Random

import pytest

from edge.clock import ManualClock, SystemClock
from edge.forward.settings import ForwardSettings, SealRules
from edge.forward.worker import ForwardWorker
from edge.health.model import Health
from edge.messages.signing import Ed25519Verifier
from edge.mqtt.link import MqttLink, MqttOptions
from edge.store.database import open_database
from edge.store.journal import Journal
from edge.store.outbox import Outbox
from tests.forward.broker_tools import issue, mosquitto_at, tls_lines
from tests.forward.forward_tools import AT, CENTRE_KEY, GATEWAY, GATEWAY_KEY, TENANT, TinyCentre
from tests.forward.storm_tools import Ends, Fleet, Gate
from tests.forward.test_forward_bad_brokers import arrived_once, counter
from tests.forward.test_forward_broker import LinkedCentre, Rig

HOUR_S = 3600.0
BATCHES = 40
REAL = SystemClock()
SETTINGS = ForwardSettings(
    gateway=GATEWAY,
    tenant=TENANT,
    version="1",
    endpoints=(),
    seal=SealRules(max_readings=3, quiet_s=0.05),
    look_s=5.0,  # the longest step of the clock
)


def calls_within(seconds: float, stretch: float) -> int:
    """Return how often a broker is called in that time if every pause is its nominal length times `stretch`."""
    at_s, calls = 0.0, 0
    while at_s < seconds:
        at_s += stretch * min(SETTINGS.retry_s * 2**calls, SETTINGS.max_retry_s)
        calls += 1
    return calls


class StormRig(Rig):
    """A forwarder on a real store and real connections, with the pauses of the product on a clock moved by hand.

    `idle_s`: so long nothing really comes before the clock moves on.
    """

    def __init__(self, path, clock: ManualClock, url: str, *, idle_s: float, **more) -> None:
        self.clock, self.idle_s = clock, idle_s
        self.databases = [open_database(path, max_mib=16, clock=clock) for _ in range(2)]
        self.journal = Journal(self.databases[0])
        self.outbox = Outbox(self.databases[1], clock)
        self.health = Health(clock)
        self.worker = ForwardWorker(
            replace(SETTINGS, endpoints=(url,)),
            outbox=self.outbox,
            signer=GATEWAY_KEY,
            centre=Ed25519Verifier(CENTRE_KEY.public),
            clock=clock,
            make_link=lambda url, will: self._link(MqttOptions(url=url, client_id="gw", will=will, **more)),
            rng=Random(1),
            health=self.health,
        )

    def _link(self, options: MqttOptions) -> MqttLink:
        clock, idle_s = self.clock, self.idle_s

        class Link(MqttLink):
            """Waiting moves the clock only if really nothing comes."""

            def step(self, timeout_s):
                events = super().step(min(timeout_s, idle_s))
                if not events:
                    clock.advance(timeout_s)
                return events

        return Link(options, REAL)

    def until(self, done, beside=lambda: None) -> None:
        give_up_s = REAL.monotonic() + 120
        while not done():
            assert REAL.monotonic() < give_up_s, self.health.snapshot()
            wake_s = self.worker.step(self.clock.monotonic())
            self.clock.advance(max(0.0, wake_s - self.clock.monotonic()))
            beside()

    def run(self, seconds: float, beside, gate: Gate, most: int) -> None:
        """Let so many seconds of the clock pass; fails as soon as the broker was called more than `most` times."""
        end_s = self.clock.monotonic() + seconds

        def is_over() -> bool:
            assert len(gate.seen) <= most, "the broker is hammered"
            return self.clock.monotonic() >= end_s

        self.until(is_over, beside)


@contextmanager
def storm(tmp_path, ends: Ends, refusal: bytes = b"", *, idle_s: float = 0.5, **options):
    """Yield a forwarder with batches to send, the centre, and the gate between them that has begun to misbehave."""
    clock, centre, lines, scheme = ManualClock(now=AT), TinyCentre(), (), "mqtt"
    more = {}
    if ends is Ends.HANDSHAKE:
        ca = issue(tmp_path, "ca")
        lines, scheme, more = tls_lines(ca, issue(tmp_path, "server", ca)), "mqtts", {"ca": str(ca.certificate)}
    with mosquitto_at(tmp_path, *lines) as port, Gate(port, clock, ends, refusal) as gate:
        linked = LinkedCentre(f"{scheme}://127.0.0.1:{port}", centre, **more)
        rig = StormRig(
            tmp_path / "edge.db", clock, f"{scheme}://127.0.0.1:{gate.port}", idle_s=idle_s, **more, **options
        )
        try:
            for number in range(1, BATCHES + 1):
                rig.poll(number)
                rig.worker.seal_now()
            yield rig, linked, gate
        finally:
            rig.close()
            linked.link.disconnect()


@pytest.mark.parametrize(
    ("ends", "refusal", "version", "code"),
    [
        pytest.param(Ends.HANDSHAKE, b"", "3.1.1", "E-FWD-105", id="reset in the TLS handshake"),
        pytest.param(Ends.REFUSED, b"\x20\x02\x00\x03", "3.1.1", "E-FWD-124", id="not available"),
        pytest.param(Ends.REFUSED, b"\x20\x03\x00\x89\x00", "5", "E-FWD-124", id="server busy"),
        pytest.param(Ends.REFUSED, b"\x20\x03\x00\x97\x00", "5", "E-FWD-124", id="quota exceeded"),
        pytest.param(Ends.REFUSED, b"\x20\x03\x00\x9f\x00", "5", "E-FWD-124", id="connection rate exceeded"),
        pytest.param(Ends.CONNACK, b"", "3.1.1", "E-FWD-106", id="after CONNACK"),
        pytest.param(Ends.CONNACK, b"", "5", "E-FWD-106", id="after CONNACK, MQTT 5"),
        pytest.param(Ends.SUBACK, b"", "3.1.1", "E-FWD-106", id="after SUBACK"),
        pytest.param(Ends.PUBLISH, b"", "3.1.1", "E-FWD-106", id="after each PUBLISH"),
    ],
)
def test_a_broker_that_ends_every_connection_is_not_hammered(tmp_path, ends, refusal, version, code):
    """An hour of it: no more calls than the growing pauses allow, and no fewer; then every reading arrives once."""
    with storm(tmp_path, ends, refusal, version=version) as (rig, linked, gate):
        most, least = calls_within(HOUR_S, 0.5), calls_within(HOUR_S, 1.5)
        rig.run(HOUR_S, linked.step, gate, most)
        assert least <= len(gate.seen) <= most
        assert ("no", code) == condition(rig)
        stored = rig.outbox.counts().archived
        assert (0 < stored <= len(gate.seen)) if ends is Ends.PUBLISH else (0 == stored)
        gate.ends = Ends.NEVER
        rig.until(lambda: rig.outbox.counts().archived == BATCHES, linked.step)
        assert len(gate.seen) <= most + 2
        assert arrived_once(linked.centre, *range(1, BATCHES + 1))


def condition(rig: Rig) -> tuple[str, str | None]:
    """Return whether the broker is said to be reachable, and the code."""
    one = rig.health.snapshot()["conditions"]["broker_reachable"]
    return one["answer"], one["code"]


def test_batches_that_are_refused_wait_for_the_long_timer(tmp_path):
    """Quota exceeded: one connection, each batch under way is offered again once in ten minutes, no more."""
    with storm(tmp_path, Ends.QUOTA, idle_s=0.02, version="5") as (rig, linked, gate):
        rig.run(100, linked.step, gate, 1)
        first = gate.batches
        assert SETTINGS.window // 2 < first <= SETTINGS.window
        rig.run(2 * SETTINGS.max_resend_s, linked.step, gate, 1)
        assert 3 * first == gate.batches == counter(rig, "messages_refused")
        assert 0 == rig.outbox.counts().archived
        gate.ends = Ends.NEVER
        gate.drop_all()
        rig.until(lambda: rig.outbox.counts().archived == BATCHES, linked.step)
        assert arrived_once(linked.centre, *range(1, BATCHES + 1))


@pytest.mark.parametrize(("lasts_s", "is_steady"), [(50, False), (70, True)])
def test_only_a_connection_of_some_use_makes_the_pauses_short_again(tmp_path, lasts_s, is_steady):
    """After an hour of storm: what is accepted and dropped within the minute leaves the pauses as long as they were."""
    with storm(tmp_path, Ends.CONNACK, idle_s=0.1) as (rig, linked, gate):
        rig.run(HOUR_S, linked.step, gate, calls_within(HOUR_S, 0.5))
        gate.ends = Ends.NEVER
        rig.until(lambda: condition(rig)[0] == "yes", linked.step)
        rig.run(lasts_s, linked.step, gate, 10_000)
        gate.ends = Ends.CONNACK
        gate.seen.clear()
        gate.drop_all()
        rig.run(100, linked.step, gate, calls_within(100, 0.5) + 1)
        assert (len(gate.seen) >= 3) == is_steady


def test_a_fleet_that_loses_its_broker_does_not_come_back_as_one(tmp_path):
    """Twenty gateways: pauses that grow and differ while it is away and while it drops who comes; all arrive once."""
    count, away_s, hasty_s = 20, 600, 600
    fleet = Fleet(tmp_path, count)
    try:
        for bench in fleet.gateways:
            bench.poll(1)
        fleet.run(120)
        fleet.confirm()
        fleet.run(5)
        assert [1] * count == [bench.outbox.counts().archived for bench in fleet.gateways]
        assert [1] * count == [len(times) for times in fleet.broker.tried.values()]
        lost_s = fleet.clock.monotonic()

        fleet.broker.is_up = False
        fleet.broker.break_connections()
        for bench in fleet.gateways:
            bench.poll(2, 3)
        fleet.run(away_s)
        fleet.broker.is_up, fleet.broker.is_hasty = True, True
        fleet.run(hasty_s)

        least, most = calls_within(away_s + hasty_s, 1.5), calls_within(away_s + hasty_s, 0.5) + 1
        assert all(least <= len(times) - 1 <= most for times in fleet.broker.tried.values())
        seconds = Counter(
            int(time - lost_s) for times in fleet.broker.tried.values() for time in times if time > lost_s
        )
        assert max(seconds[second] for second in seconds if second >= 10) <= count // 4

        fleet.broker.is_hasty = False
        back_s = fleet.clock.monotonic()
        fleet.run(1.5 * SETTINGS.max_retry_s)
        fleet.confirm()
        fleet.run(10)
        assert [1] * count == [sum(t >= back_s for t in times) for times in fleet.broker.tried.values()]
        for bench in fleet.gateways:
            assert 0 == bench.outbox.counts().unsent
            assert arrived_once(bench.centre, 1, 2, 3)
    finally:
        fleet.close()

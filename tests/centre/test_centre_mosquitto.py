"""The command `edge centre run` against a real mosquitto: what comes in, what goes back, and how it ends."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.centre.folder import make_folder
from edge.centre.ledger import Span
from edge.centre.ledger_sqlite import SqliteLedger
from edge.clock import SystemClock
from edge.identity.keys import load_verifier, save_public
from edge.messages.receipt import Receipt, open_receipt
from edge.messages.topics import batch_topic, centre_topic, receipt_topic
from edge.mqtt.link import Event, MqttLink, MqttOptions, Received
from tests.centre.centre_kit import QUARTER, SLOT, Gateway, record
from tests.conftest import Mosquitto

STEPS = 400  # each waits at most 50 ms: a bound against hanging, not a measure


class Peer:
    """A gateway's connection to the broker."""

    def __init__(self, broker: Mosquitto, folder: Path) -> None:
        self.link = MqttLink(MqttOptions(url=broker.url, client_id="gw-1"), SystemClock())
        self.verifier = load_verifier(folder / "centre.pub")
        self.log = folder / "centre.log"
        self.seen: list[Received] = []

    def connect(self) -> None:
        """Connect and ask for what the centre says."""
        self.link.connect()
        self.link.subscribe([(receipt_topic("hz", "gw-1"), 1), (centre_topic("hz"), 1)])

    def until(self, found: Callable[[], object]) -> None:
        """Step until it is so."""
        for _ in range(STEPS):
            if found():
                return
            events: list[Event] = self.link.step(0.05)
            for event in events:
                if isinstance(event, Received):
                    self.link.acknowledge(event.token)
                    self.seen.append(event)
        pytest.fail(f"it never came; the centre says: {self.log.read_text(encoding='utf-8')}")

    def receipts(self) -> list[Receipt]:
        """Return the receipts seen so far."""
        topic = receipt_topic("hz", "gw-1")
        return [open_receipt(one.payload, self.verifier) for one in self.seen if one.topic == topic]

    def stored(self) -> int:
        """Return how far the last receipt goes."""
        receipts = self.receipts()
        return receipts[-1].epochs[0].stored if receipts and receipts[-1].epochs else 0

    def is_online(self) -> bool | None:
        """Return what was said last about the centre."""
        states = [json.loads(one.payload)["online"] for one in self.seen if one.topic == centre_topic("hz")]
        return states[-1] if states else None


@contextmanager
def running(folder: Path, url: str) -> Iterator["subprocess.Popen[str]"]:
    """Run the centre as a process; it is killed at the end if the test has not stopped it."""
    command = [sys.executable, "-m", "edge.cli.main", "centre", "run", str(folder), "--broker", url, "--jsonl"]
    with (
        (folder / "centre.log").open("ab") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def test_batches_go_in_and_receipts_come_back(mosquitto: Mosquitto, tmp_path: Path):
    """Stored once over a lost broker and a restart of the centre; the end is orderly and told."""
    folder, gateway = tmp_path / "c", Gateway()
    make_folder(folder, "hz")
    save_public(folder / "gateways" / "gw-1.pub", gateway.signer)
    peer = Peer(mosquitto, folder)
    peer.connect()
    first, second = gateway.seal(record()), gateway.seal(record(SLOT + QUARTER, value="13.00"))
    with running(folder, mosquitto.url) as process:
        peer.until(peer.is_online)
        for envelope in (first[:-1] + bytes([first[-1] ^ 1]), first):
            peer.link.publish(batch_topic("hz", "gw-1", 0), envelope, qos=1)
        peer.until(lambda: peer.stored() == 1)
        peer.link.publish(batch_topic("hz", "gw-1", 1), first, qos=1)
        peer.until(lambda: len(peer.receipts()) == 2)
        mosquitto.stop()
        mosquitto.start()
        peer.seen.clear()
        peer.connect()
        peer.until(lambda: peer.is_online() and peer.stored() == 1)
        peer.link.publish(batch_topic("hz", "gw-1", 2), second, qos=1)
        peer.until(lambda: peer.stored() == 2)
        process.send_signal(signal.SIGTERM)
        events = [json.loads(line)["event"] for line in process.communicate()[0].splitlines()]
        assert 0 == process.returncode
    peer.until(lambda: peer.is_online() is False)
    assert "trouble" in events
    told = [event for event in events if event != "trouble"]
    assert ["online", "refused", "stored", "duplicate", "online", "stored"] == told
    with running(folder, mosquitto.url):
        peer.until(lambda: len({receipt.run for receipt in peer.receipts()}) == 2)
        assert 2 == peer.stored()
    peer.until(lambda: peer.is_online() is False)  # killed: the will says it
    peer.link.disconnect()
    with SqliteLedger(folder / "ledger.db") as ledger:
        assert ["12.30", "13.00"] == [row.value for row in ledger.readings(Span())]


def test_a_message_that_is_too_large_does_not_stop_the_centre(mosquitto: Mosquitto, tmp_path: Path):
    """The broker would bring it first at every connection, for ever: it is left behind, and batches go on."""
    folder, gateway = tmp_path / "c", Gateway()
    make_folder(folder, "hz")
    save_public(folder / "gateways" / "gw-1.pub", gateway.signer)
    peer = Peer(mosquitto, folder)
    peer.connect()
    with running(folder, mosquitto.url):
        peer.until(peer.is_online)
        peer.link.publish(batch_topic("hz", "gw-9", 1), bytes(300_000), qos=1)
        peer.until(lambda: peer.is_online() is False)
        peer.until(peer.is_online)
        peer.link.publish(batch_topic("hz", "gw-1", 0), gateway.seal(record()), qos=1)
        peer.until(lambda: peer.stored() == 1)
    peer.link.disconnect()

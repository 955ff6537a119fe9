"""The worker against a broker in memory: commit, then acknowledge, then receipt; and what happens when one fails."""

from datetime import timedelta
from itertools import pairwise

import pytest

from edge.centre.accept import Fate, Taken
from edge.centre.ledger import EpochState
from edge.centre.ledger_sqlite import SqliteLedger
from edge.centre.receipts import ReceiptDesk, newest_first
from edge.centre.worker import OFFLINE, ONLINE, CentreWorker, Heard, Online, Trouble
from edge.clock import ManualClock
from edge.errors import ForwardError, StoreError
from edge.messages.envelope import envelope_hash
from edge.messages.receipt import Receipt, open_receipt
from edge.messages.signing import Ed25519Signer, Ed25519Verifier
from edge.messages.topics import batch_topic, birth_topic, centre_topic, receipt_topic
from edge.mqtt.link import Disconnected, Subscribed
from edge.reading.chain import GENESIS
from tests.centre.centre_kit import (
    EPOCH,
    NEXT_EPOCH,
    QUARTER,
    SLOT,
    Gateway,
    Keys,
    MemoryBroker,
    record,
)

SIGNER = Ed25519Signer(bytes([5]) * 32)
UP = batch_topic("hz", "gw-1", 0)


class Site:
    """A centre with a broker in memory; `restart` gives it a new run on the same ledger."""

    def __init__(self, path, policy: str = "commit", ledger=None, watch=None) -> None:
        self.clock = ManualClock(SLOT)
        self.ledger = ledger or SqliteLedger(path)
        self.watch = watch
        self.broker = MemoryBroker(self.clock)
        self.gateway = Gateway()
        self.notices = []
        self.policy = policy
        self.restart(b"run----1")

    def restart(self, run: bytes) -> None:
        """Start a new worker on the same ledger and broker."""
        self.broker.is_connected = False
        self.worker = CentreWorker(
            link=self.broker,
            ledger=self.ledger,
            keys=Keys({"gw-1": self.gateway.signer, "gw-2": self.gateway.signer}),
            desk=ReceiptDesk(ledger=self.ledger, signer=SIGNER, run=run, policy=self.policy, watch=self.watch),
            clock=self.clock,
            tenant="hz",
            tell=self.notices.append,
        )

    def step(self, times: int = 1) -> None:
        """Step, waiting as the worker asks."""
        for _ in range(times):
            wake = self.worker.step(self.clock.monotonic())
            self.clock.advance(max(0.0, wake - self.clock.monotonic()))

    def receipts(self) -> list[Receipt]:
        """Return the receipts that were sent, checked with the centre's public key."""
        topic = receipt_topic("hz", "gw-1")
        sent = [payload for where, payload, retain in self.broker.sent if where == topic and retain]
        return [open_receipt(payload, Ed25519Verifier(SIGNER.public)) for payload in sent]

    def fates(self) -> list[Fate]:
        """Return what became of the batches."""
        return [notice.fate for notice in self.notices if isinstance(notice, Taken)]


@pytest.fixture
def site(tmp_path):
    """Start a centre."""
    made = Site(tmp_path / "ledger.db")
    yield made
    made.ledger.close()


def test_it_subscribes_and_says_that_it_is_there(site):
    """Batches of all lanes and births; its own state is retained."""
    site.step()
    assert ["e1/hz/+/up/b/+", "e1/hz/+/st"] == site.broker.topics
    assert [(centre_topic("hz"), ONLINE, True)] == site.broker.sent
    assert [Online()] == site.notices


def test_a_batch_is_answered_by_a_receipt_that_releases_it(site):
    """Stored, durable by the policy `commit`, with the head that the gateway knows."""
    site.step()
    envelope = site.gateway.seal(record())
    site.broker.bring(UP, envelope)
    site.step()
    (receipt,) = site.receipts()
    (epoch,) = receipt.epochs
    assert ("gw-1", b"run----1", 1, "commit") == (receipt.gateway, receipt.run, receipt.n, receipt.policy)
    assert (EPOCH, 1, 1, envelope_hash(envelope)) == (epoch.epoch, epoch.stored, epoch.durable, epoch.head)
    assert {} == site.broker.unacknowledged


def test_without_a_policy_nothing_is_durable(tmp_path):
    """`none`: stored moves, durable stays 0."""
    site = Site(tmp_path / "ledger.db", policy="none")
    site.step()
    site.broker.bring(UP, site.gateway.seal(record()))
    site.step()
    (epoch,) = site.receipts()[-1].epochs
    assert (1, 0) == (epoch.stored, epoch.durable)
    site.ledger.close()


def test_gaps_and_rejected_numbers_stand_in_the_receipt(site):
    """The gateway learns what to send again, and what it need not."""
    site.step()
    bad, _, third = site.gateway.seal_raw(b"\xff"), site.gateway.seal(record()), site.gateway.seal(record())
    site.broker.bring(UP, bad)
    site.broker.bring(UP, third)
    site.step()
    (epoch,) = site.receipts()[-1].epochs
    assert (1, ((2, 2),)) == (epoch.stored, epoch.missing)
    assert [1] == [seq for seq, _ in epoch.rejected]


def test_receipts_are_coalesced(site):
    """The first goes at once; what comes within 0.3 s shares the next, and nothing is left out."""
    site.step()
    for number in range(5):
        site.broker.bring(UP, site.gateway.seal(record(SLOT + number * QUARTER)))
        site.worker.step(site.clock.monotonic())
    assert [1] == [receipt.epochs[0].stored for receipt in site.receipts()]
    site.step(2)
    assert [1, 5] == [receipt.epochs[0].stored for receipt in site.receipts()]
    site.step(3)
    assert 2 == len(site.receipts())


def test_a_duplicate_is_receipted_again(site):
    """It came again because its receipt was lost."""
    site.step()
    envelope = site.gateway.seal(record())
    for _ in range(2):
        site.broker.bring(UP, envelope)
        site.step(2)
    assert [Fate.STORED, Fate.DUPLICATE] == site.fates()
    assert [1, 2] == [receipt.n for receipt in site.receipts()]


def test_a_forged_message_is_acknowledged_to_the_broker_and_never_receipted(site):
    """It shall not come again, and nobody shall think that it is stored."""
    site.step()
    site.broker.bring(UP, Gateway(signer=Ed25519Signer(bytes(32))).seal(record()))
    site.step(3)
    assert ([Fate.REFUSED], []) == (site.fates(), site.receipts())
    assert {} == site.broker.unacknowledged


def test_a_restart_is_a_new_run_that_goes_on(site):
    """The same ledger: the receipt is published at start, with what is stored, under a new run and from 1."""
    site.step()
    site.broker.bring(UP, site.gateway.seal(record()))
    site.step()
    site.restart(b"run----2")
    site.step()
    assert [(b"run----1", 1, 1), (b"run----2", 1, 1)] == [
        (receipt.run, receipt.n, receipt.epochs[0].stored) for receipt in site.receipts()
    ]


def test_a_birth_is_answered_even_by_an_empty_ledger(site):
    """A centre that lost everything says so: stored 0, and the gateway sends all of it again."""
    site.step()
    site.gateway.seal(record())
    site.broker.bring(birth_topic("hz", "gw-1"), site.gateway.birth())
    site.step()
    (receipt,) = site.receipts()
    assert [(EPOCH, 0, GENESIS)] == [(epoch.epoch, epoch.stored, epoch.head) for epoch in receipt.epochs]
    assert ["gw-1"] == [notice.birth.gateway for notice in site.notices if isinstance(notice, Heard)]


def test_a_birth_that_is_not_the_gateways_is_no_news(site):
    """The will, another gateway's birth on this topic, and noise: no answer, and the worker goes on."""
    site.step()
    for payload in (b"", b'{"online":false}', Gateway("gw-2").birth(), site.gateway.seal(record())):
        site.broker.bring(birth_topic("hz", "gw-1"), payload)
    site.step(2)
    assert ([], {}) == (site.receipts(), site.broker.unacknowledged)


def test_messages_of_another_tenant_are_dropped(site):
    """They are acknowledged and nothing else happens."""
    site.step()
    site.broker.bring(batch_topic("sh", "gw-1", 0), site.gateway.seal(record()))
    site.step()
    assert ([], {}) == (site.fates(), site.broker.unacknowledged)


def test_a_ledger_that_fails_acknowledges_nothing(site, monkeypatch):
    """The broker brings the batch again, and it is stored once the disk obeys; it is told once, not every try."""
    site.step()
    with monkeypatch.context() as patched:
        patched.setattr(SqliteLedger, "keep_entries", _raise_full)
        site.broker.bring(UP, site.gateway.seal(record()))
        site.step(6)
        assert (1, []) == (len(site.broker.unacknowledged), site.receipts())
        assert 1 == sum(isinstance(notice, Trouble) for notice in site.notices)
    site.step(4)
    assert ([Fate.STORED], {}) == (site.fates(), site.broker.unacknowledged)
    assert 1 == site.receipts()[-1].epochs[0].stored
    assert Online() == site.notices[-1]


def _raise_full(ledger, entries) -> None:
    raise StoreError("E-CEN-302", path="ledger.db", detail="full")


def test_a_broker_that_is_away_is_tried_with_growing_pauses(site):
    """Told once; 1, 2, 4 ... up to 30 s between tries; then it goes on by itself."""
    site.broker.is_up = False
    tries = []
    for _ in range(8):
        tries.append(site.clock.monotonic())
        site.step()
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0] == pauses
    assert ["E-FWD-101"] == [notice.error.code for notice in site.notices]
    site.broker.is_up = True
    site.step()
    assert Online() == site.notices[-1]


def test_a_lost_connection_is_opened_again(site):
    """What was not acknowledged comes again; what was told before the loss is not believed after it."""
    site.step()
    site.broker.coming = [Disconnected(ForwardError("E-FWD-106", detail="gone", host="broker", port=1883))]
    site.step()
    site.broker.bring(UP, site.gateway.seal(record()))
    site.step(2)
    assert [Fate.STORED] == site.fates()
    assert 2 == site.broker.connection


def test_a_denied_subscription_is_trouble(site):
    """A centre that hears nothing must not look healthy."""
    site.step()
    site.broker.coming = [Subscribed(1, ("e1/hz/+/st",))]
    site.step()
    assert "E-CEN-401" == site.notices[-1].error.code


def test_it_says_goodbye(site):
    """Its retained state says that it is gone, without waiting for the will."""
    site.step()
    site.worker.close()
    assert (centre_topic("hz"), OFFLINE, True) == site.broker.sent[-1]
    assert not site.broker.is_connected


def epoch_state(number: int, predecessor: int | None = None, heard: int = 0) -> EpochState:
    """Return an epoch by its number, heard after so many minutes."""
    before = None if predecessor is None else bytes([predecessor]) * 8
    return EpochState(
        gateway="gw-1",
        epoch=bytes([number]) * 8,
        predecessor=before,
        head=GENESIS,
        heard_at=SLOT + timedelta(minutes=heard),
    )


@pytest.mark.parametrize(
    ("epochs", "numbers"),
    [
        ([epoch_state(1), epoch_state(2, 1)], [2, 1]),
        ([epoch_state(2, 1), epoch_state(1)], [2, 1]),
        ([epoch_state(number, number - 1, number) for number in range(1, 7)], [6, 5, 4, 3]),
        ([epoch_state(number, number - 1, -number) for number in range(1, 7)], [4, 3, 2, 1]),
        ([epoch_state(1, 2), epoch_state(2, 1)], [2, 1]),
    ],
)
def test_a_receipt_names_the_epochs_heard_last_newest_first(epochs, numbers):
    """By predecessor where it is known, else by the order of hearing; at most four; a loop ends."""
    assert [bytes([number]) * 8 for number in numbers] == [state.epoch for state in newest_first(epochs)]


def test_a_new_epoch_stands_first(site):
    """The gateway finds its present epoch at the top, the old one still below it."""
    site.step()
    new = Gateway(epoch=NEXT_EPOCH, predecessor=EPOCH)
    site.broker.bring(UP, new.seal(record(SLOT + QUARTER)))
    site.broker.bring(UP, site.gateway.seal(record()))
    site.step()
    assert [NEXT_EPOCH, EPOCH] == [epoch.epoch for epoch in site.receipts()[-1].epochs]


def test_a_flood_of_messages_that_nobody_signed_does_not_fill_the_log(site):
    """The 1st, 10th and 100th is told, of all names that are not enrolled together; every one is acknowledged."""
    site.step()
    for number in range(120):
        site.broker.bring(f"e1/hz/made-up-{number}/up/b/0", b"noise")
    site.step()
    assert [1, 10, 100] == [one.times for one in site.notices if isinstance(one, Taken)]
    site.broker.bring("e1/hz/gw-1/up/b/0", b"noise")
    site.step()
    assert 1 == site.notices[-1].times
    assert {} == site.broker.unacknowledged

"""The forwarder: nothing is released but by a receipt, whatever broker, network and forgers do."""

from dataclasses import replace

import pytest

from edge.errors import EdgeError, StoreError
from edge.forward.greeting import BoxFacts
from edge.forward.worker import WILL
from edge.messages.birth import open_birth
from edge.messages.envelope import open_envelope
from edge.messages.receipt import EpochReceipt
from edge.messages.signing import Ed25519Signer, Ed25519Verifier
from edge.messages.topics import BACKLOG, LIVE, birth_topic
from edge.reading.chain import GENESIS
from edge.store.outbox import Outbox
from edge.store.poll_state import PollState
from edge.store.receipts import Applied
from tests.forward.forward_tools import GATEWAY, GATEWAY_KEY, PLAN, RECEIPTS, TENANT, Bench, TinyCentre, record

BIRTH = birth_topic(TENANT, GATEWAY)


def seqs(bench: Bench) -> list[int]:
    """Return the numbers of the batches that were published, in order."""
    key = Ed25519Verifier(GATEWAY_KEY.public)
    return [open_envelope(data, lambda _gateway, _kid: key).header.seq for data in bench.broker.envelopes()]


def flip_last_bit(data: bytes) -> bytes:
    """Return the bytes with one bit changed, inside the signature."""
    return data[:-1] + bytes([data[-1] ^ 1])


def test_a_reading_travels_to_its_receipt(bench):
    """Records are sealed, published live, and archived by a receipt; what arrives is what was read."""
    bench.run(1)
    bench.poll(1, 2)
    bench.until(bench.broker.envelopes)
    assert [LIVE] == bench.broker.lanes()
    assert bench.outbox.counts().unsent == 1
    bench.confirm()
    assert (0, 0, 1) == (bench.outbox.counts().waiting, bench.outbox.counts().unsent, bench.outbox.counts().archived)
    sent = [(one.slot_at, one.meter, one.values) for one in bench.centre.records()]
    assert [(one.slot_at, one.meter, one.values) for one in (record(1), record(2))] == sent
    assert bench.condition("centre_confirms") == ("yes", None)


def test_the_brokers_acknowledgement_releases_nothing(bench):
    """Without a receipt a batch that the broker acknowledged stays, and is sent again byte for byte."""
    bench.poll(1)
    bench.until(lambda: len(bench.broker.envelopes()) == 3)
    assert bench.counter("batches_sent") == 3
    assert len(set(bench.broker.envelopes())) == 1
    assert bench.outbox.counts().unsent == 1


def test_readings_stay_while_no_broker_is_there(bench):
    """Without a broker readings are sealed and kept, each endpoint is tried in turn with growing pauses."""
    bench.broker.is_up = False
    bench.poll(1, 2, 3)
    bench.run(3600)
    assert bench.outbox.counts().unsent == 1
    assert bench.broker.envelopes() == []
    assert bench.condition("broker_reachable") == ("no", "E-FWD-102")
    assert ["mqtt://one", "mqtt://two", "mqtt://one", "mqtt://two"] == bench.broker.asked[:4]
    assert 10 < len(bench.broker.asked) < 60  # constant pauses of a second would be thousands
    bench.broker.is_up = True
    bench.until(bench.broker.envelopes)
    assert [BACKLOG] == bench.broker.lanes()
    bench.confirm()
    assert bench.outbox.counts().unsent == 0
    assert bench.condition("broker_reachable") == ("yes", None)


@pytest.mark.parametrize(
    ("forge", "code"),
    [
        (lambda centre: TinyCentre(signer=Ed25519Signer(b"x" * 32), kept=centre.kept).receipt(), "E-MSG-2"),
        (lambda centre: centre.receipt(gateway="gw-other"), "E-MSG-401"),
        (lambda centre: flip_last_bit(centre.receipt()), "E-MSG-206"),
        (lambda centre: b"no receipt", "E-MSG-"),
        (lambda centre: b"", "E-MSG-"),
    ],
)
def test_a_receipt_that_is_not_the_centres_changes_nothing(bench, forge, code):
    """Forged, for somebody else, altered or nonsense: refused, counted by code, acknowledged, and nothing released."""
    bench.poll(1)
    bench.until(bench.broker.envelopes)
    for envelope in bench.broker.envelopes():
        bench.centre.accept(envelope)
    bench.send_receipt(forge(bench.centre))
    assert bench.outbox.counts().unsent == 1
    assert bench.counter("receipts_refused") == 1
    counters = bench.health.snapshot()["counters"]
    assert [1] == [count for name, count in counters.items() if name.startswith(f"receipts_refused_{code}")]
    assert len(bench.broker.links[-1].acknowledged) == 1
    assert bench.outbox.last_receipt() is None


def test_an_old_receipt_is_refused_even_after_a_restart(bench):
    """A receipt with a lower number of the same run is a replay, also for a forwarder that was started anew."""
    bench.poll(1)
    bench.until(bench.broker.envelopes)
    nothing = bench.centre.receipt(bench.centre.state_of(bench.outbox.head().epoch))
    bench.confirm()
    assert bench.outbox.counts().archived == 1
    bench.send_receipt(nothing)
    bench.start()
    bench.run(2)
    assert bench.counter("receipts_refused_E-MSG-402") == 1
    assert bench.outbox.counts().archived == 1


def test_a_run_that_was_left_is_not_believed_again(bench):
    """Receipts of two runs, brought in turn: each run is believed once, and no batch is unsent again for an old one."""
    bench.poll(1)
    bench.run(10)
    bench.poll(2)
    bench.run(10)
    for envelope in bench.broker.envelopes()[:1]:
        bench.centre.accept(envelope)
    old = bench.centre.receipt()
    bench.send_receipt(old)
    bench.centre.run = b"run----2"
    bench.confirm()
    assert 2 == bench.outbox.counts().archived
    new = bench.broker.retained[RECEIPTS]
    for receipt in (old, new, old, new, old):
        bench.start()
        bench.send_receipt(receipt)
        bench.run(10)
    assert (2, 0) == (bench.outbox.counts().archived, bench.counter("batches_fallen"))
    assert 1 <= bench.counter("receipts_refused_E-MSG-404")


def test_a_replayed_receipt_does_not_shut_out_the_centre(bench):
    """An old receipt of a run that was never heard of takes effect once; what the centre says next counts again."""
    bench.poll(1)
    bench.run(10)
    bench.confirm()
    here = bench.centre.run
    bench.centre.run = b"run--old"
    bench.send_receipt(bench.centre.receipt())
    bench.run(10)
    bench.centre.run = here
    bench.poll(2)
    bench.run(10)
    bench.confirm()
    assert 2 == bench.outbox.counts().archived


def test_the_runs_that_were_left_are_bounded(bench):
    """The latest 64 of them are remembered."""
    for number in range(70):
        bench.outbox.mark_receipt(number.to_bytes(8, "big"), 1)
    assert [number.to_bytes(8, "big") for number in range(5, 69)] == list(bench.outbox.marks().left)


def test_the_same_receipt_again_is_no_fault(bench):
    """The retained receipt comes with every connection and changes nothing."""
    bench.poll(1)
    bench.until(bench.broker.envelopes)
    bench.confirm()
    bench.broker.break_connections()
    bench.run(10)
    assert bench.counter("receipts") == 2
    assert bench.counter("receipts_refused") == 0
    assert len(bench.broker.envelopes()) == 1


@pytest.mark.parametrize("kind", ["beyond", "other_hash"])
def test_a_receipt_of_another_chain_opens_a_new_epoch_once(bench, kind):
    """Beyond our head or with another hash: one new epoch begins, and what was sealed goes out in it."""
    bench.journal.append_plan(PLAN)
    bench.poll(1)
    bench.until(bench.broker.envelopes)
    bench.run(30)
    old = bench.outbox.head()
    wrong = EpochReceipt(old.epoch, old.next_seq + 5 if kind == "beyond" else 1, 0, b"\x55" * 32)
    bench.send_receipt(bench.centre.receipt(wrong))
    assert bench.counter("epochs_opened") == 1
    bench.run(120)
    for envelope in bench.broker.envelopes():
        bench.centre.accept(envelope)
    new = bench.outbox.head()
    assert (old.epoch, 3) == (new.predecessor, new.next_seq)
    first = next(header for header, _, _ in bench.centre.order if header.epoch == new.epoch)
    assert (1, GENESIS, old.epoch) == (first.seq, first.prev, first.predecessor)
    (_, before), *moved = [(header.epoch, batch) for header, batch, _ in bench.centre.order]
    assert [(new.epoch, before), (new.epoch, PLAN)] == [moved[0], (moved[1][0], moved[1][1].plan)]
    sent = bench.broker.envelopes().count(bench.centre.kept[old.epoch][1])
    bench.poll(2)  # a later batch of the epoch names no predecessor any more
    bench.until(lambda: bench.outbox.head().next_seq == 4)
    bench.broker.break_connections()  # the wrong receipt is retained: it comes again
    bench.run(120)
    assert (1, 1) == (bench.counter("epochs_opened"), bench.counter("batches_resealed"))
    assert new.epoch == bench.outbox.head().epoch
    assert sent == bench.broker.envelopes().count(bench.centre.kept[old.epoch][1])
    bench.confirm()
    assert bench.outbox.counts().unsent == 0


def test_two_centres_in_turn_do_not_make_epochs_without_end(bench):
    """Receipts of another chain again and again: one epoch in ten minutes, and a condition that says why."""
    bench.journal.append_plan(PLAN)
    bench.poll(1)
    bench.until(bench.broker.envelopes)
    for _ in range(20):
        wrong = EpochReceipt(bench.outbox.head().epoch, bench.outbox.head().next_seq + 5, 0, b"\x55" * 32)
        bench.send_receipt(bench.centre.receipt(wrong))
        bench.run(5)
    assert 1 == bench.counter("epochs_opened")
    condition = bench.health.snapshot()["conditions"]["centre_is_one"]
    assert ("no", "E-FWD-213") == (condition["answer"], condition["code"])


def test_what_moved_is_sent_under_its_old_number_no_more(bench):
    """Batches above the disputed one were on their way: once they moved, only the new ones are sent again."""
    for number in (1, 2, 3):
        bench.poll(number)
        bench.run(10)
    old = bench.outbox.head().epoch
    bench.send_receipt(bench.centre.receipt(EpochReceipt(old, 1, 0, b"\x55" * 32)))
    before = len(bench.broker.envelopes())
    bench.run(7200)
    after = [open_envelope(data, lambda _gateway, _kid: GATEWAY_KEY.verifier()) for data in bench.broker.envelopes()]
    assert {(bench.outbox.head().epoch, seq) for seq in (1, 2, 3)} == {
        (one.header.epoch, one.header.seq) for one in after[before:]
    }


def test_after_a_restart_the_same_bytes_are_sent(bench):
    """New objects on the same store send what has no receipt, byte for byte, and seal nothing twice."""
    bench.poll(1)
    bench.until(bench.broker.envelopes)
    bench.poll(2)
    bench.until(lambda: len(bench.broker.envelopes()) == 2)
    before = bench.broker.envelopes()
    bench.start()
    bench.run(10)
    assert before == bench.broker.envelopes()[2:]
    assert [BACKLOG, BACKLOG] == bench.broker.lanes()[2:]
    bench.confirm()
    assert [record(1).slot_at, record(2).slot_at] == [one.slot_at for one in bench.centre.records()]


def test_a_centre_that_was_restored_gets_everything_again(bench):
    """When `stored` falls with a new run, all above it is sent again, byte for byte, though it was archived."""
    for number in range(1, 5):
        bench.poll(number)
        bench.run(10)
    bench.confirm()
    assert bench.outbox.counts().archived == 4
    bench.centre.restore(keep=1)
    sent = bench.broker.envelopes()
    bench.send_receipt(bench.centre.receipt())
    bench.run(10)
    assert bench.counter("batches_fallen") == 3
    assert sent[1:4] == bench.broker.envelopes()[len(sent) :]
    bench.confirm()
    assert bench.outbox.counts().archived == 4


def test_a_restored_centre_is_believed_by_a_forwarder_that_was_just_started(bench):
    """The very first receipt that a forwarder sees may say less than the store was told before."""
    for number in range(1, 4):
        bench.poll(number)
        bench.run(10)
    bench.confirm()
    bench.start()
    bench.poll(4)
    bench.until(lambda: len(bench.broker.envelopes()) == 4)
    bench.centre.restore(keep=0)
    bench.send_receipt(bench.centre.receipt(bench.centre.state_of(bench.outbox.head().epoch)))
    bench.run(60)
    assert {1, 2, 3, 4} == set(seqs(bench)[3:])


def test_a_live_batch_overtakes_the_backlog(bench):
    """With a long backlog and a silent centre, a new batch goes out at once, on the live lane."""
    bench.broker.is_up = False
    for number in range(1, 21):
        bench.poll(number)
        bench.run(10)
    bench.broker.is_up = True
    bench.until(lambda: len(bench.broker.envelopes()) == 9)  # three quarters of 12
    bench.poll(21)
    bench.until(lambda: len(bench.broker.envelopes()) == 10)
    assert [21] == seqs(bench)[9:]
    assert [BACKLOG] * 9 + [LIVE] == bench.broker.lanes()
    while bench.outbox.counts().unsent:
        bench.confirm()
    assert list(range(1, 22)) == sorted(set(seqs(bench)))


def test_sealing_a_long_journal_does_not_hold_up_the_network(bench):
    """Between two batches there is a network turn: what was sealed goes out, and receipts come in, meanwhile."""
    bench.run(1)
    bench.poll(*range(1, 201))
    bench.until(bench.broker.envelopes)
    assert bench.outbox.waiting().readings > 400


def test_the_window_bounds_what_is_under_way(bench):
    """Without receipts no more than the window is ever on its way, however long the backlog is."""
    bench.broker.is_up = False
    for number in range(1, 31):
        bench.poll(number)
        bench.run(10)
    bench.broker.is_up = True
    bench.run(7200)
    assert {*range(1, 10)} == set(seqs(bench))


def test_the_birth_is_signed_and_goes_before_the_batches(bench):
    """Each connection begins with a retained, signed birth that says where the chain stands."""
    bench.poll(1)
    bench.until(bench.broker.envelopes)
    key = Ed25519Verifier(GATEWAY_KEY.public)
    assert [BIRTH] == [topic for topic, _ in bench.broker.published][:1]
    first = open_birth(bench.broker.published[0][1], lambda _gateway, _kid: key)
    assert (GATEWAY, 1, 1, GENESIS, "0.1.0") == (
        first.gateway,
        first.oldest_seq,
        first.next_seq,
        first.head,
        first.version,
    )
    bench.broker.break_connections()
    bench.run(10)
    later = open_birth(bench.broker.retained[BIRTH], lambda _gateway, _kid: key)
    head = bench.outbox.head()
    assert (head.epoch, 2, head.prev) == (later.epoch, later.next_seq, later.head)


def test_the_birth_is_told_again_with_how_the_gateway_is(bench):
    """Every five minutes, and no oftener: box, other half, clocks, and the root causes of what is wrong."""
    key = Ed25519Verifier(GATEWAY_KEY.public)
    bench.worker._box = lambda: BoxFacts(settings_hash="ab", disk_free=7, certificate_days=12)
    bench.poll(1)
    bench.until(bench.broker.envelopes)
    births = lambda: [data for topic, data in bench.broker.published if topic == BIRTH]  # noqa: E731
    assert 1 == len(births())
    bench.journal.note_state(PollState((("A", 98),), 1, 40, ("E-BUS-104",)), bench.clock.now)
    bench.health.measure("clock_offset_s", 2.6)
    bench.health.fails("broker_encrypted", EdgeError("E-FWD-209", url="mqtt://one"))
    bench.run(280)
    assert 1 == len(births())
    bench.run(20)
    assert 2 == len(births())
    state = open_birth(births()[-1], lambda _gateway, _kid: key).state
    assert (bench.outbox.counts().oldest_unsent_at, ("E-BUS-104", "E-FWD-205", "E-FWD-209")) == (
        state.oldest_at,
        state.codes,
    )
    assert ("ab", 3, (("A", 98),), 1, 40, 7, 12) == (
        state.settings,
        state.offset_s,
        state.buses,
        state.failing,
        state.meters,
        state.disk_free,
        state.certificate_days,
    )
    bench.run(1500)
    assert 7 == len(births())


def test_a_centre_that_was_started_anew_hears_where_the_chain_stands(bench):
    """The first receipt of each run brings a fresh birth, the further ones of that run bring none."""
    bench.poll(1)
    bench.until(bench.broker.envelopes)
    births = lambda: [topic for topic, _ in bench.broker.published].count(BIRTH)  # noqa: E731
    before = births()
    bench.confirm()
    assert before + 1 == births()
    bench.confirm()
    assert before + 1 == births()
    bench.centre.restore(keep=1)
    bench.confirm()
    assert before + 2 == births()


def test_a_goodbye_leaves_the_hint(bench):
    """A forwarder that stops leaves the same hint as its will, and can start again."""
    bench.run(2)
    bench.worker.stop()
    assert WILL == bench.broker.retained[BIRTH]
    assert not bench.broker.links[-1].is_connected
    assert (BIRTH, WILL, 1, True) == bench.broker.links[-1].will
    bench.worker.stop()


@pytest.mark.parametrize(("fault", "code"), [("refuses_topics", "E-FWD-132"), ("answers_subscriptions", "E-FWD-108")])
def test_nothing_is_sent_before_receipts_can_come(bench, fault, code):
    """A broker that denies or ignores the subscription gets no batch: the next one is tried."""
    setattr(bench.broker, fault, fault == "refuses_topics")
    bench.poll(1)
    bench.run(120)
    assert bench.broker.envelopes() == []
    assert bench.condition("broker_reachable") == ("no", code)
    assert {"mqtt://one", "mqtt://two"} == set(bench.broker.asked)


def test_a_message_that_the_broker_refuses_is_no_loss(bench):
    """Under MQTT 5 a publish can be refused: counted, kept, and sent again only by the longest timer."""
    bench.broker.refuses_messages = True
    bench.poll(1)
    bench.until(bench.broker.envelopes)
    bench.run(500)
    assert len(bench.broker.envelopes()) == 1
    assert bench.counter("messages_refused") == 3  # the birth, told twice in that time, and the batch
    bench.broker.refuses_messages = False
    bench.run(110)
    assert len(bench.broker.envelopes()) == 2
    assert bench.outbox.counts().unsent == 1


def test_a_silent_centre_is_reported(bench):
    """Batches without a receipt for too long make a condition with its code; the next receipt ends it."""
    bench.poll(1)
    bench.run(60)
    assert bench.condition("centre_confirms") == ("unknown", None)
    bench.run(120)
    assert bench.condition("centre_confirms") == ("no", "E-FWD-205")
    bench.confirm()
    assert bench.condition("centre_confirms") == ("yes", None)


def test_rejected_batches_are_counted_and_sent_no_more(bench):
    """What the centre rejects goes to quarantine and is not sent again."""
    bench.poll(1)
    bench.until(bench.broker.envelopes)
    bench.centre.accept(bench.broker.envelopes()[0])
    epoch = bench.outbox.head().epoch
    state = bench.centre.state_of(epoch)
    bench.send_receipt(bench.centre.receipt(replace(state, rejected=((1, "unreadable"),))))
    bench.run(600)
    assert len(bench.broker.envelopes()) == 1
    assert bench.counter("batches_rejected") == 1
    assert bench.outbox.counts().quarantined == 1


class FailsOnce(Outbox):
    """A store whose disk fails at the first receipt."""

    has_failed = False

    def apply_receipt(self, receipt, **kwargs) -> Applied:
        """Fail the first time."""
        if not self.has_failed:
            self.has_failed = True
            raise StoreError("E-STO-103", path="edge.db", detail="disk full")
        return super().apply_receipt(receipt, **kwargs)


def test_a_store_that_fails_at_a_receipt_gets_it_again(tmp_path):
    """A fault of the store drops the connection: the retained receipt comes again and is applied."""
    bench = Bench(tmp_path / "edge.db", outbox_class=FailsOnce)
    try:
        bench.poll(1)
        bench.until(bench.broker.envelopes)
        bench.centre.accept(bench.broker.envelopes()[0])
        bench.broker.deliver(RECEIPTS, bench.centre.receipt())
        bench.until(lambda: bench.condition("store_works")[0] == "no")
        assert bench.outbox.counts().unsent == 1
        bench.until(lambda: bench.outbox.counts().unsent == 0)
        bench.run(11)
        assert bench.condition("store_works") == ("yes", None)
    finally:
        bench.close()


def test_other_topics_are_acknowledged_and_ignored(bench):
    """A message on another topic changes nothing."""
    bench.poll(1)
    bench.until(bench.broker.envelopes)
    bench.broker.links[-1].topics.append("e1/hz/other/dn/rc")
    bench.centre.accept(bench.broker.envelopes()[0])
    bench.broker.deliver("e1/hz/other/dn/rc", bench.centre.receipt())
    bench.run(2)
    assert bench.counter("receipts") == 0
    assert bench.outbox.counts().unsent == 1


def test_a_store_that_cannot_seal_does_not_stop_delivery(bench, monkeypatch):
    """What is sealed already is still sent and receipted: that is what makes room again."""
    bench.poll(1)
    bench.until(bench.broker.envelopes)

    def fail(*_args, **_kwargs):
        raise StoreError("E-STO-103", path="edge.db", detail="disk full")

    monkeypatch.setattr(bench.outbox, "seal", fail)
    bench.poll(2)
    connections = bench.counter("connections")
    bench.run(60)
    assert connections == bench.counter("connections")
    assert ("no", "E-STO-103") == bench.condition("store_works")
    bench.confirm()
    assert 0 == bench.outbox.counts().unsent
    monkeypatch.undo()
    bench.run(60)
    bench.confirm()
    assert ("yes", None) == bench.condition("store_works")
    assert 2 == len({one.slot_at for one in bench.centre.records()})


def test_the_retained_receipt_says_nothing_of_the_centre_today(bench):
    """A centre that is dead shows, though the broker brings its last receipt at every connection."""
    bench.poll(1)
    bench.until(bench.broker.envelopes)
    bench.confirm()
    seen = bench.health.snapshot()["seen"]["receipt"]["at"]
    bench.poll(2)
    bench.run(30)
    bench.broker.break_connections()
    bench.run(60)
    assert seen == bench.health.snapshot()["seen"]["receipt"]["at"]

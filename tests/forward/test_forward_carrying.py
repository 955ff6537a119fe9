"""Batches on a stick and receipts back: a real store, real files, the real centre, with the broker before and after."""

import hashlib
import os
from collections import Counter
from dataclasses import replace

import pytest

from edge.carry import folder as files
from edge.carry.layout import MANIFEST_NAME, RECEIPT_NAME, decode_manifest, envelope_name
from edge.centre.accept import Fate
from edge.centre.carrying import Received, Reception
from edge.centre.ledger import Span
from edge.centre.receipts import ReceiptDesk
from edge.errors import CarryError, MessageError
from edge.forward.carrying import Label, export_backlog, read_receipt
from edge.forward.outbox import Confirmed
from edge.forward.receipts import accept_receipt
from edge.forward.shedding import Shedder
from edge.messages.birth import open_birth
from edge.messages.receipt import EpochReceipt, Receipt, sign_receipt
from edge.messages.signing import Ed25519Verifier
from edge.messages.topics import receipt_topic
from edge.store.shedding import Step
from tests.centre.centre_kit import Keys
from tests.forward.centre_tools import both
from tests.forward.forward_tools import AT, CENTRE_KEY, GATEWAY, GATEWAY_KEY, PLAN, TENANT, Bench, record

CENTRE = Ed25519Verifier(CENTRE_KEY.public)
LABEL = Label(gateway=GATEWAY, tenant=TENANT, version="0.1.0", made_at=AT, left=0)


@pytest.fixture
def site(tmp_path):
    """Return a gateway, its centre, and a stick."""
    (tmp_path / "stick").mkdir()
    with both(tmp_path) as (bench, centre):
        yield bench, centre, tmp_path / "stick"


def export(bench: Bench, stick, label=LABEL):
    while bench.worker.seal_now():
        pass
    return export_backlog(bench.outbox, stick, label, bench.worker.birth())


def receive(centre, stick, run=b"stick--1") -> Received:
    desk = ReceiptDesk(ledger=centre.ledger, signer=CENTRE_KEY, run=run, policy="commit")
    reception = Reception(centre.ledger, Keys({GATEWAY: GATEWAY_KEY}), desk, centre.bench.clock, TENANT)
    (one,) = reception.receive(stick)
    return one


def carry_back(bench: Bench, stick):
    return bench.worker.take_carried(read_receipt(stick, GATEWAY))


def polls(bench: Bench, *numbers) -> None:
    """Poll and seal each of these slots into a batch of its own."""
    for number in numbers:
        bench.poll(number)
        assert bench.worker.seal_now()


def codes(received: Received) -> list[str]:
    return [trouble.error.code for trouble in received.troubles]


def test_the_stick_holds_the_same_envelopes_to_the_byte(site):
    """Every batch that no receipt covers, the birth, and a manifest that names each with its hash; nothing else."""
    bench, _, stick = site
    polls(bench, 0, 1)
    bench.poll(2)
    exported = export(bench, stick)
    sealed = bench.outbox.unstored(None, 10)
    assert (3, 0, 3) == (exported.batches, exported.kept, len(sealed))
    names = [envelope_name(one.epoch, one.seq) for one in sealed]
    assert [one.envelope for one in sealed] == [(exported.folder / name).read_bytes() for name in names]
    assert sorted([*names, "birth.cos", MANIFEST_NAME]) == files.list_files(exported.folder)
    manifest = decode_manifest((exported.folder / MANIFEST_NAME).read_bytes())
    assert names == [one.name for one in manifest.files]
    assert [hashlib.sha256(one.envelope).hexdigest() for one in sealed] == [one.sha256 for one in manifest.files]
    birth = open_birth((exported.folder / "birth.cos").read_bytes(), lambda *_: GATEWAY_KEY.verifier())
    assert sealed[-1].seq + 1 == birth.next_seq


def test_an_export_marks_nothing_as_sent(site):
    """All is unsent as before; the broker still gets each batch."""
    bench, _, stick = site
    polls(bench, 0, 1)
    export(bench, stick)
    assert 2 == bench.outbox.counts().unsent
    bench.run(5)
    assert 2 == len(set(bench.broker.envelopes()))


def test_a_round_trip_releases_what_the_centre_has(site):
    """Gateway, stick, centre, stick, gateway: stored once, released by the receipt, and a second time nothing new."""
    bench, centre, stick = site
    polls(bench, 0, 1, 2)
    export(bench, stick)
    first = receive(centre, stick)
    assert (Counter({Fate.STORED: 3}), 9, []) == (first.fates, first.readings, codes(first))
    assert 3 == carry_back(bench, stick).stored
    assert 0 == bench.outbox.counts().unsent
    again = receive(centre, stick, run=b"stick--2")
    assert (Counter({Fate.DUPLICATE: 3}), 0, []) == (again.fates, again.readings, codes(again))
    assert 0 == carry_back(bench, stick).stored
    assert [0, 1, 2] == centre.slots()


def test_a_stick_between_two_times_of_the_broker_doubles_nothing(site):
    """The broker brought some, the stick brought those and more, the broker brings the rest: each slot is there once.

    The broker's retained receipt is from before the stick's: it knows less, and takes nothing back.
    """
    bench, centre, stick = site
    polls(bench, 0, 1)
    centre.run(10)
    assert 0 == bench.outbox.counts().unsent
    bench.broker.is_up = centre.is_up = False
    bench.broker.break_connections()
    bench.run(2)
    polls(bench, 2, 3)
    bench.clock.advance(60)
    export(bench, stick)
    assert {Fate.STORED: 2} == receive(centre, stick).fates
    assert 2 == carry_back(bench, stick).stored
    bench.broker.is_up = True
    bench.run(700)
    assert 1 <= bench.counter("receipts_refused_E-MSG-403")
    assert ("no" != bench.condition("centre_keeps")[0], 0) == (True, bench.outbox.counts().unsent)
    centre.restart("ledger.db")
    centre.run(5)
    polls(bench, 4)
    centre.run(60)
    assert (0, [0, 1, 2, 3, 4]) == (bench.outbox.counts().unsent, centre.slots())


def test_what_the_broker_delivered_meanwhile_is_already_had(site):
    """The batches went both ways at once: the second way finds them there, and both receipts fit."""
    bench, centre, stick = site
    polls(bench, 0, 1)
    export(bench, stick)
    centre.run(10)
    assert {Fate.DUPLICATE: 2} == receive(centre, stick).fates
    assert 0 == carry_back(bench, stick).stored
    centre.run(10)
    assert ([0, 1], 0) == (centre.slots(), bench.outbox.counts().unsent)


def test_a_stick_that_lay_in_a_drawer_takes_nothing_back(site):
    """Its receipt is older than what the broker brought since: refused, nothing falls, nobody is alarmed."""
    bench, centre, stick = site
    polls(bench, 0)
    export(bench, stick)
    receive(centre, stick)
    bench.clock.advance(60)
    polls(bench, 1, 2)
    centre.run(10)
    with pytest.raises(MessageError) as caught:
        carry_back(bench, stick)
    assert "E-MSG-403" == caught.value.code
    assert 0 == bench.outbox.counts().unsent


def test_a_restored_centre_may_say_less_on_a_stick(site):
    """A later receipt of another run that holds less is believed: what it lacks is unsent again."""
    bench, _, _ = site
    polls(bench, 0, 1)
    first, second = bench.outbox.unstored(None, 2)

    def carried(run, stored, head, seconds):
        state = EpochReceipt(first.epoch, stored, 0, head)
        issued_at = AT.replace(second=seconds)
        receipt = Receipt(GATEWAY, run, 1, issued_at, "none", (state,))
        return bench.worker.take_carried(sign_receipt(receipt, CENTRE_KEY))

    assert 2 == carried(b"run----1", 2, second.sha256, 1).stored
    assert 1 == carried(b"run----2", 1, first.sha256, 2).fallen
    assert 1 == bench.outbox.counts().unsent


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"gateway": "gw-other"}, "E-MSG-401"),
        ({"n": 1}, "E-MSG-402"),
        ({"signer": GATEWAY_KEY}, "E-MSG-205"),
    ],
)
def test_a_carried_receipt_passes_every_check(site, change, code):
    """Another gateway's, an older number of the same run, another key: each refused, and nothing is released."""
    bench, _, _ = site
    polls(bench, 0, 1)
    first, second = bench.outbox.unstored(None, 2)
    receipt = Receipt(GATEWAY, b"run----1", 5, AT, "none", (EpochReceipt(first.epoch, 1, 0, first.sha256),))
    bench.worker.take_carried(sign_receipt(receipt, CENTRE_KEY))
    change = dict(change)
    signer = change.pop("signer", CENTRE_KEY)
    more = replace(receipt, epochs=(EpochReceipt(first.epoch, 2, 0, second.sha256),), n=6)
    with pytest.raises(MessageError) as caught:
        bench.worker.take_carried(sign_receipt(replace(more, **change), signer))
    assert (code, 1) == (caught.value.code, bench.outbox.counts().unsent)


def test_a_carried_receipt_leaves_the_brokers_order_alone(site):
    """After a stick, an old receipt of the broker's run is as old as before."""
    bench, _, _ = site
    polls(bench, 0)
    (first,) = bench.outbox.unstored(None, 2)

    def receipt(run, n):
        return sign_receipt(
            Receipt(GATEWAY, run, n, AT, "none", (EpochReceipt(first.epoch, 0, 0, bytes(32)),)), CENTRE_KEY
        )

    accept_receipt(receipt(b"broker--", 9), bench.outbox, CENTRE, GATEWAY)
    accept_receipt(receipt(b"stick---", 1), bench.outbox, CENTRE, GATEWAY, is_carried=True)
    with pytest.raises(MessageError) as caught:
        accept_receipt(receipt(b"broker--", 8), bench.outbox, CENTRE, GATEWAY)
    assert "E-MSG-402" == caught.value.code


def test_the_window_learns_from_a_carried_receipt(site):
    """A batch that is under way is not sent again once the stick's receipt covers it."""
    bench, centre, stick = site
    centre.is_up = False
    polls(bench, 0)
    bench.run(3)
    export(bench, stick)
    receive(centre, stick)
    accepted = carry_back(bench, stick)
    assert (Confirmed(bench.outbox.head().epoch, 1),) == accepted.confirmed
    sent = len(bench.broker.envelopes())
    bench.run(2000)
    assert sent == len(bench.broker.envelopes())


def test_an_interrupted_export_goes_on(site, monkeypatch):
    """Pulled out in the middle: whole files only and no manifest, not even the old one; the next export ends."""
    bench, _, stick = site
    export(bench, stick)
    polls(bench, 0, 1, 2)
    real, calls = os.fsync, []

    def pulled(descriptor):
        calls.append(descriptor)
        if len(calls) > 2:
            raise OSError(5, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", pulled)
    with pytest.raises(CarryError) as caught:
        export_backlog(bench.outbox, stick, LABEL, bench.worker.birth())
    assert "E-CAR-101" == caught.value.code
    monkeypatch.undo()
    assert 2 == len(files.list_files(stick / f"edge-{GATEWAY}"))
    exported = export(bench, stick)
    assert (3, 2) == (exported.batches, exported.kept)


def test_a_damaged_file_is_written_anew(site):
    """What lies there is believed by its bytes only."""
    bench, centre, stick = site
    polls(bench, 0, 1)
    folder = export(bench, stick).folder
    (first, *_) = sorted(folder.glob("*/*.cos"))
    first.write_bytes(b"x" * first.stat().st_size)
    assert (2, 1) == ((exported := export(bench, stick)).batches, exported.kept)
    assert {Fate.STORED: 2} == receive(centre, stick).fates


def test_what_a_receipt_covers_leaves_the_stick(site):
    """The next export removes it and its own leftovers; what is not ours, and the receipt, stay."""
    bench, centre, stick = site
    polls(bench, 0, 1)
    folder = export(bench, stick).folder
    (folder / "photo.jpg").write_bytes(b"x")
    (folder / "birth.new").write_bytes(b"half")
    receive(centre, stick)
    carry_back(bench, stick)
    polls(bench, 2)
    exported = export(bench, stick)
    assert (1, 2) == (exported.batches, exported.removed)
    names = files.list_files(folder)
    assert {"photo.jpg", RECEIPT_NAME} <= set(names)
    assert 1 == len(list(folder.glob("*/*.cos")))
    assert not (folder / "birth.new").exists()
    received = receive(centre, stick)
    assert ({Fate.STORED: 1}, ["E-CAR-206"]) == (received.fates, codes(received))


def test_room_is_asked_for_before_anything_is_changed(site, monkeypatch):
    """Too little: an error with both figures, and the stick is as it was."""
    bench, _, stick = site
    polls(bench, 0)
    export(bench, stick)
    before = {path: path.read_bytes() for path in stick.rglob("*") if path.is_file()}
    polls(bench, 1)
    monkeypatch.setattr(files, "free_bytes", lambda place: 100)
    with pytest.raises(CarryError) as caught:
        export(bench, stick)
    assert ("E-CAR-104", 100) == (caught.value.code, caught.value.values["free"])
    assert before == {path: path.read_bytes() for path in stick.rglob("*") if path.is_file()}


def test_a_stick_without_room_for_the_layout_carries_the_oldest(site, monkeypatch):
    """More batches than one export may hold: the oldest go, the rest is counted."""
    bench, _, stick = site
    polls(bench, 0, 1, 2)
    monkeypatch.setattr("edge.forward.carrying.MOST_FILES", 2)
    exported = export(bench, stick)
    assert (2, 1) == (exported.batches, exported.beyond)
    assert ["00000001.cos", "00000002.cos"] == sorted(path.name for path in exported.folder.glob("*/*.cos"))


def test_a_stick_of_another_gateway_is_refused_by_name(site):
    """Its folder is not ours to read a receipt from, nor to write into; both gateways are named."""
    bench, _, stick = site
    (stick / "edge-gw-other").mkdir()
    with pytest.raises(CarryError) as caught:
        read_receipt(stick, GATEWAY)
    assert ("E-CAR-108", "gw-other", GATEWAY) == (caught.value.code, *map(caught.value.values.get, ("found", "wanted")))
    with pytest.raises(CarryError) as caught:
        export(bench, stick / "edge-gw-other")
    assert "E-CAR-105" == caught.value.code
    polls(bench, 0)
    assert 1 == export(bench, stick).batches


def test_a_stick_that_was_not_at_the_centre_has_no_receipt(site):
    """Told as that."""
    bench, _, stick = site
    export(bench, stick)
    with pytest.raises(CarryError) as caught:
        read_receipt(stick, GATEWAY)
    assert "E-CAR-107" == caught.value.code


def test_readings_on_the_stick_are_those_that_were_polled(site):
    """What the ledger holds after the trip is what went into the journal, value by value."""
    bench, centre, stick = site
    bench.poll(*range(20))
    export(bench, stick)
    receive(centre, stick)
    rows = list(centre.ledger.readings(Span()))
    expected = sorted(str((number * 1000 + index) / 10) for number in range(20) for index in range(3))
    assert expected == sorted(str(float(row.value)) for row in rows)


def test_a_batch_that_gave_way_to_a_smaller_one_is_received(site):
    """The manifest names the bytes on the stick, not the original's; a second export leaves the file as it is."""
    bench, centre, stick = site
    bench.broker.is_up = False
    bench.journal.append_plan(PLAN)
    bench.journal.append([record(0, values=60)])
    polls(bench, 1)
    shedder = Shedder(bench.outbox, GATEWAY_KEY, GATEWAY, 95)
    given = [shedder.shed(0.0, ()) for _ in range(4)]
    assert [Step.DROPPED] == [one.step for one in given if one is not None]
    assert 1 == shedder.totals().dropped
    done = export(bench, stick)
    assert (done.batches, done.batches) == (done.batches, export(bench, stick).kept)
    received = receive(centre, stick)
    assert [] == codes(received)
    carry_back(bench, stick)
    assert 0 == bench.outbox.counts().unsent


def test_a_carried_receipt_that_somebody_brings_to_the_broker_takes_nothing_back(site):
    """It is not of a new run, and older than what came since."""
    bench, centre, stick = site
    bench.broker.is_up = False
    polls(bench, 0)
    export(bench, stick)
    receive(centre, stick)
    carry_back(bench, stick)
    old = read_receipt(stick, GATEWAY)
    bench.broker.is_up = True
    bench.poll(1)
    centre.run(60)
    assert 0 == bench.outbox.counts().unsent
    bench.broker.deliver(receipt_topic(TENANT, GATEWAY), old)
    bench.run(5)
    assert (0, 1) == (bench.counter("batches_fallen"), bench.counter("receipts_refused_E-MSG-403"))

"""A stick at the centre: what is broken, foreign, cut, renamed or huge is told in a line, and the rest goes on."""

import hashlib
import json
import os
from collections import Counter

import pytest

from edge.carry.layout import Carried, Manifest, encode_manifest, envelope_name
from edge.centre.accept import Fate
from edge.centre.carrying import Reception
from edge.centre.ledger_sqlite import SqliteLedger
from edge.centre.receipts import ReceiptDesk
from edge.clock import ManualClock
from edge.errors import CarryError
from edge.messages.receipt import open_receipt
from edge.messages.signing import Ed25519Signer
from tests.centre.centre_kit import EPOCH, QUARTER, SLOT, Gateway, Keys, record, take

CENTRE = Ed25519Signer(b"c" * 32)
OTHER = Gateway("gw-2", epoch=b"epoch--9", signer=Ed25519Signer(b"o" * 32))


@pytest.fixture
def ledger(tmp_path):
    """Open a ledger for one test."""
    with SqliteLedger(tmp_path / "ledger.db") as opened:
        yield opened


@pytest.fixture
def gateway():
    """Return a gateway with a fresh chain."""
    return Gateway()


def write(stick, gateway, envelopes, *, tenant="hz", name=None, birth=True, left=0):
    """Write a stick as `edge backlog --export` does; return the gateway's folder."""
    folder = stick / f"edge-{name or gateway.name}"
    listed = []
    for seq, envelope in enumerate(envelopes, start=len(gateway.marks) - len(envelopes)):
        path = folder / envelope_name(gateway.epoch, seq)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(envelope)
        sha256 = hashlib.sha256(envelope).hexdigest()
        listed.append(Carried(envelope_name(gateway.epoch, seq), len(envelope), sha256))
    if birth:
        (folder / "birth.cos").write_bytes(gateway.birth())
    manifest = Manifest(
        gateway=gateway.name, tenant=tenant, version="0", made_at=SLOT, left=left, files=tuple(listed)
    )  # fmt: skip
    (folder / "manifest.json").write_bytes(encode_manifest(manifest))
    return folder


def sealed(gateway, count=4):
    return [gateway.seal(record(SLOT + number * QUARTER)) for number in range(count)]


def receive_all(ledger, stick, *gateways, tenant="hz"):
    keys = Keys({gateway.name: gateway.signer for gateway in gateways})
    desk = ReceiptDesk(ledger=ledger, signer=CENTRE, run=os.urandom(8), policy="commit")
    return Reception(ledger, keys, desk, ManualClock(SLOT), tenant).receive(stick)


def receive(ledger, stick, gateway, **more):
    (one,) = receive_all(ledger, stick, gateway, **more)
    return one


def told(received):
    return [(trouble.file, trouble.error.code) for trouble in received.troubles]


def receipt_of(received):
    return open_receipt(received.receipt.read_bytes(), CENTRE.verifier())


def name(seq):
    return envelope_name(EPOCH, seq)


def test_a_stick_is_taken_in_and_answered(ledger, gateway, tmp_path):
    """All is stored, what was left is passed on, and a signed receipt for this gateway lies there."""
    write(tmp_path, gateway, sealed(gateway), left=5)
    received = receive(ledger, tmp_path, gateway)
    assert (Counter({Fate.STORED: 4}), 4, 5, []) == (received.fates, received.readings, received.left, told(received))
    receipt = receipt_of(received)
    assert ("gw-1", 1, 4) == (receipt.gateway, len(receipt.epochs), receipt.epochs[0].stored)


def test_the_brokers_batches_and_the_sticks_are_one_chain(ledger, gateway, tmp_path):
    """The broker brought 1 and 4, the stick brings all: two are had already, and the chain is whole."""
    envelopes = sealed(gateway)
    take(ledger, gateway, envelopes[0], envelopes[3])
    write(tmp_path, gateway, envelopes)
    received = receive(ledger, tmp_path, gateway)
    assert {Fate.DUPLICATE: 2, Fate.STORED: 2} == received.fates
    assert (4, ()) == (receipt_of(received).epochs[0].stored, receipt_of(received).epochs[0].missing)


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip(path):
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)


def link(path):
    path.rename(path.with_name("aside.txt"))
    path.symlink_to(path.with_name("aside.txt"))


def folder_there(path):
    path.unlink()
    path.mkdir()


def blow_up(path):
    with path.open("wb") as file:
        file.truncate(5 << 30)  # sparse: as large as no FAT file can be


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (cut, [(name(2), "E-CAR-204")]),
        (flip, [(name(2), "E-CAR-204")]),
        (lambda path: path.unlink(), [(name(2), "E-CAR-205")]),
        (lambda path: path.write_bytes(b""), [(name(2), "E-CAR-204")]),
        (blow_up, [(name(2), "E-CAR-202")]),
        (folder_there, [(name(2), "E-CAR-203")]),
    ],
)
def test_a_bad_file_is_one_line_and_the_rest_goes_on(ledger, gateway, tmp_path, harm, expected):
    """The others are stored, the receipt names the gap, and a second trip closes it."""
    envelopes = sealed(gateway)
    folder = write(tmp_path, gateway, envelopes)
    harm(folder / name(2))
    received = receive(ledger, tmp_path, gateway)
    assert expected == told(received)
    assert {Fate.STORED: 3} == received.fates
    assert ((1, ((2, 2),)),) == tuple((one.stored, one.missing) for one in receipt_of(received).epochs)
    write(tmp_path / "again", gateway, envelopes)
    assert {Fate.STORED: 1, Fate.DUPLICATE: 3} == receive(ledger, tmp_path / "again", gateway).fates


def test_a_link_is_never_followed(ledger, gateway, tmp_path):
    """Not even to the right bytes; those are found under their other name all the same."""
    folder = write(tmp_path, gateway, sealed(gateway))
    link(folder / name(2))
    received = receive(ledger, tmp_path, gateway)
    assert [(name(2), "E-CAR-203")] == told(received)[:1]
    assert {Fate.STORED: 3} == received.fates


def test_a_renamed_file_is_taken_by_its_content(ledger, gateway, tmp_path):
    """Named with both names, and it is no trouble."""
    folder = write(tmp_path, gateway, sealed(gateway))
    (folder / name(2)).rename(folder / "copy of 2.cos")
    received = receive(ledger, tmp_path, gateway)
    assert ({Fate.STORED: 4}, []) == (received.fates, told(received))
    (notice,) = received.renamed
    assert ("E-CAR-207", "copy of 2.cos", name(2)) == (notice.code, notice.values["path"], notice.values["name"])


def test_a_renamed_folder_of_many_is_taken(ledger, gateway, tmp_path):
    """More files than a handful: each is found by its content."""
    folder = write(tmp_path, gateway, sealed(gateway, 300))
    (folder / EPOCH.hex()).rename(folder / "old")
    received = receive(ledger, tmp_path, gateway)
    assert ({Fate.STORED: 300}, [], 300) == (received.fates, told(received), len(received.renamed))


def test_two_names_exchanged_are_two_damaged_files(ledger, gateway, tmp_path):
    """The manifest says which bytes stand under which name; nothing is stored under a wrong number."""
    folder = write(tmp_path, gateway, sealed(gateway))
    (folder / name(2)).rename(folder / "x")
    (folder / name(3)).rename(folder / name(2))
    (folder / "x").rename(folder / name(3))
    assert {(name(2), "E-CAR-204"), (name(3), "E-CAR-204")} == set(told(receive(ledger, tmp_path, gateway)))


def test_what_somebody_else_put_there_is_left_alone(ledger, gateway, tmp_path):
    """A photo, and an envelope that the export did not write: neither is taken."""
    envelopes = sealed(gateway)
    folder = write(tmp_path, gateway, envelopes)
    (folder / "photo.jpg").write_bytes(b"x" * 100_000)
    (folder / name(9)).write_bytes(gateway.seal(record(SLOT + 9 * QUARTER)))
    received = receive(ledger, tmp_path, gateway)
    assert [("photo.jpg", "E-CAR-202"), (name(9), "E-CAR-206")] == sorted(told(received), key=lambda one: one[1])
    assert {Fate.STORED: 4} == received.fates


@pytest.mark.parametrize("content", [None, b"", b"{", b"[" * 50_000])
def test_without_a_manifest_the_signatures_judge(ledger, gateway, tmp_path, content):
    """An interrupted export: every batch that is whole is taken, a damaged one is refused by its signature."""
    folder = write(tmp_path, gateway, sealed(gateway))
    (folder / "manifest.json").unlink()
    if content is not None:
        (folder / "manifest.json").write_bytes(content)
    flip(folder / name(3))
    received = receive(ledger, tmp_path, gateway)
    assert {Fate.STORED: 3, Fate.REFUSED: 1} == received.fates
    assert [("manifest.json", "E-CAR-208"), (name(3), "E-CEN-202")] == told(received)


def test_an_envelope_of_another_gateway_is_refused_by_name(ledger, gateway, tmp_path):
    """It is signed and enrolled, but not in its own folder: the same rule as for a topic."""
    foreign = OTHER.seal(record())
    folder = write(tmp_path, gateway, [*sealed(gateway, 1)])
    (folder / "manifest.json").unlink()
    (folder / name(2)).write_bytes(foreign)
    (received,) = receive_all(ledger, tmp_path, gateway, OTHER)
    refused = received.troubles[-1].error
    assert ("E-CEN-202", "topic of another gateway: gw-2") == (refused.code, refused.values["reason"])
    assert ["gw-1"] == ledger.gateways()


def test_a_fork_on_a_stick_is_an_alarm(ledger, gateway, tmp_path):
    """Another envelope under a number that is taken: quarantine, as from the broker."""
    envelopes = sealed(gateway, 1)
    write(tmp_path, gateway, envelopes)
    twin = Gateway()
    take(ledger, twin, twin.seal(record(value="99.00")))
    received = receive(ledger, tmp_path, gateway)
    assert ([(name(1), "E-CEN-201")], {Fate.FORK: 1}) == (told(received), received.fates)


@pytest.mark.parametrize(
    ("more", "code"),
    [({"tenant": "other"}, "E-CAR-302"), ({"name": "gw-1x"}, "E-CAR-105")],
)
def test_a_folder_that_is_not_for_here_is_not_read(ledger, gateway, tmp_path, more, code):
    """Another utility's, or one gateway's files under another's name: told by name, nothing stored, no receipt."""
    write(tmp_path, gateway, sealed(gateway), **more)
    named = Gateway(more.get("name", "gw-1"))
    received = receive(ledger, tmp_path, named)
    assert ([("", code)], {}, None) == (told(received), dict(received.fates), received.receipt)
    assert [] == ledger.gateways()


def test_a_gateway_that_is_not_enrolled_does_not_stop_the_next(ledger, gateway, tmp_path):
    """Two gateways on one stick: the unknown one is named and unread, the other is taken in."""
    other = Gateway("gw-0", signer=Ed25519Signer(b"z" * 32))
    write(tmp_path, other, sealed(other, 1))
    write(tmp_path, gateway, sealed(gateway, 2))
    unknown, known = receive_all(ledger, tmp_path, gateway)
    assert [("", "E-CAR-301")] == told(unknown)
    assert {Fate.STORED: 2} == known.fates
    assert not (tmp_path / "edge-gw-0" / "receipt.cos").exists()


@pytest.mark.parametrize("content", [b"gone", b"x" * 5000])
def test_a_bad_birth_does_not_stop_the_batches(ledger, gateway, tmp_path, content):
    """Damaged, or too long: told, and the batches are stored."""
    folder = write(tmp_path, gateway, sealed(gateway))
    (folder / "birth.cos").write_bytes(content)
    received = receive(ledger, tmp_path, gateway)
    assert ([("birth.cos", "E-CAR-209")], {Fate.STORED: 4}) == (told(received), received.fates)


def test_the_birth_lets_a_new_centre_pass_what_is_gone(ledger, gateway, tmp_path):
    """The first two were durable at a centre that is lost: with the birth, the rest counts as whole."""
    envelopes = sealed(gateway)
    folder = write(tmp_path, gateway, envelopes[2:])
    (folder / "birth.cos").write_bytes(gateway.birth(oldest=3))
    assert 4 == receipt_of(receive(ledger, tmp_path, gateway)).epochs[0].stored
    (folder / "birth.cos").unlink()
    assert [] == told(receive(ledger, tmp_path, gateway))


def test_a_stick_that_cannot_be_written_says_so_after_storing(ledger, gateway, tmp_path):
    """The place of the receipt is taken by a folder: the batches are stored, the receipt is not, and that is told."""
    folder = write(tmp_path, gateway, sealed(gateway))
    (folder / "receipt.cos").mkdir()
    received = receive(ledger, tmp_path, gateway)
    assert ([("receipt.cos", "E-CAR-304")], None) == (told(received), received.receipt)
    assert {Fate.STORED: 4} == received.fates


def test_a_stick_without_any_gateway_is_told(ledger, gateway, tmp_path):
    """Another stick."""
    (tmp_path / "stick").mkdir()
    for path, code in ((tmp_path / "stick", "E-CAR-303"), (tmp_path / "none", "E-CAR-103")):
        with pytest.raises(CarryError) as caught:
            receive_all(ledger, path, gateway)
        assert code == caught.value.code


def test_each_reception_is_a_run_of_its_own(ledger, gateway, tmp_path):
    """Two receptions cannot be mixed up by their numbers."""
    write(tmp_path, gateway, sealed(gateway))
    runs = {(receipt.run, receipt.n) for _ in range(2) for receipt in [receipt_of(receive(ledger, tmp_path, gateway))]}
    assert (2, {1}) == (len(runs), {n for _, n in runs})


def test_a_file_that_nobody_wrote_is_bounded(ledger, gateway, tmp_path):
    """Thousands of strangers: each has its line, and no more than a few are held."""
    folder = write(tmp_path, gateway, sealed(gateway, 1))
    for number in range(400):
        (folder / f"{number}.cos").write_bytes(json.dumps(number).encode())
    received = receive(ledger, tmp_path, gateway)
    assert (400, {"E-CAR-206"}) == (len(told(received)), {code for _, code in told(received)})

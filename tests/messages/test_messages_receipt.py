"""Receipts and births: signed, bounded, for one purpose; and which receipts may be applied."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import MessageError
from edge.messages import cose
from edge.messages.birth import MAX_OLDER, Birth, Standing, open_birth, sign_birth
from edge.messages.box_state import MAX_BUSES, MAX_CODES, BoxState
from edge.messages.canonical import encode_canonical
from edge.messages.envelope import MAX_SEQ, Header, open_envelope, seal_envelope
from edge.messages.receipt import EpochReceipt, Receipt, admit_receipt, open_receipt, sign_receipt
from edge.messages.signing import Ed25519Signer, Ed25519Verifier
from edge.reading.chain import GENESIS
from tests.messages.samples import SIGNER, VERIFIER, trusted

AT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
EPOCH = EpochReceipt(b"epoch--2", 7, 5, bytes([3]) * 32, ((9, 9), (12, 20)), ((2, "E-MSG-102"), (6, "fork")))
OLDER = EpochReceipt(b"epoch--1", 0, 0, GENESIS)
RECEIPT = Receipt("gw-1", b"run----1", 3, AT, "commit", (EPOCH, OLDER))
BIRTH = Birth(
    gateway="gw-1",
    boot_id="ab" * 16,
    epoch=b"epoch--2",
    oldest_seq=3,
    next_seq=9,
    head=bytes([3]) * 32,
    version="0.1.0",
    buffered=1234,
    sent_at=AT,
    trust="rtc",
)
# A birth as it was before older epochs stood in it, of the same key.
OLD_FORM = bytes.fromhex(
    "d2845835a4012703781b6170706c69636174696f6e2f656467652d62697274682b63626f72044856475aa75463474c3a00010000646777"
    "2d31a0586ca90178206162616261626162616261626162616261626162616261626162616261626162024865706f63682d2d3203030409"
    "05582003030303030303030303030303030303030303030303030303030303030303030665302e312e30071904d2081b00064bf535b0f2"
    "40090158404bd7ebadbd016b07934927d38d4cc910435faaa8f4bfe7708605aab63e8db7702f3bc8d45a8e80efec47ec2f061d67964b99"
    "0d2e496342d82c8bf27e0b973000"
)
OTHER = Ed25519Verifier(Ed25519Signer(bytes(32)).public)


def _with_epoch(**changes: Any) -> Receipt:
    return replace(RECEIPT, epochs=(replace(EPOCH, **changes),))


def test_a_receipt_comes_back_as_it_was_signed() -> None:
    """All fields, to the microsecond; the same bytes for the same receipt."""
    data = sign_receipt(RECEIPT, SIGNER)
    assert (RECEIPT, data) == (open_receipt(data, VERIFIER), sign_receipt(RECEIPT, SIGNER))


def test_a_birth_comes_back_as_it_was_signed() -> None:
    """All fields, verified by the key that is trusted for its gateway."""
    older = replace(BIRTH, older=(Standing(b"epoch--1", 11, 23), Standing(b"epoch--0", 4, 5)))
    assert older == open_birth(sign_birth(older, SIGNER), trusted)
    assert (Standing(b"epoch--2", 3, 9), *older.older) == older.standings


def test_a_birth_without_older_epochs_is_what_it_always_was() -> None:
    """Old ones are still read, and readers of the old form read those that name no other epoch."""
    assert BIRTH == open_birth(OLD_FORM, trusted)
    assert OLD_FORM == sign_birth(BIRTH, SIGNER)


STATE = BoxState(
    settings="ab" * 32,
    offset_s=-7,
    oldest_at=AT,
    buses=(("A", 100), ("B", 0)),
    failing=2,
    meters=40,
    disk_free=5 << 30,
    certificate_days=-3,
    codes=("E-BUS-104", "E-FWD-101"),
)


def test_a_birth_tells_how_its_gateway_is() -> None:
    """All of it, or only what is known: each field comes back, and nothing is made up."""
    for state in (STATE, BoxState(), BoxState(failing=0, meters=0), BoxState(codes=("E-HLT-101",))):
        birth = replace(BIRTH, state=state)
        assert birth == open_birth(sign_birth(birth, SIGNER), trusted)
    many = replace(BIRTH, state=BoxState(buses=(("A", 1),) * 99, codes=("E-BUS-104",) * 99))
    told = open_birth(sign_birth(many, SIGNER), trusted).state
    assert told is not None
    assert (MAX_BUSES, MAX_CODES) == (len(told.buses), len(told.codes))


@pytest.mark.parametrize(
    "state",
    [
        *([], None, {0: 1}, {10: 1}, {1: "x" * 65}, {1: 1}, {2: "1"}, {2: 2**41}, {3: -1}, {4: []}, {4: [["A"]]}),
        *({4: [["A", 101]]}, {4: [["A" * 33, 1]]}, {4: [["A", 1]] * 17}, {5: -1}, {6: "1"}, {7: -1}, {8: "1"}, {9: []}),
        *({9: [1]}, {9: ["x" * 17]}, {9: ["E"] * 17}),
    ],
)
def test_a_signed_state_of_another_shape_is_refused(state: object) -> None:
    """Bounds and types of every field; an empty list is left out, never named."""
    fields = {1: "b", 2: b"epoch--2", 3: 3, 4: 9, 5: bytes([3]) * 32, 6: "v", 7: 0, 8: 0, 9: 1, 11: state}
    data = cose.sign_message(cose.BIRTH, {cose.GATEWAY: "gw-1"}, encode_canonical(fields), SIGNER)
    with pytest.raises(MessageError) as caught:
        open_birth(data, trusted)
    assert "E-MSG-102" == caught.value.code


@pytest.mark.parametrize("older", [[], [[]], [[b"epoch--1", 1]], [[b"epoch--1", 1, 2, 3]], {}, None, [[1, 1, 2]]])
def test_a_signed_birth_of_another_shape_is_refused(older: object) -> None:
    """There is one way to say that no older epoch has anything left: to leave it out."""
    fields = {1: "b", 2: b"epoch--2", 3: 3, 4: 9, 5: bytes([3]) * 32, 6: "v", 7: 0, 8: 0, 9: 1, 10: older}
    data = cose.sign_message(cose.BIRTH, {cose.GATEWAY: "gw-1"}, encode_canonical(fields), SIGNER)
    with pytest.raises(MessageError) as caught:
        open_birth(data, trusted)
    assert "E-MSG-102" == caught.value.code


def test_the_largest_birth_is_still_read() -> None:
    """As many epochs as it may name, with the largest numbers."""
    older = tuple(Standing(bytes([n]) * 8, MAX_SEQ, MAX_SEQ) for n in range(MAX_OLDER))
    state = replace(STATE, buses=(("b" * 32, 100),) * MAX_BUSES, codes=("c" * 16,) * MAX_CODES, settings="s" * 64)
    large = replace(BIRTH, older=older, state=state, boot_id="b" * 64, version="v" * 64, next_seq=MAX_SEQ)
    assert large == open_birth(sign_birth(large, SIGNER), trusted)


@pytest.mark.parametrize(
    "receipt",
    [
        replace(RECEIPT, gateway="gw 1"),
        replace(RECEIPT, run=b"short"),
        replace(RECEIPT, n=0),
        replace(RECEIPT, issued_at=datetime.min.replace(tzinfo=UTC)),
        replace(RECEIPT, policy="p" * 33),
        replace(RECEIPT, epochs=(EPOCH, EPOCH)),
        replace(RECEIPT, epochs=tuple(replace(OLDER, epoch=bytes([n]) * 8) for n in range(5))),
        _with_epoch(epoch=b""),
        _with_epoch(durable=8),
        _with_epoch(stored=-1),
        _with_epoch(stored=0, durable=0),
        _with_epoch(head=GENESIS),
        _with_epoch(head=b""),
        _with_epoch(missing=((7, 9),)),
        _with_epoch(missing=((9, 8),)),
        _with_epoch(missing=((9, 12), (12, 13))),
        _with_epoch(missing=((12, 13), (9, 9))),
        _with_epoch(missing=tuple((2 * n, 2 * n) for n in range(10, 267))),
        _with_epoch(rejected=((6, "a"), (6, "b"))),
        _with_epoch(rejected=((6, "a"), (2, "b"))),
        _with_epoch(rejected=((0, "a"),)),
        _with_epoch(rejected=((1, "a" * 65),)),
        _with_epoch(rejected=tuple((n, "a") for n in range(1, 258))),
    ],
)
def test_a_receipt_that_contradicts_itself_is_neither_signed_nor_taken(receipt: Receipt) -> None:
    """Bounds and order hold on both sides."""
    with pytest.raises(MessageError):
        sign_receipt(receipt, SIGNER)


@pytest.mark.parametrize(
    "birth",
    [
        replace(BIRTH, gateway=""),
        replace(BIRTH, boot_id="b" * 65),
        replace(BIRTH, epoch=b""),
        replace(BIRTH, oldest_seq=10),
        replace(BIRTH, oldest_seq=0),
        replace(BIRTH, head=b""),
        replace(BIRTH, version="v" * 65),
        replace(BIRTH, buffered=-1),
        replace(BIRTH, trust="guessed"),
        replace(BIRTH, older=(Standing(b"epoch--2", 1, 2),)),
        replace(BIRTH, older=(Standing(b"epoch--1", 1, 2), Standing(b"epoch--1", 1, 2))),
        replace(BIRTH, older=(Standing(b"epoch--1", 3, 2),)),
        replace(BIRTH, older=(Standing(b"epoch--1", 0, 2),)),
        replace(BIRTH, older=(Standing(b"epoch", 1, 2),)),
        replace(BIRTH, older=tuple(Standing(bytes([n]) * 8, 1, 2) for n in range(MAX_OLDER + 1))),
    ],
)
def test_a_birth_that_contradicts_itself_is_not_signed(birth: Birth) -> None:
    """What the centre would refuse is not sent."""
    with pytest.raises(MessageError):
        sign_birth(birth, SIGNER)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        {},
        {1: "gw-1", 2: b"run----1", 3: 1, 4: 0, 5: "commit", 6: [], 7: 0},
        {1: "gw-1", 2: b"run----1", 3: 1, 4: 0, 5: "commit", 6: [[b"epoch--1", 0, 0]]},
        {1: "gw-1", 2: b"run----1", 3: 1, 4: 0, 5: "commit", 6: [[b"epoch--1", 0, 0, GENESIS, [[1]], []]]},
        {1: "gw-1", 2: b"run----1", 3: 1, 4: 0, 5: "commit", 6: [[b"epoch--1", 0, 0, GENESIS, {}, []]]},
        {1: "gw-1", 2: b"run----1", 3: True, 4: 0, 5: "commit", 6: []},
        {1: "gw-1", 2: "run----1", 3: 1, 4: 0, 5: "commit", 6: []},
    ],
)
def test_a_signed_receipt_of_another_shape_is_refused(fields: object) -> None:
    """The centre's signature does not excuse the form."""
    data = cose.sign_message(cose.RECEIPT, {}, encode_canonical(fields), SIGNER)
    with pytest.raises(MessageError) as caught:
        open_receipt(data, VERIFIER)
    assert "E-MSG-102" == caught.value.code


def test_one_key_cannot_pass_one_purpose_off_as_another() -> None:
    """Batch, receipt and birth of the very same key: each is taken for itself alone."""
    header = Header(gateway="gw-1", epoch=b"epoch--1", seq=1, prev=GENESIS, raw_length=3)
    messages = [seal_envelope(header, b"abc", SIGNER), sign_receipt(RECEIPT, SIGNER), sign_birth(BIRTH, SIGNER)]
    readers = [
        lambda data: open_envelope(data, trusted, cose.BATCH),
        lambda data: open_receipt(data, VERIFIER),
        lambda data: open_birth(data, trusted),
    ]
    taken = []
    for message in messages:
        for reader in readers:
            try:
                reader(message)
                taken.append("taken")
            except MessageError as error:
                taken.append(error.code)
    wrong = "E-MSG-204"
    assert ["taken", wrong, wrong, wrong, "taken", wrong, wrong, wrong, "taken"] == taken


def test_a_receipt_of_another_key_is_refused() -> None:
    """Only the centre's key counts, also for a right signature of somebody else."""
    with pytest.raises(MessageError) as caught:
        open_receipt(sign_receipt(RECEIPT, SIGNER), OTHER)
    assert "E-MSG-205" == caught.value.code


def test_every_flipped_bit_of_receipt_and_birth_is_found() -> None:
    """No bit can be changed."""
    receipt, birth = sign_receipt(RECEIPT, SIGNER), sign_birth(BIRTH, SIGNER)
    for at in range(len(receipt)):
        with pytest.raises(MessageError):
            open_receipt(receipt[:at] + bytes([receipt[at] ^ 1 << at % 8]) + receipt[at + 1 :], VERIFIER)
    for at in range(len(birth)):
        with pytest.raises(MessageError):
            open_birth(birth[:at] + bytes([birth[at] ^ 1 << at % 8]) + birth[at + 1 :], trusted)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_as_message_error(data: bytes) -> None:
    """Noise: MessageError and nothing else."""
    with pytest.raises(MessageError):
        open_receipt(data, VERIFIER)
    with pytest.raises(MessageError):
        open_birth(data, trusted)


def test_receipts_are_admitted_by_gateway_run_and_number() -> None:
    """Refused: another gateway's, an older one of the same run. Admitted: the same again, a later one, another run."""
    run, other = RECEIPT.run, b"run----0"
    for last in (None, (run, 2), (run, 3), (other, 99)):
        admit_receipt(RECEIPT, last, "gw-1")
    for code, last, gateway in (("E-MSG-401", None, "gw-2"), ("E-MSG-402", (run, 4), "gw-1")):
        with pytest.raises(MessageError) as caught:
            admit_receipt(RECEIPT, last, gateway)
        assert code == caught.value.code

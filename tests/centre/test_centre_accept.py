"""What becomes of an envelope: stored once, chained, or kept out, whatever is sent in whatever order."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.centre.accept import Fate, Uplink, accept, accept_birth, judge
from edge.centre.ledger import BatchKey, Ledger, Link, QuarantineKind, Span
from edge.centre.reread import is_read, reread
from edge.errors import MessageError, StoreError
from edge.messages.birth import Standing, open_birth
from edge.messages.envelope import envelope_hash
from edge.messages.signing import Ed25519Signer
from edge.reading.chain import GENESIS
from edge.reading.loss import Loss
from tests.centre.centre_kit import EPOCH, NEXT_EPOCH, QUARTER, SLOT, Gateway, Keys, payload, record, take
from tests.centre.test_centre_completeness import PLAN


def fates(taken) -> list[Fate]:
    """Return the fates alone."""
    return [one.fate for one in taken]


def values(ledger: Ledger) -> list[str | None]:
    """Return the values of all readings, by slot."""
    return [row.value for row in ledger.readings(Span())]


def rounds(gateway: Gateway, count: int) -> list[bytes]:
    """Return envelopes with a reading each, of slots in a row."""
    return [gateway.seal(record(SLOT + number * QUARTER, value=f"{number}.50")) for number in range(count)]


def test_a_sound_batch_is_stored_with_its_evidence(ledger):
    """The reading is there with the meter's own digits, and so are the exact bytes."""
    gateway = Gateway()
    envelope = gateway.seal(record(value="0012.30"))
    assert [Fate.STORED] == fates(take(ledger, gateway, envelope))
    assert ["12.30"] == values(ledger)
    assert envelope == ledger.envelope(BatchKey("gw-1", EPOCH, 1))


def test_the_same_bytes_again_are_a_duplicate(ledger):
    """A batch that was sent again changes nothing and is counted."""
    gateway = Gateway()
    envelope = gateway.seal(record())
    assert [Fate.STORED, Fate.DUPLICATE] == fates(take(ledger, gateway, envelope, envelope))
    assert [Fate.DUPLICATE] == fates(take(ledger, gateway, envelope))
    assert ["12.30"] == values(ledger)
    assert {"stored": 1, "duplicate": 2} == dict(ledger.counts("gw-1"))


def test_a_fork_never_replaces(ledger):
    """Another batch under a taken number goes to quarantine with its bytes; the first one counts."""
    gateway = Gateway()
    first = gateway.seal(record())
    other = gateway.at(1, payload(record(value="99.00")))
    assert [Fate.STORED, Fate.FORK] == fates(take(ledger, gateway, first, other))
    assert ["12.30"] == values(ledger)
    (kept,) = ledger.quarantine()
    assert (QuarantineKind.FORK, 1, other) == (kept.kind, kept.seq, kept.raw)
    assert first == ledger.envelope(BatchKey("gw-1", EPOCH, 1))


@given(st.permutations(range(5)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
def test_any_order_gives_the_same_ledger(ledgers, order):
    """Live before backlog: every order stores every reading, and `stored` ends at the last number."""
    gateway = Gateway()
    envelopes = rounds(gateway, 5)
    with ledgers.new() as opened:
        for position in order:
            assert [Fate.STORED] == fates(take(opened, gateway, envelopes[position]))
        assert ["0.50", "1.50", "2.50", "3.50", "4.50"] == values(opened)
        state = opened.epoch("gw-1", EPOCH)
        assert (5, gateway.marks[5]) == (state.stored, state.head)


def test_stored_stops_at_a_gap_and_the_gaps_are_listed(ledger):
    """What is above a gap is kept but not covered by `stored`."""
    gateway = Gateway()
    envelopes = rounds(gateway, 8)
    take(ledger, gateway, *(envelopes[position] for position in (0, 1, 4, 7)))
    state = ledger.epoch("gw-1", EPOCH)
    assert (2, gateway.marks[2]) == (state.stored, state.head)
    assert ((3, 4), (6, 7)) == ledger.missing(state, 10)
    assert ((3, 4),) == ledger.missing(state, 1)


def test_a_batch_that_follows_another_envelope_is_rejected(ledger):
    """Its `prev` must be the hash of what is held; it keeps its number, and the next one goes on from it."""
    gateway = Gateway()
    first = gateway.seal(record())
    broken = gateway.at(2, payload(record(SLOT + QUARTER)), prev=bytes([7]) * 32)
    gateway.marks.append(envelope_hash(broken))
    third = gateway.seal(record(SLOT + 2 * QUARTER, value="3.00"))
    assert [Fate.STORED, Fate.REJECTED, Fate.STORED] == fates(take(ledger, gateway, first, broken, third))
    assert ["12.30", "3.00"] == values(ledger)
    assert ((2, "chain"),) == ledger.rejected("gw-1", EPOCH, 10)
    assert 3 == ledger.epoch("gw-1", EPOCH).stored


def test_the_chain_is_checked_when_the_earlier_batch_comes(ledger):
    """Of two that do not fit together, the one that came first stays."""
    gateway = Gateway()
    rounds(gateway, 1)
    second = gateway.seal(record(SLOT + QUARTER, value="2.00"))
    other_first = gateway.at(1, payload(record(value="99.00")))
    assert [Fate.STORED, Fate.REJECTED] == fates(take(ledger, gateway, second, other_first))
    assert ["2.00"] == values(ledger)
    assert 2 == ledger.epoch("gw-1", EPOCH).stored


@pytest.mark.parametrize("raw", [b"", b"\xff\xff", b"\xa0"])
def test_a_signed_payload_that_is_no_batch_is_rejected_and_passed(ledger, raw):
    """It cannot be read today or ever: its number is passed, the reason is listed."""
    gateway = Gateway()
    first = gateway.seal_raw(raw)
    second = gateway.seal(record())
    assert [Fate.REJECTED, Fate.STORED] == fates(take(ledger, gateway, first, second))
    (rejected,) = ledger.rejected("gw-1", EPOCH, 10)
    assert (1, True) == (rejected[0], rejected[1].startswith("E-MSG-"))
    assert 2 == ledger.epoch("gw-1", EPOCH).stored
    assert first == ledger.envelope(BatchKey("gw-1", EPOCH, 1))


@contextmanager
def an_older_centre():
    """Let the centre be of a version that cannot read what this gateway writes."""

    def fail(raw: bytes) -> None:
        raise MessageError("E-MSG-105", detail="newer")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edge.centre.accept.parse_batch", fail)
        yield


def test_what_an_older_centre_could_not_read_is_stored_when_it_comes_again(ledger):
    """Its number, its chain and its evidence are the same; now its readings and its plan are there too."""
    gateway = Gateway()
    first, second = gateway.seal(record(), plan=PLAN), gateway.seal(record(SLOT + QUARTER))
    with an_older_centre():
        assert [Fate.REJECTED, Fate.REJECTED, Fate.DUPLICATE] == fates(take(ledger, gateway, first, second, first))
    (taken,) = take(ledger, gateway, first)
    assert (Fate.STORED, 1) == (taken.fate, taken.counts.readings)
    assert [2] == [seq for seq, _ in ledger.rejected("gw-1", EPOCH, 10)]
    assert (["12.30"], [PLAN]) == (values(ledger), ledger.plans("gw-1"))
    assert [Fate.DUPLICATE] == fates(take(ledger, gateway, first))
    assert 2 == ledger.epoch("gw-1", EPOCH).stored


def test_rejected_batches_are_read_again_from_the_evidence(ledger):
    """Not those that still cannot be read, and not one that does not follow its chain."""
    gateway = Gateway()
    batches = [gateway.seal(record(SLOT + n * QUARTER)) for n in range(3)]
    keys = Keys({gateway.name: gateway.signer})
    with an_older_centre():
        take(ledger, gateway, *batches, gateway.seal_raw(b"\xff"))
        take(ledger, gateway, gateway.at(5, payload(), prev=b"x" * 32))
        assert {Fate.DUPLICATE} == {one.fate for one in reread(ledger, keys, SLOT)}
    assert [] == list(reread(ledger, Keys({}), SLOT))
    again = [(one.seq, is_read(one)) for one in reread(ledger, keys, SLOT)]
    assert [(1, True), (2, True), (3, True), (4, False)] == [one for one in again if one[0] < 5]
    assert 5 not in [seq for seq, _ in again]
    assert ["12.30"] * 3 == values(ledger)


def test_a_signed_payload_that_does_not_inflate_is_rejected(ledger, monkeypatch):
    """The signature holds, the compressed bytes do not: its number is passed like that of any unreadable payload."""
    monkeypatch.setattr("edge.messages.envelope.zlib.compress", lambda raw, level: b"no zlib at all")
    gateway = Gateway()
    (taken,) = take(ledger, gateway, gateway.seal(record()))
    assert (Fate.REJECTED, 1, "E-MSG-207") == (taken.fate, taken.seq, taken.reason)
    assert 1 == ledger.epoch("gw-1", EPOCH).stored


def test_a_forged_batch_is_set_aside_and_leaves_no_number(ledger):
    """Another key under the gateway's name: nothing is stored, nothing is receipted, the bytes are kept."""
    gateway = Gateway()
    forger = Gateway(signer=Ed25519Signer(bytes(32)))
    forged = forger.seal(record(value="0.01"))
    assert [Fate.REFUSED] == fates(take(ledger, gateway, forged))
    assert [] == values(ledger)
    assert ledger.epoch("gw-1", EPOCH) is None
    assert [(QuarantineKind.FORGED, "gw-1", forged)] == [(q.kind, q.gateway, q.raw) for q in ledger.quarantine()]


def test_a_sound_batch_on_another_gateways_topic_is_refused(ledger):
    """A gateway may not speak on the topic of another one."""
    gateway, other = Gateway(), Gateway("gw-2", signer=Ed25519Signer(bytes(32)))
    keys = Keys({"gw-1": gateway.signer, "gw-2": other.signer})
    (taken,) = accept(ledger, [Uplink("gw-2", gateway.seal(record()), SLOT)], keys)
    assert Fate.REFUSED is taken.fate
    assert {} == ledger.links([BatchKey("gw-1", EPOCH, 1)])


def test_a_birth_is_no_batch(ledger):
    """The content type names the purpose: the same key's other messages do not pass."""
    gateway = Gateway()
    assert [Fate.REFUSED] == fates(take(ledger, gateway, gateway.birth()))


def test_gateways_that_are_not_enrolled_share_one_bounded_place(ledger):
    """A stranger who invents names cannot fill the disk."""
    keys = Keys({})
    for number in range(450):
        accept(ledger, [Uplink(f"gw-{number}", bytes([number % 256]) * 100_000, SLOT)], keys)
    kept = ledger.quarantine()
    assert 200 == len(kept)
    assert {("", 64 * 1024)} == {(one.gateway, len(one.raw)) for one in kept}
    assert bytes([449 % 256]) == kept[-1].raw[:1]


ENVELOPE = Gateway().seal(record(), record(SLOT + QUARTER, value="13.00"))


@given(st.integers(0, len(ENVELOPE) - 1), st.integers(1, 255))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_no_changed_byte_is_ever_accepted(ledger, position, change):
    """Any byte of a valid envelope, changed in any way, makes it refused."""
    mutated = bytearray(ENVELOPE)
    mutated[position] ^= change
    assert [Fate.REFUSED] == fates(take(ledger, Gateway(), bytes(mutated)))


@given(st.integers(0, len(ENVELOPE) - 1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_no_cut_envelope_is_ever_accepted(ledger, length):
    """Any beginning of a valid envelope alone is refused; so is one with a byte more."""
    assert [Fate.REFUSED, Fate.REFUSED] == fates(take(ledger, Gateway(), ENVELOPE[:length], ENVELOPE + b"\x00"))


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_any_signed_payload_is_dealt_with(ledgers, raw):
    """Whatever an enrolled gateway signs, the centre goes on: it stores or rejects."""
    gateway = Gateway()
    with ledgers.new() as opened:
        assert fates(take(opened, gateway, gateway.seal_raw(raw)))[0] in (Fate.STORED, Fate.REJECTED)


def test_a_replacement_is_not_taken_where_the_original_is(ledger):
    """The gateway gave up a batch that the centre has: the original stays, and it is no fork."""
    gateway = Gateway()
    original = gateway.seal(record())
    tombstone = gateway.at(1, payload(), replaces=envelope_hash(original))
    assert [Fate.STORED, Fate.HELD] == fates(take(ledger, gateway, original, tombstone))
    assert ["12.30"] == values(ledger)
    assert original == ledger.envelope(BatchKey("gw-1", EPOCH, 1))


def test_a_replacement_stands_for_an_original_that_never_came(ledger):
    """The chain goes on over the original's hash, and the head of the receipt is that hash."""
    gateway = Gateway()
    original = gateway.seal(record())
    second = gateway.seal(record(SLOT + QUARTER, value="2.00"))
    tombstone = gateway.at(1, payload(), replaces=envelope_hash(original))
    assert [Fate.STORED] == fates(take(ledger, gateway, tombstone))
    assert envelope_hash(original) == ledger.epoch("gw-1", EPOCH).head
    assert [Fate.STORED] == fates(take(ledger, gateway, second))
    assert 2 == ledger.epoch("gw-1", EPOCH).stored


def test_an_original_that_comes_after_its_replacement_takes_its_place(ledger):
    """It was under way when the gateway gave it up: its readings are better than none, and no fork."""
    gateway = Gateway()
    original = gateway.seal(record())
    tombstone = gateway.at(1, payload(), replaces=envelope_hash(original))
    assert [Fate.STORED, Fate.RESTORED, Fate.DUPLICATE] == fates(
        take(ledger, gateway, tombstone, original, original)
    )  # fmt: skip
    assert ["12.30"] == values(ledger)
    assert [(QuarantineKind.REPLACED, tombstone)] == [(one.kind, one.raw) for one in ledger.quarantine()]


def test_a_replacement_of_something_else_is_a_fork(ledger):
    """A replacement that names another original than the one that is held contradicts it."""
    gateway = Gateway()
    original = gateway.seal(record())
    stranger = gateway.at(1, payload(), replaces=bytes([9]) * 32)
    assert [Fate.STORED, Fate.FORK] == fates(take(ledger, gateway, original, stranger))


def test_a_new_epoch_starts_at_one_and_names_the_one_before(ledger):
    """Numbers of two epochs do not meet."""
    old, new = Gateway(), Gateway(epoch=NEXT_EPOCH, predecessor=EPOCH)
    take(ledger, old, *rounds(old, 2))
    assert [Fate.STORED] == fates(take(ledger, new, new.seal(record(SLOT + 5 * QUARTER))))
    assert [(EPOCH, None, 2), (NEXT_EPOCH, EPOCH, 1)] == [
        (state.epoch, state.predecessor, state.stored) for state in ledger.epochs("gw-1")
    ]


def test_what_a_birth_says_is_gone_does_not_hold_up_stored(ledger):
    """A new centre hears a gateway that forgot what the old one had: `stored` goes on from the oldest it can send."""
    gateway = Gateway()
    envelopes = rounds(gateway, 6)
    keys = Keys({"gw-1": gateway.signer})
    take(ledger, gateway, envelopes[4], envelopes[5])
    assert 0 == ledger.epoch("gw-1", EPOCH).stored
    accept_birth(ledger, open_birth(gateway.birth(oldest=4), keys.verifier_of), SLOT)
    assert 0 == ledger.epoch("gw-1", EPOCH).stored
    take(ledger, gateway, envelopes[3])
    state = ledger.epoch("gw-1", EPOCH)
    assert (6, gateway.marks[6]) == (state.stored, state.head)


def test_a_birth_says_it_of_older_epochs_too(ledger):
    """The rest of an old epoch gets over its hole, and the epochs stand in the order of their opening."""
    old, new = Gateway(), Gateway(epoch=NEXT_EPOCH, predecessor=EPOCH)
    envelopes = rounds(old, 6)
    keys = Keys({"gw-1": old.signer})
    birth = new.birth(older=(Standing(EPOCH, 4, 7), Standing(b"epoch--0", 2, 3)))
    accept_birth(ledger, open_birth(birth, keys.verifier_of), SLOT)
    take(ledger, old, *envelopes[3:])
    assert [(b"epoch--0", 0, 2), (EPOCH, 6, 4), (NEXT_EPOCH, 0, 1)] == [
        (state.epoch, state.stored, state.oldest) for state in ledger.epochs("gw-1")
    ]


def exchanged(ledger, older=()):
    """Lose numbers 2 and 4 of a box, put another one in its place, and return where both epochs stand."""
    old, new = Gateway(), Gateway(epoch=NEXT_EPOCH)
    envelopes = rounds(old, 5)
    take(ledger, old, envelopes[0], envelopes[2], envelopes[4])
    keys = Keys({"gw-1": old.signer})
    coming = [new.seal(record(SLOT + n * QUARTER)) for n in range(90, 93)]
    take(ledger, new, coming[0], coming[2])  # its number 2 is still under way
    accept_birth(ledger, open_birth(old.birth(), keys.verifier_of), SLOT)  # kept by the broker from before
    accept_birth(ledger, open_birth(new.birth(older=older), keys.verifier_of), SLOT)
    return ledger.epoch("gw-1", EPOCH), ledger.epoch("gw-1", NEXT_EPOCH)


def test_a_new_box_closes_the_epoch_of_the_old_one(ledger):
    """Nobody can send its missing numbers any more: `stored` passes them, and no receipt asks. Its own stay wanted."""
    old, new = exchanged(ledger)
    assert (5, ()) == (old.stored, ledger.missing(old, 9))
    assert (1, ((2, 2),)) == (new.stored, ledger.missing(new, 9))


def test_an_epoch_that_the_birth_names_stays_open(ledger):
    """Its gaps are asked for."""
    assert 1 == exchanged(ledger, older=(Standing(EPOCH, 1, 6),))[0].stored


def test_an_epoch_for_which_a_birth_had_no_room_stays_open(ledger):
    """It names sixteen at the most."""
    more = tuple(Standing(bytes([n]) * 8, 1, 2) for n in range(16))
    assert 1 == exchanged(ledger, older=more)[0].stored


def test_an_old_birth_takes_nothing_back(ledger):
    """A birth that the broker kept from earlier cannot lower what a later one said."""
    gateway = Gateway()
    keys = Keys({"gw-1": gateway.signer})
    envelopes = rounds(gateway, 3)
    for oldest in (3, 1):
        accept_birth(ledger, open_birth(gateway.birth(oldest=oldest), keys.verifier_of), SLOT)
    take(ledger, gateway, envelopes[2])
    assert 3 == ledger.epoch("gw-1", EPOCH).stored


def test_a_store_that_comes_back_is_asked_for_what_it_can_send(ledger):
    """Its epoch was called gone, so `stored` passed its gaps; a card that was put back holds what was in them."""
    old, new = Gateway(), Gateway(epoch=NEXT_EPOCH)
    envelopes = rounds(old, 5)
    keys = Keys({"gw-1": old.signer})
    take(ledger, old, envelopes[0], envelopes[2], envelopes[4])
    take(ledger, new, new.seal(record(SLOT + 90 * QUARTER)))
    accept_birth(ledger, open_birth(new.birth(), keys.verifier_of), SLOT)
    passed = ledger.epoch("gw-1", EPOCH)
    ledger.mark_durable([passed])
    accept_birth(ledger, open_birth(old.birth(oldest=2), keys.verifier_of), SLOT)
    asked = ledger.epoch("gw-1", EPOCH)
    assert (5, 1, old.marks[1], 1) == (passed.stored, asked.stored, asked.head, asked.durable)
    assert ((2, 2), (4, 4)) == ledger.missing(asked, 9)
    take(ledger, old, envelopes[1], envelopes[3])
    whole = ledger.epoch("gw-1", EPOCH)
    assert (5, old.marks[5], 1) == (whole.stored, whole.head, whole.durable)  # what came is in no copy yet


def test_a_fault_inside_the_transaction_leaves_nothing(ledger, monkeypatch):
    """Two batches, the ledger fails at the second's polls: neither is there, and both come in later."""
    gateway = Gateway()
    envelopes = rounds(gateway, 2)
    keep_polls = type(ledger).keep_polls

    def fail_at_second(self, batches):
        if any(entry.key.seq == 2 for entry, _ in batches):
            raise StoreError("E-CEN-302", path="ledger.db", detail="full")
        return keep_polls(self, batches)

    with monkeypatch.context() as patched:
        patched.setattr(type(ledger), "keep_polls", fail_at_second)
        with pytest.raises(StoreError):
            take(ledger, gateway, *envelopes)
    assert [] == values(ledger)
    assert ([], []) == (list(ledger.gateways()), list(ledger.quarantine()))
    assert [Fate.STORED, Fate.STORED] == fates(take(ledger, gateway, *envelopes))
    assert ["0.50", "1.50"] == values(ledger)


def test_a_reading_that_moves_to_a_new_epoch_counts_once(ledger):
    """The gateway opened a new epoch and sent the same poll again: equal is ignored, different is flagged."""
    old, new = Gateway(), Gateway(epoch=NEXT_EPOCH)
    take(ledger, old, old.seal(record(), record(SLOT + QUARTER, value="2.00")))
    (taken,) = take(ledger, new, new.seal(record(), record(SLOT + QUARTER, value="2.01")))
    assert (0, 1, 1) == (taken.counts.readings, taken.counts.repeated, taken.counts.conflicts)
    rows = list(ledger.readings(Span()))
    assert [("12.30", False), ("2.00", True)] == [(row.value, row.conflict) for row in rows]


def test_a_loss_that_moves_to_a_new_epoch_counts_once(ledger):
    """Told again in another epoch it is the same loss; two equal ones of one epoch are two."""
    old, new = Gateway(), Gateway(epoch=NEXT_EPOCH)
    loss = Loss("load", "202107072529", SLOT, SLOT, 1, "damaged")
    other = replace(loss, count=2)
    take(ledger, old, old.seal(losses=[loss, loss]))
    take(ledger, new, new.seal(losses=[loss, loss]), new.seal(losses=[other]), new.seal(losses=[other]))
    assert [loss, loss, other, other] == list(ledger.losses("gw-1"))


FIRST = Link(sha256=b"a" * 32, prev=GENESIS)


@pytest.mark.parametrize(
    ("new", "held", "before", "after", "fate"),
    [
        (FIRST, None, None, None, Fate.STORED),
        (FIRST, FIRST, None, None, Fate.DUPLICATE),
        (replace(FIRST, sha256=b"b" * 32), FIRST, None, None, Fate.FORK),
        (replace(FIRST, sha256=b"b" * 32, replaces=b"a" * 32), FIRST, None, None, Fate.HELD),
        (FIRST, replace(FIRST, sha256=b"b" * 32, replaces=b"a" * 32), None, None, Fate.RESTORED),
        (FIRST, None, None, Link(sha256=b"c" * 32, prev=b"a" * 32), Fate.STORED),
        (FIRST, None, None, Link(sha256=b"c" * 32, prev=b"x" * 32), Fate.REJECTED),
        (Link(sha256=b"c" * 32, prev=b"a" * 32), None, FIRST, None, Fate.STORED),
        (Link(sha256=b"c" * 32, prev=b"x" * 32), None, FIRST, None, Fate.REJECTED),
        (
            replace(FIRST, sha256=b"d" * 32, replaces=b"a" * 32),
            replace(FIRST, sha256=b"b" * 32, replaces=b"a" * 32),
            None,
            None,
            Fate.HELD,
        ),
    ],
)
def test_the_rules_of_the_number(new, held, before, after, fate):
    """One line a rule: the same, a fork, replacements, and neighbours that fit or do not."""
    assert fate is judge(new, held, before, after)

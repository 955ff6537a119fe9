"""Batches of which nothing more can go become one, with a later number: what they say stays, whoever signed them."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.forward.merging import Merger
from edge.forward.settings import SealRules
from edge.forward.shed_rules import merged_batches
from edge.messages.batch import Batch, parse_batch
from edge.messages.envelope import open_envelope
from edge.messages.signing import Ed25519Signer, Ed25519Verifier
from edge.reading.loss import Loss, joined, spanned
from edge.reading.record import PollRecord, SlotState
from edge.reading.verdict import SlotReason
from edge.store.epochs import begin_epoch, current_epoch
from edge.store.inspection import find_fault
from edge.store.room import Room
from edge.store.shedding import Shedding
from tests.forward.forward_tools import AT, GATEWAY, GATEWAY_KEY, PLAN, Bench, record

METERS = 40
LIMIT = 1_000_000
TICK = timedelta(microseconds=1)
MISS = {"state": SlotState.MISSING_FINAL, "reason": SlotReason.SILENCE}
OTHER_KEY = Ed25519Signer(b"o" * 32)


@pytest.fixture
def bench(bench) -> Bench:
    """Return a gateway without a broker that seals a round as one batch."""
    bench.settings = replace(bench.settings, seal=SealRules())
    bench.start()
    bench.broker.is_up = False
    return bench


@pytest.fixture
def room(monkeypatch):
    """Return the room of the store, to be set by hand: there is plenty."""
    found = {"used": 0}
    monkeypatch.setattr(Shedding, "room", lambda self: Room(found["used"], LIMIT))
    return found


def poll_of(number: int, meter: int) -> PollRecord:
    """Return what a poll brought: two energies."""
    names = ("energy_active_import_total", "energy_active_import_t1")
    values = {name: Decimal(Random(f"{name} {number} {meter}").randrange(10**5)) / 100 for name in names}
    return replace(record(number), meter=f"{meter:012d}", values=values, units={})


def seal(bench: Bench, *numbers: int, signer: Ed25519Signer = GATEWAY_KEY) -> None:
    """Poll rounds and seal each with this key."""
    bench.signer = signer
    bench.start()
    for number in numbers:
        bench.journal.append([poll_of(number, meter) for meter in range(METERS)])
        bench.run(5)


def kept(bench: Bench) -> list[tuple[int, Batch]]:
    """Return the numbers and the content of what waits; the present key must have signed it."""
    found = [(one.seq, one.envelope) for one in bench.outbox.unstored(None, 99)]
    return [
        (seq, parse_batch(open_envelope(envelope, lambda *_: Ed25519Verifier(GATEWAY_KEY.public)).raw))
        for seq, envelope in found
    ]


def named_by(batches: list[Batch]) -> list[tuple[str, timedelta]]:
    """Return every slot that is a record or that a loss names, as often as it is."""
    found = [(own.meter, own.slot_at - AT) for batch in batches for own in batch.records]
    for loss in (loss for batch in batches for loss in batch.losses):
        steps = (loss.last_at - loss.first_at) / max(1, loss.count - 1)
        found += [(loss.meter, loss.first_at - AT + number * steps) for number in range(loss.count)]
    return sorted(found)


def press(bench: Bench, room: dict[str, int], seconds: float) -> None:
    """Leave no room for so long."""
    room["used"] = LIMIT
    bench.run(seconds)
    room["used"] = 0
    bench.run(60)


def test_few_batches_say_in_one_what_they_said_alone(bench, room):
    """The merged one has a later number, the old numbers are not to come, and every slot is named once."""
    seal(bench, 1, 2, 3)
    slots = named_by([batch for _, batch in kept(bench)])
    press(bench, room, 120)
    ((seq, batch),) = kept(bench)
    assert () == batch.records
    assert METERS == len(batch.losses)
    assert slots == named_by([batch])
    (standing,) = bench.outbox.standings(9)
    assert (seq, seq + 1) == (standing.oldest_seq, standing.next_seq)
    assert seq > 3
    assert bench.counter("batches_merged") == bench.outbox.shedding().totals().merged >= 3
    assert ("no", "E-FWD-214") == bench.condition("readings_kept")
    assert None is find_fault(bench.databases[0])


def test_the_least_that_is_kept_covers_every_slot(bench, room):
    """Misses go then, too; plans never do."""
    bench.journal.append_plan(PLAN)
    bench.start()
    slots = set()
    for number in range(1, 12):
        missed = [
            replace(poll_of(number, meter), values={}, **MISS) for meter in range(METERS) if meter % 3 or number % 2
        ]
        slots |= {(own.meter, own.slot_at) for own in missed}
        bench.journal.append(missed)
        bench.run(5)
    shedding = bench.outbox.shedding()
    while (candidate := shedding.next()) is not None:
        shedding.pass_over(candidate)
    assert None is not Merger(bench.outbox, GATEWAY_KEY, GATEWAY).span(())
    ((_, batch),) = kept(bench)
    assert (PLAN, ()) == (batch.plan, batch.records)
    assert METERS == len(batch.losses)
    assert all(any(loss.meter == meter and loss.covers(at) for loss in batch.losses) for meter, at in slots)


def test_what_another_key_signed_is_signed_anew_when_nothing_else_is_left(bench, room):
    """First it is left alone and reported; then it holds up nothing more, and no slot in it goes unnamed."""
    seal(bench, 1, signer=OTHER_KEY)
    seal(bench, 2, 3)
    (old, *_) = bench.outbox.unstored(None, 9)
    press(bench, room, 120)
    assert ("no", "E-FWD-215") == bench.condition("shedding_works")
    assert old.envelope == bench.outbox.unstored(None, 9)[0].envelope
    press(bench, room, 600)
    ((_, batch),) = kept(bench)
    everything = sorted((poll_of(n, m).meter, record(n).slot_at - AT) for n in (1, 2, 3) for m in range(METERS))
    assert everything == named_by([batch])
    assert METERS * 6 == bench.outbox.shedding().totals().readings


def test_what_says_that_it_is_anothers_is_never_signed_anew(bench):
    """What another gateway sealed stays as it is, whoever put it into this store."""
    seal(bench, 1, signer=OTHER_KEY)
    foreign = bench.outbox.unstored(None, 9)
    shedding = bench.outbox.shedding()
    while (candidate := shedding.next()) is not None:
        shedding.pass_over(candidate)
    assert None is Merger(bench.outbox, GATEWAY_KEY, "gw-9").adopt(())
    assert foreign == bench.outbox.unstored(None, 9)
    assert None is not Merger(bench.outbox, GATEWAY_KEY, GATEWAY).adopt(())


def test_an_epoch_that_gains_nothing_holds_up_no_younger_one(bench, room):
    """A batch of another key stands first in the older epoch; those of the younger one are merged nevertheless."""
    seal(bench, 1, signer=OTHER_KEY)
    seal(bench, 2)
    database = bench.databases[0]
    with database.writing():
        begin_epoch(database, why="test", predecessor=current_epoch(database).epoch, at=AT)
    seal(bench, 3, 4)
    press(bench, room, 120)
    own = [one for one in bench.outbox.unstored(None, 9) if one.epoch == bench.outbox.head().epoch]
    assert 1 == len(own)
    assert own[0].seq > 2


AN_INSTANT = st.integers(0, 200).map(lambda steps: AT + steps * timedelta(minutes=7, microseconds=3))
A_RUN = st.builds(
    lambda meter, first_at, step, count, reason: Loss(
        "load", meter, first_at, first_at + (count - 1) * step, count, reason
    ),
    st.sampled_from(["1", "2"]),
    AN_INSTANT,
    st.sampled_from([timedelta(minutes=7, microseconds=3), timedelta(minutes=21, microseconds=9), timedelta(days=1)]),
    st.integers(1, 9),
    st.sampled_from(["shed", "damaged"]),
)
AN_UNEVEN_ONE = st.builds(
    lambda first_at, count: Loss(
        "load", "1", first_at, first_at + (count - 1) * timedelta(minutes=7, microseconds=3) + TICK, count, "shed"
    ),
    AN_INSTANT,
    st.integers(3, 9),
)


def slots_of(loss: Loss) -> list[object]:
    """Return what a loss names; of an uneven one its ends."""
    steps = max(1, loss.count - 1)
    step = (loss.last_at - loss.first_at) / steps
    if step * steps != loss.last_at - loss.first_at:
        return [loss.first_at, loss.first_at + TICK, loss.last_at]
    return [loss.first_at + number * step for number in range(loss.count)]


@given(st.lists(A_RUN, max_size=12))
def test_joined_losses_name_the_same_slots(losses):
    """No slot more and none less, under the same reason; and never more losses than before."""
    found = list(joined(losses))
    named = [{(loss.meter, loss.reason, at) for loss in some for at in slots_of(loss)} for some in (losses, found)]
    assert named[0] == named[1]
    assert len(found) <= len(losses)


@given(st.lists(A_RUN | AN_UNEVEN_ONE, max_size=12))
def test_one_loss_of_each_meter_covers_every_slot(losses):
    """Also where the steps do not fit each other; what lies beyond the first and the last is not named."""
    found = {loss.meter: loss for loss in spanned(losses)}
    assert {loss.meter for loss in losses} == set(found)
    for loss in losses:
        assert all(found[loss.meter].covers(at) for at in slots_of(loss))
    for meter, loss in found.items():
        own = [one for one in losses if one.meter == meter]
        assert (min(one.first_at for one in own), max(one.last_at for one in own)) == (loss.first_at, loss.last_at)


def test_evenly_spaced_losses_become_one_run():
    """Hour after hour: a single loss, exact."""
    hour = timedelta(hours=1)
    hours = [Loss("load", "1", AT + number * hour, AT + number * hour, 1, "shed") for number in range(30)]
    whole = [Loss("load", "1", AT, AT + 29 * hour, 30, "shed")]
    assert (whole, whole) == (list(joined(hours)), list(spanned(hours)))


def test_a_merged_batch_has_all_records_losses_and_plans():
    """Each plan once; the second has a batch of its own."""
    later = replace(PLAN, valid_from=AT + timedelta(days=1))
    lost = [Loss("load", str(number), AT, AT, 1, "shed") for number in range(4)]
    batches = [
        Batch((record(number),), plan, (lost[number],), AT) for number, plan in enumerate([PLAN, None, later, PLAN])
    ]
    first, second = merged_batches(batches, AT)
    assert (tuple(record(number) for number in range(4)), tuple(lost), PLAN) == (
        first.records,
        first.losses,
        first.plan,
    )
    assert Batch((), later, (), AT) == second

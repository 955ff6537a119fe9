"""A forwarder on a store that is nearly full: what it gives up, in which order, signed, and who hears of it."""

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from random import Random

import pytest

from edge.clock import ClockTrust
from edge.errors import StoreError
from edge.forward.settings import SealRules
from edge.forward.shed_rules import bare_batch
from edge.forward.shedding import Shedder
from edge.forward.store_work import Work
from edge.messages.batch import build_batch, parse_batch
from edge.messages.envelope import Opened, envelope_hash, open_envelope, seal_envelope
from edge.messages.signing import Ed25519Signer, Ed25519Verifier
from edge.messages.topics import batch_topic
from edge.reading.record import PollRecord
from edge.reading.verdict import SlotReason
from edge.store.inspection import find_fault
from edge.store.room import Room
from edge.store.shedding import Replacement, Shedding, ShedTotals, Step
from tests.forward.centre_tools import both
from tests.forward.forward_tools import GATEWAY, GATEWAY_KEY, PLAN, TENANT, Bench, record

ENERGIES = ("energy_active_import_total", *(f"energy_active_import_t{tariff}" for tariff in range(1, 5)))
OTHERS = tuple(f"{name}_l{phase}" for name in ("voltage", "current") for phase in (1, 2, 3))
METERS = 40
LIMIT = 1_000_000


@pytest.fixture
def bench(bench) -> Bench:
    """Return a gateway's forwarding that seals a round as one batch."""
    bench.settings = replace(bench.settings, seal=SealRules())
    bench.start()
    return bench


@pytest.fixture
def room(monkeypatch):
    """Return the room of the store, to be set by hand: there is plenty. `fall`: what a replacement gives back."""
    found = {"used": 0, "fall": 0}
    monkeypatch.setattr(Shedding, "room", lambda self: Room(found["used"] - found["fall"] * self.unsettled(), LIMIT))
    return found


def poll(bench: Bench, *numbers: int, meters: int = METERS, **more) -> None:
    """Store a round of each slot: five energies, three voltages and three currents of each meter."""
    for number in numbers:
        bench.journal.append([_poll(number, meter, **more) for meter in range(meters)])
        bench.run(5)


def _poll(number: int, meter: int, *, is_energy: bool = True, **more) -> PollRecord:
    names = OTHERS if not is_energy else (*ENERGIES, *OTHERS)
    values = {name: Decimal(Random(f"{name} {number} {meter}").randrange(10**5)) / 100 for name in names}
    plain = record(number, **more)
    return replace(plain, meter=f"{meter:012d}", values=values, units={})


def opened(envelope: bytes) -> Opened:
    """Return an envelope's content, once our signature holds."""
    return open_envelope(envelope, lambda _gateway, _kid: Ed25519Verifier(GATEWAY_KEY.public))


def shedder(bench: Bench, signer: Ed25519Signer = GATEWAY_KEY) -> Shedder:
    """Return something that gives up from the bench's store."""
    return Shedder(bench.outbox, signer, GATEWAY, 95)


def offline(bench: Bench, *numbers: int, **more) -> list[bytes]:
    """Poll rounds while no broker is there; return the batches as they were sealed."""
    bench.broker.is_up = False
    poll(bench, *numbers, **more)
    return [one.envelope for one in bench.outbox.unstored(None, 99)]


def kept(bench: Bench) -> list[bytes]:
    """Return the batches that wait, as they are."""
    return [one.envelope for one in bench.outbox.unstored(None, 99)]


def test_a_reduced_batch_is_signed_under_the_same_number_and_names_its_original(bench, room):
    """Epoch, number and `prev` stay; the chain goes on over the original's hash."""
    first, second = offline(bench, 1, 2)
    assert Step.REDUCED is shedder(bench).shed(0.0, ()).step
    mine, next_one = kept(bench)
    old, new = opened(first), opened(mine)
    assert replace(old.header, raw_length=new.header.raw_length, replaces=old.sha256) == new.header
    assert (second, envelope_hash(first)) == (next_one, opened(next_one).header.prev)
    records = parse_batch(new.raw).records
    assert [set(ENERGIES)] * METERS == [set(one.values) for one in records]
    assert {SlotReason.SHED} == {reason for one in records for reason in one.faults.values()}
    assert parse_batch(old.raw).sealed_at == parse_batch(new.raw).sealed_at


def test_a_replacement_of_a_replacement_names_the_first_original(bench, room):
    """Reduced, then dropped: the hash is that of what was sealed first, and the slots are named."""
    (first,) = offline(bench, 1)
    one = shedder(bench)
    assert [Step.REDUCED, Step.DROPPED] == [one.shed(0.0, ()).step for _ in range(2)]
    (last,) = kept(bench)
    batch = parse_batch(opened(last).raw)
    assert envelope_hash(first) == opened(last).header.replaces
    assert ((), METERS) == (batch.records, len(batch.losses))
    assert {("shed", 1, record(1).slot_at)} == {(loss.reason, loss.count, loss.first_at) for loss in batch.losses}
    assert ShedTotals(0, 1, 1, METERS * 11) == one.totals()


def test_energies_go_last(bench, room):
    """Every batch has lost its voltages before the first loses an energy; then the oldest goes first."""
    offline(bench, 1, 2, 3)
    one = shedder(bench)
    left = []
    while one.shed(0.0, ()).step is not Step.MERGED:
        batches = [parse_batch(opened(envelope).raw) for envelope in kept(bench)]
        left.append([{key for own in batch.records for key in own.values} for batch in batches])
    energies = [[ENERGIES[0] in keys for keys in row] for row in left]
    voltages = [[OTHERS[0] in keys for keys in row] for row in left]
    assert [[False, True, True], [False, False, True], [False] * 3] == voltages[:3]
    assert [[True] * 3] * 3 == energies[:3]
    assert [[False, True, True], [False, False, True], [False] * 3] == energies[3:]


def test_plans_and_misses_survive_everything(bench, room):
    """Without the plan the centre expects nothing; a miss says more than a loss would."""
    bench.journal.append_plan(PLAN)
    missed = replace(_poll(1, 99), values={}, state="missing_open", reason=SlotReason.SILENCE)
    bench.broker.is_up = False
    bench.journal.append([_poll(1, meter) for meter in range(METERS)])
    bench.journal.append([replace(missed, state=type(record(1).state).MISSING_OPEN)])
    bench.run(5)
    one = shedder(bench)
    while one.shed(0.0, ()) is not None:
        pass
    batches = [parse_batch(opened(envelope).raw) for envelope in kept(bench)]
    assert [PLAN] == [batch.plan for batch in batches if batch.plan]
    assert [SlotReason.SILENCE] == [own.reason for batch in batches for own in batch.records]


def test_what_would_not_be_smaller_is_left_as_it_is(bench, room):
    """A batch of two readings: naming what went takes more than the readings did."""
    whole = offline(bench, 1, meters=1, is_energy=False)
    one = shedder(bench)
    for _ in range(9):
        one.shed(0.0, ())
    assert (whole, ShedTotals()) == (kept(bench), one.totals())


def test_a_batch_of_another_key_is_left_as_it_is_and_reported(bench, room):
    """A replacement needs the original's key; the others still give up."""
    bench.signer = Ed25519Signer(b"o" * 32)
    bench.start()
    foreign = offline(bench, 1)
    bench.signer = GATEWAY_KEY
    bench.start()
    offline(bench, 2)
    room["used"] = LIMIT
    bench.run(30)
    assert ("no", "E-FWD-215") == bench.condition("shedding_works")
    assert foreign == kept(bench)[:1]
    assert (1, 1) == (bench.counter("batches_reduced"), bench.counter("batches_dropped"))
    room["used"] = 0
    bench.run(30)
    bench.broker.is_up = True
    bench.run(400)
    assert ("no", "E-FWD-214") == bench.condition("readings_kept")


def test_nothing_is_given_up_while_there_is_room(bench, room):
    """At the mark nothing happens yet; above it something does, and no more than is needed."""
    whole = offline(bench, 1, 2, 3)
    room["used"] = LIMIT * 95 // 100
    bench.run(60)
    assert whole == kept(bench)
    room["used"] += 1
    room["fall"] = 1
    bench.run(60)
    assert ([*whole[1:]], 1) == (kept(bench)[1:], bench.counter("batches_reduced"))
    assert ("no", "E-FWD-214") == bench.condition("readings_kept")
    room["used"] = 0
    bench.broker.is_up = True
    bench.run(400)
    bench.send_receipt(bench.centre.receipt(*[_all_stored(bench)]))
    assert ("yes", None) == bench.condition("readings_kept")
    assert METERS * 6 == bench.outbox.shedding().totals().readings


def _all_stored(bench: Bench):
    """Return what a centre says that has everything; our chain's head is the original's hash."""
    head = bench.outbox.head()
    return replace(bench.centre.state_of(head.epoch), stored=head.next_seq - 1, head=head.prev)


def test_what_waits_is_sealed_first(bench, room):
    """Neither the quiet nor the age nor an untrusted clock keeps it: then it goes the way of the others."""
    bench.clock.trusted = ClockTrust.NONE
    offline(bench, 1, trust="none")
    assert METERS * 11 == bench.outbox.counts().waiting
    room["used"] = LIMIT
    bench.until(lambda: bench.counter("batches_reduced") == bench.counter("batches_sealed") > 0)
    assert 0 == bench.outbox.counts().waiting
    trusts = {own.stamp.trust for envelope in kept(bench) for own in parse_batch(opened(envelope).raw).records}
    assert {"none"} == trusts


def test_what_waits_is_sealed_before_anything_is_given_up(bench, room, monkeypatch):
    """A sealed batch has its turn only when nothing waits any more."""
    offline(bench, 1)
    bench.clock.trusted = ClockTrust.NONE
    poll(bench, 2, trust="none")
    waiting, done = [bench.outbox.counts().waiting], Shedding.replace

    def note(self, *given):
        waiting.append(bench.outbox.counts().waiting)
        done(self, *given)

    monkeypatch.setattr(Shedding, "replace", note)
    room["used"] = LIMIT
    bench.run(60)
    assert [METERS * 11, 0, 0, 0, 0] == waiting


def test_a_network_turn_comes_between_two_steps(bench, room, monkeypatch):
    """Delivery is never held up by what still has to give up, however much that is."""
    offline(bench, *range(1, 40))
    bench.broker.is_up = True
    bench.until(bench.broker.envelopes)
    seen, done, turn = [], Shedding.replace, type(bench.broker.links[-1]).step
    monkeypatch.setattr(Shedding, "replace", lambda *given: (seen.append("shed"), done(*given)))
    monkeypatch.setattr(type(bench.broker.links[-1]), "step", lambda *given: (seen.append("turn"), turn(*given))[1])
    room["used"] = LIMIT
    bench.run(5)
    assert 20 < seen.count("shed")
    assert ("shed", "shed") not in set(pairwise(seen))


def test_what_is_under_way_is_not_given_up(bench, room):
    """While the broker is there, its window leaves whole; what is behind it gives up."""
    bench.settings = replace(bench.settings, window=4)
    bench.start()
    whole = offline(bench, *range(1, 9))
    bench.broker.is_up = True
    bench.until(lambda: len(bench.broker.envelopes()) >= 3)
    room["used"] = LIMIT
    bench.run(20)
    assert whole[:3] == kept(bench)[:3]
    assert not set(whole[4:]) & set(kept(bench))


def test_patience_begins_anew_when_something_could_be_given_up(bench, room):
    """An hour ago all was under way, then room was made: what is under way now has its five minutes again."""
    offline(bench, *range(1, 4))
    room["used"] = LIMIT
    one = shedder(bench)
    under_way = [(sealed.epoch, sealed.seq) for sealed in bench.outbox.unstored(None, 9)]
    assert None is one.shed(0.0, under_way)
    assert Step.REDUCED is one.shed(100.0, under_way[1:]).step
    assert None is one.shed(3600.0, under_way)
    assert None is one.shed(3800.0, under_way)
    assert Step.REDUCED is one.shed(3900.0, under_way).step


def test_the_archive_goes_first_and_nothing_is_lost(bench, room):
    """What the centre has is given up without a word to the operator; unsent batches stay whole meanwhile."""
    poll(bench, 1, 2)
    bench.confirm()
    assert 2 == bench.outbox.counts().archived
    bench.broker.break_connections()
    (unsent,) = offline(bench, 3)
    one = shedder(bench)
    assert [Step.ARCHIVED] * 2 == [one.shed(0.0, ()).step for _ in range(2)]
    assert ([unsent], ShedTotals(archived=2), None) == (kept(bench), one.totals(), one.loss())


def test_a_store_that_fails_while_giving_up_does_not_stop_delivery(bench, room, monkeypatch):
    """The step is tried again after a pause; what is sealed goes out."""
    offline(bench, *range(1, 20))
    fails = StoreError("E-STO-106", path="edge.db", detail="card")

    def fail(*_args):
        raise fails

    with monkeypatch.context() as bad:
        bad.setattr(Shedding, "replace", fail)
        room["used"] = LIMIT
        bench.broker.is_up = True
        bench.run(60)
        assert ("no", "E-STO-106") == bench.condition("store_works")
        assert bench.broker.envelopes()
        assert 1 == bench.counter("connections")
    bench.broker.break_connections()
    bench.broker.is_up = False
    bench.run(60)
    assert 19 == bench.counter("batches_reduced")


class PowerCutError(Exception):
    """Nothing runs after this."""


@pytest.mark.parametrize("is_before", [True, False])
def test_a_cut_between_two_steps_leaves_a_whole_store(bench, room, monkeypatch, is_before):
    """Before or after the commit: the next start goes on where this one was, and the chain is as it was."""
    offline(bench, *range(1, 5))
    done = Shedding.replace

    def cut(self, candidate, replacement):
        if candidate.sealed.seq == 3:
            if not is_before:
                done(self, candidate, replacement)
            raise PowerCutError
        done(self, candidate, replacement)

    monkeypatch.setattr(Shedding, "replace", cut)
    room["used"] = LIMIT
    with pytest.raises(PowerCutError):
        bench.run(60)
    monkeypatch.setattr(Shedding, "replace", done)
    room["used"] = 0
    bench.reopen()
    assert (None, None) == (bench.databases[0].set_aside, find_fault(bench.databases[0]))
    replaced = [opened(envelope).header.replaces is not None for envelope in kept(bench)]
    assert [True, True, not is_before, False] == replaced
    room["used"] = LIMIT
    bench.until(lambda: bench.counter("batches_dropped") == 4)
    assert ShedTotals(0, 4, 4, 4 * METERS * 11) == bench.outbox.shedding().totals()


def test_a_small_store_stays_below_its_bound(bench):
    """Its real room: at the begin it is not pressed; after some rounds it is, and gives up what is needed."""
    one = shedder(bench)
    one.look()
    assert (False, None) == (one.is_pressed, one.due_s())
    bench.databases[-1].bound_bytes = 130_000
    offline(bench, *range(1, 30), meters=60)
    assert bench.counter("batches_reduced") > 0
    assert bench.outbox.shedding().room().used <= 130_000
    assert len(kept(bench)) == bench.outbox.head().next_seq - 1


def test_a_restart_remembers_what_the_centre_does_not_know_yet(bench, room):
    """The condition stands from the first look on, before anything is sent."""
    offline(bench, 1, 2)
    shedder(bench).shed(0.0, ())
    bench.start()
    bench.run(1)
    assert ("no", "E-FWD-214") == bench.condition("readings_kept")


@pytest.mark.parametrize("is_late", [False, True])
def test_an_original_under_way_and_its_replacement_are_one_batch(tmp_path, room, is_late):
    """Sent, then given up and sent again as less: whichever comes first, the centre has the whole one, once."""
    with both(tmp_path) as (bench, centre):
        centre.run(1)
        centre.is_up = False
        bench.poll(*range(1, 20))
        centre.run(5)
        (original,) = set(bench.broker.envelopes())
        bench.broker.break_connections()
        bench.broker.is_up = False
        opening = opened(original)
        raw = build_batch(bare_batch(parse_batch(opening.raw)))
        less = seal_envelope(replace(opening.header, raw_length=len(raw), replaces=opening.sha256), raw, GATEWAY_KEY)
        shedding = bench.outbox.shedding()
        shedding.replace(shedding.next(), Replacement(less, 0, 57))
        bench.start()
        if is_late:
            bench.broker.published.remove((batch_topic(TENANT, GATEWAY, 0), original))
        bench.broker.is_up = True
        centre.is_up = True
        centre.run(60)
        if is_late:
            bench.broker.published.append((batch_topic(TENANT, GATEWAY, 0), original))
            centre.run(60)
        assert list(range(1, 20)) == centre.slots()
        assert 0 == bench.outbox.counts().unsent
        counts = centre.ledger.counts(GATEWAY)
        fates = [counts.get(fate, 0) for fate in ("stored", "held", "restored", "fork")]
        assert ([1, 0, 1, 0] if is_late else [1, 0, 0, 0]) == fates  # the original's receipt settles the replacement
        bench.poll(30)
        centre.run(30)
        assert [*range(1, 20), 30] == centre.slots()


def test_rejected_batches_go_after_the_archive_and_their_slots_are_named(bench, room):
    """The bytes of a rejected batch go before anything unsent; its slots are losses in the next batch, and counted."""
    poll(bench, 1, 2)
    for envelope in bench.broker.envelopes():
        bench.centre.accept(envelope)
    state = bench.centre.state_of(bench.outbox.head().epoch)
    bench.send_receipt(bench.centre.receipt(replace(state, rejected=((2, "unreadable"),))))
    assert (1, 1) == (bench.outbox.counts().archived, bench.outbox.counts().quarantined)
    bench.broker.break_connections()
    (unsent,) = offline(bench, 3)
    for _ in range(2):
        bench.worker._work.do(Work.SHED, 0.0, ())
    assert [unsent] == kept(bench)
    assert [(2,)] == bench.databases[0].rows("SELECT count(*) FROM envelope")
    assert ShedTotals(archived=1, readings=METERS * 11, quarantined=1) == shedder(bench).totals()
    assert [(2, "unreadable")] == [(batch.seq, batch.reason) for batch in bench.outbox.quarantine()]
    bench.run(1000)
    losses = parse_batch(opened(kept(bench)[-1]).raw).losses
    slot_at = record(2).slot_at
    assert [(f"{meter:012d}", slot_at, "shed") for meter in range(METERS)] == [
        (loss.meter, loss.first_at, loss.reason) for loss in losses
    ]


def test_a_rejected_batch_of_another_key_is_given_up_without_a_word(bench, room):
    """Nobody here can read it; the centre, which rejected it, has its number and its reason."""
    poll(bench, 1)
    for envelope in bench.broker.envelopes():
        bench.centre.accept(envelope)
    state = bench.centre.state_of(bench.outbox.head().epoch)
    bench.send_receipt(bench.centre.receipt(replace(state, rejected=((1, "unreadable"),))))
    one = shedder(bench, Ed25519Signer(b"x" * 32))
    assert Step.QUARANTINED == one.shed(0.0, ()).step
    assert (0, None) == (bench.outbox.waiting().losses, one.shed(0.0, ()))

"""Sealing: when it is due, that it waits for a trusted clock, and that nothing blocks it."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from edge.clock import ClockTrust
from edge.errors import ForwardError, MessageError
from edge.forward.sealing import Sealer, SealTimer
from edge.forward.settings import SealRules
from edge.reading.chain import GENESIS
from edge.reading.loss import Loss
from edge.reading.plan import Plan, PlanTask, Schedule
from edge.reading.record import SlotState, Stamp
from edge.reading.verdict import SlotReason
from edge.store.losses import append_loss
from edge.store.outbox import Waiting
from tests.forward.forward_tools import AT, GATEWAY, GATEWAY_KEY, PLAN, Bench, TinyCentre, record

RULES = SealRules(max_readings=100, max_age_s=900, quiet_s=3)


def noted(*seen: tuple[float, int]) -> SealTimer:
    """Return a timer that saw so many readings at these seconds."""
    timer = SealTimer(RULES)
    for now_s, readings in seen:
        timer.note(now_s, Waiting(readings, AT, has_plan=False))
    return timer


def test_nothing_is_due_when_nothing_waits():
    """An empty store gives no time at all."""
    assert noted((10, 0)).due_s() is None


def test_a_complete_round_is_due_after_the_quiet():
    """The quiet counts from the last growth, not from the last look."""
    assert noted((10, 5), (11, 9), (12, 9), (13, 9)).due_s() == 14


def test_steady_trickle_is_due_by_its_age():
    """Readings that never stop coming are due when the oldest has waited long enough."""
    assert noted(*((10 + 2 * turn, 1 + turn % 90) for turn in range(1))).due_s() == 13
    growing = [(10 + 2 * turn, 1 + turn // 8) for turn in range(500)]
    assert noted(*growing).due_s() == 10 + 900


def test_a_full_batch_and_a_plan_are_due_at_once():
    """Enough readings for a batch, or a plan, do not wait for the quiet."""
    assert noted((10, 100)).due_s() == 10
    timer = noted((10, 0))
    timer.note(11, Waiting(0, None, has_plan=True))
    assert timer.due_s() <= 11


def test_what_is_left_after_sealing_gets_its_own_time():
    """When fewer wait than before, the age counts anew."""
    assert noted((10, 99), (1000, 4)).due_s() == 1003


def sealer(bench: Bench, **rules) -> Sealer:
    """Return a sealer on the bench's store."""
    return Sealer(bench.outbox, GATEWAY_KEY, bench.clock, GATEWAY, SealRules(**{"max_readings": 100, **rules}))


def seal_all(bench: Bench, one: Sealer) -> TinyCentre:
    """Seal until nothing waits, and return a centre that took it all."""
    centre = TinyCentre()
    while sealed := one.seal(bench.clock.monotonic()):
        centre.accept(sealed.envelope)
    return centre


def test_the_chain_goes_on_from_batch_to_batch(bench):
    """Numbers without gaps, each envelope over the hash of the one before, the plan in the first."""
    bench.journal.append_plan(PLAN)
    bench.poll(*range(1, 101))
    centre = seal_all(bench, sealer(bench, max_readings=90))
    headers = [header for header, _, _ in centre.order]
    assert [1, 2, 3, 4] == [header.seq for header in headers]
    assert GENESIS == headers[0].prev
    assert [PLAN, None, None, None] == [batch.plan for _, batch, _ in centre.order]
    assert [record(number).slot_at for number in range(1, 101)] == [one.slot_at for one in centre.records()]
    assert bench.outbox.waiting().readings == 0


def test_a_batch_that_would_be_too_large_is_halved(bench):
    """More than 64 KiB of incompressible values becomes several batches, and no record is lost or doubled."""
    noise = random.Random(7)
    texts = ["".join(noise.choice("0123456789ABCDEF") for _ in range(150)) for _ in range(1200)]
    bench.journal.append([record(number, values=1, text=text) for number, text in enumerate(texts)])
    centre = seal_all(bench, sealer(bench, max_readings=4096))
    assert len(centre.order) > 1
    assert max(len(data) for _, _, data in centre.order) <= 65536
    assert texts == [next(iter(one.values.values())) for one in centre.records()]


def test_a_record_that_cannot_travel_is_reported_and_blocks_nothing(bench):
    """A value that no envelope can hold goes out as a malformed item; its neighbours keep theirs."""
    bench.poll(1)
    bench.journal.append([record(2, values=2, text="x" * 100_000)])
    bench.poll(3)
    before, odd, after = seal_all(bench, sealer(bench)).records()
    assert (record(1).values, record(3).values) == (before.values, after.values)
    assert (record(2).slot_at, SlotState.READ, {}) == (odd.slot_at, odd.state, dict(odd.values))
    assert dict.fromkeys(record(2, values=2).values, SlotReason.MALFORMED) == dict(odd.faults)


def plan_of(items: int) -> Plan:
    """Return a plan with so many items."""
    names = tuple(f"di:{number:08X}" for number in range(items))
    return Plan(AT, "Asia/Shanghai", (PlanTask("t", Schedule(every_s=60), names, ("1" * 12,)),))


def test_a_plan_that_cannot_travel_is_named_and_holds_up_nothing(bench):
    """A plan beyond every bound has its code; readings go without it, and a plan that fits goes when it comes."""
    bench.journal.append_plan(plan_of(40_000))
    bench.poll(1)
    bench.run(30)
    bench.poll(2)
    bench.run(30)
    assert bench.condition("plan_fits") == ("no", "E-FWD-210")
    assert bench.condition("sealing_works") == ("yes", None)
    bench.confirm()
    assert [record(1).slot_at, record(2).slot_at] == [one.slot_at for one in bench.centre.records()]
    bench.start()
    bench.run(30)
    assert bench.condition("plan_fits") == ("no", "E-FWD-210")  # alone in the store, after a start
    assert len(bench.centre.order) == 2
    bench.journal.append_plan(PLAN)
    bench.run(30)
    bench.confirm()
    assert [None, None, PLAN] == [batch.plan for _, batch, _ in bench.centre.order]
    assert bench.condition("plan_fits") == ("yes", None)


def test_a_plan_that_fits_beside_no_record_goes_alone(bench):
    """A large plan and a large record: neither is given up for the other."""
    noise = random.Random(3)
    meters = tuple(f"{noise.randrange(10**12):012d}" for _ in range(8000))
    large = Plan(AT, "Asia/Shanghai", (PlanTask("t", Schedule(every_s=60), ("voltage_l1",), meters),))
    bench.journal.append_plan(large)
    texts = {f"di:{number:08X}": noise.randbytes(450).hex() for number in range(60)}
    bench.journal.append([replace(record(1), values=texts, units={})])
    centre = seal_all(bench, sealer(bench))
    assert [large, None] == [batch.plan for _, batch, _ in centre.order]
    assert [texts] == [dict(one.values) for one in centre.records()]


def test_a_record_of_an_impossible_kind_is_an_error_with_its_code(bench, monkeypatch):
    """What can be built in no way at all is reported, and stays in the store."""

    def refuse(batch):
        raise MessageError("E-MSG-102", what="kind", detail="impossible")

    monkeypatch.setattr("edge.forward.sealing.build_batch", refuse)
    bench.poll(1)
    with pytest.raises(ForwardError) as caught:
        sealer(bench).seal(0)
    assert caught.value.code == "E-FWD-207"
    assert bench.outbox.waiting().readings == 3
    bench.run(30)
    assert bench.condition("sealing_works") == ("no", "E-FWD-207")


def test_a_loss_alone_is_sealed(bench):
    """A row that was damaged is reported without waiting for other readings."""
    with bench.databases[0].writing():
        append_loss(bench.databases[0], Loss("load", "202107072529", AT, AT, 2, "damaged"))
    bench.run(30)
    bench.confirm()
    assert [2] == [loss.count for _, batch, _ in bench.centre.order for loss in batch.losses]


def test_untrusted_times_wait_for_the_clock(bench):
    """Readings without a trusted time wait, with a condition that says so, and go when the clock is good."""
    bench.clock.trusted = ClockTrust.NONE
    bench.poll(1, trust="none")
    bench.run(3600)
    assert bench.outbox.counts().unsent == 0
    assert bench.condition("clock_trusted") == ("no", "E-FWD-208")
    bench.clock.trusted = ClockTrust.SYNCHRONISED
    bench.run(20)
    assert bench.outbox.counts().unsent == 1
    assert bench.condition("clock_trusted") == ("yes", None)


def test_records_wait_until_their_time_is_put_right(bench):
    """The clock is known, but the poller has not been through yet: they go when it has, plan and all."""
    bench.clock.trusted, bench.clock.boot_id = ClockTrust.NONE, "ab" * 16
    bench.journal.append_plan(PLAN)
    bench.poll(1, trust="none")
    bench.run(60)
    bench.clock.trusted = ClockTrust.SYNCHRONISED
    bench.run(200)
    assert 0 == bench.outbox.counts().unsent
    bench.journal.forget_undated(bench.clock.boot_id)
    bench.run(20)
    assert 1 == bench.outbox.counts().unsent


@pytest.mark.parametrize("is_asked", [True, False])
def test_each_stretch_without_a_clock_is_waited_for_by_itself(bench, is_asked):
    """The time was put right before, hours ago; then the clock was lost again, asked about meanwhile or not."""
    bench.clock.trusted, bench.clock.boot_id = ClockTrust.NONE, "ab" * 16
    bench.poll(1, trust="none")
    one, now_s = sealer(bench), bench.clock.monotonic()
    bench.clock.trusted = ClockTrust.SYNCHRONISED
    assert one.seal(now_s) is None
    bench.journal.forget_undated(bench.clock.boot_id)
    if is_asked:
        bench.clock.trusted = ClockTrust.NONE
    else:
        one.look(now_s)
    bench.poll(2, trust="none")
    if is_asked:
        assert one.seal(now_s + 7100) is None
    bench.clock.trusted = ClockTrust.SYNCHRONISED
    assert one.seal(now_s + 7200) is None


def undated(boot_id):
    """Return the stamp of a plan that was put in force by a time that was not trusted."""
    return Stamp(AT, "floor", boot_id, 10.0)


@pytest.mark.parametrize("boot_id", ["ab" * 16, "cd" * 16])
def test_a_plan_waits_for_the_clock_as_readings_do(bench, boot_id):
    """Sealed at once it would begin at any time: it goes when it has its true begin, whatever boot it is of."""
    bench.clock.trusted, bench.clock.boot_id = ClockTrust.FLOOR, "ab" * 16
    bench.journal.append_plan(PLAN, undated(boot_id))
    bench.run(3600)
    assert 0 == bench.outbox.counts().unsent
    assert bench.condition("clock_trusted") == ("no", "E-FWD-208")
    bench.clock.trusted = ClockTrust.SYNCHRONISED
    bench.run(200)
    assert 0 == bench.outbox.counts().unsent
    begin = PLAN.valid_from + timedelta(hours=1)
    bench.journal.redate_plans(lambda plans: [begin for _ in plans])
    bench.journal.forget_undated(bench.clock.boot_id)
    bench.run(30)
    bench.confirm()
    assert [begin] == [batch.plan.valid_from for _, batch, _ in bench.centre.order if batch.plan]


def test_a_plan_that_went_with_a_wrong_begin_goes_once_more(bench):
    """After the patience it goes as it is; when its time is known the centre hears of it."""
    bench.clock.trusted = ClockTrust.FLOOR
    bench.journal.append_plan(PLAN, undated(bench.clock.boot_id))
    one = sealer(bench)
    assert [None, None] == [one.seal(1000), one.seal(1000 + 86399)]
    assert one.seal(1000 + 86400) is not None
    bench.clock.trusted = ClockTrust.SYNCHRONISED
    begin = PLAN.valid_from + timedelta(hours=1)
    bench.journal.redate_plans(lambda plans: [begin for _ in plans])
    bench.journal.forget_undated(bench.clock.boot_id)
    bench.run(30)
    bench.confirm()
    assert [PLAN.valid_from, begin] == [batch.plan.valid_from for _, batch, _ in bench.centre.order if batch.plan]


def test_readings_of_a_known_time_do_not_wait_for_a_plan_of_an_unknown_one(bench):
    """The plan stays behind alone."""
    bench.clock.trusted = ClockTrust.FLOOR
    bench.journal.append_plan(PLAN, undated(bench.clock.boot_id))
    bench.poll(1)
    bench.run(60)
    bench.confirm()
    assert [(1, None)] == [(len(batch.records), batch.plan) for _, batch, _ in bench.centre.order]


def test_without_a_poller_records_go_as_they_are(bench):
    """Nobody puts their time right: after five minutes they are sealed as they are marked. Another boot's wait not."""
    bench.clock.trusted, bench.clock.boot_id = ClockTrust.NONE, "ab" * 16
    bench.poll(1, trust="none")
    bench.run(60)
    bench.clock.trusted = ClockTrust.SYNCHRONISED
    one, now_s = sealer(bench), bench.clock.monotonic()
    assert [None, None] == [one.seal(now_s), one.seal(now_s + 299)]
    assert one.seal(now_s + 301) is not None
    bench.clock.boot_id = "cd" * 16
    bench.poll(2, trust="none")
    assert sealer(bench).seal(now_s) is not None


def test_waiting_for_the_clock_ends_after_a_day(bench):
    """After the patience readings go out as they are, marked with their trust, and later ones do not wait again."""
    bench.clock.trusted = ClockTrust.FLOOR
    one = sealer(bench)
    bench.poll(1, trust="floor")
    assert one.seal(1000) is None
    assert one.seal(1000 + 86399) is None
    assert one.waits_for_time
    sealed = one.seal(1000 + 86400)
    bench.poll(2, trust="floor")
    later = one.seal(1000 + 86410)
    centre = TinyCentre()
    centre.accept(sealed.envelope)
    centre.accept(later.envelope)
    assert ["floor", "floor"] == [found.stamp.trust for found in centre.records()]


def test_waiting_for_the_clock_goes_on_over_restarts(bench):
    """Without a clock and with a power cut every ten minutes, an hour's patience ends all the same, and not before."""
    bench.settings = replace(bench.settings, seal=SealRules(max_readings=64, patience_s=3600))
    bench.clock.trusted = ClockTrust.NONE
    bench.poll(1, trust="none")
    starts = 0
    while not bench.outbox.counts().unsent:
        assert starts < 9
        bench.clock.boot_id = f"{starts:032x}"
        bench.start()
        bench.run(600)
        starts += 1
    assert starts >= 6  # what was waited since the last saving is lost at each cut
    bench.start()
    bench.poll(2, trust="none")
    bench.run(300)
    assert bench.outbox.counts().unsent == 2  # its patience is over, for later ones too
    bench.clock.trusted = ClockTrust.RTC
    bench.poll(3)
    bench.run(30)
    bench.clock.trusted = ClockTrust.NONE
    bench.start()
    bench.poll(4, trust="none")
    bench.run(3000)
    assert bench.outbox.counts().unsent == 3  # a trusted clock ends it: the next wait is a new one


def test_waiting_counts_from_the_reading_within_a_boot(bench):
    """A forwarder that is started late in the same boot does not wait a day more."""
    bench.clock.trusted = ClockTrust.NONE
    bench.clock.boot_id = "ab" * 16
    bench.clock.monotonic_s = 1000.0 + 86400
    bench.poll(1, trust="none")
    assert sealer(bench).seal(0) is None
    bench.clock.advance(1)
    assert sealer(bench).seal(0) is not None


def test_waiting_for_the_clock_ends_when_the_store_fills(bench):
    """With too many readings held, sealing no longer waits."""
    bench.clock.trusted = ClockTrust.NONE
    one = sealer(bench, held_readings=6)
    bench.poll(1, trust="none")
    one.look(0)
    assert one.seal(0) is None
    bench.poll(2, trust="none")
    one.look(1)
    assert one.seal(1) is not None


def test_trusted_readings_do_not_wait_for_a_clock_that_was_lost(bench):
    """What was read at a trusted time goes out, also when the clock is no longer trusted."""
    bench.clock.trusted = ClockTrust.FLOOR
    bench.poll(1)
    assert sealer(bench).seal(0) is not None


def test_a_stepped_wall_clock_delays_nothing(bench):
    """The wall clock only stamps: a step back by a year does not hold a batch."""
    bench.run(1)
    bench.poll(1)
    bench.clock.now -= timedelta(days=365)
    bench.run(10)
    assert bench.outbox.counts().unsent == 1


def test_rows_that_change_while_a_batch_is_built_are_taken_again(bench, monkeypatch):
    """The poller puts a row right between taking and sealing: nothing is sealed of it then, and all of it after."""
    bench.journal.append([record(0)])
    one, take = sealer(bench), bench.outbox.take
    other = replace(record(0), meter="000000000009")

    def take_and_change(most):
        taken = take(most)
        with bench.databases[0].writing():
            bench.databases[0].change("DELETE FROM journal")
        bench.journal.append([other])
        return taken

    with monkeypatch.context() as patch:
        patch.setattr(bench.outbox, "take", take_and_change)
        assert (None, 1) == (one.seal(0.0), bench.outbox.head().next_seq)
    assert {other.meter} == {row.meter for row in seal_all(bench, one).records()}

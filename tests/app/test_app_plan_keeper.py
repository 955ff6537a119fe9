"""What is promised: plans, marks and open slots, on a real store and a real register."""

from datetime import UTC, date, datetime, timedelta

import pytest

from edge.app.plan_keeper import PlanKeeper
from edge.clock import ClockTrust, ManualClock
from edge.config.settings import Settings
from edge.config.table import build_table
from edge.errors import StoreError
from edge.health.model import Answer, Health
from edge.poll.learned import Learned
from edge.reading.record import PollRecord, SlotState, Stamp
from edge.reading.verdict import SlotReason
from edge.store.database import open_database
from edge.store.journal import Journal
from edge.store.meter import Meter
from edge.store.outbox import Outbox
from edge.store.register import MeterRegister
from edge.store.register_change import RegisterChange
from edge.store.sealed import Sealing

A, B = "202311000001", "202311000002"
T0 = datetime(2026, 3, 1, 10, 0, 30, tzinfo=UTC)


def settings(**task):
    return build_table(
        Settings,
        {
            "schema": 1,
            "gateway": {"id": "gw", "tenant": "t"},
            "bus": [{"name": "A", "port": "/dev/a"}],
            "task": [{"name": "load", "every": "15m", "items": ["voltage_l1"], **task}],
        },
    )


class Bench:
    def __init__(self, folder, database):
        self.clock = ManualClock(now=T0)
        self.journal = Journal(database)
        self.outbox = Outbox(database, self.clock)
        self.register = MeterRegister(folder / "register.json")
        self.health = Health(self.clock)

    def keeper(self, **task):
        return PlanKeeper(settings(**task), self.clock, self.health, self.register, self.journal)

    def add(self, *addresses, bus="A", **facts):
        self.register.apply(RegisterChange(add=tuple(Meter(address=one, bus=bus, **facts) for one in addresses)))

    def poll(self, address, slot, state=SlotState.READ, reason=None):
        stamp = Stamp(self.clock.now, "synchronised", "0" * 32, 1.0)
        record = PollRecord(task="load", slot_at=slot, meter=address, bus="A", stamp=stamp, state=state, reason=reason)
        return self.journal.append([record]).stored

    def records(self):
        return self.outbox.take(100_000).records


@pytest.fixture
def bench(tmp_path):
    """Make a store and a register."""
    with open_database(tmp_path / "edge.db", max_mib=16) as database:
        made = Bench(tmp_path, database)
        yield made
        made.register.close()


def test_the_same_plan_stays_in_force(bench):
    """A restart without a change keeps the instant from which the plan is valid."""
    bench.add(A)
    first = bench.keeper().put_in_force(at_start=True)
    bench.clock.advance(3600)
    assert first == bench.keeper().put_in_force(at_start=True)
    assert T0 == first.valid_from
    assert (A,) == first.tasks[0].meters


def test_a_meter_that_left_while_the_gateway_was_down_is_settled(bench):
    """Its slots up to the new plan are recorded as missing: the centre expected them and hears of each."""
    bench.add(A, B)
    bench.keeper().put_in_force(at_start=True)
    bench.poll(A, T0.replace(minute=15, second=0))
    bench.register.remove(B)
    bench.clock.advance(3600)
    plan = bench.keeper().put_in_force(at_start=True)
    assert T0 + timedelta(hours=1) == plan.valid_from
    missing = [(one.meter, one.slot_at.minute, one.reason) for one in bench.records() if one.reason]
    down = SlotReason.GATEWAY_DOWN
    expected = [(A, 30, down), (A, 45, down), (A, 0, down), (B, 15, down), (B, 30, down), (B, 45, down), (B, 0, down)]
    assert sorted(expected) == sorted(missing)


def test_a_cut_just_after_a_plan_changed_loses_no_slot(bench):
    """The plan changes while meters wait to be asked, and the power goes: the next start records what was promised."""
    bench.add(A, B)
    bench.keeper().put_in_force(at_start=True)
    bench.clock.advance(15 * 60)
    bench.register.remove(B)
    bench.keeper().put_in_force()
    seal(bench.outbox)
    bench.clock.advance(60)
    bench.add(B)
    bench.keeper().put_in_force()
    seal(bench.outbox)
    bench.clock.advance(60)
    bench.keeper().put_in_force(at_start=True)
    assert {(A, T0.replace(minute=15, second=0)), (B, T0.replace(minute=15, second=0))} == {
        (one.meter, one.slot_at) for one in bench.records()
    }


def seal(outbox):
    """Send all that waits, the plan too."""
    head = outbox.head()
    outbox.seal(outbox.take(100), Sealing(b"envelope", head.epoch, head.next_seq), lane=0)


def test_a_cut_before_the_new_plan_repeats_nothing(bench):
    """What was recorded before the cut is refused the second time: nothing is there twice."""
    bench.add(A)
    bench.keeper().put_in_force(at_start=True)
    bench.clock.advance(3600)
    keeper = bench.keeper(every="30m")
    earlier = bench.journal.current_plan()
    keeper.record_passed([earlier, keeper.put_in_force()])
    slots = [one.slot_at for one in bench.records()]
    assert 4 == len(slots)
    assert len(set(slots)) == len(slots)


def test_marks_of_a_time_that_has_not_come_are_forgotten(bench, caplog):
    """A boot with the clock years ahead does not stop polling for years once the clock is right."""
    bench.add(A)
    bench.clock.now = T0.replace(year=2036)
    keeper = bench.keeper()
    keeper.put_in_force()
    bench.poll(A, T0.replace(year=2036, minute=15, second=0))
    bench.clock.now = T0
    plan = bench.keeper().put_in_force(at_start=True)
    assert {("load", A): T0} == bench.journal.settled_marks()
    assert T0 == plan.valid_from
    assert "E-STO-111" in caplog.text
    assert 1 == bench.poll(A, T0.replace(minute=15, second=0))


def test_a_plan_after_forgotten_ones_is_sent(bench):
    """The plan that takes the place of a forgotten one goes out, though the forgotten one was sent."""
    bench.add(A)
    bench.clock.now = T0.replace(year=2036)
    bench.keeper().put_in_force(at_start=True)
    head = bench.outbox.head()
    bench.outbox.seal(bench.outbox.take(10), Sealing(b"envelope", head.epoch, head.next_seq), lane=0)
    assert bench.outbox.take(10).plan is None
    bench.clock.now = T0
    plan = bench.keeper().put_in_force(at_start=True)
    assert plan == bench.outbox.take(10).plan


def test_nothing_is_forgotten_under_a_clock_that_is_not_trusted(bench):
    """An untrusted clock may be the one that is wrong: it throws nothing away."""
    bench.add(A)
    bench.clock.now = T0.replace(year=2036)
    bench.keeper().put_in_force(at_start=True)
    bench.poll(A, T0.replace(year=2036, minute=15, second=0))
    bench.clock.now, bench.clock.trusted = T0, ClockTrust.FLOOR
    bench.keeper().put_in_force(at_start=True)
    assert 1 == len(bench.journal.settled_marks())


def test_slots_that_are_open_for_too_long_are_closed(bench):
    """After `store.open_slots` a missing slot is final: signed once more, and open no longer."""
    bench.add(A)
    keeper = bench.keeper()
    keeper.put_in_force()
    slot = T0.replace(minute=15, second=0)
    bench.poll(A, slot, SlotState.MISSING_OPEN, SlotReason.SILENCE)
    bench.clock.advance(7 * 86400 - 3600)
    keeper.close_old_slots()
    assert 1 == len(bench.journal.open_slots(10))
    bench.clock.advance(7200)
    keeper.close_old_slots()
    assert [] == bench.journal.open_slots(10)
    last = bench.records()[-1]
    assert (slot, SlotState.MISSING_FINAL, SlotReason.SILENCE) == (last.slot_at, last.state, last.reason)


def test_what_was_learned_is_known_to_the_next_job(bench):
    """The year found out a moment ago: a scan or read that begins now asks in it, without another plan or restart."""
    bench.add(A, protocol="dlt645")
    keeper = bench.keeper()
    keeper.put_in_force()
    keeper.learn({A: Learned(protocol="dlt645-1997")})
    assert "dlt645-1997" == keeper.meters[A].known_protocol


def test_what_was_learned_is_written_and_odd_facts_are_survived(bench):
    """Refused blocks come back with the meter; a register that says something else about them harms nobody."""
    bench.add(A)
    bench.add(B, learned={"refused": 5})
    keeper = bench.keeper()
    keeper.put_in_force()
    wise = Learned(refused={"0001FF00": date(2026, 3, 1)}, quiet_ms=5)
    keeper.learn({A: wise, "202311000099": wise})
    keeper.put_in_force()
    assert wise == keeper.meters[A].learned
    assert Learned() == keeper.meters[B].learned
    assert Answer.YES is bench.health.answer("register")


def test_a_meter_on_a_bus_that_is_not_there_is_named(bench, caplog):
    """It is not polled, and the log says why."""
    bench.add(A)
    bench.add(B, bus="Z")
    keeper = bench.keeper()
    keeper.put_in_force()
    assert {A} == set(keeper.meters)
    assert B in caplog.text


def test_a_clock_that_is_behind_is_a_condition(bench):
    """Under an untrusted clock polling waits, and says for what; under a trusted one the future is forgotten."""
    bench.add(A)
    keeper = bench.keeper()
    keeper.put_in_force()
    bench.poll(A, T0 + timedelta(hours=1))
    bench.clock.trusted = ClockTrust.FLOOR
    assert keeper.is_clock_behind()
    assert Answer.NO is bench.health.answer("clock_agrees")
    assert not keeper.forget_future()
    bench.clock.trusted = ClockTrust.SYNCHRONISED
    assert keeper.forget_future()
    bench.clock.advance(11)
    assert not keeper.is_clock_behind()
    assert Answer.YES is bench.health.answer("clock_agrees")


def test_a_plan_of_the_future_is_noticed_too(bench):
    """A boot far ahead that polled nothing yet has only its plan in the future: that is enough to stop polling."""
    bench.add(A)
    bench.clock.now = T0.replace(year=2036)
    keeper = bench.keeper()
    keeper.put_in_force()
    bench.clock.now = T0
    assert keeper.is_clock_behind()


def test_a_register_that_vanished_is_written_anew_before_it_is_changed(bench, tmp_path):
    """Both copies deleted under a running daemon: adding one meter does not lose the others."""
    bench.add(A)
    keeper = bench.keeper()
    keeper.put_in_force()
    for path in tmp_path.glob("register.json*"):
        path.unlink()
    keeper.change_register(RegisterChange(add=(Meter(address=B, bus="A"),)))
    assert {A, B} == {meter.address for meter in bench.register.meters()}


def test_open_slots_survive_a_clock_that_was_ahead(bench):
    """A missing slot that is open from before is still open after the marks were put back, and is settled once."""
    bench.add(A)
    bench.keeper().put_in_force(at_start=True)
    slot = T0.replace(minute=15, second=0)
    bench.poll(A, slot, SlotState.MISSING_OPEN, SlotReason.SILENCE)
    bench.poll(A, T0.replace(year=2036))
    bench.clock.advance(3600)
    assert bench.keeper().forget_future()
    assert 0 == bench.poll(A, slot, SlotState.MISSING_OPEN, SlotReason.GATEWAY_DOWN)
    assert 1 == len(bench.journal.open_slots(10))
    assert 1 == bench.poll(A, T0 + timedelta(minutes=75))


def test_a_register_change_while_polling_signs_nothing_false(bench):
    """Slots that are live or not stored yet are the workers' to settle: a change of the plan records none of them."""
    bench.add(A)
    keeper = bench.keeper()
    keeper.put_in_force(at_start=True)
    bench.clock.advance(1800)
    bench.add(B)
    keeper.put_in_force()
    assert () == bench.records()


def test_a_store_that_cannot_be_read_does_not_end_the_daemon(bench, monkeypatch):
    """The look at the clock fails like anything else: a condition, and another look later."""

    def fail():
        raise StoreError("E-STO-106", path="edge.db", detail="I/O error")

    keeper = bench.keeper()
    monkeypatch.setattr(bench.journal, "settled_marks", fail)
    assert not keeper.is_clock_behind()
    assert Answer.NO is bench.health.answer("store")


def test_a_register_that_is_gone_changes_no_plan(bench, tmp_path):
    """The centre goes on waiting for what was promised, and the operator is told; a list that is imported ends it."""
    bench.add(A, B)
    promised = bench.keeper().put_in_force(at_start=True)
    for one in ("register.json", "register.json.bak"):
        (tmp_path / one).unlink(missing_ok=True)
    bench.register = MeterRegister(tmp_path / "register.json")
    keeper = bench.keeper()
    assert promised == keeper.put_in_force(at_start=True)
    condition = bench.health.snapshot()["conditions"]["register_is_there"]
    assert ("no", "E-STO-211", 2) == (condition["answer"], condition["code"], condition["values"]["count"])
    assert {} == keeper.meters
    keeper.change_register(RegisterChange(add=(Meter(address=A, bus="A"),)))
    assert (A,) == keeper.put_in_force().tasks[0].meters
    assert Answer.YES is bench.health.answer("register_is_there")


def test_the_last_meter_may_be_removed(bench):
    """An empty register that is there is the operator's will: the plan is empty too."""
    bench.add(A)
    bench.keeper().put_in_force(at_start=True)
    bench.register.apply(RegisterChange(remove=(A,)))
    assert () == bench.keeper().put_in_force(at_start=True).tasks[0].meters
    assert Answer.YES is bench.health.answer("register_is_there")

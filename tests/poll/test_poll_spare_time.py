"""What a bus does when nothing is due: speeds that were agreed, clocks; slots stay live meanwhile."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from edge.clock import ClockTrust
from edge.errors import LinkError
from edge.health.model import Answer
from edge.poll.detect import Combination
from edge.poll.diagnose import DiagnoseRun
from edge.poll.jobs import ReadOrder, ReadRun
from edge.poll.learned import Learned
from edge.poll.plan import PolledMeter
from edge.poll.scan import ScanOrder, scan_run
from edge.poll.scan_state import Candidate
from edge.poll.time_sync import TimeSyncRun
from edge.reading.record import SlotState
from edge.sim.faults import parse_fault
from edge.store.database import open_database
from edge.store.journal import Journal
from tests.poll.test_poll_worker import A, B, Site, Way

FAST = {A: ("speed=9600",)}


@pytest.fixture
def make_site(tmp_path):
    """Give sites on a journal of their own."""
    with open_database(tmp_path / "edge.db", max_mib=16) as database:
        yield lambda *meters, **more: Site(Journal(database), *meters, **more)


def known(site, address):
    return next((facts for one, facts in reversed(site.learned) if one == address), Learned())


def states(site, address):
    return [record.state for record in site.by_meter()[address]]


def test_a_meter_is_raised_to_the_speed_that_was_agreed(make_site):
    """It is ordered, read at the new speed, remembered, and goes on being read; the neighbour stays as it is."""
    site = make_site(A, B, tags=FAST)
    site.run_until(60 * 5)
    assert (9600, None) == (site.sims[A].state.baud, site.sims[B].state.baud)
    assert (9600, None) == (known(site, A).baud, known(site, B).baud)
    assert {SlotState.READ} == {*states(site, A), *states(site, B)}


def test_jobs_ask_a_raised_meter_at_its_own_speed(make_site):
    """A read, a diagnosis and a scan of known meters find it; nobody calls it silent."""
    site = make_site(A, B, tags=FAST)
    site.run_until(60 * 5)
    ways = [Way(), Way(), Way()]
    listed = tuple(Candidate(one, protocol="dlt645-2007") for one in (A, B))
    order = ReadOrder.of(A, ("energy_active_import_total",), "dlt645-2007", site.worker.bus)
    site.worker.jobs.extend(
        (
            ReadRun(order, site.clock, ways[0]),
            DiagnoseRun(ways[1], Combination(2400, "even", "dlt645-2007"), listed),
            scan_run("dlt645-2007", 600, ways[2], ScanOrder(known=listed, only_known=True)),
        )
    )
    site.run_until(120)
    read, diagnosis, scan = (way.documents[-1] for way in ways)
    assert ("ok", None, 2) == (read["result"]["verdict"], diagnosis["conclusion"], diagnosis["answered"])
    assert ([A, B], []) == (scan["found"], scan["silent"])


def test_nothing_is_raised_that_nobody_agreed_to(make_site):
    """Without the tag no meter hears of another speed."""
    site = make_site(A)
    site.run_until(60 * 5)
    assert site.sims[A].state.baud is None


def test_a_meter_that_refuses_another_speed_is_asked_once(make_site):
    """It stays where it is, and the refusal is remembered."""
    site = make_site(A, tags=FAST, faults={A: ["fixed-speed"]})
    site.run_until(60 * 10)
    assert {"change_speed"} == set(known(site, A).refused)
    orders = [e for e in site.worker.port.trace.events() if e.direction == "tx" and b"\x68\x17\x01" in e.data]
    assert 1 == len(orders)
    assert {SlotState.READ} == set(states(site, A))


def test_a_meter_that_falls_back_to_the_old_speed_is_found_there(make_site):
    """After a power cut it speaks as it was delivered: it is looked for at both speeds in turn, and raised again."""
    site = make_site(A, tags=FAST)
    site.run_until(60 * 5)
    site.sims[A].state.baud = None
    site.run_until(60 * 15)
    assert SlotState.READ is states(site, A)[-1]
    assert 9600 == site.sims[A].state.baud


def test_a_meter_that_is_noisy_at_the_new_speed_goes_back(make_site):
    """What the wire does not carry is taken back, by an order, and not tried again soon."""
    site = make_site(A, tags=FAST)
    site.run_until(60 * 5)
    site.sims[A].faults = (parse_fault("bad-checksum@0.3"),)
    site.run_until(60 * 10)
    assert 2400 == site.sims[A].state.baud
    assert known(site, A).baud is None
    assert {"change_speed"} == set(known(site, A).refused)


def test_taking_the_tag_away_restores_the_speed(make_site):
    """The installer no longer agrees: the meter is set back to the speed of its bus."""
    site = make_site(A, tags=FAST)
    site.run_until(60 * 5)
    worker = site.worker
    site.worker.use_plan(
        worker.rounds.plan, {A: worker._here.meters[A].__class__(A, "A", "dlt645-2007", (), known(site, A))}
    )
    site.run_until(60 * 5)
    assert 2400 == site.sims[A].state.baud
    assert known(site, A).baud is None


def test_a_meter_that_does_not_come_back_is_asked_once_a_day(make_site):
    """It is read where it is: no order after order, and the rest of the spare time is free."""
    site = make_site(A, faults={A: ["fixed-speed", "speed:9600"]})
    worker = site.worker
    worker.use_plan(worker.rounds.plan, {A: PolledMeter(A, "A", "dlt645-2007", (), Learned(baud=9600))})
    site.run_until(60 * 10)
    orders = [e for e in worker.port.trace.events() if e.direction == "tx" and b"\x68\x17\x01" in e.data]
    assert 1 == len(orders)
    assert (9600, {"change_speed_back"}) == (known(site, A).baud, set(known(site, A).refused))
    assert {SlotState.READ} == set(states(site, A))


def test_a_bus_at_a_speed_that_no_order_names_keeps_its_meters_where_they_are(make_site):
    """A serial server may run at 38400: the way back there cannot be ordered, and is no defect."""
    site = make_site(A, baud=38400, faults={A: ["speed:9600"]})
    site.worker.use_plan(site.worker.rounds.plan, {A: PolledMeter(A, "A", "dlt645-2007", (), Learned(baud=9600))})
    site.run_until(60 * 5)
    assert {SlotState.READ} == set(states(site, A))


def test_a_1997_meter_loses_no_slot_to_a_speed_that_it_cannot_change(make_site):
    """Its protocol has no such order: nothing is sent, and it is not looked for anywhere else."""
    site = make_site(A, tags=FAST, protocol="dlt645-1997", years={A: "1997"}, items=("energy_active_import_total",))
    site.run_until(60 * 5)
    assert {SlotState.READ} == set(states(site, A))


def test_clocks_are_set_once_a_day_where_the_settings_say_so(make_site):
    """One broadcast, seen by reading; the day is remembered for each meter."""
    site = make_site(A, B, time_sync=True)
    site.sims[A].state.clock_error = timedelta(seconds=-100)
    site.run_until(60 * 30)
    assert abs(site.sims[A].state.clock_error) < timedelta(seconds=2)
    assert site.clock.utc_now().date() == known(site, A).clock_set
    assert Answer.YES is site.health.answer(f"clock of meter {A}")


def test_clocks_are_set_though_a_wrong_clock_noted_a_day_to_come(make_site):
    """Else nobody would get the time until that day."""
    site = make_site(A, time_sync=True)
    site.sims[A].state.clock_error = timedelta(seconds=-100)
    learned = Learned(clock_set=date(2036, 1, 1))
    site.worker.use_plan(site.worker.rounds.plan, {A: PolledMeter(A, "A", "dlt645-2007", (), learned)})
    site.run_until(60 * 30)
    assert abs(site.sims[A].state.clock_error) < timedelta(seconds=2)


def test_clocks_are_set_later_where_the_port_vanished_meanwhile(make_site, monkeypatch):
    """A port that was lost while the clocks were read costs ten minutes, not the day."""
    site = make_site(A, time_sync=True)
    site.sims[A].state.clock_error = timedelta(seconds=-100)
    real, failures = TimeSyncRun._run, [LinkError("E-BUS-104", port="memory", detail="it vanished")]

    def run(self, worker, exchange):
        if failures:
            raise failures.pop()
        return real(self, worker, exchange)

    monkeypatch.setattr(TimeSyncRun, "_run", run)
    site.run_until(60 * 30)
    assert abs(site.sims[A].state.clock_error) < timedelta(seconds=2)


@pytest.mark.parametrize(("setting", "trust"), [(False, ClockTrust.SYNCHRONISED), (True, ClockTrust.NONE)])
def test_clocks_are_left_alone(make_site, setting, trust):
    """Not unless it is wanted, and not from a clock that nobody trusts."""
    site = make_site(A, time_sync=setting)
    site.clock.trusted = trust
    site.sims[A].state.clock_error = timedelta(seconds=-100)
    site.run_until(60 * 30)
    assert timedelta(seconds=-100) == site.sims[A].state.clock_error


def test_a_clock_that_is_off_too_far_is_a_condition(make_site):
    """No broadcast can set it: E-BUS-234 says what to do."""
    site = make_site(A, B, time_sync=True)
    site.sims[A].state.clock_error = timedelta(minutes=-20)
    site.run_until(60 * 30)
    condition = site.health.snapshot()["conditions"][f"clock of meter {A}"]
    assert ("no", "E-BUS-234") == (condition["answer"], condition["code"])
    assert abs(condition["values"]["offset_s"] + 1200) <= 2
    plan = site.worker.rounds.plan
    plan = replace(plan, valid_from=site.clock.utc_now(), tasks=(replace(plan.tasks[0], meters=(B,)),))
    site.worker.use_plan(plan, {B: site.worker._here.meters[B]})
    site.run_until(60)
    assert f"clock of meter {A}" not in site.health.snapshot()["conditions"]  # the meter left the list

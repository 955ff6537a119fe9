"""The polling half as the main thread drives it: jobs, register changes, a store that fails."""

import pytest

from edge.app.poll_half import open_poll
from edge.bus.trace import TraceEvent
from edge.clock import ClockTrust, ManualClock
from edge.config.settings import Settings
from edge.config.table import build_table
from edge.control.jobs import DetectJob, DiagnoseJob, ReadJob, RegisterJob, ScanJob, StatusJob, TraceJob
from edge.errors import ControlError, StoreError, UsageError
from edge.health.model import Answer, Health
from edge.poll.learned import Learned

A, B = "202311000001", "202311000002"


class Reply:
    is_closed = False

    def __init__(self):
        self.documents = []

    def put(self, document):
        self.documents.append(document)

    def end(self, document=None):
        self.documents.append({"done": True, **(document or {})})

    def fail(self, error):
        self.documents.append({"error": error.code})


@pytest.fixture
def half(tmp_path):
    """Open a half with two buses whose ports do not exist."""
    settings = build_table(
        Settings,
        {
            "schema": 1,
            "gateway": {"id": "gw", "tenant": "t", "state_dir": str(tmp_path)},
            "bus": [{"name": "A", "port": str(tmp_path / "a")}, {"name": "B", "port": str(tmp_path / "b")}],
            "task": [{"name": "load", "every": "15m", "items": ["voltage_l1"]}],
        },
    )
    clock = ManualClock()
    with open_poll(settings, clock, Health(clock)) as opened:
        yield opened


def add(address, bus):
    return RegisterJob({"add": [{"address": address, "bus": bus}]})


def change(half, job):
    reply = Reply()
    half.start_job(job, reply, lambda _: None)
    return reply.documents


def plans_of(half, bus):
    return [plan for plan, *_ in half._workers[bus]._new_plans]


def test_a_register_change_reaches_every_bus(half):
    """Each bus gets its share of the new plan; the answer says how many meters there are."""
    assert [{"done": True, "result": {"meters": 1}}] == change(half, add(A, "A"))
    assert [{"done": True, "result": {"meters": 2}}] == change(half, add(B, "B"))
    assert [(A,), (A,)] == [plan.tasks[0].meters for plan in plans_of(half, "A")]
    assert [0, 1] == [len(plan.tasks) for plan in plans_of(half, "B")]


def test_a_wrong_register_change_changes_nothing(half):
    """A double address and an address that is none are refused whole."""
    change(half, add(A, "A"))
    with pytest.raises(UsageError):
        change(half, add(A, "A"))
    with pytest.raises(UsageError):
        change(half, RegisterJob({"add": [{"address": B, "bus": "A"}, {"address": "12", "bus": "A"}]}))
    assert {A} == set(half.keeper.meters)
    assert 1 == len(plans_of(half, "A"))


def test_a_store_that_fails_delays_the_plan_and_loses_it_not(half, monkeypatch):
    """The register is changed, the condition is there, and the plan comes as soon as the store works again."""
    real = half.keeper.journal.append_plan

    def fail(plan, stamp):
        raise StoreError("E-STO-103", path="edge.db")

    monkeypatch.setattr(half.keeper.journal, "append_plan", fail)
    change(half, add(A, "A"))
    assert [] == plans_of(half, "A")
    assert Answer.NO is half.keeper.health.answer("store")
    monkeypatch.setattr(half.keeper.journal, "append_plan", real)
    half.tend()
    assert [(A,)] == [plan.tasks[0].meters for plan in plans_of(half, "A")]


@pytest.mark.parametrize(
    ("job", "code"),
    [
        (ReadJob(A, ("voltage_l1",)), "E-CTL-112"),
        (ReadJob(A, ("voltage_l1",), bus="Z"), "E-CTL-113"),
        (ScanJob("Z"), "E-CTL-113"),
        (ScanJob("A", state={"schema": 1}), "E-CTL-103"),
        (DetectJob("Z"), "E-CTL-113"),
        (DiagnoseJob("Z"), "E-CTL-113"),
        (TraceJob("Z"), "E-CTL-113"),
        (StatusJob(), "E-CTL-114"),
    ],
)
def test_jobs_that_cannot_be_done_say_why(half, job, code):
    """No such meter, no such bus, not this half's job."""
    with pytest.raises(ControlError) as caught:
        half.start_job(job, Reply(), lambda _: None)
    assert code == caught.value.code


def test_a_job_goes_to_its_bus_and_wakes_it(half):
    """A read of a meter goes to the bus on which it hangs, a scan to the bus that it names."""
    change(half, add(B, "B"))
    nudged = []
    half.start_job(ReadJob(B, ("voltage",)), Reply(), nudged.append)
    half.start_job(ScanJob("A", (A,)), Reply(), nudged.append)
    assert ["bus B", "bus A"] == nudged
    assert [1, 1] == [len(half._workers[name].jobs) for name in ("A", "B")]


def test_jobs_know_the_meters_of_their_bus(half):
    """A scan and a diagnosis begin with the register's meters of that bus; a trace takes no turn."""
    change(half, add(A, "A"))
    change(half, add(B, "B"))
    for job in (ScanJob("A"), DiagnoseJob("A"), DiagnoseJob("A", B), DetectJob("A"), TraceJob("A")):
        half.start_job(job, Reply(), lambda _: None)
    scan, all_of_it, one, detect = half._workers["A"].jobs
    assert [A, "A" * 12] == [candidate.pattern for candidate in scan.state.left]
    assert [[A], [B]] == [[each.pattern for each in run.meters] for run in (all_of_it, one)]
    assert "2400 8E1 dlt645-2007" == str(detect.current)


def test_jobs_know_the_year_that_was_found_out(half):
    """What a worker learned counts for the next job, not only after a restart."""
    change(half, RegisterJob({"add": [{"address": A, "bus": "A", "protocol": "dlt645"}]}))
    half._learned.put((A, Learned(protocol="dlt645-1997")))
    half.tend()
    half.start_job(DiagnoseJob("A"), Reply(), lambda _: None)
    assert ["dlt645-1997"] == [one.protocol for one in half._workers["A"].jobs[0].meters]


def test_a_trace_begins_with_a_request(half):
    """Half an answer would be shown as a bad frame: what it goes on from comes too."""
    ring = half._workers["A"].port.trace
    for at, direction in enumerate(["tx", "rx", "tx", "rx", "rx", "rx"]):
        ring.add(TraceEvent(float(at), direction, b"\x68"))
    reply = Reply()
    half.start_job(TraceJob("A", last=2), reply, lambda _: None)
    events = [one["result"] for one in reply.documents if "direction" in one.get("result", {})]
    assert ["tx", "rx", "rx", "rx"] == [event["direction"] for event in events]


def test_a_diagnosis_of_a_port_that_is_gone_names_it(half):
    """The port is a check that fails, with its code as the cause; the job is over."""
    reply = Reply()
    half.start_job(DiagnoseJob("A"), reply, lambda _: None)
    half._workers["A"].step()
    assert "E-BUS-101" == reply.documents[-1]["conclusion"]["code"]
    assert not half._workers["A"].jobs


def test_a_job_on_a_port_that_is_gone_fails_with_the_ports_error(half):
    """The asker hears why, and the job is over."""
    reply = Reply()
    half.start_job(ReadJob(A, ("voltage_l1",), bus="A"), reply, lambda _: None)
    half._workers["A"].step()
    assert [{"error": "E-BUS-101"}] == reply.documents
    assert not half._workers["A"].jobs


def test_status_names_buses_meters_and_tasks(half):
    """What `edge status` shows of this half."""
    change(half, add(A, "A"))
    status = half.status()
    assert ["A", "B"] == [bus["name"] for bus in status["buses"]]
    assert (1, ["load"]) == (status["meters"], status["tasks"])


def test_the_register_is_held(half, tmp_path):
    """Nobody else may write the register while the half is open."""
    with pytest.raises(StoreError) as caught, open_poll(half.settings, ManualClock(), Health(ManualClock())):
        pass
    assert "E-STO-207" == caught.value.code


def test_a_meter_on_a_bus_that_is_not_there_is_refused(half):
    """The daemon knows its buses: a meter that could never be polled is not taken."""
    with pytest.raises(ControlError) as caught:
        change(half, add(A, "Z"))
    assert "E-CTL-113" == caught.value.code


def test_a_clock_that_comes_back_lets_polling_go_on(half, monkeypatch):
    """Slots that a clock far ahead made are forgotten by store and workers; the next slot is polled in time."""
    worker = half._workers["A"]
    right = half.clock.now
    half.clock.now = right.replace(year=2036)
    change(half, add(A, "A"))
    for _ in range(4):
        worker.step()
        half.clock.advance(900)
    worker.step()
    worker.stop()
    assert max(half.keeper.journal.settled_marks().values()).year == 2036
    half.clock.now = right
    half.clock.advance(20)
    half.tend()
    for _ in range(3):
        worker.step()
    assert max(half.keeper.journal.settled_marks().values()) <= half.clock.now
    assert max(worker.rounds.marks.values()) <= half.clock.now
    assert worker.rounds.next_due().year == right.year
    assert half.keeper.journal.current_plan().valid_from <= half.clock.now


def test_a_plan_that_comes_just_after_the_time_was_put_right_is_taken(half, monkeypatch):
    """The worker has not gone on yet; the change that the store refused before comes into force in the same turn."""
    half.clock.trusted = ClockTrust.FLOOR
    workers = list(half._workers.values())
    for worker in workers:
        worker.step()
    real = half.keeper.journal.append_plan

    def fail(plan, stamp):
        raise StoreError("E-STO-103", path="edge.db")

    monkeypatch.setattr(half.keeper.journal, "append_plan", fail)
    change(half, add(A, "A"))
    monkeypatch.setattr(half.keeper.journal, "append_plan", real)
    half.clock.trusted = ClockTrust.SYNCHRONISED
    for worker in workers:
        worker.step()
    half.tend()
    for worker in workers:
        worker.step()
    assert [(A,)] == [task.meters for task in workers[0].rounds.plan.tasks]


def test_a_plan_of_a_wrong_time_is_not_taken_after_the_time_was_put_right(half):
    """What the worker was handed before is in what it goes on with, with its true begin; its settings stay."""
    half.clock.trusted = ClockTrust.FLOOR
    half.clock.step_wall(86400.0)
    workers = list(half._workers.values())
    for worker in workers:
        worker.step()
    half.clock.advance(60)
    change(half, add(A, "A"))
    half.clock.advance(60)
    half.clock.step_wall(-86400.0)
    half.clock.trusted = ClockTrust.SYNCHRONISED
    for worker in workers:
        worker.step()
    assert 1 == len(plans_of(half, "A"))
    half.tend()
    for worker in workers:
        worker.step()
    assert [] == plans_of(half, "A")
    assert [(A,)] == [task.meters for task in workers[0].rounds.plan.tasks]
    assert workers[0].rounds.plan.valid_from <= half.clock.now

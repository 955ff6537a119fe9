"""Records of several buses share their commits: who commits, when, for whom, and what becomes of what is refused."""

import logging
from threading import Event, Thread

import pytest

from edge.clock import ManualClock
from edge.errors import StoreError
from edge.health.model import Health
from edge.poll.buffer import CommitRule, RecordBuffer, RecordGroup
from edge.store.database import open_database
from edge.store.journal import Appended, Journal
from edge.store.outbox import Outbox
from tests.store.store_kit import record

METER_A, METER_B = "000000000001", "000000000002"
PATIENCE_S = 30.0


class ListSink:
    """Remembers each commit; it may be full, and may stop in the middle of one until it is told to go on."""

    def __init__(self, diary=None):
        self.commits, self.is_full, self.diary = [], False, diary
        self.began, self.may_go = Event(), None

    def append(self, records):
        self.began.set()
        assert self.may_go is None or self.may_go.wait(PATIENCE_S), "nobody let it go on"
        if self.is_full:
            raise StoreError("E-STO-103", path="edge.db")
        self.commits.append(list(records))
        if self.diary is not None:
            self.diary.append("stored")
        return Appended(len(records))


class Pair:
    """Two buses of one group, a sink each."""

    def __init__(self, sinks=None, **rule):
        self.clock = ManualClock()
        self.health = Health(self.clock)
        self.group = RecordGroup(clock=self.clock, health=self.health, rule=CommitRule(**rule))
        self.sinks = sinks or (ListSink(), ListSink())
        self.a, self.b = (
            RecordBuffer(bus=bus, sink=sink, group=self.group) for bus, sink in zip("AB", self.sinks, strict=True)
        )

    def commits(self):
        return tuple(sink.commits for sink in self.sinks)


def in_thread(work):
    thread = Thread(target=work)
    thread.start()
    return thread


def test_the_first_bus_that_is_due_commits_for_all():
    """Polls of all buses count together, and one commit takes them in the order in which they came."""
    pair = Pair(polls=3)
    for buffer, slot in ((pair.a, 1), (pair.b, 2)):
        buffer.add(record(slot))
        buffer.commit_if_due(is_idle=False)
    assert ([], []) == pair.commits()
    pair.b.add(record(3))
    pair.b.commit_if_due(is_idle=False)
    pair.a.commit_if_due(is_idle=False)
    assert ([], [[record(1), record(2), record(3)]]) == pair.commits()
    assert {"records.stored": 3} == pair.health.snapshot()["counters"]


def test_another_bus_commits_what_is_old_enough():
    """The age of the oldest record counts, whoever brought it; what came later goes along and begins no new age."""
    pair = Pair(after_s=5.0)
    pair.a.add(record(1))
    pair.clock.advance(3.0)
    pair.b.add(record(2))
    pair.b.commit_if_due(is_idle=False)
    assert ([], []) == pair.commits()
    pair.clock.advance(2.0)
    pair.b.commit_if_due(is_idle=False)
    assert ([], [[record(1), record(2)]]) == pair.commits()
    assert float("inf") == pair.a.due_s


def test_an_idle_bus_does_not_commit_while_another_polls():
    """Only when no bus has anything else to do is what there is committed at once."""
    pair = Pair()
    pair.a.add(record(1))
    pair.a.commit_if_due(is_idle=True)
    pair.b.commit_if_due(is_idle=False)
    assert ([], []) == pair.commits()
    pair.b.commit_if_due(is_idle=True)
    assert ([], [[record(1)]]) == pair.commits()


def test_a_bus_that_polls_again_is_no_longer_idle():
    """What it said before does not count."""
    pair = Pair()
    pair.a.commit_if_due(is_idle=True)
    pair.a.add(record(1))
    pair.a.commit_if_due(is_idle=False)
    pair.b.commit_if_due(is_idle=True)
    assert ([], []) == pair.commits()


def test_a_bus_polls_on_while_another_commits():
    """It does not wait; what it brings meanwhile is of the next commit, and none of it is lost or stored twice."""
    pair = Pair(polls=1)
    pair.sinks[0].may_go = Event()
    pair.a.add(record(1))
    thread = in_thread(lambda: pair.a.commit_if_due(is_idle=False))
    assert pair.sinks[0].began.wait(PATIENCE_S)
    pair.b.add(record(2))
    pair.b.commit_if_due(is_idle=False)
    assert ([], []) == pair.commits()
    pair.sinks[0].may_go.set()
    thread.join()
    pair.b.commit_if_due(is_idle=False)
    assert ([[record(1)]], [[record(2)]]) == pair.commits()


@pytest.mark.parametrize("wait", ["commit", "idle"])
def test_who_must_know_or_has_nothing_else_to_do_waits_for_the_commit_of_another(wait):
    """After it, what was under way is stored too."""
    diary = []
    pair = Pair((ListSink(diary), ListSink(diary)), polls=1)
    pair.sinks[0].may_go = Event()
    pair.a.add(record(1))
    first = in_thread(lambda: pair.a.commit_if_due(is_idle=False))
    assert pair.sinks[0].began.wait(PATIENCE_S)
    pair.b.add(record(2))

    def second():
        if wait == "commit":
            pair.b.commit()
        else:
            pair.b.commit_if_due(is_idle=True)
        diary.append("known")

    waiting = in_thread(second)
    waiting.join(0.2)
    pair.sinks[0].may_go.set()
    for thread in (first, waiting):
        thread.join()
    assert ["stored", "stored", "known"] == diary
    assert ([[record(1)]], [[record(2)]]) == pair.commits()


def test_a_store_that_refuses_one_bus_is_not_asked_by_the_other():
    """All wait for the same while; then everything goes, in the order in which it came."""
    pair = Pair(polls=2, after_s=5.0)
    pair.sinks[0].is_full = True
    pair.a.add(record(1))
    pair.a.add(record(2))
    pair.a.commit_if_due(is_idle=False)
    pair.b.add(record(3))
    pair.b.commit_if_due(is_idle=False)
    assert ([], []) == pair.commits()
    assert (2, 1) == (pair.group.held("A"), pair.group.held("B"))
    pair.clock.advance(5.0)
    pair.b.commit_if_due(is_idle=False)
    assert ([], [[record(1), record(2), record(3)]]) == pair.commits()
    assert (0, 0) == (pair.group.held("A"), pair.group.held("B"))


def test_what_was_refused_goes_before_what_came_meanwhile():
    """The slots of a meter are stored in their order."""
    pair = Pair(polls=1, after_s=5.0)
    pair.sinks[0].is_full, pair.sinks[0].may_go = True, Event()
    pair.a.add(record(1))
    thread = in_thread(pair.a.commit)
    assert pair.sinks[0].began.wait(PATIENCE_S)
    pair.b.add(record(2))
    pair.sinks[0].may_go.set()
    thread.join()
    pair.clock.advance(5.0)
    pair.b.commit_if_due(is_idle=False)
    assert ([], [[record(1), record(2)]]) == pair.commits()


def test_a_defect_in_a_commit_leaves_the_records_where_they_were():
    """The daemon ends then, and tries once more while it does."""

    class Broken(ListSink):
        def append(self, records):
            raise ZeroDivisionError

    pair = Pair((Broken(), ListSink()))
    pair.a.add(record(1))
    with pytest.raises(ZeroDivisionError):
        pair.a.commit()
    pair.b.commit()
    assert ([], [[record(1)]]) == pair.commits()


def test_a_bus_that_is_full_stops_no_other(monkeypatch):
    """The bound is of each bus: one whose records nobody takes does not take the others' place."""
    monkeypatch.setattr("edge.poll.buffer._MOST", 2)
    pair = Pair()
    for slot in range(2):
        pair.a.add(record(slot))
    pair.b.add(record(2))
    assert (True, False) == (pair.a.is_full, pair.b.is_full)
    pair.b.commit()
    assert (False, False) == (pair.a.is_full, pair.b.is_full)


def test_refused_records_are_counted_for_their_bus(tmp_path, caplog):
    """Whoever commits: the log names the bus whose slots were settled already."""
    with open_database(tmp_path / "edge.db", max_mib=16) as database:
        journal = Journal(database)
        pair = Pair((journal, journal))
        journal.append([record(1, METER_A)])
        pair.a.add(record(1, METER_A))
        pair.b.add(record(1, METER_B, bus="B"))
        with caplog.at_level(logging.ERROR):
            pair.b.commit()
    assert ["bus A: 1 records were of slots that are settled already"] == caplog.messages
    assert {"records.stored": 1, "records.refused": 1} == pair.health.snapshot()["counters"]


def test_two_threads_lose_and_double_nothing(tmp_path):
    """Two buses add and commit as they like, each with its own connection: every record is stored once, in order."""
    with (
        open_database(tmp_path / "edge.db", max_mib=16) as first,
        open_database(tmp_path / "edge.db", max_mib=16, check=False) as second,
    ):
        pair = Pair((Journal(first), Journal(second)), polls=7)

        def poll(buffer, meter):
            for slot in range(300):
                buffer.add(record(slot, meter, bus=buffer.bus))
                buffer.commit_if_due(is_idle=slot % 50 == 0)
            buffer.commit()

        threads = [in_thread(lambda: poll(pair.a, METER_A)), in_thread(lambda: poll(pair.b, METER_B))]
        for thread in threads:
            thread.join()
        stored = Outbox(first).take(10**6).records
    for meter in (METER_A, METER_B):
        assert [record(slot).slot_at for slot in range(300)] == [one.slot_at for one in stored if one.meter == meter]
    assert {"records.stored": 600} == pair.health.snapshot()["counters"]

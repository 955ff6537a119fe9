"""A store that fills while the broker is away: afterwards each slot is a reading or a signed reason, and none is twice.

Everything is real but the wire and the broker: the store's file with its bound, the batches, the centre and its ledger.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from edge.centre.completeness import Closer, Fill, Question, Statement, completeness
from edge.centre.ledger import Span
from edge.forward.settings import SealRules
from edge.reading.plan import Plan, PlanTask, Schedule
from edge.reading.record import PollRecord, SlotState, Source, Stamp
from edge.reading.verdict import SlotReason
from edge.store.inspection import find_fault
from tests.forward.centre_tools import LedgerCentre
from tests.forward.forward_tools import AT, Bench

ENERGY, FREEZE = "energy_active_import_total", "daily_freeze_energy_active_import"
ENERGIES = (ENERGY, *(f"energy_active_import_t{tariff}" for tariff in range(1, 5)))
VOLTAGES = tuple(f"{name}_l{phase}" for name in ("voltage", "current", "power_active") for phase in (1, 2, 3))
METERS = tuple(f"{number:012d}" for number in range(1, 25))
SILENT = METERS[7]  # misses every fifth slot
QUARTER, DAY = timedelta(minutes=15), 96
PLAN = Plan(
    AT - QUARTER,
    "Asia/Shanghai",
    (
        PlanTask("load", Schedule(every_s=900), (*ENERGIES, *VOLTAGES), METERS),
        PlanTask("bill", Schedule(at=time(16, 15)), (FREEZE,), METERS),
    ),
)


def truth(key: str, meter: str, number: int) -> Decimal:
    """Return what a meter holds at the slot of that number: the same whenever it is asked."""
    drawn = Random(f"{key} {meter} {number}").randrange(100_000)
    return Decimal(drawn if key in VOLTAGES else int(meter) * 10_000_000 + number * 100_000 + drawn) / 100


def poll(number: int, meter: str, task: str, keys: tuple[str, ...], source: Source = Source.LIVE) -> PollRecord:
    """Return what a poll brought."""
    slot_at = AT + number * QUARTER
    is_missed = task == "load" and meter == SILENT and number % 5 == 0
    return PollRecord(
        task=task,
        slot_at=slot_at,
        meter=meter,
        bus="A",
        stamp=Stamp(slot_at, "synchronised", "ab" * 16, 1000.0 + number * 900),
        state=SlotState.MISSING_OPEN if is_missed else SlotState.READ,
        source=source,
        reason=SlotReason.SILENCE if is_missed else None,
        values={} if is_missed else {key: truth(key, meter, number) for key in keys},
    )


@contextmanager
def site(folder: Path, bound_bytes: int) -> Iterator[tuple[Bench, LedgerCentre]]:
    """Yield a gateway with so much room, and its centre."""
    bench = Bench(folder / "edge.db", bound_bytes=bound_bytes)
    bench.settings = replace(bench.settings, seal=SealRules(), shed_percent=80)  # a round takes much of a small store
    bench.start()
    centre = LedgerCentre(folder, bench)
    try:
        bench.journal.append_plan(PLAN)
        yield bench, centre
    finally:
        bench.close()
        centre.ledger.close()


def run_rounds(bench: Bench, centre: LedgerCentre, first: int, last: int) -> None:
    """Poll these slots; the store never refuses one. A filled slot of the silent meter comes an hour later."""
    for number in range(first, last):
        records = [poll(number, meter, "load", (*ENERGIES, *VOLTAGES)) for meter in METERS]
        if number % 5 == 4:
            filled = poll(number - 3, SILENT, "load", (*ENERGIES, *VOLTAGES), Source.LOAD_RECORD)
            records.append(replace(filled, slot_at=AT + (number - 4) * QUARTER, values=records[0].values))
        if number % DAY == 1:
            records += [poll(number, meter, "bill", (FREEZE,), Source.FREEZE) for meter in METERS]
        assert bench.journal.append(records).stored == len(records)
        centre.run(4)


def statement_of(centre: LedgerCentre, last: int) -> Statement:
    """Return what the centre says of all slots before this one."""
    until = AT + last * QUARTER
    return completeness(centre.ledger, Question(since=AT, until=until, now=until + timedelta(days=1), grace_s=0))


def values_at(centre: LedgerCentre) -> dict[tuple[str, str, datetime], list[str | None]]:
    """Return what the ledger has of each quantity, meter and slot; None where it was shed."""
    found: dict[tuple[str, str, datetime], list[str | None]] = {}
    for row in centre.ledger.readings(Span()):
        assert not row.conflict
        assert row.value is not None or row.reason == "shed"
        found.setdefault((row.quantity, row.meter, datetime.fromisoformat(row.slot_at)), []).append(row.value)
    return found


def drain(bench: Bench, centre: LedgerCentre) -> None:
    """Bring the broker back, and let everything leave."""
    bench.broker.is_up = True
    centre.run(1500)
    counts = bench.outbox.counts()
    assert (0, 0) == (counts.waiting, counts.unsent)


def check(bench: Bench, centre: LedgerCentre, last: int) -> Counter[Fill]:
    """Check each value that came against the truth, and each slot for its reason; return the totals."""
    for (key, meter, slot_at), values in values_at(centre).items():
        number = (slot_at - AT) // QUARTER
        if values != [None] and meter != SILENT:
            assert [truth(key, meter, number)] == [Decimal(value) for value in values if value]
        assert 1 == len(values)
    statement = statement_of(centre, last)
    assert {Closer.NOBODY: "shed"} == {hole.closer: hole.reason for hole in statement.holes} or not statement.holes
    assert 0 == statement.total[Fill.NOT_HEARD] + statement.total[Fill.AWAITED] + statement.total[Fill.MISSING_OPEN]
    expected = last * len(METERS) + sum(number % DAY == 1 for number in range(last)) * len(METERS)
    assert expected == sum(statement.total.values())
    assert None is find_fault(bench.databases[0])
    return statement.total


def test_voltages_go_and_every_energy_arrives(tmp_path):
    """Room for the energies of the outage, not for everything: no slot is lost, the newest rounds are whole."""
    with site(tmp_path, 330_000) as (bench, centre):
        bench.broker.is_up = False
        run_rounds(bench, centre, 0, 150)
        totals = bench.outbox.shedding().totals()
        assert totals.reduced > 0
        assert (0, 0) == (totals.dropped, totals.archived)
        assert ("no", "E-FWD-214") == bench.condition("readings_kept")
        drain(bench, centre)
        assert {Fill.LATE, Fill.IN_TIME, Fill.REFILLED} >= set(check(bench, centre, 150))
        values = values_at(centre)
        gone = [key for key, found in values.items() if found == [None]]
        assert totals.readings == len(gone)
        assert set(VOLTAGES) == {quantity for quantity, _, _ in gone}
        rounds = {True: set(), False: set()}
        for (quantity, meter, slot_at), found in values.items():
            if quantity in VOLTAGES and meter != SILENT:
                rounds[found == [None]].add(slot_at)
        assert max(rounds[True]) < min(rounds[False])
        assert ("yes", None) == bench.condition("readings_kept")


def test_what_has_no_room_at_all_arrives_as_a_signed_reason(tmp_path):
    """Far too small, and restarted twice on the way: the oldest rounds are named, the others have their energies."""
    with site(tmp_path, 230_000) as (bench, centre):
        bench.broker.is_up = False
        run_rounds(bench, centre, 0, 60)
        bench.reopen()
        run_rounds(bench, centre, 60, 120)
        bench.reopen()
        assert None is bench.databases[0].set_aside
        run_rounds(bench, centre, 120, 160)
        totals = bench.outbox.shedding().totals()
        assert min(totals.reduced, totals.dropped) > 0
        drain(bench, centre)
        found = check(bench, centre, 160)
        assert found[Fill.MISSING_FINAL] > 0
        read = {slot_at for quantity, _, slot_at in values_at(centre) if quantity == ENERGY}
        assert AT + 159 * QUARTER in read
        shed = [hole for hole in statement_of(centre, 160).holes if hole.task == "load"]
        assert {(AT, "shed")} == {(hole.first_at, hole.reason) for hole in shed if hole.meter != SILENT}
        run_rounds(bench, centre, 160, 165)
        drain(bench, centre)
        assert found[Fill.MISSING_FINAL] == check(bench, centre, 165)[Fill.MISSING_FINAL]


@pytest.mark.parametrize("is_restored", [False, True])
def test_the_archive_is_given_up_before_anything_else(tmp_path, is_restored):
    """The centre stores but is never sure: its batches go first. Does it fall back, it hears which slots are gone."""
    with site(tmp_path, 230_000) as (bench, centre):
        centre.worker.desk.policy = "none"
        centre.copy("empty.db")
        run_rounds(bench, centre, 0, 110)
        totals = bench.outbox.shedding().totals()
        assert totals.archived > 0
        assert (0, 0, 0) == (totals.reduced, totals.dropped, totals.readings)
        assert ("yes", None) == bench.condition("readings_kept")
        if is_restored:
            centre.restart("empty.db")
            bench.broker.break_connections()
        drain(bench, centre)
        found = check(bench, centre, 110)
        assert is_restored == (found[Fill.MISSING_FINAL] > 0)

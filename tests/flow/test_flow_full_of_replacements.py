"""A store with room for some days, and no centre for weeks: it keeps taking the newest readings, whatever it gives up.

Everything is real but the wire and the broker, as in `test_flow_full_store.py`.
"""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from edge.centre.completeness import Fill
from edge.reading.plan import Plan, PlanTask, Schedule
from edge.reading.record import PollRecord, SlotState, Stamp
from edge.reading.verdict import SlotReason
from edge.store.inspection import find_fault
from tests.flow.test_flow_full_store import ENERGIES, drain, site, statement_of, truth, values_at
from tests.forward.forward_tools import AT

HOUR = timedelta(hours=1)
METERS = tuple(f"{number:012d}" for number in range(1, 7))
SILENT = METERS[2]  # misses every fifth slot
ROUNDS = 24 * 20
PLAN = Plan(AT - HOUR, "Asia/Shanghai", (PlanTask("load", Schedule(every_s=3600), ENERGIES[:4], METERS),))


def poll(number: int, meter: str) -> PollRecord:
    """Return what a poll brought."""
    is_missed = meter == SILENT and number % 5 == 0
    slot_at = AT + number * HOUR
    return PollRecord(
        task="load",
        slot_at=slot_at,
        meter=meter,
        bus="A",
        stamp=Stamp(slot_at, "synchronised", "ab" * 16, 1000.0 + number * 3600),
        state=SlotState.MISSING_FINAL if is_missed else SlotState.READ,
        reason=SlotReason.SILENCE if is_missed else None,
        values={} if is_missed else {key: truth(key, meter, number) for key in ENERGIES[:4]},
    )


def test_the_centre_stays_away_for_many_times_what_there_is_room_for(tmp_path: Path) -> None:
    """Each round is stored within the bound; then each slot has its reading or a signed reason."""
    with site(tmp_path, 150_000) as (bench, centre):
        bench.journal.append_plan(PLAN)
        bench.broker.is_up = False
        for number in range(ROUNDS):
            assert len(METERS) == bench.journal.append([poll(number, meter) for meter in METERS]).stored
            centre.run(4)
        assert bench.outbox.shedding().totals().merged > 0
        assert bench.outbox.shedding().room().used <= 150_000
        assert ("no", "E-FWD-214") == bench.condition("readings_kept")
        bench.reopen()
        assert None is bench.databases[0].set_aside
        drain(bench, centre)
        assert ("yes", None) == bench.condition("readings_kept")
        found = values_at(centre)
        for (key, meter, slot_at), values in found.items():
            assert [truth(key, meter, (slot_at - AT) // HOUR)] == [Decimal(value) for value in values if value]
        total = statement_of(centre, ROUNDS * 4).total
        assert 0 == total[Fill.NOT_HEARD] + total[Fill.AWAITED] + total[Fill.MISSING_OPEN]
        assert ROUNDS * len(METERS) == sum(total.values())
        assert total[Fill.MISSING_FINAL] > 0
        newest = {meter for quantity, meter, slot_at in found if slot_at == AT + (ROUNDS - 1) * HOUR}
        assert set(METERS) == newest
        assert None is find_fault(bench.databases[0])

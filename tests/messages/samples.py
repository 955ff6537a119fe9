"""Records for the tests of messages: a realistic load, any records at all, and a form of them that compares exactly."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from edge.messages.batch import Batch
from edge.messages.codes import REASONS, STATES
from edge.messages.signing import Ed25519Signer, Ed25519Verifier
from edge.reading.loss import Loss
from edge.reading.plan import Plan, PlanTask, Schedule
from edge.reading.record import PollRecord, SlotState, Source, Stamp

SIGNER = Ed25519Signer(bytes(range(32)))
VERIFIER = Ed25519Verifier(SIGNER.public)
SEALED_AT = datetime(2026, 3, 2, 0, 0, 1, 234567, tzinfo=UTC)
START = datetime(2026, 3, 1, tzinfo=UTC)
KEYS = (
    "energy_active_import_total",
    *(f"energy_active_import_t{tariff}" for tariff in range(1, 5)),
    *(f"voltage_l{phase}" for phase in range(1, 4)),
    *(f"current_l{phase}" for phase in range(1, 4)),
    "power_active_total",
)


def trusted(gateway: str, kid: bytes) -> Ed25519Verifier | None:
    """Return the key of gateway gw-1."""
    return VERIFIER if (gateway, kid) == ("gw-1", VERIFIER.kid) else None


class _LoadedMeter:
    """A meter whose household goes on and off: the current wanders, the energy follows the power."""

    def __init__(self, address: int, rnd: random.Random) -> None:
        self.address = f"{address:012d}"
        self._rnd = rnd
        self._tariffs = [rnd.randrange(100_00, 60_000_00) for _ in range(4)]
        self._amperes = [rnd.uniform(0.2, 12) for _ in range(3)]
        self._volts = [rnd.uniform(226, 238) for _ in range(3)]

    def values(self, hour: int) -> dict[str, Decimal]:
        rnd = self._rnd
        self._amperes = [max(0.05, one * 0.8 + rnd.uniform(0, 2)) for one in self._amperes]
        self._volts = [one * 0.9 + 23.2 + rnd.uniform(-1.5, 1.5) for one in self._volts]
        watts = sum(volt * ampere for volt, ampere in zip(self._volts, self._amperes, strict=True))
        self._tariffs[hour // 6 % 4] += round(watts / 4000 * 100)
        energies = [Decimal(one).scaleb(-2) for one in (sum(self._tariffs), *self._tariffs)]
        volts = [Decimal(round(one * 10)).scaleb(-1) for one in self._volts]
        amperes = [Decimal(round(one * 1000)).scaleb(-3) for one in self._amperes]
        return dict(zip(KEYS, [*energies, *volts, *amperes, Decimal(round(watts * 10)).scaleb(-1)], strict=True))


def load(meters: int, rounds: int, seed: int = 1) -> tuple[PollRecord, ...]:
    """Return the records of so many meters and rounds of 15 minutes; addresses of one delivery, polled one by one."""
    return tuple(record for records in rounds_of(meters, rounds, seed) for record in records)


def rounds_of(meters: int, rounds: int, seed: int = 1) -> Iterator[list[PollRecord]]:
    """Yield the records of one round after the other."""
    rnd = random.Random(seed)
    addresses = sorted(rnd.sample(range(202107070000, 202107090000), meters))
    loaded = [_LoadedMeter(address, rnd) for address in addresses]
    for number in range(rounds):
        records = []
        slot_at = START + timedelta(minutes=15 * number)
        at = slot_at
        for meter in loaded:
            at += timedelta(seconds=rnd.uniform(0.8, 1.3))
            stamp = Stamp(at, "synchronised", "ab" * 16, (at - START).total_seconds() + 5000 + rnd.uniform(0, 0.01))
            records.append(
                PollRecord(
                    task="load",
                    slot_at=slot_at,
                    meter=meter.address,
                    bus="A",
                    stamp=stamp,
                    state=SlotState.READ,
                    values=meter.values(slot_at.hour),
                )
            )
        yield records


def batch_of(*records: PollRecord, plan: Plan | None = None, losses: tuple[Loss, ...] = ()) -> Batch:
    """Return a batch of these."""
    return Batch(records, plan, losses, SEALED_AT)


def in_full(record: PollRecord) -> tuple[object, ...]:
    """Return all of a record that travels, in a form that compares exactly: digits count, not only the value."""
    return (
        record.task,
        record.slot_at,
        record.meter,
        record.stamp,
        record.state,
        record.source,
        record.reason,
        sorted((key, type(value).__name__, str(value)) for key, value in record.values.items()),
        sorted(record.units.items()),
        sorted(record.faults.items()),
        record.flags,
    )


_SECONDS = st.integers(1_767_225_600, 1_798_761_600)  # 2026
_MICROSECONDS = st.integers(0, 4_102_444_800_000_000).map(
    lambda us: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
)
_METERS = st.sampled_from(
    ["000000000000", "000000000001", "202107072529", "202107072530", "999999999999", "AAAAAAAAAAAA", "12"]
)
_TASKS = st.sampled_from(["load", "billing", "昼夜"])
_VALUES = (
    st.none()
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
    | st.builds(
        lambda sign, digits, exponent: Decimal((sign, tuple(map(int, str(digits))), exponent)),
        st.integers(0, 1),
        st.integers(0, 10**8) | st.integers(0, 10**30),
        st.sampled_from([0, -1, -2, -3]) | st.integers(-50, 50),
    )
)
_ITEM_KEYS = st.sampled_from(["voltage_l1", "energy_active_import_total", "di:02010100", "di:9010", "meter_clock"])
_CLOCKS = st.sampled_from(
    [
        ("00" * 16, "synchronised", 1_767_000_000_000),
        ("ab" * 16, "none", 1_767_000_000_123),
        ("not a hex id", "floor", -86_400_001),
        ("ab" * 16, "rtc", 1_766_999_000_500),
    ]
)


@st.composite
def _record(draw: st.DrawFn) -> PollRecord:
    slot_s = draw(_SECONDS)
    at_s = slot_s + draw(st.integers(-86400, 86400) | st.integers(0, 30))
    boot_id, trust, wall_ms = draw(_CLOCKS)
    values = draw(st.dictionaries(_ITEM_KEYS, _VALUES, max_size=4))
    faults = draw(st.dictionaries(_ITEM_KEYS, st.sampled_from(sorted(REASONS.values())), max_size=2))
    faults = {key: reason for key, reason in faults.items() if key not in values}
    known = sorted({*values, *faults})
    units = draw(st.dictionaries(st.sampled_from(known), st.sampled_from(["V", "", "千瓦时"]))) if known else {}
    return PollRecord(
        task=draw(_TASKS),
        slot_at=datetime.fromtimestamp(slot_s, UTC),
        meter=draw(_METERS),
        bus="",
        stamp=Stamp(datetime.fromtimestamp(at_s, UTC), trust, boot_id, (at_s * 1000 - wall_ms) / 1000),
        state=draw(st.sampled_from(sorted(STATES.values()))),
        source=draw(st.sampled_from(sorted(Source))),
        reason=draw(st.none() | st.sampled_from(sorted(REASONS.values()))),
        values=values,
        units=units,
        faults=faults,
        flags=tuple(draw(st.lists(st.sampled_from(["late", "echo", "回波"]), max_size=2))),
    )


def _rounds(record: PollRecord, steps: list[int]) -> Iterator[PollRecord]:
    """Yield the record, and the same meter in later slots with its numbers moved: what deltas are made of."""
    yield record
    for number, step in enumerate(steps, start=1):
        moved = {key: value + step if isinstance(value, Decimal) else value for key, value in record.values.items()}
        later = timedelta(minutes=number)
        stamp = record.stamp
        yield PollRecord(
            task=record.task,
            slot_at=record.slot_at + later,
            meter=record.meter,
            bus="",
            stamp=Stamp(stamp.at + later, stamp.trust, stamp.boot_id, stamp.boot_s + later.total_seconds()),
            state=record.state,
            values=moved,
            units={key: unit for key, unit in record.units.items() if key in moved},
        )


_RECORDS = st.lists(
    st.tuples(_record(), st.lists(st.integers(-(10**6), 10**6), max_size=3)).map(lambda pair: list(_rounds(*pair))),
    max_size=6,
).map(lambda lists: tuple(record for one in lists for record in one))

_SCHEDULES = (
    st.builds(Schedule, every_s=st.integers(1, 86400))
    | st.builds(Schedule, at=st.builds(time, st.integers(0, 23), st.integers(0, 59), st.integers(0, 59)))
    | st.builds(Schedule, at=st.just(time(0, 10)), day=st.integers(1, 28))
)
PLANS = st.builds(
    Plan,
    _MICROSECONDS,
    st.sampled_from(["Asia/Shanghai", "UTC"]),
    st.lists(
        st.builds(
            PlanTask,
            _TASKS,
            _SCHEDULES,
            st.lists(_ITEM_KEYS, max_size=3).map(tuple),
            st.lists(_METERS, unique=True).map(tuple),
            st.integers(-5, 5),
        ),
        max_size=3,
    ).map(tuple),
)
LOSSES = st.builds(
    lambda task, meter, ends, count, reason: Loss(task, meter, min(ends), max(ends), count, reason),
    _TASKS,
    _METERS,
    st.tuples(_MICROSECONDS, _MICROSECONDS),
    st.integers(1, 10**9),
    st.sampled_from(["full", "满"]),
)
BATCHES = st.builds(Batch, _RECORDS, st.none() | PLANS, st.lists(LOSSES, max_size=3).map(tuple), _MICROSECONDS)

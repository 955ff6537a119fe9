"""Both ledgers, one suite: what is kept comes back, once, in order; a cut leaves nothing; one centre at a time."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.centre.accept import Fate, Uplink, accept
from edge.centre.ledger import (
    BatchKey,
    Entry,
    EpochState,
    Held,
    Link,
    QuarantineKind,
    SetAside,
    Span,
)
from edge.centre.ledger_sqlite import SqliteLedger
from edge.errors import StoreError
from edge.messages.envelope import MAX_SEQ, envelope_hash
from edge.reading.chain import GENESIS
from edge.reading.loss import Loss
from edge.reading.record import SlotState, Source
from edge.reading.verdict import SlotReason
from tests.centre.centre_kit import (
    ENERGY,
    EPOCH,
    METER,
    NEXT_EPOCH,
    QUARTER,
    SLOT,
    Gateway,
    Keys,
    payload,
    record,
    refilled,
    take,
)

LATER = SLOT + timedelta(hours=1, microseconds=7)


def entry(seq: int = 1, fill: bytes = b"a", **more) -> Entry:
    """Return an envelope for the ledger."""
    link = Link(sha256=fill * 32, prev=GENESIS)
    whole = Entry(key=BatchKey("gw-1", EPOCH, seq), link=link, state=Held.STORED, envelope=fill * 9, received_at=LATER)
    return replace(whole, **more)


def state(epoch: bytes = EPOCH, stored: int = 0, gateway: str = "gw-1", **more) -> EpochState:
    """Return how far an epoch has come."""
    return EpochState(gateway=gateway, epoch=epoch, stored=stored, head=b"h" * 32, heard_at=LATER, **more)


def keep(ledger, *entries: Entry) -> None:
    """Keep envelopes in a transaction of their own."""
    with ledger.transaction():
        ledger.keep_entries(entries)


def test_an_envelope_comes_back_to_the_byte(ledger):
    """Bytes, hashes and numbers up to the last possible one; what is not there is not in the answer."""
    last = entry(MAX_SEQ, bytes([0]), state=Held.REJECTED, reason="chain")
    second = entry(2, bytes([255]), link=Link(sha256=b"s" * 32, prev=b"p" * 32, replaces=b"r" * 32))
    keep(ledger, second, last)
    keys = [BatchKey("gw-1", EPOCH, seq) for seq in (1, 2, MAX_SEQ)]
    assert {second.key: second.link, last.key: last.link} == ledger.links(keys)
    assert [None, second.envelope, last.envelope] == [ledger.envelope(key) for key in keys]
    assert ((MAX_SEQ, "chain"),) == ledger.rejected("gw-1", EPOCH, 5)
    assert {} == ledger.links([])


def test_an_envelope_under_a_taken_number_takes_its_place(ledger):
    """Its losses are forgotten with it."""
    keep(ledger, entry())
    with ledger.transaction():
        ledger.keep_entries([entry(fill=b"b")])
        ledger.keep_losses(entry(), [Loss("load", METER, SLOT, SLOT, 1, "full")])
    assert b"b" * 9 == ledger.envelope(entry().key)
    keep(ledger, entry(fill=b"c"))
    assert (b"c" * 9, []) == (ledger.envelope(entry().key), list(ledger.losses("gw-1")))


def test_a_loss_comes_back_to_the_second(ledger):
    """By the first slot that is lost, whatever the order of telling."""
    told = [Loss("l 负荷", METER, SLOT + n * QUARTER, SLOT + 9 * QUARTER, 2**40, "shed") for n in (2, 1)]
    with ledger.transaction():
        ledger.keep_entries([entry()])
        ledger.keep_losses(entry(), told)
    assert [told[1], told[0]] == list(ledger.losses("gw-1"))


def test_epochs_come_back_in_the_order_of_their_first_hearing(ledger):
    """A later word about an older epoch does not move it; `durable` is not a matter of saving."""
    first = state(NEXT_EPOCH, 4, predecessor=EPOCH, oldest=3)
    with ledger.transaction():
        ledger.save_epochs([first, state(EPOCH)])
        ledger.save_epochs([replace(first, stored=5, durable=5)])
    assert [replace(first, stored=5), state(EPOCH)] == ledger.epochs("gw-1")
    assert replace(first, stored=5) == ledger.epoch("gw-1", NEXT_EPOCH)
    assert None is ledger.epoch("gw-2", EPOCH)
    assert ["gw-1"] == ledger.gateways()


def test_durable_rises_and_never_falls(ledger):
    """Up to what a copy held, never above what is stored here, and nothing lowers it."""
    with ledger.transaction():
        ledger.save_epochs([state(EPOCH, 5), state(NEXT_EPOCH, 2)])
    for mark, expected in ((3, 3), (2, 3), (9, 5)):
        ledger.mark_durable([state(EPOCH, mark), state(b"strange!", 7)])
        assert {("gw-1", EPOCH): expected} == ledger.durables()
    assert [state(NEXT_EPOCH, 2)] == ledger.waiting()
    with ledger.transaction():
        ledger.save_epochs([state(EPOCH, 6)])
    assert [5, 0] == [one.durable for one in ledger.waiting()]


def test_quarantine_is_bounded_a_kind_and_gateway(ledger):
    """The newest 200 of the same kind and gateway stay; those of others are not touched."""
    other = SetAside(kind=QuarantineKind.FORK, gateway="gw-2", epoch=EPOCH, seq=1, reason="r", raw=b"\0", at=LATER)
    forged = SetAside(kind=QuarantineKind.FORGED, gateway="gw-1", reason="", raw=b"", at=LATER)
    with ledger.transaction():
        ledger.set_aside(other)
        for number in range(203):
            ledger.set_aside(replace(forged, raw=number.to_bytes(2)))
    assert [other, *(replace(forged, raw=number.to_bytes(2)) for number in range(3, 203))] == ledger.quarantine()


def test_counts_add_up(ledger):
    """By name, of each gateway alone."""
    with ledger.transaction():
        ledger.count({("gw-1", "stored"): 2, ("gw-2", "stored"): 9}, SLOT)
        ledger.count({("gw-1", "stored"): 1, ("gw-1", "fork"): 1}, LATER)
    assert {"stored": 3, "fork": 1} == ledger.counts("gw-1")


def half_a_batch(ledger) -> None:
    """Write something of everything, and fail."""
    with ledger.transaction():
        ledger.keep_entries([entry()])
        ledger.keep_polls([(entry(), [record()])])
        ledger.save_epochs([state()])
        raise ZeroDivisionError


def test_what_raises_leaves_no_trace(ledger):
    """Envelope, poll, partition, series, epoch: all of it or nothing; afterwards all goes on as if it never was."""
    gateway = Gateway()
    batch = gateway.seal(record())
    with pytest.raises(ZeroDivisionError):
        half_a_batch(ledger)
    assert ([], {}, [], []) == (
        list(ledger.readings(Span())), ledger.links([entry().key]), ledger.gateways(), ledger.unassigned()
    )  # fmt: skip
    (taken,) = take(ledger, gateway, batch)
    assert 1 == taken.counts.readings
    assert ["12.30"] == [row.value for row in ledger.readings(Span())]


def test_what_is_committed_is_there_for_the_next_one(ledgers):
    """Another process that opens the same ledger sees all of it, and an open transaction of it not at all."""
    place, gateway = ledgers.place(), Gateway()
    first, second = gateway.seal(record()), gateway.seal(record(SLOT + QUARTER, value="0.001"))
    with ledgers.open(place) as ledger:
        take(ledger, gateway, first)
        other = ledgers.open(place, must_exist=True)
        with ledger.transaction():
            ledger.keep_entries([entry(7)])
            assert {} == other.links([entry(7).key])
        take(ledger, gateway, second)
        assert ["12.30", "0.001"] == [row.value for row in other.readings(Span())]
    again = ledgers.open(place, must_exist=True)
    assert ["12.30", "0.001"] == [row.value for row in again.readings(Span())]
    assert second == again.envelope(BatchKey("gw-1", EPOCH, 2))


def test_a_ledger_that_must_be_there_is_not_made(ledgers):
    """Looking makes nothing."""
    place = ledgers.place()
    for _ in range(2):
        with pytest.raises(StoreError) as caught:
            ledgers.open(place, must_exist=True)
        assert "E-CEN-303" == caught.value.code


def test_a_newer_layout_is_refused_and_not_touched(ledgers):
    """It says which layout it found and which one it knows; the ledger stays as it is."""
    place = ledgers.place()
    with ledgers.open(place) as ledger:
        newer = "PRAGMA user_version = 99" if isinstance(ledger, SqliteLedger) else "UPDATE layout SET version = 99"
        ledger._run(newer)
    for _ in range(2):
        with pytest.raises(StoreError) as caught:
            ledgers.open(place)
        assert ("E-CEN-304", 99) == (caught.value.code, caught.value.values["found"])


def test_one_centre_at_a_time(ledgers):
    """The second one is refused while the first holds the ledger; reading and copying is open to others."""
    place = ledgers.place()
    first, second = ledgers.open(place), ledgers.open(place)
    first.claim()
    with pytest.raises(StoreError) as caught:
        second.claim()
    assert "E-CEN-305" == caught.value.code
    assert [] == second.gateways()
    first.close()
    second.claim()
    with pytest.raises(StoreError):
        ledgers.open(place).claim()


def test_two_processes_never_give_one_number_to_two_envelopes(ledgers):
    """A centre that runs and a batch that comes on a stick, at the same moment: one is stored, the other is a fork."""
    place, gateway = ledgers.place(), Gateway()
    pair = [ledgers.open(place), ledgers.open(place)]
    for number in range(1, 16):
        both = [gateway.at(number, payload(record(SLOT + number * QUARTER, value=value))) for value in ("1.0", "2.0")]
        met = threading.Barrier(2)

        def send(ledger, envelope, met=met):
            met.wait()
            return take(ledger, gateway, envelope)[0].fate

        with ThreadPoolExecutor(2) as pool:
            fates = list(pool.map(send, pair, both))
        assert {Fate.STORED, Fate.FORK} == set(fates)
        kept = pair[0].envelope(BatchKey("gw-1", EPOCH, number))
        assert both[fates.index(Fate.STORED)] == kept
        gateway.marks.append(envelope_hash(kept))
    assert 15 == len(list(pair[1].readings(Span())))


@pytest.mark.parametrize(
    "slot_at",
    [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2019, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2020, 1, 1, tzinfo=UTC),
        datetime(2026, 12, 31, 23, 45, tzinfo=UTC),
        datetime(2059, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2060, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    ],
)
def test_any_slot_has_a_place(ledger, slot_at):
    """A mad clock's readings are kept as they came, found by their slot, and read once."""
    gateway = Gateway()
    poll = replace(record(), slot_at=slot_at, stamp=replace(record().stamp, at=slot_at))
    take(ledger, gateway, gateway.seal(poll), gateway.seal(poll))
    (row,) = ledger.readings(Span(since=slot_at))
    text = slot_at.strftime("%Y-%m-%dT%H:%M:%S")
    assert (f"{text}Z", f"{text}.000000Z") == (row.slot_at, row.read_at)
    assert [] == list(ledger.readings(Span(until=slot_at)))


TEXTS = ["", "a,b", '"', "\\", "{}", "NULL", "null", "\t", "\n\r", "\\N", "电压", "1,2", ",", "-", "'", "%s"]


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_is_kept_as_it_is(ledger, text):
    """As a value among others, as a task, as a meter: to the letter, none taken for something else."""
    gateway = Gateway()
    values = {ENERGY: Decimal("1.50"), "di:04000101": text, "voltage_l1": None}
    take(ledger, gateway, gateway.seal(record(task=text, values=values, meter=f"m{text}", flags=(text,))))
    rows = list(ledger.readings(Span()))
    assert {ENERGY: "1.50", "di:04000101": text, "voltage_l1": None} == {row.quantity: row.value for row in rows}
    assert {(text, f"m{text}")} == {(row.task, row.meter) for row in rows}
    take(ledger, gateway, gateway.seal(record(task=text, values=values, meter=f"m{text}")))
    assert not any(row.conflict for row in ledger.readings(Span()))


def test_a_nul_stops_nobody(ledger):
    """A gateway may sign it: the batch is stored, told apart from no value, and told twice it is still one reading."""
    gateway = Gateway()
    poll = record(task="l\0ad", values={ENERGY: Decimal(1), "di:04000101": "a\0b"}, meter="m\0", flags=("\0",))
    plan_free = [Loss("l\0ad", "m\0", SLOT, SLOT, 1, "r\0")]
    first, second = gateway.seal(poll, losses=plan_free), gateway.seal(poll)
    taken = take(ledger, gateway, first, second)
    assert [(2, 0, 0), (0, 1, 0)] == [
        (one.counts.readings, one.counts.repeated, one.counts.conflicts) for one in taken
    ]  # fmt: skip
    assert first == ledger.envelope(BatchKey("gw-1", EPOCH, 1))


def test_values_stay_with_their_keys_in_whatever_order_they_come(ledger):
    """A gateway need not sort them."""
    values = {"voltage_l2": Decimal("2.0"), ENERGY: Decimal("3.00"), "voltage_l1": Decimal("1.0")}
    with ledger.transaction():
        ledger.keep_entries([entry()])
        ledger.keep_polls([(entry(), [record(values=values)])])
    assert {key: str(value) for key, value in values.items()} == {
        row.quantity: row.value for row in ledger.readings(Span())
    }


def test_a_slot_twice_in_one_batch_is_settled_in_order(ledger):
    """A miss and then its value, in one batch and transaction: the value counts, the miss is history."""
    gateway = Gateway()
    polls = [record(value=None), refilled(value="2.00"), refilled(value="3.00")]
    (taken,) = take(ledger, gateway, gateway.seal(*polls))
    assert (1, 1, 1) == (taken.counts.readings, taken.counts.superseded, taken.counts.conflicts)
    assert [("2.00", True)] == [(row.value, row.conflict) for row in ledger.readings(Span())]


slots = st.integers(0, 2).map(lambda number: SLOT + number * QUARTER)
some_values = st.dictionaries(
    st.sampled_from([ENERGY, "voltage_l1", "di:04000101"]),
    st.one_of(st.none(), st.sampled_from([Decimal("1.0"), Decimal("1.00"), Decimal("-2E+2"), "x", ""])),
    min_size=1,
    max_size=3,
)
faults = st.dictionaries(st.sampled_from(["voltage_l1", "current_l1"]), st.just(SlotReason.REFUSED), max_size=1)
reads = st.builds(
    lambda slot_at, values, faults, source: record(
        slot_at, values=values, faults={key: why for key, why in faults.items() if key not in values}, source=source
    ),
    slots, some_values, faults, st.sampled_from([Source.LIVE, Source.FREEZE]),
)  # fmt: skip
misses = st.builds(
    lambda slot_at, final, reason: record(
        slot_at, value=None, state=SlotState.MISSING_FINAL if final else SlotState.MISSING_OPEN, reason=reason
    ),
    slots, st.booleans(), st.sampled_from([SlotReason.SILENCE, SlotReason.GARBAGE]),
)  # fmt: skip
batches = st.lists(st.lists(st.one_of(reads, misses), max_size=5), min_size=1, max_size=4)


def shown(ledger) -> tuple:
    """Return everything that a ledger tells of its readings and slots."""
    rows = list(ledger.slots("gw-1", SLOT, SLOT + 9 * QUARTER))
    return list(ledger.readings(Span())), sorted(rows, key=lambda row: row.slot_at), ledger.counts("gw-1")


@given(batches, st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_both_ledgers_make_the_same_of_the_same(tmp_path_factory, postgres, batches, together):
    """Whatever polls come, in one transaction or in several: equal rows, equal counts, equal verdicts."""
    from edge.centre.database_url import parse_database_url
    from edge.centre.ledger_postgres import PostgresLedger

    gateway, url = Gateway(), postgres.new_schema()
    envelopes = [gateway.seal(*polls) for polls in batches]
    keys = Keys({"gw-1": gateway.signer})
    sets = [envelopes] if together else [[one] for one in envelopes]
    with (
        SqliteLedger(tmp_path_factory.mktemp("same") / "ledger.db") as file,
        PostgresLedger(parse_database_url(url)) as database,
    ):
        for some in sets:
            uplinks = [Uplink("gw-1", data, SLOT) for data in some]
            assert accept(file, uplinks, keys) == accept(database, uplinks, keys)
        assert shown(file) == shown(database)
    postgres.drop_schema(url)

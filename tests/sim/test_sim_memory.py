"""What a simulated meter kept of the past: load records and freezes."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from edge.protocols.dlt645.load_records import decode_load_records, section_fields
from edge.sim.faults import parse_fault
from edge.sim.meter import SimMeter
from edge.sim.spans import Span
from tests.sim.meter_talk import ADDRESS, AT, ask, di_bytes, order, read, read_raw

SECTION_DIS = {
    1: ["02010100", "02010200", "02010300", "02020100", "02020200", "02020300", "02800002"],
    2: [f"0203{phase:02X}00" for phase in range(4)] + [f"0204{phase:02X}00" for phase in range(4)],
    3: [f"0206{phase:02X}00" for phase in range(4)],
    4: ["00010000", "00020000", "00030000", "00040000"],
    5: ["00050000", "00060000", "00070000", "00080000"],
    6: ["02800004", "02800005"],
}


def _meter(*faults, **kwargs):
    return SimMeter(ADDRESS, faults=tuple(map(parse_fault, faults)), **kwargs)


def _from(count, local):
    """Return the argument of a read from a given time: count, mm hh DD MM YY."""
    return bytes((count,)) + bytes.fromhex(local)[::-1]


def _times(raw):
    return [record.time for record in decode_load_records(raw)]


def test_records_from_a_given_time():
    """Three records from 12:01 on: the next whole quarters of an hour, in order."""
    raw = read_raw(_meter(), "06000001", _from(3, "2611231201"))
    assert ["2611231215", "2611231230", "2611231245"] == _times(raw)


def test_a_record_holds_what_the_meter_showed():
    """Each value of all six classes is what a read at the record's instant would have brought."""
    meter = _meter()
    (record,) = decode_load_records(read_raw(meter, "06000001", _from(1, "2611231200")))
    at = datetime(2026, 11, 23, 4, tzinfo=UTC)
    for number, dis in SECTION_DIS.items():
        assert len(dis) == len(section_fields(number))
        assert [read(meter, di, at=at)[0] for di in dis] == list(record.sections[number - 1]), number


@pytest.mark.parametrize("number", range(1, 7))
def test_one_class(number):
    """A read of one class brings that section alone."""
    (record,) = decode_load_records(read_raw(_meter(), f"060{number}0002"))
    assert [number] == [place for place, section in enumerate(record.sections, 1) if section]


def test_latest_records():
    """The latest block is that of the quarter of an hour just past; several come in the order of time."""
    assert ["2611231730"] == _times(read_raw(_meter(), "06040002"))
    assert ["2611231715", "2611231730"] == _times(read_raw(_meter(), "06040002", b"\x02"))


def test_earliest_records():
    """A meter that keeps two days begins two days back, at the first whole quarter."""
    assert ["2611211745", "2611211800"] == _times(read_raw(_meter("keeps:2"), "06040000", b"\x02"))


def test_asking_before_the_memory_begins():
    """A begin that is older than the memory gives the earliest that is there."""
    assert ["2611211745"] == _times(read_raw(_meter("keeps:2"), "06040001", _from(1, "2611010000")))


def test_nothing_from_the_future():
    """Where no record fits, the answer is the identifier alone."""
    frame = ask(_meter(), 0x11, di_bytes("06000001") + _from(4, "2611231731"))
    assert (0x91, di_bytes("06000001")) == (frame.control, frame.data)


def test_count_is_decimal():
    """The number of blocks is one byte of two decimal digits: 12H are twelve."""
    assert 12 == len(_times(read_raw(_meter(), "06060001", _from(0x12, "2611230000"))))


@pytest.mark.parametrize("argument", [b"", b"\x0a", b"\x01\x02", _from(1, "2613230000"), _from(1, "2611230000")[:-1]])
def test_impossible_request_is_refused(argument):
    """No count, one that is not decimal, half a time or an impossible one: refused."""
    assert read(_meter(), "06000001", argument) is None


@pytest.mark.parametrize("frame_data", [12, 50, 200])
def test_records_go_over_frames_at_any_byte(frame_data):
    """However small its frames, the joined answer is the same: 5 records of 103 bytes."""
    raw = read_raw(_meter(frame_data=frame_data), "06000001", _from(5, "2611230000"))
    assert 5 * 103 == len(raw)
    assert read_raw(_meter(), "06000001", _from(5, "2611230000")) == raw


@pytest.mark.parametrize("trait", ["no-load-records"])
def test_meter_without_load_records(trait):
    """A meter without load records refuses every read of them."""
    assert read(_meter(trait), "06000002") is None


def test_another_interval():
    """A meter that records every hour has records on the hour, and says so."""
    meter = _meter("load-every:60")
    assert ["2611231300", "2611231400"] == _times(read_raw(meter, "06040001", _from(2, "2611231201")))
    assert [Decimal(60)] == read(meter, "04000A02")


@pytest.mark.parametrize("kind", ["records", "power"])
def test_nothing_recorded_meanwhile(kind):
    """Between two instants nothing was recorded: those records are not there, the next one is."""
    meter = _meter()
    gap = Span(datetime(2026, 11, 23, 4, 10, tzinfo=UTC), datetime(2026, 11, 23, 5, 0, tzinfo=UTC))
    getattr(meter.outages, kind).append(gap)
    assert ["2611231200", "2611231300"] == _times(read_raw(meter, "06040001", _from(2, "2611231200")))


def test_unplugged_meter_goes_on_recording():
    """A meter off the wire records what it would have answered."""
    meter = _meter()
    meter.outages.unplugged.append(Span(AT - timedelta(hours=6), AT - timedelta(hours=1)))
    assert ask(meter, 0x11, di_bytes("00010000"), at=AT - timedelta(hours=2)) is None
    assert ["2611231600"] == _times(read_raw(meter, "06040001", _from(1, "2611231600")))


def test_1997_has_no_load_records():
    """A 1997 meter knows none of these identifiers."""
    assert (0xC1, b"\x02") == order(SimMeter(ADDRESS, "1997"), 0x01, bytes.fromhex("0200"))


NOW = b"\x99" * 4


def test_instant_freeze_by_broadcast():
    """A broadcast freezes time and values of that instant in all meters, without an answer."""
    meters = [_meter(seed=seed) for seed in (1, 2)]
    for meter in meters:
        assert ask(meter, 0x16, NOW, address="9" * 12) is None
    later = AT + timedelta(hours=3)
    for meter in meters:
        assert ["2611231730"] == read(meter, "05010001", at=later)
        assert read(meter, "0001FF00") == read(meter, "05010101", at=later)
        assert read(meter, "0001FF00", at=later) != read(meter, "05010101", at=later)


def test_instant_freeze_is_confirmed():
    """Ordered under its own address the meter confirms with 96H."""
    assert (0x96, b"") == order(_meter(), 0x16, NOW)


def test_three_instants_are_kept():
    """The first is the latest; the fourth is gone."""
    meter = _meter()
    for hour in range(5):
        order(meter, 0x16, NOW, at=AT + timedelta(hours=hour))
    times = [read(meter, f"0501000{back}", at=AT + timedelta(days=1)) for back in range(1, 5)]
    assert [["2611232130"], ["2611232030"], ["2611231930"], None] == times


def test_nothing_frozen_yet():
    """Before the first order there is no instantaneous freeze."""
    assert read(_meter(), "05010001") is None


def test_meter_that_cannot_freeze():
    """A meter may refuse the order, and then has nothing."""
    meter = _meter("no-freeze")
    assert (0xD6, b"\x01") == order(meter, 0x16, NOW)
    assert read(meter, "05010101") is None


def test_every_item_of_a_freeze():
    """Energies with their tariffs, demands with their times, powers: each as at the instant."""
    meter = _meter()
    order(meter, 0x16, NOW)
    later = AT + timedelta(hours=2)
    for kind in range(1, 9):
        assert read(meter, f"000{kind}FF00") == read(meter, f"05010{kind}01", at=later)
    assert read(meter, "0101FF00") == read(meter, "05010901", at=later)
    assert read(meter, "0102FF00") == read(meter, "05010A01", at=later)
    assert read(meter, "0203FF00") + read(meter, "0204FF00") == read(meter, "05011001", at=later)


def test_hourly_freezes():
    """The latest is that of the hour just past; it holds the totals of forward and reverse energy alone."""
    meter = _meter()
    hour = datetime(2026, 11, 23, 9, tzinfo=UTC)
    assert [["2611231700"], ["2611231600"]] == [read(meter, "05040001"), read(meter, "05040002")]
    assert read(meter, "00010000", at=hour) == read(meter, "05040101")
    assert read(meter, "05040301") is None


@pytest.mark.parametrize(("which", "kept"), [("04", 254), ("06", 62), ("00", 12)])
def test_depth_of_freezes(which, kept):
    """The last one kept is there, the one before it is not."""
    meter = _meter()
    assert [True, False] == [read(meter, f"05{which}00{back:02X}") is not None for back in (kept, kept + 1)]


def test_short_memory():
    """A meter that keeps two days has two daily and 48 hourly freezes."""
    meter = _meter("keeps:2")
    assert [True, False] == [read(meter, f"05060{item}") is not None for item in ("002", "003")]
    assert [True, False] == [read(meter, f"050400{back:02X}") is not None for back in (48, 49)]


def test_freeze_missed_without_power():
    """A midnight without power has no daily freeze; the one before moves up."""
    meter = _meter()
    midnight = datetime(2026, 11, 21, 16, tzinfo=UTC)
    meter.outages.power.append(Span(midnight - timedelta(hours=1), midnight + timedelta(hours=1)))
    assert [["2611230000"], ["2611210000"]] == [read(meter, "05060001"), read(meter, "05060002")]


@pytest.mark.parametrize(
    ("data", "times"),
    [
        ("30069999", ["2611240630", None]),  # daily at 06:30
        ("15999999", ["2611241715", "2611241615"]),  # hourly, at minute 15
        ("00002499", ["2611240000", None]),  # on the 24th, midnight
    ],
)
def test_timed_freeze_by_order(data, times):
    """The cycle that was ordered holds from then on; bytes mm hh DD MM, 99 for "every"."""
    meter = _meter()
    assert (0x96, b"") == order(meter, 0x16, bytes.fromhex(data))
    found = [read(meter, f"0500000{back}", at=AT + timedelta(days=1)) for back in (1, 2)]
    assert times == [values and values[0] for values in found]


@pytest.mark.parametrize("data", ["99999999aa", "60999999", "00249999", "00003299", "00000101", "", "aa999999"])
def test_impossible_freeze_order(data):
    """An order that names no cycle is refused with ERR bit 0."""
    assert (0xD6, b"\x01") == order(_meter(), 0x16, bytes.fromhex(data))


def test_totals_block():
    """With the trait 02FF0000 brings P, Q, S (3 bytes each) and the power factor (2): what the single reads bring."""
    meter = _meter("totals-block")
    frame = ask(meter, 0x11, di_bytes("02FF0000"))
    singles = [ask(meter, 0x11, di_bytes(di)).data[4:] for di in ("02030000", "02040000", "02050000", "02060000")]
    assert (0x91, 4 + 11) == (frame.control, len(frame.data))
    assert b"".join(singles) == frame.data[4:]

"""What a simulated meter does by the standard, frame by frame."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from edge.protocols.dlt645.catalogue import catalogue
from edge.protocols.dlt645.frame import Frame, FrameReader, encode_address, encode_frame
from edge.protocols.dlt645.items import decode_data, encode_data
from edge.sim.load import Load
from edge.sim.meter import SimMeter

ADDRESS = "000012345678"
AT = datetime(2026, 11, 23, 9, 30, 15, tzinfo=UTC)  # 17:30:15 in Beijing, a Monday


def _ask(meter, control, data=b"", address=ADDRESS, at=AT):
    """Return the frame that the meter answers with, as it is read off the wire; None for silence."""
    reply = meter.reply(_frame(encode_frame(address, control, data)), at, 0.0)
    return None if reply is None else _frame(reply.encode())


def _frame(raw: bytes) -> Frame:
    reader = FrameReader()
    reader.receive(raw)
    frame = reader.next_event()
    assert isinstance(frame, Frame)
    return frame


def _di(text: str) -> bytes:
    return bytes.fromhex(text)[::-1]


def _read(meter, di, **kwargs):
    frame = _ask(meter, 0x11, _di(di), **kwargs)
    assert frame.control == 0x91
    assert _di(di) == frame.data[:4]
    return [item.value for item in decode_data("2007", di, frame.data[4:])]


def test_given_truth_is_answered():
    """A value put into the meter comes back digit for digit, in the standard's bytes."""
    meter = SimMeter(ADDRESS, truths={"00010000": (Decimal("123456.78"),)})
    frame = _ask(meter, 0x11, _di("00010000"))
    assert bytes.fromhex("6878563412000068910833333433AB896745") == frame.raw[:-2]


@pytest.mark.parametrize("at", [AT, AT + timedelta(hours=5), AT + timedelta(days=40)])
def test_total_is_the_sum_of_its_tariffs(at):
    """The energy block holds the total and the tariffs, and they add up to the last digit."""
    total, *tariffs = _read(SimMeter(ADDRESS), "0001FF00", at=at)
    assert len(tariffs) == 4
    assert sum(tariffs) == total


def test_block_agrees_with_its_items():
    """A block brings exactly what its members bring one by one."""
    meter = SimMeter(ADDRESS, tariffs=2)
    for block in ("0001FF00", "0201FF00", "0202FF00", "0203FF00", "0206FF00", "040005FF"):
        members = catalogue("2007").find(block).members
        values = _read(meter, block)
        assert [_read(meter, member)[0] for member in members[: len(values)]] == values


def test_phases_add_up_to_the_total():
    """The phases' power and energy add up to the total, to the last digit."""
    meter = SimMeter(ADDRESS)
    total, *phases = _read(meter, "0203FF00")
    assert sum(phases) == total
    energies = [_read(meter, di)[0] for di in ("00150000", "00290000", "003D0000")]
    assert [sum(energies)] == _read(meter, "00010000")


def test_1997_digits_are_cut_not_rounded():
    """Where 1997 shows fewer digits than the truth has, the rest is cut off."""
    for seed in range(8):
        exact = SimMeter(ADDRESS, seed=seed).truth("02010100", AT)[0]
        assert (Decimal(int(exact)),) == SimMeter(ADDRESS, "1997", seed=seed).truth("B611", AT)


def test_energy_grows_by_the_power():
    """Within an hour the energy grows by power times time, to the hundredth of a kWh."""
    meter = SimMeter(ADDRESS)
    before, after = (_read(meter, "00010000", at=AT + timedelta(minutes=m))[0] for m in (-20, 20))
    (power,) = _read(meter, "02030000")
    assert abs(after - before - power * 40 / 60) <= Decimal("0.02")
    assert after > before


def test_energy_never_falls():
    """Over days and month ends no tariff ever goes back."""
    load = Load(5)
    start = datetime(2026, 11, 28)  # noqa: DTZ001 - a meter's local time
    series = [load.energy(start + timedelta(minutes=37 * n)) for n in range(300)]
    assert all(b >= a for one, two in pairwise(series) for a, b in zip(one, two, strict=True))


def test_same_seed_same_values():
    """Seed and instant decide every value; another seed gives others."""
    values = [[_read(SimMeter(ADDRESS, seed=seed), di) for di in ("0001FF00", "0201FF00")] for seed in (3, 3, 4)]
    assert values[0] == values[1] != values[2]


def test_single_phase_meter_has_no_other_phases():
    """A single-phase meter sends FFH for phases B and C, inside a block too."""
    meter = SimMeter(ADDRESS, phases=1)
    frame = _ask(meter, 0x11, _di("0201FF00"))
    assert frame.data[6:] == b"\xff\xff\xff\xff"
    assert _read(meter, "02020200") == [None]


def test_settlement_is_the_state_at_the_month_begin():
    """The last settlement is what the meter showed at midnight of the first, local time."""
    meter = SimMeter(ADDRESS)
    midnight = datetime(2026, 10, 31, 16, tzinfo=UTC)
    assert _read(meter, "00010000", at=midnight) == _read(meter, "00010001")


def test_daily_freeze_is_the_state_at_midnight():
    """A daily freeze carries its own time and the energies of that midnight."""
    meter = SimMeter(ADDRESS)
    midnight = datetime(2026, 11, 21, 16, tzinfo=UTC)
    assert _read(meter, "05060002") == ["2611220000"]
    assert _read(meter, "05060102") == _read(meter, "0001FF00", at=midnight)


def test_clock_shows_local_time():
    """Date, weekday (0 = Sunday) and time are those of the meter's place."""
    meter = SimMeter(ADDRESS)
    assert _read(meter, "04000101") == ["261123", "1"]
    assert _read(meter, "04000102") == ["173015"]


@pytest.mark.parametrize("di", ["00990000", "06070002", "00010500", "02FF0000", "FFFFFFFF"])
def test_unknown_item_is_refused(di):
    """What the meter has not it refuses with ERR bit 1; a fifth tariff of four too."""
    frame = _ask(SimMeter(ADDRESS), 0x11, _di(di))
    assert (0xD1, b"\x02") == (frame.control, frame.data)


def test_long_answer_comes_in_follow_up_frames():
    """An answer longer than a frame comes in parts with their number; a part may be asked for again."""
    meter = SimMeter(ADDRESS, frame_data=12)
    whole = encode_data("2007", "0001FF00", meter.truth("0001FF00", AT))
    first = _ask(meter, 0x11, _di("0001FF00"))
    second = _ask(meter, 0x12, _di("0001FF00") + b"\x01")
    again = _ask(meter, 0x12, _di("0001FF00") + b"\x01")
    third = _ask(meter, 0x12, _di("0001FF00") + b"\x02")
    assert [0xB1, 0xB2, 0xB2, 0x92] == [frame.control for frame in (first, second, again, third)]
    assert again.raw == second.raw
    assert [1, 2] == [frame.data[-1] for frame in (second, third)]
    assert whole == first.data[4:] + second.data[4:-1] + third.data[4:-1]
    assert max(len(frame.data) for frame in (first, second, third)) <= 12


@pytest.mark.parametrize("data", [b"\x03", b"\x00"])
def test_part_that_is_not_there_is_refused(data):
    """A number beyond the parts, or none, is refused under the follow-up's own code."""
    meter = SimMeter(ADDRESS, frame_data=12)
    _ask(meter, 0x11, _di("0001FF00"))
    assert _ask(meter, 0x12, _di("0001FF00") + data).control == 0xD2


def test_follow_up_without_a_read_is_refused():
    """Without a long answer before it a follow-up has nothing to follow."""
    assert _ask(SimMeter(ADDRESS), 0x12, _di("0001FF00") + b"\x01").control == 0xD2


def test_read_address():
    """Asked by AA...AA with 13H the meter tells its address, lowest byte first."""
    frame = _ask(SimMeter(ADDRESS), 0x13, address="A" * 12)
    assert (0x93, ADDRESS, encode_address(ADDRESS)) == (frame.control, frame.address, frame.data)


@pytest.mark.parametrize(
    ("address", "is_asked"),
    [
        ("AAAAAAAAAA78", True),
        ("AAAA12345678", True),
        ("A" * 12, True),
        ("AAAAAAAAAA79", False),
        ("000012345679", False),
    ],
)
def test_shortened_addressing(address, is_asked):
    """AAH stands for any high digits in a read; the answer carries the real address."""
    frame = _ask(SimMeter(ADDRESS), 0x11, _di("00010000"), address=address)
    assert (ADDRESS if is_asked else None) == (frame and frame.address)


def test_answers_of_others_are_ignored():
    """A response frame on the wire, even under the own address, is nobody's question."""
    assert _ask(SimMeter(ADDRESS), 0x91, _di("00010000")) is None


def _sync(at: datetime) -> bytes:
    return bytes.fromhex(f"{at:%y%m%d%H%M%S}")[::-1]


@pytest.mark.parametrize(("off_s", "follows"), [(120, True), (-299, True), (301, False)])
def test_time_synchronisation(off_s, follows):
    """A broadcast within five minutes sets the clock, without an answer; one further off does not."""
    meter = SimMeter(ADDRESS)
    wanted = meter.local_time(AT) + timedelta(seconds=off_s)
    assert _ask(meter, 0x08, _sync(wanted), address="9" * 12) is None
    assert (f"{wanted:%H%M%S}" if follows else "173015") == _read(meter, "04000102")[0]


def test_one_synchronisation_a_day():
    """The second broadcast of a day is not followed."""
    meter = SimMeter(ADDRESS)
    for off_s in (60, 120):
        _ask(meter, 0x08, _sync(meter.local_time(AT) + timedelta(seconds=off_s)), address="9" * 12)
    assert _read(meter, "04000102") == ["173115"]


def test_broadcast_read_gets_no_answer():
    """A 2007 meter does not answer a read to 99...99."""
    assert _ask(SimMeter(ADDRESS), 0x11, _di("00010000"), address="9" * 12) is None


_WRITE = _di("04000103") + b"\x04\x11\x22\x33" + b"\1\2\3\4" + b"\x30"


def test_write_without_password_is_refused():
    """By default every write is refused for its password, and changes nothing."""
    meter = SimMeter(ADDRESS)
    frame = _ask(meter, 0x14, _WRITE)
    assert (0xD4, b"\x04") == (frame.control, frame.data)
    assert _read(meter, "04000103") == [Decimal(15)]


def test_write_with_the_password_is_taken():
    """A meter that was given a password takes a write with it, and answers with the new value after."""
    meter = SimMeter(ADDRESS, password=b"\x04\x11\x22\x33")
    frame = _ask(meter, 0x14, _WRITE)
    assert (0x94, b"") == (frame.control, frame.data)
    assert _read(meter, "04000103") == [Decimal(30)]


@pytest.mark.parametrize(
    ("control", "answer", "err"), [(0x17, 0xD7, 8), (0x18, 0xD8, 4), (0x19, 0xD9, 4), (0x1A, 0xDA, 4), (0x1C, 0xDC, 4)]
)
def test_orders_are_refused(control, answer, err):
    """Speed, passwords, clearing and relay are refused under their own code with the standard's bit."""
    frame = _ask(SimMeter(ADDRESS), control, bytes(16))
    assert (answer, bytes((err,))) == (frame.control, frame.data)


def test_write_address_is_not_answered():
    """Without the programming key a meter says nothing to a new address."""
    assert _ask(SimMeter(ADDRESS), 0x15, bytes(6), address="A" * 12) is None


def test_1997_meter():
    """A 1997 meter answers two-byte identifiers with that version's digits, and 99...99 on reads."""
    meter = SimMeter(ADDRESS, "1997")
    energy = _ask(meter, 0x01, _di("901F"))
    assert (0x81, _di("901F")) == (energy.control, energy.data[:2])
    total, *tariffs = [item.value for item in decode_data("1997", "901F", energy.data[2:])]
    assert sum(tariffs) == total
    voltage = _ask(meter, 0x01, _di("B611"), address="9" * 12)
    assert (ADDRESS, 4) == (voltage.address, len(voltage.data))
    refused = _ask(meter, 0x01, _di("C119"))
    assert (0xC1, b"\x02") == (refused.control, refused.data)


def test_1997_follow_up_and_re_read():
    """1997 follow-ups have no number; 03H gives the last answer again."""
    meter = SimMeter(ADDRESS, "1997", frame_data=12)
    first = _ask(meter, 0x01, _di("901F"))
    second = _ask(meter, 0x02, _di("901F"))
    again = _ask(meter, 0x03)
    assert [0xA1, 0x82, 0x83] == [frame.control for frame in (first, second, again)]
    assert again.data == second.data
    whole = encode_data("1997", "901F", meter.truth("901F", AT))
    assert whole == first.data[2:] + second.data[2:]


@pytest.mark.parametrize("version", ["2007", "1997"])
def test_every_truth_survives_the_wire(version):
    """Each item that a meter knows is decoded to exactly the value that it holds."""
    meter = SimMeter(ADDRESS, version, phases=1)
    known = 0
    for pattern in catalogue(version).patterns():
        di = pattern.replace("ss", "01").replace("tt", "02").replace("nn", "03").replace("pp", "01").replace("t", "2")
        values = meter.truth(di, AT) if di.isupper() or di.isdecimal() else None
        if values is not None:
            known += 1
            items = decode_data(version, di, encode_data(version, di, values))
            assert values == tuple(item.value for item in items), di
    assert known > 100


def test_answers_are_remembered():
    """What was answered is kept with its instant; what was refused is not."""
    meter = SimMeter(ADDRESS)
    told = []
    meter.on_answer = told.append
    values = _read(meter, "0201FF00")
    _ask(meter, 0x11, _di("FFFFFFFF"))
    assert [("0201FF00", tuple(values), AT)] == [(each.di, each.values, each.at) for each in meter.answered]
    assert told == list(meter.answered)

"""Orders to a simulated meter: what it obeys, what it refuses and with which bits, what its event log tells after."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from edge.protocols.dlt645.frame import encode_address
from edge.protocols.dlt645.items import decode_data
from edge.protocols.dlt645.words import set_bits
from edge.sim.faults import parse_fault
from edge.sim.meter import SimMeter
from edge.sim.spans import Span
from tests.sim.meter_talk import ADDRESS, AT, ask, di_bytes, order, read

HIGH, LOW, WRONG = b"\x02\x11\x22\x33", b"\x04\x44\x55\x66", b"\x02\x11\x22\x34"
OPERATOR = b"\x01\x02\x03\x04"
LATER = AT + timedelta(hours=1)
ADDRESSED = "A" * 12
REFUSED = b"\x04"


def _meter(*faults, version="2007", password=HIGH):
    return SimMeter(ADDRESS, version, password=password, faults=tuple(map(parse_fault, faults)))


def _write(di, data, password=HIGH):
    return di_bytes(di) + password + OPERATOR + data


# What each order wants: password and operator behind whatever stands first.
@pytest.mark.parametrize(
    ("control", "data"),
    [
        (0x14, _write("04000103", b"\x30", b"%s")),
        (0x19, b"%s" + OPERATOR),
        (0x1A, b"%s" + OPERATOR),
        (0x1B, b"%s" + OPERATOR + b"\xff" * 4),
        (0x1C, b"%s" + OPERATOR + b"\x1a\x00" + bytes.fromhex("000000011226")),
        (0x18, di_bytes("04000C03") + b"%s" + b"\x02\x99\x99\x99"),
    ],
)
def test_password(control, data):
    """With its password an order is obeyed; with another, a level too low, or a module's level it gets ERR bit 2."""
    assert control | 0x80 == order(_meter(), control, data.replace(b"%s", HIGH))[0]
    for password in (WRONG, b"\x05" + HIGH[1:], b"\x98" + HIGH[1:], b"\x99" + HIGH[1:]):
        assert (control | 0xC0, REFUSED) == order(_meter(), control, data.replace(b"%s", password)), password.hex()


@pytest.mark.parametrize("control", [0x1A, 0x1B, 0x1C])
def test_level_of_a_password(control):
    """A password of level 04 writes and clears demand, but clears no meter or events and moves no relay."""
    meter = _meter(password=LOW)
    assert (0x94, b"") == order(meter, 0x14, _write("04000103", b"\x30", LOW))
    assert (0x99, b"") == order(meter, 0x19, LOW + OPERATOR)
    assert (control | 0xC0, REFUSED) == order(meter, control, LOW + OPERATOR + b"\xff" * 8)


@pytest.mark.parametrize("control", [0x14, 0x18, 0x19, 0x1A, 0x1B])
def test_programming_key(control):
    """Without the programming key pressed the right password is of no use; the relay does not ask for the key."""
    meter = _meter("no-key")
    assert (
        control | 0xC0 == order(meter, control, _write("04000103", b"\x30") if control == 0x14 else HIGH + OPERATOR)[0]
    )
    assert (0x9C, b"") == order(meter, 0x1C, _relay(0x1A))


def test_password_by_knob():
    """The knob's text is level, then the six digits as people write them; on the wire the last digits go first."""
    meter = SimMeter(ADDRESS, faults=(parse_fault("password:04665544"),))
    assert (0x94, b"") == order(meter, 0x14, _write("04000103", b"\x30", LOW))


def test_write_leaves_a_programming_record():
    """After two writes the count is 2, and the last record has time, operator and identifier; the rest is absent."""
    meter = _meter()
    order(meter, 0x14, _write("04000103", b"\x30"))
    order(meter, 0x14, _write("04000104", b"\x05"), at=LATER)
    assert [Decimal(2)] == read(meter, "03300000", at=LATER)
    assert ["261123183015", "04030201", "04000104", *[None] * 9] == read(meter, "03300001", at=LATER)
    assert ["261123173015", "04030201", "04000103", *[None] * 9] == read(meter, "03300002", at=LATER)
    assert read(meter, "03300003", at=LATER) is None


@pytest.mark.parametrize(
    ("di", "data", "err"),
    [("04000409", b"\x00\x64\x00", 2), ("04999999", b"\x00", 2), ("04000103", b"\x0a", 1), ("04000103", b"", 1)],
)
def test_impossible_write(di, data, err):
    """What is read only or unknown is refused with bit 1, content that cannot be with bit 0; nothing is recorded."""
    meter = _meter()
    assert (0xD4, bytes((err,))) == order(meter, 0x14, _write(di, data))
    assert [Decimal(0)] == read(meter, "03300000")


def test_setting_the_clock_by_writes():
    """Date and time, written one by one, move the clock; the records hold the times before and after."""
    meter = _meter()
    order(meter, 0x14, _write("04000102", bytes.fromhex("000018")))
    assert ["180000"] == read(meter, "04000102")
    order(meter, 0x14, _write("04000101", bytes.fromhex("02241126")))
    assert ["261124", "2"] == read(meter, "04000101")
    assert ["180005"] == read(meter, "04000102", at=AT + timedelta(seconds=5))
    assert [Decimal(2)] == read(meter, "03300400")
    assert ["04030201", "261123173015", "261123180000"] == read(meter, "03300402")
    assert ["04030201", "261123180000", "261124180000"] == read(meter, "03300401")


def test_setting_date_and_time_at_once():
    """0400010C takes date, weekday and time in one write."""
    meter = _meter()
    assert (0x94, b"") == order(meter, 0x14, _write("0400010C", bytes.fromhex("000018 02241126")))
    assert ["261124", "2"] == read(meter, "04000101")
    assert ["180000"] == read(meter, "04000102")


def test_write_address():
    """15H to AA..AA is answered under the new address, and from then on only that one is heard."""
    meter = _meter()
    frame = ask(meter, 0x15, encode_address("000000000042"), address=ADDRESSED)
    assert ("000000000042", 0x95, b"") == (frame.address, frame.control, frame.data)
    assert ask(meter, 0x11, di_bytes("00010000")) is None
    assert ["000000000042"] == read(meter, "04000401", address="000000000042")


@pytest.mark.parametrize("data", [b"", encode_address(ADDRESS)[:5], bytes.fromhex("4a0000000000")])
def test_impossible_address(data):
    """An address that is none is not answered, nor is any without the key."""
    assert ask(_meter(), 0x15, data, address=ADDRESSED) is None
    assert ask(_meter("no-key"), 0x15, encode_address(ADDRESS), address=ADDRESSED) is None


def test_changed_password():
    """The answer carries the new password; from then on the old one is refused and the new one taken."""
    meter, new = _meter(), b"\x02\x77\x88\x99"
    assert (0x98, new) == order(meter, 0x18, di_bytes("04000C03") + HIGH + new)
    assert (0xD9, REFUSED) == order(meter, 0x19, HIGH + OPERATOR)
    assert (0x99, b"") == order(meter, 0x19, new + OPERATOR)


def test_password_of_another_level():
    """The password of one level does not set that of another."""
    meter = _meter()
    assert (0xD8, REFUSED) == order(meter, 0x18, di_bytes("04000C05") + HIGH + LOW)
    assert (0xD9, REFUSED) == order(meter, 0x19, LOW + OPERATOR)


def test_cleared_demand():
    """After the clear the maximum is 0 with a time of zeros, till the next peak; the record holds what was there."""
    meter = _meter()
    before = read(meter, "01010000")
    assert before[0] > 0
    order(meter, 0x19, HIGH + OPERATOR)
    assert [Decimal("0.0000"), "0000000000"] == read(meter, "01010000")
    record = read(meter, "03300201")
    assert ["261123173015", "04030201", *before] == record[:4]
    assert [Decimal(1)] == read(meter, "03300200")
    again = read(meter, "01010000", at=AT + timedelta(days=1))
    assert (before[0], True) == (again[0], again[1] > "2611231730")


def test_cleared_meter():
    """Energies begin at 0, what was kept and the other events are gone; the record holds the energies before."""
    meter = _meter()
    before = read(meter, "0001FF00")
    order(meter, 0x14, _write("04000103", b"\x30"))
    assert (0x9A, b"") == order(meter, 0x1A, HIGH + OPERATOR)
    assert [Decimal("0.00")] * 5 == read(meter, "0001FF00")
    grown = read(meter, "0001FF00", at=LATER)
    assert 0 < grown[0] < 10
    assert sum(grown[1:]) == grown[0]
    assert before[0] == read(meter, "03300101")[2]
    assert [[Decimal(1)], [Decimal(0)]] == [read(meter, di) for di in ("03300100", "03300000")]
    assert read(meter, "05060001") is None
    assert [] == read(meter, "06000000", b"\x01")


@pytest.mark.parametrize(("which", "left"), [(b"\xff" * 4, [0, 0]), (di_bytes("033000FF"), [0, 1])])
def test_cleared_events(which, left):
    """All events or one group are cleared, and that leaves a record with the identifier cleared."""
    meter = _meter()
    order(meter, 0x14, _write("04000103", b"\x30"))
    order(meter, 0x19, HIGH + OPERATOR)
    assert (0x9B, b"") == order(meter, 0x1B, HIGH + OPERATOR + which)
    assert [[Decimal(count)] for count in left] == [read(meter, di) for di in ("03300000", "03300200")]
    identifier = None if left == [0, 0] else "033000FF"
    assert ["261123173015", "04030201", identifier] == read(meter, "03300301")


def test_impossible_event_clear():
    """An identifier without FFH in its lowest byte names no group: ERR bit 0."""
    assert (0xDB, b"\x01") == order(_meter(), 0x1B, HIGH + OPERATOR + di_bytes("03300001"))


def _relay(what, limit="261123173016", password=HIGH):
    return password + OPERATOR + bytes((what, 0)) + bytes.fromhex(limit)[::-1]


def _operation(meter):
    return set_bits("04000503", read(meter, "04000503")[0])


def test_relay_trips_and_closes():
    """A trip shows in operation word 3, in the block too, and in the log; a direct close takes it back."""
    meter = _meter()
    before = _operation(meter)
    assert (0x9C, b"") == order(meter, 0x1C, _relay(0x1A))
    assert 1 << 4 | 1 << 6 | 1 << 3 == int(read(meter, "04000503")[0], 16)
    assert read(meter, "04000503")[0] == read(meter, "040005FF")[2]
    assert [[Decimal(1)], ["261123173015"]] == [read(meter, di) for di in ("1D000001", "1D000101")]
    order(meter, 0x1C, _relay(0x1C))
    assert before == _operation(meter)
    assert [[Decimal(1)], ["261123173015"]] == [read(meter, di) for di in ("1E000001", "1E000101")]


def test_close_permitted_needs_the_button():
    """1BH only permits: the relay stays open until somebody presses the button."""
    meter = _meter()
    order(meter, 0x1C, _relay(0x1A))
    order(meter, 0x1C, _relay(0x1B))
    assert meter.state.is_relay_open
    meter.state.press_button()
    assert not meter.state.is_relay_open


def test_button_without_permission():
    """After a trip the button alone closes nothing."""
    meter = _meter()
    order(meter, 0x1C, _relay(0x1A))
    meter.state.press_button()
    assert meter.state.is_relay_open


@pytest.mark.parametrize("limit", ["261123173014", "000000000000", "261323173016"])
def test_order_past_its_limit(limit):
    """An order whose limit is past, zero or no date moves nothing."""
    meter = _meter()
    assert (0xDC, b"\x01") == order(meter, 0x1C, _relay(0x1A, limit))
    assert not meter.state.is_relay_open


def test_kept_power():
    """While power is kept, only its release is taken."""
    meter = _meter()
    assert (0x9C, b"") == order(meter, 0x1C, _relay(0x3A))
    assert 1 << 12 | 1 << 3 == int(read(meter, "04000503")[0], 16)
    assert (0xDC, b"\x01") == order(meter, 0x1C, _relay(0x1A))
    assert [(0x9C, b"")] * 2 == [order(meter, 0x1C, _relay(what)) for what in (0x3B, 0x1A)]


def test_unknown_relay_order():
    """An N1 that no table has, or too few bytes, is refused."""
    assert (0xDC, b"\x01") == order(_meter(), 0x1C, _relay(0x5A))
    assert (0xDC, b"\x01") == order(_meter(), 0x1C, _relay(0x1A)[:-1])


def test_alarm():
    """2AH and 2BH put the alarm on and off, and leave the relay alone."""
    meter = _meter()
    shown = []
    for what in (0x2A, 0x2B):
        order(meter, 0x1C, _relay(what))
        shown.append((meter.state.is_alarm_on, meter.state.is_relay_open))
    assert [(True, False), (False, False)] == shown


@pytest.mark.parametrize(
    ("data", "answer"), [(b"\x02", (0x9D, b"\x02")), (b"\x03", (0xDD, b"\x01")), (b"", (0xDD, b"\x01"))]
)
def test_multifunction_output(data, answer):
    """Outputs 0 to 2 are there; the answer repeats the number."""
    assert answer == order(_meter(), 0x1D, data)


def test_security_module_is_refused_with_two_bytes():
    """03H of 2007 gets C3 and a two-byte error word, bit 2 set, lowest byte first."""
    assert (0xC3, b"\x04\x00") == order(_meter(), 0x03, di_bytes("070000FF") + bytes(20))


@pytest.mark.parametrize("control", [0x04, 0x0A, 0x10, 0x1E, 0x1F])
def test_unknown_function(control):
    """A function that 2007 does not have is refused with bit 0."""
    assert (control | 0xC0, b"\x01") == order(_meter(), control, bytes(8))


def test_power_down_record():
    """A time without power is counted when it is over, with its begin and end."""
    meter = _meter()
    off = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
    meter.outages.power.append(Span(off, off + timedelta(minutes=7)))
    assert [Decimal(0)] == read(meter, "03110000", at=off - timedelta(minutes=1))
    assert [Decimal(1)] == read(meter, "03110000")
    assert ["261123120000", "261123120700"] == read(meter, "03110001")


def test_cleared_power_down():
    """After all events were cleared, earlier times without power are not counted; one that ends later is."""
    meter = _meter()
    meter.outages.power.append(Span(AT - timedelta(hours=2), AT - timedelta(hours=1)))
    order(meter, 0x1B, HIGH + OPERATOR + b"\xff" * 4)
    assert [Decimal(0)] == read(meter, "03110000")
    meter.outages.power.append(Span(LATER, LATER + timedelta(hours=1)))
    assert [Decimal(1)] == read(meter, "03110000", at=LATER + timedelta(hours=2))


def test_voltage_loss():
    """Phase A without voltage: the status word meanwhile; after it the count, the minutes, and a whole record."""
    meter = _meter()
    begin, end = datetime(2026, 11, 23, 4, tzinfo=UTC), datetime(2026, 11, 23, 6, tzinfo=UTC)
    meter.outages.voltage.append(Span(begin, end))
    assert ["0001"] == read(meter, "04000504", at=begin)
    assert ["0000"] == read(meter, "04000504", at=end)
    assert [Decimal(each) for each in (1, 120, 0, 0, 0, 0)] == read(meter, "03010000")
    record = read(meter, "03010101")
    before, after = (read(meter, "00010000", at=at)[0] for at in (begin, end))
    assert ["261123120000", "261123140000", after - before] == record[:3]
    assert after > before
    assert read(meter, "02010100", at=begin)[0] in record
    assert read(meter, "03010201") is None


def test_events_that_never_happen():
    """Kinds of events that the simulator does not play have counts of 0 and no records."""
    assert [Decimal(0)] * 2 == read(_meter(), "03070000")
    assert read(_meter(), "03070001") is None


LEVEL_1997 = b"\x00\x11\x22\x33"


def _meter_1997(*faults):
    return _meter(*faults, version="1997", password=LEVEL_1997)


def _read_1997(meter, di):
    frame = ask(meter, 0x01, di_bytes(di))
    return [item.value for item in decode_data("1997", di, frame.data[2:])]


def test_1997_write():
    """A write has identifier, password, data, and no operator; it is counted, with month, day, hour, minute."""
    meter = _meter_1997()
    assert (0x84, b"") == order(meter, 0x04, di_bytes("C111") + LEVEL_1997 + b"\x30")
    assert [[Decimal(30)], [Decimal(1)], ["11231730"]] == [_read_1997(meter, di) for di in ("C111", "B212", "B210")]
    assert (0xC4, b"\x04") == order(meter, 0x04, di_bytes("C111") + WRONG + b"\x30")


def test_1997_demand_clear():
    """10H clears the maximum demand, and is counted; before it there is no time."""
    meter = _meter_1997()
    assert [Decimal(0)] == _read_1997(meter, "B213")
    assert (0x90, b"") == order(meter, 0x10, LEVEL_1997)
    assert [[Decimal(0)], [Decimal(1)], ["11231730"]] == [_read_1997(meter, di) for di in ("A010", "B213", "B211")]


def test_1997_address():
    """0AH to 99..99 is answered under the new address, with the key only."""
    meter = _meter_1997()
    frame = ask(meter, 0x0A, encode_address("000000000042"), address="9" * 12)
    assert ("000000000042", 0x8A, encode_address("000000000042")) == (frame.address, frame.control, frame.data)
    assert ask(_meter_1997("no-key"), 0x0A, encode_address("000000000042"), address="9" * 12) is None


def test_1997_password():
    """0FH has no identifier: the old and the new one, eight bytes."""
    meter, new = _meter_1997(), b"\x00\x77\x88\x99"
    assert (0x8F, new) == order(meter, 0x0F, LEVEL_1997 + new)
    assert [(0xD0, b"\x04"), (0x90, b"")] == [order(meter, 0x10, password) for password in (LEVEL_1997, new)]


@pytest.mark.parametrize("control", [0x0C, 0x16, 0x1C])
def test_1997_refuses(control):
    """A change of speed, and the orders of 2007, are refused with bit 0."""
    assert (control | 0xC0, b"\x01") == order(_meter_1997(), control, b"\x20")


def test_1997_time_broadcast():
    """A broadcast within five minutes sets the clock, and gets no answer."""
    meter = _meter_1997()
    assert ask(meter, 0x08, bytes.fromhex("261123173200")[::-1], address="9" * 12) is None
    assert ["173200"] == _read_1997(meter, "C011")

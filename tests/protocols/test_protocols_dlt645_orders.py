"""Orders: the bytes that go out, what `edge explain` reads in them, and what is refused before it is sent."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from edge.protocols.dlt645 import orders, orders_1997
from edge.protocols.dlt645.control import FUNCTIONS, RELAY_ORDERS
from edge.protocols.dlt645.explain import explain_bytes
from edge.protocols.dlt645.items import encode_data
from edge.protocols.dlt645.order import Order, OrderError, Reach
from edge.protocols.dlt645.orders import Authority, RelayAction
from edge.protocols.exchange import Timing
from edge.protocols.own_orders import change_speed, freeze_now, time_sync
from tests.protocols.vector_file import load_cases

_ME = "202107072529"
_SECRET = bytes.fromhex("02375A61")
_OPERATOR = bytes.fromhex("44332211")
_AUTHORITY = Authority(_SECRET, _OPERATOR)


def _local(text: str) -> datetime:
    return datetime.fromisoformat(text)


_NOW = _local("2026-03-01 12:00:00")
_FRAMES = {case.name: case.frame for case in load_cases("dlt645.txt")}


def _authority(password: str, operator: str) -> Authority:
    return Authority(bytes.fromhex(password), bytes.fromhex(operator))


def _relay(address: str, authority: Authority, action: int, until: datetime, parameter: int = 0) -> Order:
    return orders.relay(address, authority, action, valid_until=until, now=_NOW, parameter=parameter)


_PUBLISHED = {
    "v067": _relay("151230011061", _authority("02370602", "01000000"), 0x1B, _local("2099-12-30 00:00:00")),
    "v068": _relay("151230011061", _authority("02370602", "01000000"), 0x1A, _local("2099-12-30 00:00:00")),
    "v071": _relay("260305510009", _authority("02000000", "00000000"), 0x1A, _local("2099-12-31 23:59:59"), 1),
    "v160": orders.time_sync(_local("2017-06-05 10:22:51")),
    "v161": orders.time_sync(_local("2017-06-05 10:40:25"), "111111111111"),
    "v162": orders.write_address("131078563412", "121078563412"),
    "v173": _relay("201900000034", _authority("02000000", "31313131"), 0x1C, _local("2099-01-01 01:01:01")),
    "v175": orders.write_data("201910280004", "04600101", b"\x3c\x00", _authority("02000000", "31313131")),
    "v176": _relay("000028848129", _authority("02000000", "00000000"), 0x1B, _local("2099-01-01 00:00:00"), 0),
    "v247": orders.change_speed("201901120001", 2400),
    "v294": orders_1997.write_data("999999999999", "C010", bytes.fromhex("06060719"), bytes(4)),
}


@pytest.mark.parametrize("name", _PUBLISHED)
def test_order_is_the_published_frame(name: str):
    """Each published order is built byte for byte, as many FEH first as the source shows."""
    frame = _FRAMES[name]
    assert frame == _PUBLISHED[name].encode(len(frame) - len(frame.lstrip(b"\xfe")))


def test_no_published_order_is_left_out():
    """Every published request that is no read is built here, but for trips whose validity limit is all zero."""
    requests = [case for case in load_cases("dlt645.txt") if case.expect.split()[1] == "request"]
    reading = {"11", "12", "13", "01", "02"}
    published = {case.name for case in requests if case.expect.split()[3] not in reading}
    assert {"v164", "v166", "v170"} == published - set(_PUBLISHED)


# Order, the function that `edge explain` reads in it, and the values in reading order.
_BUILT: list[tuple[Order, str, list[str | None]]] = [
    (
        orders.write_data(_ME, "04000101", encode_data("2007", "04000101", ["260301", "0"]), _AUTHORITY),
        "write",
        ["02", "615A37", "11223344", "00010326"],
    ),
    (orders.write_address(_ME), "write_address", [_ME]),
    (orders.freeze(_ME), "freeze", ["99999999"]),
    (orders.freeze(minute=30), "freeze", ["99999930"]),
    (orders.freeze(hour=0, minute=5), "freeze", ["99990005"]),
    (orders.freeze(day=28, hour=23, minute=59), "freeze", ["99282359"]),
    (orders.change_speed(_ME, 9600), "change_speed", ["9600"]),
    (
        orders.change_password(_ME, "04000C03", _SECRET, bytes.fromhex("02112233")),
        "change_password",
        ["02", "615A37", "02", "332211"],
    ),
    (orders.clear_demand(_ME, _AUTHORITY), "clear_demand", ["02", "615A37", "11223344"]),
    (orders.clear_meter(_ME, _AUTHORITY), "clear_meter", ["02", "615A37", "11223344"]),
    (orders.clear_events(_ME, _AUTHORITY), "clear_events", ["02", "615A37", "11223344", "FFFFFFFF"]),
    (orders.clear_events(_ME, _AUTHORITY, "033000FF"), "clear_events", ["02", "615A37", "11223344", "033000FF"]),
    (
        _relay(_ME, _AUTHORITY, RelayAction.KEEP_POWER_ON, _local("2026-03-01 12:10:05"), 7),
        "relay",
        ["02", "615A37", "11223344", "3A", "keep power on", "07", "260301121005"],
    ),
    (orders.multifunction_output(_ME, 2), "multifunction_output", ["02"]),
    (orders.security(_ME, "070000FF", b"\x01\x02\x33\xff"), "security", ["010233FF"]),
    (orders.time_sync(_local("2026-03-01 12:34:56")), "time_sync", ["260301123456"]),
    (orders_1997.re_read(_ME), "re_read", []),
    (
        orders_1997.write_data(_ME, "C010", encode_data("1997", "C010", ["260301", "0"]), _SECRET),
        "write",
        ["02375A61", "00010326"],
    ),
    (orders.time_sync(_local("2026-03-01 12:34:56"), version="1997"), "time_sync", ["260301123456"]),
    (orders_1997.write_address(_ME), "write_address", [_ME]),
    (
        orders_1997.change_password(_ME, _SECRET, bytes.fromhex("03112233")),
        "change_password",
        ["02", "615A37", "03", "332211"],
    ),
    (orders_1997.clear_demand(_ME, _SECRET), "clear_demand", ["02375A61"]),
]


@pytest.mark.parametrize(("order", "function", "values"), _BUILT)
def test_explain_reads_what_an_order_says(order: Order, function: str, values: list[str | None]):
    """What an order was made of is what `edge explain` finds in its frame, in the version it was made for."""
    found = explain_bytes(order.encode(4), order.version)
    assert (None, "request", order.address, function) == (
        found.problem,
        found.direction,
        found.address,
        found.function,
    )
    assert values == [item.value for item in found.items]
    assert (order.name, 4) == (function, found.start)


def test_every_function_has_an_order():
    """Every function of both versions but reading is built in the table above; 1997 has no speed to ask for."""
    reading = {"read", "read_follow_up", "read_address"}
    built = {(order.version, order.name) for order, _, _ in _BUILT} | {("1997", "change_speed")}
    known = {(version, function.name) for version, codes in FUNCTIONS.items() for function in codes.values()}
    assert built == {(version, name) for version, name in known if name not in reading}


def test_relay_actions_are_those_explained():
    """An action that can be ordered has its words, and none with words is left out."""
    assert set(RELAY_ORDERS) == set(RelayAction)


_REFUSED: list[tuple[str, Callable[[], object]]] = [
    ("password of 3", lambda: Authority(bytes(3), _OPERATOR)),
    ("operator code of 5", lambda: Authority(_SECRET, bytes(5))),
    ("old password of 0", lambda: orders.change_password(_ME, "04000C01", b"", _SECRET)),
    ("new password of 8", lambda: orders_1997.change_password(_ME, _SECRET, bytes(8))),
    ("no password's identifier", lambda: orders.change_password(_ME, "04000401", _SECRET, _SECRET)),
    ("a password of 1", lambda: orders_1997.clear_demand(_ME, b"\0")),
    ("a write of 51 bytes", lambda: orders.write_data(_ME, "04600101", bytes(39), _AUTHORITY)),
    ("a write of 51 bytes", lambda: orders_1997.write_data(_ME, "EEEE", bytes(45), _SECRET)),
    ("a write without data", lambda: orders.write_data(_ME, "04600101", b"", _AUTHORITY)),
    ("do not fit 04000101", lambda: orders.write_data(_ME, "04000101", bytes(3), _AUTHORITY)),
    ("impossible_date", lambda: orders.write_data(_ME, "04000101", bytes.fromhex("00310226"), _AUTHORITY)),
    ("no identifier of 8", lambda: orders.write_data(_ME, "0400010g", bytes(4), _AUTHORITY)),
    ("no identifier of 4", lambda: orders_1997.write_data(_ME, "04000101", bytes(4), _SECRET)),
    ("no characteristic bit", lambda: orders.change_speed(_ME, 300)),
    ("speed byte of DL/T 645-1997", lambda: orders_1997.change_speed(_ME, 9600)),
    ("minute 60", lambda: orders.freeze(minute=60)),
    ("day 0", lambda: orders.freeze(day=0, hour=0, minute=0)),
    ("needs its minute", lambda: orders.freeze(hour=3)),
    ("needs its minute", lambda: orders.freeze(day=3, minute=3)),
    ("year 1999", lambda: orders.time_sync(_local("1999-12-31 00:00:00"))),
    ("without a zone", lambda: orders.time_sync(_local("2026-03-01 00:00:00").replace(tzinfo=UTC))),
    ("valid until", lambda: _relay(_ME, _AUTHORITY, RelayAction.TRIP, _local("2026-03-01 11:59:59"))),
    ("valid until", lambda: _relay(_ME, _AUTHORITY, RelayAction.TRIP, _NOW)),
    ("1FH is not known", lambda: _relay(_ME, _AUTHORITY, 0x1F, _local("2026-03-02 00:00:00"))),
    ("N2 256", lambda: _relay(_ME, _AUTHORITY, RelayAction.TRIP, _local("2026-03-02 00:00:00"), 256)),
    ("output 3", lambda: orders.multifunction_output(_ME, 3)),
    ("not of class 07", lambda: orders.security(_ME, "04000101", b"")),
    ("204 data bytes", lambda: orders.security(_ME, "070000FF", bytes(200))),
    ("no group of events", lambda: orders.clear_events(_ME, _AUTHORITY, "03300001")),
    ("no group of events", lambda: orders.clear_events(_ME, _AUTHORITY, "040001FF")),
    ("not 12 digits", lambda: orders.clear_meter("12345", _AUTHORITY)),
    ("not 12 digits", lambda: orders.clear_meter("AAAAAAAA2529", _AUTHORITY)),
    ("not 12 digits", lambda: orders.write_address("A" * 12)),
    ("everybody's address", lambda: orders.write_address("9" * 12)),
    ("everybody's address", lambda: orders_1997.write_address("9" * 12)),
    ("clear_meter goes to one meter", lambda: orders.clear_meter("9" * 12, _AUTHORITY)),
    ("relay goes to one meter", lambda: _relay("A" * 12, _AUTHORITY, RelayAction.TRIP, _local("2027-01-01 00:00:00"))),
    ("write_address goes to one meter", lambda: orders.write_address(_ME, "9" * 12)),
    ("write_address goes to one meter", lambda: orders_1997.write_address(_ME, "A" * 12)),
]


@pytest.mark.parametrize(("why", "make"), _REFUSED)
def test_what_cannot_be_sent_is_refused_when_it_is_made(why: str, make: Callable[[], object]):
    """Each mistake is named at once, in both languages, before anything is on the wire."""
    with pytest.raises(OrderError) as caught:
        make()
    error = caught.value
    assert why.replace("not 12 digits", "has not 12 digits") in error.text
    assert error.text == str(error)
    assert any("一" <= letter <= "鿿" for letter in error.zh)


@pytest.mark.parametrize("order", [order for order, _, _ in _BUILT])
def test_no_order_shows_its_bytes(order: Order):
    """Passwords and payloads stay out of what an order shows of itself, and out of an authority."""
    shown = repr(order) + repr(_AUTHORITY)
    assert "\\x" not in shown
    assert [] == [hidden for hidden in ("data=", "echo=", "615A37", "7Za") if hidden in shown]


def test_refused_data_are_not_shown():
    """The error of data that do not fit names the identifier and the reason, not the data."""
    with pytest.raises(OrderError) as caught:
        orders.write_data(_ME, "04000C03", bytes.fromhex("02375A6F"), _AUTHORITY)
    assert "5A" not in caught.value.text + caught.value.zh
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_who_may_give_which_order():
    """The poller may freeze, synchronise and re-read; change the speed where that was agreed; all else is signed."""
    reach = {order.name: order.reach for order, _, _ in _BUILT}
    free = {name for name, one in reach.items() if one is Reach.FREE}
    assert {"freeze", "time_sync", "re_read"} == free
    assert {"change_speed"} == {name for name, one in reach.items() if one is Reach.AGREED}
    assert {name for name in reach if name not in free} == {order.name for order, _, _ in _BUILT if order.is_dangerous}


def test_orders_of_the_poller():
    """The poller reaches its own orders by the protocol's name; 1997 knows neither freeze nor speed."""
    timing = Timing(wake=0)
    sync = time_sync("dlt645-1997", lambda: _local("2017-06-05 10:22:51"), timing)
    assert sync is not None
    assert _FRAMES["v160"] == sync.request()
    freeze = freeze_now("dlt645-2007", timing)
    assert freeze is not None
    assert bytes.fromhex("68999999999999681604CCCCCCCC") == freeze.request()[:-2]
    speed = change_speed("dlt645-2007", "201901120001", 2400, timing)
    assert speed is not None
    assert _FRAMES["v247"] == speed.request()
    assert change_speed("dlt645-2007", "201901120001", 38400, timing) is None
    assert (None, None) == (freeze_now("dlt645-1997", timing), change_speed("dlt645-1997", _ME, 9600, timing))
    assert time_sync("modbus", lambda: _local("2017-06-05 00:00:00"), timing) is None

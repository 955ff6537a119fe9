"""Giving an order: the right confirmation, and the right verdict on everything else."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.bus.link import LineSettings
from edge.bus.memory_link import Arrival, MemoryLink
from edge.bus.runner import run_exchange
from edge.clock import ManualClock
from edge.protocols.dlt645 import orders, orders_1997
from edge.protocols.dlt645.frame import encode_frame
from edge.protocols.dlt645.order import Order
from edge.protocols.dlt645.order_exchange import OrderExchange
from edge.protocols.dlt645.orders import Authority
from edge.protocols.exchange import Progress, Timing
from edge.reading.outcome import (
    BadChecksum,
    Collision,
    Confirmed,
    ForeignMaster,
    Garbage,
    Late,
    Malformed,
    Outcome,
    Refused,
    Sent,
    Silence,
    WrongAddress,
)
from edge.reading.verdict import Verdict

_ME = "202107072529"
_OTHER = "202107072530"
_ANY = "A" * 12
_ALL = "9" * 12
_SECRET = bytes.fromhex("02375A61")
_NEW = bytes.fromhex("025C5B5A")
_AUTHORITY = Authority(_SECRET)
_CLEAR = orders.clear_demand(_ME, _AUTHORITY)
_CONFIRMED = encode_frame(_ME, 0x99, b"", 0)


def _local(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _exchange(order: Order, late_from: frozenset[str] = frozenset()) -> OrderExchange:
    exchange = OrderExchange(order, Timing(), late_from=late_from)
    exchange.request()
    return exchange


def _verdict(reply: bytes, order: Order = _CLEAR, late_from: frozenset[str] = frozenset()) -> Outcome:
    exchange = _exchange(order, late_from)
    exchange.receive(reply)
    return exchange.outcome or exchange.give_up()


_TRIP = orders.relay(
    _ME, _AUTHORITY, 0x1A, valid_until=_local("2026-03-01 12:05:00"), now=_local("2026-03-01 12:00:00")
)


@pytest.mark.parametrize(
    ("order", "control", "data", "by"),
    [
        (orders.write_data(_ME, "04600101", b"\1", _AUTHORITY), 0x94, b"", _ME),
        (orders.write_address(_OTHER), 0x95, b"", _OTHER),
        (orders.write_address(_OTHER, _ME), 0x95, b"", _OTHER),
        (orders.freeze(_ME), 0x96, b"", _ME),
        (orders.change_speed(_ME, 9600), 0x97, b"\x20", _ME),
        (orders.change_password(_ME, "04000C03", _SECRET, _NEW), 0x98, _NEW, _ME),
        (_CLEAR, 0x99, b"", _ME),
        (orders.clear_meter(_ME, _AUTHORITY), 0x9A, b"", _ME),
        (orders.clear_events(_ME, _AUTHORITY), 0x9B, b"", _ME),
        (_TRIP, 0x9C, b"", _ME),
        (orders.multifunction_output(_ME, 1), 0x9D, b"\1", _ME),
        (orders.security(_ME, "070000FF", b"\1\2"), 0x83, bytes.fromhex("FF000007AABB"), _ME),
        (orders_1997.re_read(_ME), 0x83, bytes.fromhex("109078563412"), _ME),
        (orders_1997.write_data(_ME, "C033", bytes(6), _SECRET), 0x84, b"", _ME),
        (orders_1997.write_data(_ALL, "C033", bytes(6), _SECRET), 0x84, b"", _ME),
        (orders_1997.write_address(_OTHER), 0x8A, b"", _OTHER),
        (orders_1997.write_address(_OTHER), 0x8A, b"", _ALL),
        (orders_1997.change_password(_ME, _SECRET, _NEW), 0x8F, _NEW, _ME),
        (orders_1997.clear_demand(_ME, _SECRET), 0x90, b"", _ME),
    ],
)
def test_confirmation_of_each_order(order: Order, control: int, data: bytes, by: str):
    """Each order ends with its own confirmation: control code, address and bytes; another's or none is not one."""
    outcome = _verdict(encode_frame(by, control, data), order)
    assert isinstance(outcome, Confirmed)
    assert (by, data, Verdict.OK) == (outcome.address, outcome.data, outcome.verdict)
    assert isinstance(_verdict(encode_frame(by, control ^ 1, data), order), Late)
    if _ALL not in (by, order.address):
        assert isinstance(_verdict(encode_frame("000000000001", control, data), order), WrongAddress)


@pytest.mark.parametrize(
    ("order", "reply"),
    [
        (orders.change_speed(_ME, 9600), encode_frame(_ME, 0x97, b"\x08")),
        (orders.change_speed(_ME, 9600), encode_frame(_ME, 0x97, b"")),
        (orders.change_password(_ME, "04000C03", _SECRET, _NEW), encode_frame(_ME, 0x98, _SECRET)),
        (orders.multifunction_output(_ME, 1), encode_frame(_ME, 0x9D, b"\2")),
        (_CLEAR, encode_frame(_ME, 0x99, b"\0")),
        (_CLEAR, encode_frame(_ME, 0xB9, b"")),
    ],
)
def test_confirmation_of_something_else(order: Order, reply: bytes):
    """A confirmation that names another speed, password or output than was ordered confirms nothing."""
    assert isinstance(_verdict(reply, order), Malformed)


def test_address_is_confirmed_by_the_new_one():
    """The old address does not confirm a change of address."""
    outcome = _verdict(encode_frame(_ME, 0x95, b""), orders.write_address(_OTHER, _ME))
    assert isinstance(outcome, WrongAddress)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (b"", Silence),
        (_CLEAR.encode(4), Silence),
        (b"\x00\xff\x13\x68", Garbage),
        (_CONFIRMED[:-2] + b"\x00\x16", BadChecksum),
        (_CONFIRMED[5:], Garbage),
        (_CONFIRMED[1:], BadChecksum),
        (encode_frame(_OTHER, 0x99, b""), WrongAddress),
        (encode_frame(_OTHER, 0x11, bytes(4)), ForeignMaster),
        (encode_frame(_ME, 0x91, bytes(8)), Late),
        (encode_frame(_ME, 0x9A, b""), Late),
        (encode_frame(_ME, 0xDA, b"\4"), Late),
        (_CONFIRMED[:10] + _CONFIRMED, Confirmed),
        (_CONFIRMED + _CONFIRMED, Confirmed),
        (_CONFIRMED + encode_frame(_ME, 0xD9, b"\4"), Collision),
        (_CONFIRMED[:-2] + b"\x00\x16" + _CONFIRMED[:5], Collision),
        (_CLEAR.encode(4) + _CONFIRMED, Confirmed),
    ],
)
def test_verdicts(reply: bytes, kind: type[Outcome]):
    """Each fault of the wire has its own verdict, and keeps the bytes."""
    outcome = _verdict(reply)
    assert (kind, reply) == (type(outcome), outcome.raw)


def test_late_answer_of_a_meter_that_was_slow():
    """A stranger that owes an answer is late, not wrong."""
    assert isinstance(_verdict(encode_frame(_OTHER, 0x99, b""), late_from=frozenset({_OTHER})), Late)


def test_refusal_names_the_bits():
    """The error byte is bits; the security dialogue has two bytes, shown high byte first."""
    outcome = _verdict(encode_frame(_ME, 0xD9, b"\x05"))
    assert isinstance(outcome, Refused)
    assert ("05", ("other error", "password wrong / not authorised")) == (outcome.code, outcome.reasons)
    security = orders.security(_ME, "070000FF", b"\1")
    outcome = _verdict(encode_frame(_ME, 0xC3, b"\x04\x10"), security)
    assert isinstance(outcome, Refused)
    assert ("1004", ("password wrong / not authorised",)) == (outcome.code, outcome.reasons)


def test_security_answer_to_another_step_is_late():
    """An answer that repeats another identifier belongs to an earlier step of the dialogue."""
    security = orders.security(_ME, "070000FF", b"\1")
    assert isinstance(_verdict(encode_frame(_ME, 0x83, bytes.fromhex("FF010007")), security), Late)


def test_two_meters_that_take_one_address():
    """An order to whoever is there waits to the deadline; a second confirmation, even the same, is another meter."""
    order, confirmed = orders.write_address(_OTHER), encode_frame(_OTHER, 0x95, b"")
    assert _exchange(order).receive(confirmed) is Progress.WAIT
    assert isinstance(_verdict(confirmed, order), Confirmed)
    assert isinstance(_verdict(confirmed + confirmed, order), Collision)
    assert isinstance(_verdict(confirmed + confirmed[:-2] + b"\0\x16", order), Collision)


def test_nothing_shows_a_password():
    """Neither a confirmation that carries the new password nor a fault with it in its bytes shows it."""
    order = orders.change_password(_ME, "04000C03", _SECRET, _NEW)
    for reply in (_NEW, _SECRET, _NEW[:3]):
        outcome = _verdict(order.encode(4) + encode_frame(_ME, 0x98, reply), order)
        assert "\\x" not in repr(outcome)
        assert [] == [secret for secret in (_NEW, _SECRET) if secret.hex() in (repr(outcome) + outcome.detail).lower()]


class _Recorder:
    """A wire that keeps what was sent, and gives back what a script says for each request."""

    def __init__(self, *replies: bytes) -> None:
        self.sent: list[bytes] = []
        self._replies = list(replies)

    def transmit(self, data: bytes, at: float, line: LineSettings | None = None) -> list[Arrival]:
        self.sent.append(data)
        reply = self._replies.pop(0) if self._replies else b""
        return [Arrival(at + 0.4, reply)] if reply else []


def _run(order: Order, *replies: bytes) -> tuple[Outcome, list[bytes], float]:
    clock, wire = ManualClock(), _Recorder(*replies)
    begin = clock.monotonic()
    outcome = run_exchange(MemoryLink(clock, wire), OrderExchange(order, Timing()), clock, LineSettings(), gap_s=0.02)
    return outcome, wire.sent, clock.monotonic() - begin


def test_broadcast_is_done_when_it_is_sent():
    """Nobody answers a broadcast: it lasts the quiet before it and its own 22 bytes, not a byte longer."""
    outcome, sent, lasted = _run(orders.time_sync(_local("2026-03-01 12:00:00")))
    assert isinstance(outcome, Sent)
    assert (1, pytest.approx(0.02 + 22 * 11 / 2400)) == (len(sent), lasted)
    assert isinstance(_run(orders.freeze())[0], Sent)
    assert isinstance(_run(orders.time_sync(_local("2026-03-01 12:00:00"), _ME))[0], Sent)


def test_broadcast_heard_as_an_echo_is_sent_all_the_same():
    """The echo of an adapter, or anything else on the wire, is no answer to a broadcast."""
    exchange = _exchange(orders.freeze())
    assert exchange.receive(orders.freeze().encode(4)) is Progress.WAIT
    assert isinstance(exchange.give_up(), Sent)


@pytest.mark.parametrize("reply", [b"", b"\x68\x00", _CONFIRMED, encode_frame(_ME, 0xD9, b"\1")])
def test_order_is_sent_once(reply: bytes):
    """Whatever comes back, the exchange never sends an order again."""
    assert 1 == len(_run(_CLEAR, reply, _CONFIRMED)[1])


@given(st.binary(max_size=300), st.lists(st.integers(1, 40)))
def test_no_bytes_make_it_raise(data: bytes, sizes: list[int]):
    """Whatever a wire delivers in whatever pieces, the exchange gives an outcome, the same one ever after."""
    for order in (_CLEAR, orders.write_address(_OTHER), orders.freeze(), orders_1997.re_read(_ME)):
        exchange = _exchange(order)
        stream, at = _CONFIRMED[:-4] + data, 0
        for size in [*sizes, len(stream)]:
            exchange.receive(stream[at : at + size])
            at += size
        outcome = exchange.give_up()
        assert exchange.give_up() is outcome is exchange.outcome


def test_flood_ends_the_exchange():
    """A wire that never stops is judged by its first 4 KiB."""
    exchange = _exchange(_CLEAR)
    assert {Progress.WAIT} == {exchange.receive(b"\x00" * 512) for _ in range(8)}
    assert exchange.receive(b"\x00" * 512) is Progress.DONE
    assert isinstance(exchange.outcome, Garbage)

"""The exchange: one question, and the right verdict on whatever the wire brings back."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.protocols.dlt645.driver import Dlt645Driver
from edge.protocols.dlt645.frame import encode_frame
from edge.protocols.dlt645.items import encode_data
from edge.protocols.exchange import Exchange, Progress, Request, Timing
from edge.reading.outcome import (
    Answer,
    BadChecksum,
    Collision,
    ForeignMaster,
    Garbage,
    Late,
    Malformed,
    Outcome,
    Refused,
    Silence,
    WrongAddress,
)

_ME = "202107072529"
_OTHER = "202107072530"
_TIMING = Timing()
_DI = bytes.fromhex("00010000")[::-1]
_VALUE = bytes.fromhex("26000000")
_ANSWER = encode_frame(_ME, 0x91, _DI + _VALUE)


def _read(identifier: str = "00010000", keys: tuple[str, ...] = (), **more: frozenset[str]) -> Exchange:
    version = "2007" if len(identifier) >= 8 else "1997"
    exchange = Dlt645Driver(version).read(_ME, Request(identifier, keys), _TIMING, **more)
    exchange.request()
    return exchange


def _verdict(reply: bytes, exchange: Exchange | None = None) -> Outcome:
    """Return what an exchange makes of these bytes and the silence after them."""
    exchange = exchange or _read()
    exchange.receive(reply)
    return exchange.outcome or exchange.give_up()


def test_request_of_each_version():
    """2007 asks with 11H and four bytes of identifier, 1997 with 01H and two; four FEH go first."""
    assert _read().request() == bytes.fromhex("FEFEFEFE") + encode_frame(_ME, 0x11, _DI, 0)
    assert _read("9010").request() == encode_frame(_ME, 0x01, bytes.fromhex("1090"))


def test_answer_in_pieces():
    """An answer that comes byte by byte is done at its last byte, not before."""
    exchange = _read()
    assert {Progress.WAIT} == {exchange.receive(bytes((byte,))) for byte in _ANSWER[:-1]}
    assert exchange.receive(_ANSWER[-1:]) is Progress.DONE
    answer = exchange.outcome
    assert isinstance(answer, Answer)
    assert (_ME, _ANSWER) == (answer.address, answer.raw)
    assert [("energy_active_import_total", Decimal("0.26"), "kWh")] == [(i.key, i.value, i.unit) for i in answer.items]
    assert exchange.give_up() is answer


@given(st.lists(st.integers(1, 40)))
def test_any_split_of_echo_noise_and_answer(sizes: list[int]):
    """Echo, noise and answer give the answer however they are cut."""
    exchange = _read()
    stream = exchange.request() + b"\x00\x68\x12" + _ANSWER
    at = 0
    for size in [*sizes, len(stream)]:
        exchange.receive(stream[at : at + size])
        at += size
    assert isinstance(exchange.outcome or exchange.give_up(), Answer)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (b"", Silence),
        (b"\xfe\xfe\xfe\xfe", Silence),
        (b"\x00\xff\x13\x68", Garbage),
        (_ANSWER[:-2] + b"\x00\x16", BadChecksum),
        (_ANSWER[:-5], BadChecksum),
        (_ANSWER[5:], BadChecksum),  # the first 68H was lost, but the asked address is there
        (encode_frame(_OTHER, 0x91, _DI + _VALUE), WrongAddress),
        (encode_frame(_OTHER, 0x11, _DI), ForeignMaster),
        (encode_frame(_ME, 0x11, bytes.fromhex("00000102")), ForeignMaster),
        (encode_frame(_ME, 0x91, bytes.fromhex("00020000")[::-1] + _VALUE), Late),
        (encode_frame(_ME, 0x93, bytes(6)), Late),
        (encode_frame(_ME, 0x91, _DI + b"\x00\x00\x0e\x00"), Malformed),
        (encode_frame(_ME, 0x91, _DI + b"\x00\x00\x00"), Malformed),
        (encode_frame(_ME, 0x91, b"\x00"), Malformed),
    ],
)
def test_verdicts(reply: bytes, kind: type[Outcome]):
    """Each fault of the wire has its own verdict, and keeps the bytes."""
    outcome = _verdict(reply)
    assert (kind, reply) == (type(outcome), outcome.raw)


def test_own_echo_is_no_evidence():
    """Only our own echo came back: nobody answered."""
    exchange = _read()
    assert isinstance(_verdict(exchange.request(), exchange), Silence)


@pytest.mark.parametrize(
    "before",
    [
        encode_frame(_OTHER, 0x91, _DI + _VALUE),
        encode_frame(_OTHER, 0x11, _DI),
        encode_frame(_ME, 0x91, bytes.fromhex("00020000")[::-1] + _VALUE),
        _ANSWER[:-2] + b"\x00\x16",
    ],
)
def test_the_right_answer_counts_whatever_came_before(before: bytes):
    """A stranger, a second master, a late answer or a damaged one do not spoil the right answer."""
    assert isinstance(_verdict(before + _ANSWER), Answer)


@pytest.mark.parametrize("rival", [_ME, "A" * 12])
def test_an_answer_after_another_masters_question_is_not_taken(rival: str):
    """Who asked the same meter, or everybody, in between may be meant by the answer: it is not ours."""
    before = encode_frame(rival, 0x11, bytes.fromhex("00020000")[::-1])
    assert isinstance(_verdict(before + _ANSWER), ForeignMaster)


def test_complete_answer_behind_a_false_start():
    """An answer that a false start hides is found at the deadline."""
    exchange = _read()
    assert exchange.receive(b"\x68\1\2\3\4\5\6\x68\x91\xff" + _ANSWER) is Progress.WAIT
    assert isinstance(exchange.give_up(), Answer)


def test_answer_of_a_meter_that_was_slow():
    """A stranger that we know to owe an answer is late, not wrong."""
    reply = encode_frame(_OTHER, 0x91, _DI + _VALUE)
    assert isinstance(_verdict(reply, _read(late_from=frozenset({_OTHER}))), Late)
    assert _verdict(reply).detail == _OTHER


def test_refusal_names_the_bits():
    """The error byte is bits, not a number: each set bit has its words."""
    outcome = _verdict(encode_frame(_ME, 0xD1, b"\x06"))
    assert isinstance(outcome, Refused)
    assert ("06", ("no requested data", "password wrong / not authorised")) == (outcome.code, outcome.reasons)


def test_two_different_answers_are_a_collision():
    """Two sound answers with different data to one question come from two meters; twice the same is one."""
    second = encode_frame(_ME, 0x91, _DI + b"\x27\0\0\0")
    assert isinstance(_verdict(_ANSWER + second), Collision)
    assert isinstance(_verdict(_ANSWER + _ANSWER), Answer)


def test_more_bytes_than_the_header_announces_are_a_collision():
    """A damaged answer with bytes too many was laid over another; the same damage without them is noise."""
    damaged = bytearray(_ANSWER)
    damaged[16] ^= 0x55
    assert isinstance(_verdict(bytes(damaged)), BadChecksum)
    assert isinstance(_verdict(bytes(damaged) + b"\x33\x16"), Collision)
    assert isinstance(_verdict(b"\xfe\xfe" + bytes(damaged)), BadChecksum)


def test_two_headers_from_the_asked_address_are_a_collision():
    """Two heads in the bytes: two meters with one address."""
    assert isinstance(_verdict(_ANSWER[:14] + _ANSWER[4:14]), Collision)


def _part(sequence: int, data: bytes, *, more: bool) -> bytes:
    return encode_frame(_ME, 0xB2 if more else 0x92, bytes.fromhex("01023003") + data + bytes((sequence,)))


def test_follow_up_frames_are_joined():
    """A record in three frames comes out as one; each request names the next sequence number."""
    exchange = _read("03300201")
    assert exchange.receive(encode_frame(_ME, 0xB1, bytes.fromhex("01023003") + b"\1" * 100)) is Progress.SEND
    assert exchange.request() == encode_frame(_ME, 0x12, bytes.fromhex("0102300301"))
    assert exchange.receive(_part(1, b"\2" * 100, more=True)) is Progress.SEND
    assert exchange.request() == encode_frame(_ME, 0x12, bytes.fromhex("0102300302"))
    assert exchange.receive(_part(2, b"\3" * 2, more=False)) is Progress.DONE
    answer = exchange.outcome
    assert isinstance(answer, Answer)
    joined = encode_data("2007", "03300201", [item.value for item in answer.items])
    assert b"\1" * 100 + b"\2" * 100 + b"\3" * 2 == joined


def test_follow_up_with_another_number_is_asked_again():
    """A wrong sequence number is asked for again, twice at most."""
    exchange = _read("03300201")
    exchange.receive(encode_frame(_ME, 0xB1, bytes.fromhex("01023003") + b"\1"))
    asked = exchange.request()
    for _ in range(2):
        assert exchange.receive(_part(7, b"", more=False)) is Progress.SEND
        assert asked == exchange.request()
    assert exchange.receive(_part(7, b"", more=False)) is Progress.DONE
    assert isinstance(exchange.outcome, Malformed)


def test_answer_without_end_is_given_up():
    """A meter that announces more for ever is stopped at the last sequence number."""
    exchange = _read("03300201")
    progress = exchange.receive(encode_frame(_ME, 0xB1, bytes.fromhex("01023003")))
    asked = 0
    while progress is Progress.SEND:
        exchange.request()
        asked += 1
        progress = exchange.receive(_part(asked, b"", more=True))
    assert (255, Malformed) == (asked, type(exchange.outcome))


def test_broken_off_follow_up_is_no_answer():
    """Half a record never looks like a whole one."""
    exchange = _read("03300201")
    exchange.receive(encode_frame(_ME, 0xB1, bytes.fromhex("01023003") + b"\1"))
    exchange.request()
    assert not isinstance(exchange.give_up(), Answer)


@pytest.mark.parametrize(("identifier", "control"), [("0001FF00", 0xB1), ("901F", 0xA1)])
def test_parts_of_a_meter_that_owes_an_answer_are_late(identifier: str, control: int):
    """The first part may be of an earlier try; the parts of this try would be joined to it."""
    part = encode_frame(_ME, control, bytes.fromhex(identifier)[::-1] + _VALUE)
    assert isinstance(_verdict(part, _read(identifier, late_from=frozenset({_ME}))), Late)


def test_follow_up_of_1997_has_no_number():
    """1997 asks with 02H and the identifier alone."""
    exchange = _read("901F")
    assert exchange.receive(encode_frame(_ME, 0xA1, bytes.fromhex("1F90") + _VALUE)) is Progress.SEND
    assert exchange.request() == encode_frame(_ME, 0x02, bytes.fromhex("1F90"))
    assert exchange.receive(encode_frame(_ME, 0x82, bytes.fromhex("1F90") + _VALUE)) is Progress.DONE
    answer = exchange.outcome
    assert isinstance(answer, Answer)
    assert [Decimal("0.26")] * 2 == [item.value for item in answer.items]


def test_keys_are_given_as_asked():
    """An identifier asked for as `di:` keeps that key; status words come as one text besides."""
    outcome = _verdict(_ANSWER, _read("00010000", ("di:00010000",)))
    assert isinstance(outcome, Answer)
    assert "di:00010000" in [item.key for item in outcome.items]
    words = encode_frame(_ME, 0x91, bytes.fromhex("FF050004") + bytes.fromhex("1000") * 7)
    outcome = _verdict(words, _read("040005FF", ("status_words",)))
    assert isinstance(outcome, Answer)
    assert {"status_words": " ".join(["0010"] * 7)}.items() <= {i.key: i.value for i in outcome.items}.items()


def _clock(date: str, time: str, date_again: str) -> Outcome:
    exchange = _read("04000101+04000102", ("clock",))
    for di, data in (("04000101", date), ("04000102", time), ("04000101", date_again)):
        exchange.request()
        exchange.receive(encode_frame(_ME, 0x91, bytes.fromhex(di)[::-1] + bytes.fromhex(data)))
    return exchange.outcome or exchange.give_up()


def test_clock_is_date_time_and_date_again():
    """The clock is one text; a midnight between the reads gives no time of the wrong day."""
    outcome = _clock("01110116", "302010", "01110116")
    assert isinstance(outcome, Answer)
    assert [("clock", "160111102030")] == [(item.key, item.value) for item in outcome.items]
    assert isinstance(_clock("01110116", "595923", "02120116"), Malformed)


def test_part_of_a_clock_is_no_answer():
    """A false start hides the date until the deadline: time and second date are missing, so nothing was read."""
    exchange = _read("04000101+04000102", ("clock",))
    false_start = bytes.fromhex("68000000000000 68 91 C8")
    exchange.receive(false_start + encode_frame(_ME, 0x91, bytes.fromhex("01010004 01110116")))
    assert isinstance(exchange.give_up(), BadChecksum)


def _find(pattern: str, *replies: bytes, version: str = "2007") -> Outcome:
    exchange = Dlt645Driver("2007" if version == "2007" else "1997").find(pattern, _TIMING)
    exchange.request()
    for reply in replies:
        exchange.receive(reply)
    return exchange.outcome or exchange.give_up()


def test_find_asks_by_the_standard():
    """Any: the read-address function; low digits: shortened addressing; 1997: a plain read."""
    driver = Dlt645Driver("2007")
    assert driver.find("A" * 12, _TIMING).request() == encode_frame("A" * 12, 0x13)
    low = driver.find("AAAAAAAA2529", _TIMING).request()
    assert low == encode_frame("AAAAAAAA2529", 0x11, bytes.fromhex("01040004"))
    assert Dlt645Driver("1997").find("A" * 12, _TIMING).request() == encode_frame("A" * 12, 1, bytes.fromhex("1090"))


def test_find_takes_the_address_that_answers():
    """The address comes from the answer; an echo of AA is never learned."""
    me = bytes.fromhex(_ME)[::-1]
    for reply in (encode_frame(_ME, 0x93, me), encode_frame("A" * 12, 0x93, me)):
        found = _find("A" * 12, reply)
        assert isinstance(found, Answer)
        assert found.address == _ME
    for echoed in ("A" * 12, "AAAAAAAA2529"):
        found = _find("AAAAAAAA2529", encode_frame(echoed, 0x91, bytes.fromhex("01040004") + me))
        assert isinstance(found, Answer)
        assert found.address == _ME
    hidden = encode_frame("A" * 12, 0x81, bytes.fromhex("1090") + _VALUE)
    assert isinstance(_find("A" * 12, hidden, version="1997"), Malformed)


def test_find_waits_for_a_second_meter():
    """Two meters that answer one after the other are a collision; one outside the pattern is a stranger."""
    one, two = (encode_frame(a, 0x93, bytes.fromhex(a)[::-1]) for a in (_ME, _OTHER))
    assert isinstance(_find("A" * 12, one, two), Collision)
    assert isinstance(_find("A" * 12, one, two[:-3] + b"\0\0\x16"), Collision)
    stranger = encode_frame(_OTHER, 0x91, bytes.fromhex("01040004") + bytes.fromhex(_OTHER)[::-1])
    assert isinstance(_find("AAAAAAAA2529", stranger), WrongAddress)


def test_longest_reply_bounds_the_wait():
    """The longest answer follows from the identifier's data; unknown ones may fill a whole frame."""
    assert _read().longest_reply == 4 + 12 + 4 + 4
    assert _read("04600101").longest_reply == 4 + 12 + 200


@given(st.binary(max_size=300))
def test_no_bytes_make_it_raise(data: bytes):
    """Whatever a wire delivers, the exchange gives an outcome."""
    assert isinstance(_verdict(data), Outcome)
    assert isinstance(_verdict(_ANSWER[:-4] + data), Outcome)


@pytest.mark.parametrize("pattern", ["A" * 12, "AAAAAAAA2529"])
def test_a_meter_that_states_another_address_than_it_answers_under_is_not_found(pattern: str):
    """Two addresses for one meter: nobody could be asked by either with certainty."""
    control, data = (0x93, b"") if pattern == "A" * 12 else (0x91, bytes.fromhex("01040004"))
    other = bytes.fromhex(_OTHER)[::-1]
    assert isinstance(_find(pattern, encode_frame(_ME, control, data + other)), Malformed)
    same = _find(pattern, encode_frame(_ME, control, data + bytes.fromhex(_ME)[::-1]))
    assert isinstance(same, Answer)
    assert _ME == same.address


def test_the_answer_to_another_masters_question_is_no_stranger():
    """Request and answer of the other are one thing: a second master. An answer to no request is another."""
    theirs = encode_frame(_OTHER, 0x11, _DI, 0) + encode_frame(_OTHER, 0x91, _DI + _VALUE)
    assert isinstance(_verdict(theirs), ForeignMaster)
    assert isinstance(_verdict(theirs + encode_frame("202107072531", 0x91, _DI + _VALUE)), WrongAddress)

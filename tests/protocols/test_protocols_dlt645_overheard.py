"""Who else asks on the wire: requests that are not ours, and until when the wire is theirs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.protocols.dlt645.frame import encode_frame
from edge.protocols.dlt645.overheard import Overheard

METER = "202311000001"
REQUEST = encode_frame(METER, 0x11, bytes.fromhex("00000100"))
OTHER = encode_frame(METER, 0x11, bytes.fromhex("00000200"))
ANSWER = encode_frame(METER, 0x91, bytes(8))
THEIRS = encode_frame(METER, 0x91, bytes.fromhex("0000010012345678"))
REFUSAL = encode_frame(METER, 0xD1, b"\x02")
ANYBODY = encode_frame("AAAAAAAAAAAA", 0x11, bytes.fromhex("00000100"))
OLD = encode_frame(METER, 0x01, bytes.fromhex("1090"))
OLD_ANSWER = encode_frame(METER, 0x81, bytes.fromhex("109012345678"))


def test_a_request_that_we_did_not_send_is_foreign():
    """The wire is the other's until its meter must have begun to answer."""
    heard = Overheard()
    heard.hear(REQUEST, 100.0)
    assert (1, 100.0) == (heard.foreign, heard.last_foreign_s)
    assert heard.busy_until_s > 100.5


def test_the_answer_gives_the_wire_back():
    """After the other's answer the wire is free at once."""
    heard = Overheard()
    heard.hear(REQUEST, 100.0)
    heard.hear(ANSWER, 100.2)
    assert 100.2 == heard.busy_until_s


@pytest.mark.parametrize("echoed", [REQUEST, REQUEST.lstrip(b"\xfe"), REQUEST[1:]])
def test_our_own_echo_is_not_foreign(echoed):
    """Adapters that hear themselves, the first byte lost or not."""
    heard = Overheard()
    heard.sent(REQUEST)
    heard.hear(echoed, 100.0)
    assert 0 == heard.foreign


@given(st.lists(st.integers(1, 7), min_size=1, max_size=30), st.binary(max_size=8))
def test_any_split_and_noise_before_it_finds_the_request(sizes, noise):
    """Bytes come in any pieces."""
    heard, data, now = Overheard(), noise.replace(b"\x68", b"") + REQUEST, 100.0
    while data:
        size = sizes[len(data) % len(sizes)]
        heard.hear(data[:size], now)
        data, now = data[size:], now + 0.01
    assert 1 == heard.foreign


def test_half_a_request_long_ago_hides_none():
    """What broke off a second ago does not swallow what comes now."""
    heard = Overheard()
    heard.hear(encode_frame(METER, 0x11, bytes(200))[:40], 100.0)
    heard.hear(REQUEST, 101.0)
    assert 1 == heard.foreign


def test_the_other_may_ask_what_we_asked():
    """Our echo comes once, and not after the answer to a later question: then the same bytes are the other's."""
    heard = Overheard()
    heard.sent(REQUEST)
    heard.hear(REQUEST, 100.0)
    heard.hear(ANSWER, 100.2)
    heard.hear(REQUEST, 101.0)
    assert 1 == heard.foreign
    heard.sent(OTHER)
    heard.hear(ANSWER, 101.5)  # late: our own request is on its way still
    heard.hear(OTHER, 101.6)
    assert 1 == heard.foreign


def test_the_other_may_ask_what_we_asked_without_an_echo():
    """Adapters that do not hear themselves: what we asked before the last question is not waited for any more."""
    heard = Overheard()
    for request in (REQUEST, OTHER):
        heard.sent(request)
        heard.hear(ANSWER, 100.0)
    heard.hear(REQUEST, 101.0)
    assert 1 == heard.foreign


@pytest.mark.parametrize(
    ("request_", "answer"), [(REQUEST, THEIRS), (REQUEST, REFUSAL), (ANYBODY, THEIRS), (OLD, OLD_ANSWER)]
)
def test_the_first_answer_that_fits_is_the_others(request_, answer):
    """The other asked first, and the meter takes its time: that is of before our question; the next one is ours."""
    heard = Overheard()
    heard.hear(request_, 100.0)
    heard.sent(request_)
    assert not heard.was_answered(METER, 100.6)
    heard.hear(answer, 101.2)
    assert heard.was_answered(METER, 100.6)
    assert not heard.was_answered(METER, 101.2)
    heard.hear(answer, 101.6)
    assert not heard.was_answered(METER, 101.2)


@pytest.mark.parametrize(
    "answer",
    [
        encode_frame(METER, 0x91, bytes.fromhex("0000020012345678")),  # to another question
        encode_frame("202311000002", 0x91, bytes.fromhex("0000010012345678")),  # of another meter
        encode_frame(METER, 0x93, bytes.fromhex("000001001234")),  # of another function
    ],
)
def test_an_answer_to_something_else_is_not_the_others(answer):
    """The other's question stays open: its answer is still to come."""
    heard = Overheard()
    heard.hear(REQUEST, 100.0)
    heard.hear(answer, 101.0)
    assert not any(heard.was_answered(address, 100.5) for address in (METER, "202311000002"))
    heard.hear(THEIRS, 101.2)
    assert heard.was_answered(METER, 100.5)


def test_a_question_of_long_ago_is_answered_no_more():
    """A meter that never answered the other answers us."""
    heard = Overheard()
    heard.hear(REQUEST, 100.0)
    heard.hear(THEIRS, 111.0)
    assert not heard.was_answered(METER, 100.5)

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

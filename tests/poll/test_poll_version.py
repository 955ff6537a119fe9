"""Which year a meter speaks: only an answer decides."""

import pytest

from edge.poll.version import VersionSearch
from edge.protocols.exchange import Timing
from edge.reading.outcome import Answer, BadChecksum, Malformed, Refused, Silence

METER = "202311000001"
ANSWER = Answer(address=METER, items=())
REFUSED = Refused(code="02")


@pytest.mark.parametrize(
    ("outcomes", "found"),
    [
        ([ANSWER], "dlt645-2007"),
        ([Silence(), ANSWER], "dlt645-1997"),
        ([REFUSED, ANSWER], "dlt645-1997"),
        ([REFUSED, Silence()], ""),
        ([Silence(), REFUSED], ""),
        ([Malformed(reason="length"), REFUSED], ""),
        ([BadChecksum(), REFUSED], ""),
        ([Silence(), Silence()], ""),
        ([BadChecksum(), Silence()], ""),
    ],
)
def test_the_year_is_what_brings_an_answer(outcomes, found):
    """2007 is asked first; nothing more is asked once a year is sure."""
    search = VersionSearch(METER, Timing())
    for outcome in outcomes:
        assert not search.is_done
        search.next_exchange()
        search.take(outcome)
    assert search.is_done
    assert found == search.found


def test_what_was_heard_is_told_when_nothing_answered():
    """Damage says more than silence."""
    search = VersionSearch(METER, Timing())
    search.take(Silence())
    search.take(BadChecksum())
    keys = ["voltage_l1", "voltage_l2", "frequency"]
    assert dict.fromkeys(keys, "bad_checksum") == {
        key: reason.value for key, reason in search.as_poll(keys).faults.items()
    }


def test_a_meter_that_refuses_in_both_years_is_refused():
    """Every item of its slot says so."""
    search = VersionSearch(METER, Timing())
    search.take(REFUSED)
    search.take(REFUSED)
    poll = search.as_poll(["voltage_l1", "voltage_l2", "frequency"])
    assert ("refused", 3) == (poll.reason.value, len(poll.faults))

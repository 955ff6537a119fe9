"""Raising the speed of a meter: where it ends up, whatever comes back."""

import pytest

from edge.poll.speed import SpeedChange, agreed_speed
from edge.protocols.exchange import Timing
from edge.reading.outcome import Answer, BadChecksum, Confirmed, Garbage, Malformed, Refused, Silence

METER = "202311000001"
CONFIRMED, ANSWER, REFUSED = Confirmed(address=METER), Answer(address=METER, items=()), Refused(code="08")
OLD, NEW = 2400, 9600


@pytest.mark.parametrize(
    ("outcomes", "at", "reached"),
    [
        ([CONFIRMED, ANSWER], [OLD, NEW], NEW),
        ([CONFIRMED, Silence(), ANSWER], [OLD, NEW, NEW], NEW),
        ([CONFIRMED, Refused(code="02")], [OLD, NEW], NEW),
        ([CONFIRMED, Garbage(), Silence(), ANSWER], [OLD, NEW, NEW, OLD], OLD),
        ([CONFIRMED, *[Silence()] * 4], [OLD, NEW, NEW, OLD, OLD], None),
        ([REFUSED], [OLD], OLD),
        ([Silence(), ANSWER], [OLD, OLD], OLD),
        ([Silence(), Silence(), Silence(), ANSWER], [OLD, OLD, OLD, NEW], NEW),
        ([BadChecksum(), ANSWER], [OLD, NEW], NEW),
        ([Malformed(reason="speed"), Silence(), Silence(), ANSWER], [OLD, NEW, NEW, OLD], OLD),
    ],
)
def test_the_meter_is_found_where_it_is(outcomes, at, reached):
    """The order goes out once, at the old speed; then the meter is read where it must be, else where it was."""
    change = SpeedChange(address=METER, protocol="dlt645-2007", old=OLD, new=NEW, timing=Timing())
    for outcome, baud in zip(outcomes, at, strict=True):
        assert not change.is_done
        assert baud == change.baud
        assert change.next_exchange() is not None
        change.take(outcome)
    assert change.is_done
    assert reached == change.reached


def test_1997_has_no_such_order():
    """Its speed byte is not known, so nothing is sent."""
    assert SpeedChange(address=METER, protocol="dlt645-1997", old=OLD, new=NEW, timing=Timing()).next_exchange() is None


@pytest.mark.parametrize(
    ("tags", "speed"),
    [
        (["speed=9600"], 9600),
        (["north", "speed=19200"], 19200),
        ([], None),
        (["speed=9601"], None),
        (["speed="], None),
        (["speed=fast"], None),
        (["9600"], None),
    ],
)
def test_the_installer_agrees_by_a_tag(tags, speed):
    """Only a speed that the standard has is agreed to."""
    assert speed == agreed_speed(tags)

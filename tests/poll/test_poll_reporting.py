"""What a bus says of its meters: the reason and the detail in one alarm belong together."""

import pytest

from edge.clock import ManualClock
from edge.health.model import Health
from edge.poll.meter_poll import MeterPoll
from edge.poll.reporting import BusReport
from edge.protocols.drivers import driver
from edge.protocols.exchange import Timing
from edge.reading.outcome import Garbage, Refused, Silence

METER = "202311000001"
NO_DATA = Refused(code="02", reasons=("no such data",), is_lasting=True)


@pytest.mark.parametrize(
    ("outcomes", "code", "values"),
    [
        ([NO_DATA, Silence(), Silence()], "E-BUS-201", {"detail": "", "count": 0}),
        ([Silence(), NO_DATA, NO_DATA], "E-BUS-205", {"detail": "no such data (ERR 02)"}),
        ([NO_DATA, Garbage(raw=bytes(5)), Garbage(raw=bytes(4))], "E-BUS-202", {"count": 9}),
    ],
)
def test_detail_and_count_are_of_the_reason(outcomes, code, values):
    """Of items that failed in different ways the most frequent reason is told, with what was seen of it."""
    health = Health(ManualClock())
    report = BusReport("A", health)
    poll = MeterPoll(METER, ("voltage_l1", "frequency", "power_factor_total"), driver("dlt645-2007"), Timing(), tries=1)
    poll._answered = True
    for outcome in outcomes:
        poll.take(outcome)
    report.missed(METER, poll.reason, poll)
    report.end_round(1)
    told = health.snapshot()["conditions"][f"meter {METER}"]
    assert code == told["code"]
    assert values.items() <= told["values"].items()

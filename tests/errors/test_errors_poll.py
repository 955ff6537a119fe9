"""The poller's conditions that are no verdict of one exchange."""

from datetime import timedelta

import pytest

from edge.app.poll_half import open_poll
from edge.bus.link import LineSettings
from edge.bus.memory_link import Arrival, MemoryLink
from edge.bus.runner import run_exchange
from edge.clock import ClockTrust, ManualClock
from edge.config.load import parse_toml_model
from edge.config.settings import Settings
from edge.health.model import Answer, Health
from edge.poll.scan import ScanOrder, scan_run
from edge.protocols.dlt645.frame import encode_frame
from edge.store.database import open_database
from edge.store.journal import Journal
from tests.poll.test_poll_worker import A, B, Site, Way
from tests.store.store_kit import record


@pytest.fixture
def journal(tmp_path):
    """Return a journal on a file."""
    with open_database(tmp_path / "edge.db", max_mib=16) as database:
        yield Journal(database)


class Noisy:
    """A wire on which something always talks."""

    def transmit(self, data, at, line=None):
        return [Arrival(at + 0.1, b"\x68\x00\x55" * 10)]


class NoisyBus:
    """Asks on a wire that is never quiet."""

    def __init__(self):
        self.clock = ManualClock()
        self.link = MemoryLink(self.clock, Noisy())

    def exchange(self, exchange, line=None):
        return run_exchange(self.link, exchange, self.clock, LineSettings(), gap_s=0)

    def line_of(self, address):
        return None


def test_a_scan_of_noise_ends_itself():
    """Where everything seems to answer, the tree of wildcards would never end: the scan says why it stops."""
    way = Way()
    run = scan_run("dlt645-2007", 200, way, ScanOrder())
    bus = NoisyBus()
    while run.step(bus):
        pass
    assert ["E-BUS-213"] == [one["code"] for one in way.documents[-1]["conditions"]]
    assert run.probes < 10


def _code(site, claim):
    """Return the code under which a claim does not hold."""
    assert Answer.NO is site.health.answer(claim)
    return site.health.snapshot()["conditions"][claim]["code"]


def test_a_bus_that_is_too_slow_is_a_condition(journal, caplog):
    """Sixty meters in a minute at 600 Bd: the bus is named with its task and what may be done."""
    site = Site(journal, *(f"2023110000{n:02d}" for n in range(60)), baud=600)
    site.run_until(200)
    assert "E-BUS-211" == _code(site, "bus A")
    assert "task load" in caplog.text


def test_a_meter_that_has_none_of_its_items_is_a_condition(journal):
    """Identifiers of another protocol only: the meter is not called silent, it was never asked."""
    site = Site(journal, A, B, items=("di:9010",))
    site.run_until(70)
    assert "E-BUS-212" == _code(site, f"meter {A}")
    assert [] == [answer for sim in site.sims.values() for answer in sim.answered]


@pytest.fixture
def back(tmp_path):
    """Return settings and a clock that goes 400 days behind what the store holds already."""
    text = f'gateway = {{ id = "g", tenant = "t", state_dir = "{tmp_path}" }}\n'
    early = record()
    with open_database(tmp_path / "edge.db", max_mib=64) as database:
        Journal(database).append([early])
    clock = ManualClock(now=early.slot_at - timedelta(days=400))
    return parse_toml_model(text.encode(), tmp_path / "edge.toml", Settings).value, clock


def test_marks_of_a_time_that_has_not_come_are_forgotten(back, caplog):
    """A clock that was years ahead wrote them; with a trusted clock they are dropped, and the log says so."""
    settings, clock = back
    with open_poll(settings, clock, Health(clock)) as half:
        half.tend()
    assert "E-STO-111" in caplog.text


def test_a_clock_behind_what_is_recorded_is_a_condition(back):
    """Nobody vouches for the clock: the marks stay, and the health says that clock and store do not agree."""
    settings, clock = back
    clock.trusted = ClockTrust.NONE
    health = Health(clock)
    with open_poll(settings, clock, health) as half:
        half.tend()
    condition = health.snapshot()["conditions"]["clock_agrees"]
    assert ("no", "E-STO-112") == (condition["answer"], condition["code"])


def test_another_master_on_the_bus_is_a_condition(journal):
    """Requests that we did not send are counted and named; after ten quiet minutes the bus is ours again."""
    site = Site(journal, A)
    site.run_until(40)
    site.links[-1].hear([Arrival(site.clock.monotonic() + 1, encode_frame(B, 0x11, bytes.fromhex("00000100")))])
    site.run_until(60)
    assert "E-BUS-232" == _code(site, "bus A alone")
    assert 1 == site.health.snapshot()["counters"]["foreign_requests.A"]
    site.run_until(60 * 12)
    assert Answer.YES is site.health.answer("bus A alone")


def test_a_bus_on_which_nobody_answers_is_one_condition(journal):
    """The bus is to blame, not each meter; what each meter would do is not known meanwhile."""
    site = Site(journal, A, B, faults={A: ["dead"], B: ["garbage"]})
    site.run_until(40)
    assert "E-BUS-233" == _code(site, "bus A answers")
    assert [Answer.UNKNOWN] * 2 == [site.health.answer(f"meter {one}") for one in (A, B)]

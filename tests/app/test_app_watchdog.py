"""The watchdog is fed by progress: one worker that stands still, of a bus or of the forwarder, is enough to stop it."""

from types import SimpleNamespace

import pytest

from edge import __version__
from edge.app import daemon
from edge.app.daemon import App
from edge.clock import ManualClock
from edge.errors import EdgeError, LinkError


class Thread:
    """A worker's thread as the main thread sees it."""

    def __init__(self, beat: float, name: str = "bus A") -> None:
        self.beat, self.name = beat, name


class Turns:
    """A control server that ends the daemon after so many turns of the main thread."""

    def __init__(self, app: App, count: int) -> None:
        self.app, self.count = app, count

    def step(self, timeout_s: float) -> None:
        self.count -= 1
        if self.count <= 0:
            self.app.stopping.set()


def fed(beats: list[float], turns: int = 1) -> int:
    """Return how often the watchdog was fed in so many turns, at the monotonic second 1000."""
    told: list[str] = []
    notifier = SimpleNamespace(alive=told.append)
    app = App(SimpleNamespace(), None, only=None, clock=ManualClock(), notifier=notifier)
    app._tend([SimpleNamespace(tend=lambda: None)], [Turns(app, turns)], [Thread(beat) for beat in beats])
    return len(told)


def test_it_is_fed_while_every_worker_moves() -> None:
    """Once a turn of the main thread."""
    assert 3 == fed([999.0, 1000.0 - daemon._STUCK_S + 0.1], turns=3)


@pytest.mark.parametrize("beats", [[1000.0 - daemon._STUCK_S], [1000.0, 1000.0, 900.0], [0.0, 1000.0]])
def test_one_worker_that_stands_still_stops_it(beats: list[float]) -> None:
    """Whichever it is, and however well the others do."""
    assert 0 == fed(beats, turns=3)


def test_a_main_thread_that_hangs_feeds_nothing() -> None:
    """The sign is given by the thread that serves commands, after its work: it cannot be given for it."""
    app = App(SimpleNamespace(), None, only=None, clock=ManualClock(), notifier=SimpleNamespace(alive=lambda _: 1 / 0))
    with pytest.raises(TimeoutError):
        app._tend([SimpleNamespace(tend=_hang)], [Turns(app, 1)], [Thread(1000.0)])


def test_a_worker_that_stands_still_is_a_condition() -> None:
    """The health model names it, and the one that moves not; moving again ends it."""
    app = App(SimpleNamespace(), None, only=None, clock=ManualClock(), notifier=SimpleNamespace(alive=lambda _: None))
    stuck, well = Thread(900.0, "bus A"), Thread(1000.0, "forward")
    app._feed([stuck, well])
    conditions = app.health.snapshot()["conditions"]
    assert "E-HLT-191" == conditions["worker bus A"]["code"]
    assert {"worker": "bus A", "seconds": 100} == conditions["worker bus A"]["values"]
    assert "yes" == conditions["worker forward"]["answer"]
    stuck.beat = 1000.0
    app._feed([stuck, well])
    assert "yes" == app.health.snapshot()["conditions"]["worker bus A"]["answer"]


def test_the_supervisor_is_told_the_root_cause() -> None:
    """A lost port, not the meter that is silent for it; told again only after some seconds."""
    told: list[str] = []
    clock = ManualClock()
    app = App(SimpleNamespace(), None, only=None, clock=clock, notifier=SimpleNamespace(alive=told.append))
    app._feed([])
    app.health.fails("meter 000000000001", EdgeError("E-BUS-201", bus="A", meter="000000000001"))
    app.health.fails("port A", LinkError("E-BUS-104", port="/dev/ttyUSB0", detail="gone"))
    app._feed([])
    clock.advance(daemon._TELL_EVERY_S)
    app._feed([])
    begin = f"edge {__version__}: "
    assert [f"{begin}nothing is wrong", "", f"{begin}[E-BUS-104]"] == [*told[:2], told[2].partition("]")[0] + "]"]


def _hang() -> None:
    raise TimeoutError

"""No value is attributed to the wrong meter, item or time, whatever goes wrong on the wire; and the judge bites."""

import logging

import pytest

from edge.protocols.dlt645.evidence import Evidence
from edge.protocols.dlt645.question import Question
from edge.protocols.dlt645.read import ReadExchange
from edge.reading.outcome import Collision
from tests.simulation.bare import Tally, run_world
from tests.simulation.polling import run_polling
from tests.simulation.worlds import Climate


@pytest.fixture(autouse=True)
def _quiet():
    """Keep the poller from telling of each fault that was put in."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def worlds(seeds, climate=None):
    tally = Tally()
    for seed in seeds:
        tally.add(run_world(seed, climate=climate))
    return tally


def test_bare_exchanges_bring_no_wrong_value():
    """Some thousand exchanges with all faults: each value is what that meter said of that item to this question."""
    tally = worlds(range(40))
    assert [] == tally.wrong
    assert tally.exchanges >= 4000
    assert min(tally.values, sum(tally.faults.values())) > 1000
    assert {"ok", "silence", "garbage", "bad_checksum", "wrong_address", "refused", "collision", "late"} <= set(
        tally.outcomes
    )


def test_a_calm_wire_answers_everything():
    """Without a fault only refusals bring no value, and several meters that answer a wildcard at once."""
    tally = worlds(range(20), Climate(calm=True))
    assert {"ok", "refused", "collision", "garbage", "bad_checksum"} >= set(tally.outcomes)
    assert tally.outcomes["ok"] > tally.exchanges / 2


@pytest.mark.parametrize("seed", [*range(8), 300])
def test_rounds_of_the_poller_bring_no_wrong_value(seed):
    """The real worker, with all that it learns, its second chances, refills and snapshots.

    Seed 300: the freeze of a meter with one tariff, whose total was once taken for tariff 2.
    """
    polled = run_polling(seed)
    assert [] == polled.wrong
    assert polled.values


def _take_any_address(monkeypatch):
    monkeypatch.setattr(Question, "takes", lambda self, address: True)


def _take_any_identifier(monkeypatch):
    monkeypatch.setattr(ReadExchange, "_is_to_this_question", lambda self, frame: True)


def _take_the_first_of_a_collision(monkeypatch):
    finish = ReadExchange._finish

    def first(self, outcome):
        if isinstance(outcome, Collision) and self._answer is not None:
            return self._accept(self._answer)
        return finish(self, outcome)

    monkeypatch.setattr(ReadExchange, "_finish", first)
    monkeypatch.setattr(ReadExchange, "_accept_found", lambda self, frame: self._accept(frame))


def _take_anothers_answer(monkeypatch):
    monkeypatch.setattr(Evidence, "admits", lambda self, frame: frame.is_response)


@pytest.mark.parametrize(
    "broken", [_take_any_address, _take_any_identifier, _take_the_first_of_a_collision, _take_anothers_answer]
)
def test_a_broken_rule_is_caught(monkeypatch, broken):
    """Each rule of reading is needed: without it the judge finds something wrong within some worlds."""
    broken(monkeypatch)
    for seed in range(120):
        if run_world(seed).wrong:
            return
    pytest.fail("the judge saw nothing wrong")

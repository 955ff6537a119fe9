"""No value is attributed to the wrong meter, item or time, whatever goes wrong on the wire; and the judge bites."""

import logging
from dataclasses import replace
from datetime import datetime

import pytest

from edge.bus import runner
from edge.protocols.dlt645 import items, memory
from edge.protocols.dlt645.driver import Dlt645Driver
from edge.protocols.dlt645.evidence import Evidence
from edge.protocols.dlt645.question import Question
from edge.protocols.dlt645.read import ReadExchange
from edge.reading.outcome import Collision
from tests.simulation.bare import Tally, run_world
from tests.simulation.polling import run_polling
from tests.simulation.worlds import Climate

_EVER = datetime(2000, 1, 1)  # noqa: DTZ001 - a meter's own time


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
    assert [] == tally.let_by
    assert tally.exchanges >= 4000
    assert min(tally.values, sum(tally.faults.values())) > 1000
    assert {"ok", "silence", "garbage", "bad_checksum", "wrong_address", "refused", "collision", "late"} <= set(
        tally.outcomes
    )


@pytest.mark.parametrize(
    "climate",
    [
        Climate(calm=True, frame_data=9, faults=("late:1200@0.2",)),
        Climate(calm=True, faults=("late:2500@0.5",)),
        Climate(calm=True, faults=("late:1200@0.3",)),
    ],
)
def test_late_answers_bring_no_wrong_value(climate):
    """Answers that come during later questions, in one frame or in many: never taken for what they are not."""
    tally = worlds(range(40), climate)
    assert [] == tally.wrong
    assert min(tally.values, tally.faults["late"]) > 500


def test_a_calm_wire_answers_everything():
    """Without a fault only refusals bring no value, and several meters that answer a wildcard, at once or in series."""
    tally = worlds(range(20), Climate(calm=True))
    assert {"ok", "refused", "collision", "garbage", "bad_checksum", "late"} >= set(tally.outcomes)
    assert tally.outcomes["ok"] > tally.exchanges / 2


@pytest.mark.parametrize("seed", [*range(8), 300])
def test_rounds_of_the_poller_bring_no_wrong_value(seed):
    """The real worker, with all that it learns, its second chances, refills and snapshots.

    Seed 300: the freeze of a meter with one tariff, whose total was once taken for tariff 2.
    """
    polled = run_polling(seed)
    assert [] == polled.wrong
    assert polled.values


@pytest.mark.parametrize("seed", [0, 1, 2, 122, 256])
def test_a_wire_without_parity_brings_no_wrong_value(seed):
    """Where only the checksum guards, a damaged meter is believed when two of its answers agree.

    Seed 122: one damaged answer has to be enough to become careful, in the same poll. Seed 256: frozen values do not
    waver.
    """
    polled = run_polling(seed, Climate(raw_flips=True))
    assert [] == polled.wrong
    assert polled.faults["noise"]


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


def _take_parts_of_one_who_owes(monkeypatch):
    read = Dlt645Driver.read
    monkeypatch.setattr(
        Dlt645Driver, "read", lambda self, address, request, timing, _late_from: read(self, address, request, timing)
    )


def _hear_nothing_out(monkeypatch):
    monkeypatch.setattr(runner._Run, "await_quiet", lambda self, gap_s, quiet_since_s: True)


def _count_a_short_block_from_its_end(monkeypatch):
    block_slots = items._block_slots

    def from_the_end(book, entry, size, lang):
        placed = list(block_slots(book, entry, size, lang))
        sent = list(dict.fromkeys(one.item.identifier for one in placed))
        last = dict(zip(sent, entry.members[-len(sent) :], strict=True))
        return [replace(one, item=replace(one.item, identifier=last[one.item.identifier])) for one in placed]

    monkeypatch.setattr(items, "_block_slots", from_the_end)
    monkeypatch.setattr(items, "_slots", lambda *asked: tuple(items._find_slots(*asked)))


def _take_records_of_an_earlier_question(monkeypatch):
    load_answer = memory.load_answer
    monkeypatch.setattr(
        memory, "load_answer", lambda answer, begin, blocks: load_answer(answer, _EVER, memory.MOST_BLOCKS)
    )


@pytest.mark.parametrize(
    ("broken", "climate"),
    [
        (_take_any_address, None),
        (_take_any_identifier, None),
        (_take_the_first_of_a_collision, None),
        (_take_anothers_answer, None),
        (_take_parts_of_one_who_owes, Climate(calm=True, frame_data=9, faults=("late:1200@0.2",))),
        (_hear_nothing_out, Climate(calm=True, faults=("late:1200@0.3",))),
        (_count_a_short_block_from_its_end, None),
        (_take_records_of_an_earlier_question, Climate(calm=True, faults=("late:2500@0.5",))),
    ],
)
def test_a_broken_rule_is_caught(monkeypatch, broken, climate):
    """Each rule of reading is needed: without it the judge finds something wrong within some worlds."""
    broken(monkeypatch)
    assert any(run_world(seed, climate=climate).wrong for seed in range(200)), "the judge saw nothing wrong"

"""The whole system under faults, and that the invariants see it when a rule is broken.

Here some worlds run, and those that once found a defect; `make sim SEEDS=10000` runs as many as there is time for.
"""

import logging
import os
import re
import subprocess
import sys
from collections import Counter

import apsw
import pytest

from tests.simulation import whole
from tests.simulation.broken import BROKEN, TRIED, find_catch
from tests.simulation.further import FURTHER
from tests.simulation.mishaps import KINDS
from tests.simulation.system import run_system

WORLDS, BLOCK = 200, 20  # in blocks, so that several run at a time


@pytest.fixture(autouse=True)
def _quiet():
    """Keep the daemon from telling of each fault that was put in."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("first", range(0, WORLDS, BLOCK))
def test_whole_systems_lose_and_double_nothing(first):
    """Each reading is at the centre once and equal to what its meter held, or there is a signed reason."""
    faults, readings, wrong = Counter(), 0, []
    for seed in range(first, first + BLOCK):
        system = run_system(seed)
        faults += system.faults
        readings += system.readings
        wrong += [f"SEED={seed}: {line}" for line in system.wrong]
    assert [] == wrong
    assert readings > 20 * BLOCK
    assert len(faults) > 20  # kinds; which ones a long run must have met: `make sim`


@pytest.mark.parametrize("kind", [*KINDS, *FURTHER])
def test_each_kind_of_mishap_alone(kind):
    """Every kind of mishap can happen by itself, and nothing is lost or doubled by it."""
    system = run_system(1, kinds=(kind,))
    assert [] == system.wrong
    assert system.readings


@pytest.mark.parametrize(
    ("seed", "kinds"),
    [
        # The clock was found wrong just before a slot, and the bus was free just after it: the slot vanished.
        pytest.param(1244, None, id="commit that failed to sync is read again after a restart"),
        pytest.param(3091, None, id="power goes just after the plan changed"),
        pytest.param(2241, None, id="clock set right in the middle of a round"),
        pytest.param(8, ("clock", "go_back", "lose_store", "replace"), id="slot while the clock is put right"),
        # The clock was ahead after a power cut: its readings stayed in slots that had not come.
        pytest.param(1, ("clock", "power", "register"), id="boots ahead, and the clock comes back"),
    ],
)
def test_worlds_that_found_a_defect(seed, kinds):
    """Each was seen to fail before the product was mended."""
    system = run_system(seed, kinds=kinds, further=False)
    assert [] == system.wrong


@pytest.mark.parametrize(
    "seed",
    [
        # A program died between renaming the register and syncing the folder; the next one read it; the power went.
        pytest.param(4, id="register that a dead program left unsynced"),
        # An old copy of the card went on in an epoch that was called gone: `stored` had passed what it still held.
        pytest.param(925, id="epoch that was gone comes back with its store"),
        # A receipt of a run that the centre had left was played again, and was believed.
        pytest.param(934, id="receipt of a run that was left"),
        # A slow meter still owed another master an answer of before the slot; it was taken for the slot.
        pytest.param(9156, id="answer that another master was owed"),
        # A poll of a wrong clock began just before a true slot and ended in it; its values were laid into that slot.
        pytest.param(9823, id="poll astride a slot of the true time"),
        # A wrong clock let the meters freeze five minutes before a slot of the true time; it was taken for that slot.
        pytest.param(20056, id="freeze that a wrong clock ordered beside the slot"),
        # The books had not: a commit failed to sync and its rows were sent, then an older copy of the card went on.
        pytest.param(6821, id="answer of a commit that failed is lost with its store"),
    ],
)
def test_further_worlds_that_found_a_defect(seed):
    """Each was seen to fail before product or books were mended; these have the mishaps of `further.py` too."""
    system = run_system(seed)
    assert [] == system.wrong


@pytest.mark.parametrize(
    "seed",
    [
        # It left the plan and joined it again while the clock was behind: the slot before was never named.
        pytest.param(1470, id="meter that joins under a wrong clock"),
        # The disk was full when the time became known: the pause ended, and marks went to that moment.
        pytest.param(1512, id="full disk when the clock comes back"),
        # The plan came in the turn in which the time was put right, and the worker had not gone on yet.
        pytest.param(1700, id="plan just after the clock came back"),
        # The books had not: the commit of what was laid anew failed to sync, and its bytes were there after a cut.
        pytest.param(1710, id="laying whose commit failed"),
    ],
)
def test_worlds_of_wrong_clocks_that_found_a_defect(seed):
    """Each was seen to fail before product or books were mended; much befalls the clock and the store in them."""
    system = run_system(seed, kinds=("clock", "power", "restart", "register", "kill", "full", "syncs"))
    assert [] == system.wrong


def test_a_seed_replays_exactly():
    """The same seed gives the same faults, readings and envelopes, to the byte."""
    first, again = run_system(5), run_system(5)
    assert first.faults == again.faults
    assert first.readings == again.readings
    assert first.broker.carried == again.broker.carried
    assert first.now.at == again.now.at


@pytest.mark.parametrize(("seeds", "code"), [("2", 0), ("0", 1)])
def test_the_last_line_says_what_was_done(seeds, code):
    """Seeds, faults and readings stand in the last line, the faults by kind above it; without any of them it failed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation.whole"],
        env={**os.environ, "SEEDS": seeds, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert code == done.returncode, done.stderr
    *kinds, last = done.stdout.splitlines()
    found = re.fullmatch(r"(\d+) seeds, (\d+) faults, (\d+) readings checked, 0 failed: \[\]", last)
    assert seeds == found[1]
    assert int(found[2]) == sum(int(line.split()[0]) for line in kinds)
    assert (int(found[3]) > 0) == (code == 0)


def test_a_fault_that_never_happens_fails_a_long_run(monkeypatch, capsys):
    """A run that counts as long, and is not, names what never happened, and fails though nothing was wrong."""
    monkeypatch.setattr(whole, "_ENOUGH", 1)
    monkeypatch.setattr(whole, "EXPECTED", ("meter's clock off", "moon in the way"))
    monkeypatch.setenv("SEEDS", "1")
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    assert 1 == whole.main()
    said = capsys.readouterr().out
    assert "NEVER HAPPENED: moon in the way" in said
    assert "0 failed: []" in said


def test_nothing_of_a_world_is_left_behind():
    """After a world SQLite works on real disks as before."""
    before = apsw.vfs_names()
    run_system(0, kinds=("power",))
    assert before == apsw.vfs_names()


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_broken_rule_of_the_system_is_caught(broken):
    """Each rule is needed: without it the invariants do not hold in some world of those in which it counts."""
    assert find_catch(broken, range(TRIED)) is not None, "the invariants saw nothing wrong"


def test_one_rule_can_be_tried_by_its_name():
    """`make sim-broken RULE=...` prints the invariant and the seed; without such a rule it fails and lists them."""
    caught = run_broken("keep-what-is-durable")
    assert 0 == caught.returncode, caught.stderr
    assert re.search(r"caught on seed \d+, .*\n    \[settled\] ", caught.stdout)
    assert 1 == run_broken("no-such-rule").returncode


def run_broken(rule):
    return subprocess.run(
        [sys.executable, "-m", "tests.simulation.broken"],
        env={**os.environ, "RULE": rule, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )

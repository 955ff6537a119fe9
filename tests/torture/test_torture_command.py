"""`make torture` itself: what it prints, and when it fails."""

import pytest

from tests.torture import __main__ as command
from tests.torture.verdict import Verdict


@pytest.fixture
def told(monkeypatch, capsys, tmp_path):
    """Return a function that runs the command on made-up verdicts: exit code and last lines."""

    def run(*verdicts, seed=None):
        asked, left = [], list(verdicts)

        def torture(role, rounds, judge, seeds):
            asked.append((role, len(seeds)))
            return left.pop(0)

        monkeypatch.setattr(command, "KEPT", tmp_path / "none")
        monkeypatch.setattr(command, "_torture", torture)
        monkeypatch.setattr(command, "WRITERS", {str(n): (1, None) for n in range(len(verdicts))})
        monkeypatch.setenv("CUTS", "1000")
        monkeypatch.delenv("SEED", raising=False)
        if seed is not None:
            monkeypatch.setenv("SEED", str(seed))
        return command.main(), capsys.readouterr().out.splitlines(), asked

    return run


def test_a_run_without_faults_passes_and_says_how_much_it_saw(told):
    """The sum of all writers stands in the last line."""
    code, lines, asked = told(Verdict(10, 500, 3), Verdict(20, 400, 4))
    last = "30 cuts, 7 calls left open by them, 900 acknowledged records checked, 0 lost, 0 unreadable, 0 wrong"
    assert (0, [last], [("0", 1000), ("1", 1000)]) == (code, lines, asked)


@pytest.mark.parametrize("empty", [Verdict(0, 5), Verdict(5, 0)])
def test_nothing_cut_or_nothing_checked_is_a_failure(told, empty):
    """Of any kind of writer: the others do not make up for it."""
    assert 1 == told(Verdict(10, 500), empty)[0]


@pytest.mark.parametrize("kind", ["lost", "unreadable", "wrong"])
def test_a_fault_is_a_failure_and_names_its_seed(told, kind):
    """The seed makes the same cut again on the recordings that were kept."""
    one, whole = Verdict(1, 5, **{kind: ["record 7"]}), Verdict()
    whole.add(one, "SEED=41")
    code, lines, _ = told(whole)
    assert (1, "FAULT 0: SEED=41: record 7") == (code, lines[0])


def test_a_seed_makes_one_cut(told):
    """SEED=n leaves the other seeds out."""
    assert [("0", 1)] == told(Verdict(1, 5), seed=41)[2]

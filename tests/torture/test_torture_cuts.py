"""A share of `make torture`: real writers recorded, cut at random moments, opened and compared."""

import pytest

from tests.torture.cuts import cut_often
from tests.torture.judge_register import judge_register
from tests.torture.judge_store import judge_store
from tests.torture.recording import load, record

CUTS = 200


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Record both kinds of writers once."""
    folder = tmp_path_factory.mktemp("recordings")
    return {
        role: record(role, folder / role, folder / f"{role}.gz", seed=1, rounds=rounds)
        for role, rounds in (("store", 24), ("register", 40))
    }


def test_no_cut_loses_or_doubles_what_the_store_acknowledged(recordings):
    """A poller and a forwarder on one file: whatever is left, it opens and holds each record once."""
    found = cut_often(recordings["store"], judge_store, range(CUTS))
    assert ([], CUTS) == (found.faults, found.cuts)
    assert found.checked > 10_000
    assert found.unsure > CUTS


def test_no_cut_loses_a_change_of_the_register(recordings):
    """Whatever is left, the register opens, without its backup or with it, and holds the last acknowledged change."""
    found = cut_often(recordings["register"], judge_register, range(CUTS))
    assert ([], CUTS) == (found.faults, found.cuts)
    assert found.checked > 1_000
    assert found.unsure > CUTS // 2


def test_the_recording_has_what_a_cut_needs(recordings):
    """Both processes, syncs of files and folders, the log's end and its new beginning, and every kind of promise."""
    calls = recordings["store"].calls
    assert {"appended", "sealed", "confirmed", "receipt", "planned", "opened"} == {
        call.word["what"] for call in calls if call.what == "say"
    }
    done = {(call.what, call.name) for call in calls}
    assert {("sync", ""), ("sync", "edge.db-wal"), ("sync", "edge.db"), ("unlink", "edge.db-wal")} <= done
    assert any(call.start != call.end for call in calls), "nothing happened at the same time"
    renames = {(call.name, call.to) for call in recordings["register"].calls if call.what == "rename"}
    assert {("register.json.new", "register.json"), ("register.json.bak.new", "register.json.bak")} == renames


def test_a_kept_recording_gives_the_same_cuts(recordings, tmp_path_factory):
    """A seed means the same moment and the same files, now and when the trace is read again."""
    folder = tmp_path_factory.getbasetemp()
    again = load(next(folder.rglob("register.gz")))
    assert recordings["register"] == again

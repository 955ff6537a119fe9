"""A share of `make torture`: real writers recorded, cut at random moments, opened and compared."""

import pytest

from edge.store.schema import SCHEMA
from tests.torture.cuts import cut_often
from tests.torture.judge_aside import judge_aside
from tests.torture.judge_register import judge_register
from tests.torture.judge_store import judge_daemon, judge_store
from tests.torture.judge_upgrade import judge_upgrade
from tests.torture.recording import load, record

CUTS = 200


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Record both kinds of writers once."""
    folder = tmp_path_factory.mktemp("recordings")
    return {
        role: record(role, folder / role, folder / f"{role}.gz", seed=1, rounds=rounds)
        for role, rounds in (("store", 16), ("register", 40))
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


def test_no_cut_of_the_daemon_itself_loses_anything(tmp_path):
    """Both halves as they are installed, with meters, broker and centre: records, batches, receipts and register."""
    recording = record("daemon", tmp_path / "files", tmp_path / "trace.gz", seed=1, rounds=5)
    words = {call.word["what"] for call in recording.calls if call.what == "say"}
    assert {"appended", "sealed", "receipt", "confirmed", "registered"} <= words
    found = cut_often(recording, judge_daemon, range(100))
    assert ([], 100) == (found.faults, found.cuts)
    assert found.checked > 1_000


def test_no_cut_while_a_store_is_set_aside_forgets_what_waited(tmp_path):
    """Found by cuts 0, 1 and 100 of this recording: the next opening took the new store for all that there is.

    Whatever step the power failed at, what waited in the damaged file comes over, once.
    """
    recording = record("aside", tmp_path / "files", tmp_path / "trace.gz", seed=5, rounds=10)
    found = cut_often(recording, judge_aside, range(120))
    assert ([], 120) == (found.faults, found.cuts)
    assert found.checked > 10_000


def test_no_cut_on_the_way_to_the_next_schema_loses_anything(tmp_path):
    """Old, new or in between: the store opens as the new one, holds all, and the copy of the old one is whole."""
    recording = record("upgraded", tmp_path / "files", tmp_path / "trace.gz", seed=5, rounds=4)
    found = cut_often(recording, judge_upgrade, range(120))
    assert ([], 120) == (found.faults, found.cuts)
    assert found.checked > 5_000
    assert f"edge.db.v{SCHEMA}" in {call.to for call in recording.to_be_cut() if call.what == "rename"}


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

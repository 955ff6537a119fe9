"""The judges bite: each rule of writing is broken once in the real writers, and the cuts show it.

Each test records the writers with one rule broken and demands that cuts find a fault of the kind that this breach
leads to; a whole run with all rules kept finds none (`test_torture_cuts.py`).
"""

from random import Random

import apsw
import pytest

from edge.store import database, packing, taking
from tests.torture.cuts import cut_often, cut_once, lay
from tests.torture.disk import Disk
from tests.torture.judge_aside import judge_aside
from tests.torture.judge_register import judge_register
from tests.torture.judge_store import judge_store
from tests.torture.judge_upgrade import judge_upgrade
from tests.torture.recording import record
from tests.torture.words import STORE

MOST_CUTS = 600
ALTERED = "is not what was read"


def has_lost_records(tmp_path, rule):
    """Return True as soon as a cut shows a record lost by a poller and a forwarder that break a rule."""
    recording = record("store", tmp_path / "files", tmp_path / "trace.gz", seed=5, rounds=8, broken=rule)
    cuts = (cut_once(recording, judge_store, seed) for seed in range(MOST_CUTS))
    return any(line.startswith("record") for verdict in cuts for line in verdict.lost)


def broken_register(tmp_path, rule, cuts=60):
    """Return what cuts show of a register whose storage breaks a rule."""
    recording = record("register", tmp_path / "files", tmp_path / "trace.gz", seed=5, rounds=12, broken=rule)
    return cut_often(recording, judge_register, range(cuts))


@pytest.mark.parametrize("rule", ["synchronous_off", "synchronous_normal"])
def test_a_commit_that_is_not_synced_is_caught(tmp_path, rule):
    """Without the sync of each commit, records that were acknowledged are gone."""
    assert has_lost_records(tmp_path, rule)


def test_a_promise_before_the_commit_is_caught(tmp_path):
    """`append` that said so before its rows were on the disk loses them."""
    assert has_lost_records(tmp_path, "said_before_commit")


def test_sealing_in_two_commits_is_caught(tmp_path):
    """Rows that are deleted in another commit than the one that brings their batch are lost in between."""
    assert has_lost_records(tmp_path, "sealed_in_two_commits")


def test_a_rename_without_a_sync_of_its_folder_is_caught(tmp_path):
    """The register reads well, but without changes that were acknowledged."""
    found = broken_register(tmp_path, "folder_not_synced")
    assert (True, []) == (bool(found.lost), found.unreadable)


def test_a_rename_before_the_text_is_synced_is_caught(tmp_path):
    """The new name stands before the bytes do: the register is damaged or falls back to an older one."""
    found = broken_register(tmp_path, "text_not_synced")
    assert found.unreadable
    assert found.lost


def test_a_register_that_is_written_in_place_is_caught(tmp_path):
    """As TinyDB writes by itself: a cut in the middle leaves nothing that can be read."""
    assert broken_register(tmp_path, "written_in_place").faults


def test_a_copy_whose_name_is_not_synced_is_caught(tmp_path):
    """The store is of the new version, and the copy of the old one is gone."""
    rule = "copy_name_not_synced"
    recording = record("upgraded", tmp_path / "files", tmp_path / "t.gz", seed=5, rounds=2, broken=rule)
    cuts = (cut_once(recording, judge_upgrade, seed) for seed in range(MOST_CUTS))
    assert any("no copy" in line for verdict in cuts for line in verdict.wrong)


def test_a_set_aside_that_is_not_noted_is_caught(tmp_path, monkeypatch):
    """An opening that does not look for what another had begun leaves in the old file what waited there."""
    recording = record("aside", tmp_path / "files", tmp_path / "t.gz", seed=5, rounds=4)
    monkeypatch.setattr(database, "load_aside", lambda path: None)
    cuts = (cut_once(recording, judge_aside, seed) for seed in range(MOST_CUTS))
    assert any(line.startswith("record") for verdict in cuts for line in verdict.lost)


def test_rows_without_a_checksum_are_caught(tmp_path, monkeypatch):
    """Bytes of a torn sector inside a row: with its CRC the row becomes a loss that is told, without it, a lie."""
    recording = record("store", tmp_path / "files", tmp_path / "trace.gz", seed=5, rounds=4)
    moment = max(call.start for call in recording.calls if call.what == "say" and call.word["what"] == "appended")
    files = Disk(recording.calls, moment).cut(Random(1))
    torn = [tear_a_row(tmp_path / f"cut-{seed}", files, Random(seed)) for seed in range(24)]
    with_crc = [judge_store(folder, recording, moment) for folder, _ in torn]
    assert not [line for verdict in with_crc for line in verdict.wrong if ALTERED in line]
    assert all("1 losses that nobody noted" in verdict.wrong for verdict in with_crc)

    for folder, content in torn:
        lay(folder, content)
    monkeypatch.setattr(taking, "unpack_record", unpack_without_crc)
    without = [judge_store(folder, recording, moment) for folder, _ in torn]
    assert [line for verdict in without for line in verdict.wrong if ALTERED in line]


def tear_a_row(folder, files, rng):
    """Lay the files down with two bytes of one waiting row torn; return the files too."""
    lay(folder, files)
    connection = apsw.Connection(str(folder / STORE))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    bodies = [body for (body,) in connection.execute("SELECT body FROM journal")]
    connection.close()
    content, body = (folder / STORE).read_bytes(), rng.choice(bodies)
    assert body in content
    place = rng.randrange(1, len(body) - 2)
    torn = bytearray(body)
    torn[place : place + 2] = (one ^ 1 << rng.randrange(8) for one in body[place : place + 2])
    files = {STORE: content.replace(body, torn)}  # a copy may lie in a free page, too
    lay(folder, files)
    return folder, files


def unpack_without_crc(row):
    """Return the record of a row as it decodes."""
    try:
        return packing._record(row)
    except Exception as exc:
        raise packing.DamagedRow(str(exc)) from exc

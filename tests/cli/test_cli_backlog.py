"""`edge backlog` and `edge centre receive` as a person uses them, where no daemon runs."""

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from edge.cli.main import main
from edge.clock import ClockTrust
from edge.errors import MessageError
from edge.identity.keys import load_signer, make_key, save_public
from edge.store.database import open_database
from edge.store.journal import Journal
from edge.store.outbox import Outbox
from edge.store.receipts import EpochState
from edge.store.sealed import Sealing
from tests.control.test_control_socket import served
from tests.store.store_kit import plan, record

GATEWAY = "gw-1"
SETTINGS = """schema = 1
[gateway]
id = "gw-1"
tenant = "hz"
state_dir = "{state}"
clock = "rtc"

[[bus]]
name = "A"
port = "/dev/ttyUSB0"

[[task]]
name = "load"
every = "15m"
items = ["voltage"]
"""


@pytest.fixture(autouse=True)
def _in_english(monkeypatch):
    monkeypatch.setenv("EDGE_LANG", "en")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Make a gateway without a broker, with three polls that wait, its centre, and a stick."""
    config = tmp_path / "edge.toml"
    config.write_text(SETTINGS.format(state=tmp_path / "state"), encoding="utf-8")
    save_public(tmp_path / "batch.pub", make_key(tmp_path / "batch.key"))
    assert 0 == edge("centre", "init", str(tmp_path / "centre"), "--tenant", "hz")
    assert 0 == edge("centre", "enrol", str(tmp_path / "centre"), GATEWAY, str(tmp_path / "batch.pub"))
    (tmp_path / "centre.pub").write_bytes((tmp_path / "centre" / "centre.pub").read_bytes())
    (tmp_path / "stick").mkdir()
    poll(tmp_path, 0, 1, 2)
    return tmp_path


def poll(site: Path, *slots: int) -> None:
    with open_database(site / "state" / "edge.db", max_mib=64) as database:
        journal = Journal(database)
        journal.append_plan(plan())
        journal.append([record(slot) for slot in slots])


def edge(*arguments: str) -> int:
    """Run the command and return its exit code."""
    with pytest.raises(SystemExit) as exit_of:
        main(list(arguments))
    return int(exit_of.value.code or 0)


def backlog(site: Path, *arguments: str) -> int:
    return edge("backlog", *arguments, "--config", str(site / "edge.toml"))


def document(capsys, site: Path, *arguments: str) -> dict:
    capsys.readouterr()
    backlog(site, "--json", *arguments)
    return json.loads(capsys.readouterr().out)


def test_a_look_changes_nothing(site, capsys):
    """What waits, what is unsent, since when, how full; no estimate without a daemon; the store is as it was."""
    store = site / "state" / "edge.db"
    before = store.read_bytes()
    found = document(capsys, site)
    assert (False, 0, 6) == (found["running"], found["unsent_batches"], found["waiting_readings"])
    assert ("2026-11-01T00:00:03+00:00", None, None) == (found["oldest"], found["estimate_s"], found["pace"])
    assert [] == found["quarantine"]
    assert 0 < found["store_bytes"] < found["store_limit_bytes"]
    assert before == store.read_bytes()
    assert 0 == backlog(site)
    text = capsys.readouterr().out
    assert "none: no daemon forwards here" in text
    assert "6" in text.splitlines()[1]


def test_a_round_trip_by_hand(site, capsys):
    """Export, receive, import: one command each, all of them fine; nothing is left, and twice is harmless."""
    stick, centre = str(site / "stick"), str(site / "centre")
    assert 0 == backlog(site, "--export", stick)
    assert "1 batches" in capsys.readouterr().out
    assert 0 == edge("centre", "receive", centre, stick)
    assert "gw-1: 1 stored; 6 new readings" in capsys.readouterr().out
    assert 0 == backlog(site, "--import-receipts", stick)
    assert "1 batches stored" in capsys.readouterr().out
    found = document(capsys, site)
    assert (0, 0) == (found["unsent_batches"], found["waiting_readings"])
    assert 0 == edge("centre", "receive", centre, stick)
    assert "gw-1: 1 already had; 0 new readings" in capsys.readouterr().out


def test_the_plan_travels_with_the_batches(site, capsys):
    """A centre that knows of this gateway by the stick alone expects by its plan."""
    backlog(site, "--export", str(site / "stick"))
    edge("centre", "receive", str(site / "centre"), str(site / "stick"))
    capsys.readouterr()
    span = ["--from", "2026-11-01T00:10Z", "--to", "2026-11-01T00:40Z"]
    assert 0 == edge("centre", "completeness", str(site / "centre"), *span, "--json")
    total = json.loads(capsys.readouterr().out)["total"]
    assert (2, 2) == (total["expected"], total["in_time"] + total["late"])


def test_receipt_and_next_export_in_one_visit(site, capsys):
    """The receipt is applied first, so that what it covers does not travel again."""
    stick, centre = str(site / "stick"), str(site / "centre")
    backlog(site, "--export", stick)
    edge("centre", "receive", centre, stick)
    poll(site, 3)
    found = document(capsys, site, "--import-receipts", stick, "--export", stick)
    assert 1 == found["import"]["stored"]
    assert (1, 1, 0, True, []) == tuple(
        found["export"][key] for key in ("batches", "removed", "kept", "birth", "troubles")
    )


def test_the_centre_is_found_in_the_current_folder(site, capsys, monkeypatch):
    """With the stick alone the current folder is the centre's; the document counts every fate."""
    backlog(site, "--export", str(site / "stick"))
    monkeypatch.chdir(site / "centre")
    capsys.readouterr()
    assert 0 == edge("centre", "receive", str(site / "stick"), "--json")
    (one,) = json.loads(capsys.readouterr().out)["folders"]
    assert (GATEWAY, 1, 0, 6, []) == tuple(
        one[key] for key in ("gateway", "stored", "duplicate", "readings", "troubles")
    )
    assert Path(one["receipt"]).exists()
    assert 2 == edge("centre", "receive", "a", "b", "c")


def test_troubles_are_told_and_end_with_partly(site, capsys):
    """A damaged file: its code, its path, the next act; exit code 6, and the document says the same."""
    backlog(site, "--export", str(site / "stick"))
    (path,) = site.glob("stick/*/*/*.cos")
    path.write_bytes(path.read_bytes()[:-9])
    assert 6 == edge("centre", "receive", str(site / "centre"), str(site / "stick"))
    shown = capsys.readouterr().err
    assert "E-CAR-204" in shown
    assert path.name in shown
    assert 6 == edge("centre", "receive", str(site / "centre"), str(site / "stick"), "--json")
    (one,) = json.loads(capsys.readouterr().out)["folders"]
    assert ["E-CAR-204"] == [trouble["code"] for trouble in one["troubles"]]


def test_without_the_key_what_is_sealed_leaves_and_the_rest_is_named(site, capsys):
    """Nobody can sign: readings that wait stay, the batch that is sealed goes, and both facts are told."""
    backlog(site, "--export", str(site / "stick"))
    poll(site, 3, 4)
    (site / "batch.key").rename(site / "away")
    found = document(capsys, site, "--export", str(site / "stick"))
    assert (1, False) == (found["export"]["batches"], found["export"]["birth"])
    assert ["E-CAR-402", "E-CAR-401"] == [one["code"] for one in found["export"]["troubles"]]
    assert 6 == backlog(site, "--export", str(site / "stick"))
    assert "4 readings were left behind" in capsys.readouterr().err
    edge("centre", "receive", str(site / "centre"), str(site / "stick"))
    assert "4 readings were left at the gateway" in capsys.readouterr().out
    assert 4 == document(capsys, site)["waiting_readings"]


def test_readings_that_wait_for_the_clock_are_left_with_the_reason(site, capsys, monkeypatch):
    """Nobody vouches for the time: nothing is sealed, and the code of the cause stands in the text."""
    config = site / "edge.toml"
    config.write_text(config.read_text().replace('clock = "rtc"', 'clock = "auto"'), encoding="utf-8")
    monkeypatch.setattr("edge.clock.SystemClock.trust", lambda clock: ClockTrust.NONE)
    with open_database(site / "state" / "edge.db", max_mib=64) as database:
        database.change("DELETE FROM journal")
        stamp = replace(record(7).stamp, trust="none")
        Journal(database).append([replace(record(7), stamp=stamp)])
    (trouble,) = document(capsys, site, "--export", str(site / "stick"))["export"]["troubles"]
    assert "E-CAR-401" == trouble["code"]
    assert "E-FWD-208" in trouble["text"]


def test_the_estimate_reckons_with_what_waits(site, capsys):
    """A daemon that released 4 and sealed 2 in 600 s; one batch unsent and one to be sealed: 2 * 600 / 2 s."""
    backlog(site, "--export", str(site / "stick"))
    poll(site, 3)
    pace = {"seconds": 600.0, "released": 4, "sealed": 2}

    def start(job, reply):
        reply.end({"result": {"pace": pace}})

    with served(site / "state" / "forward.sock", start):
        found = document(capsys, site)
        assert (True, 1, 2, 600) == tuple(
            found[key] for key in ("running", "unsent_batches", "waiting_readings", "estimate_s")
        )  # fmt: skip
        assert 0 == backlog(site)
        assert "10 min (receipts released 4 batches in the last 10 min, 2 new ones" in capsys.readouterr().out
        pace["released"] = 2
        assert None is document(capsys, site)["estimate_s"]


def test_the_daemons_refusal_is_our_own_error(site, capsys):
    """What the daemon says of a receipt comes out with its code and its exit code; nothing is applied by ourselves."""
    stick = str(site / "stick")
    backlog(site, "--export", stick)
    edge("centre", "receive", str(site / "centre"), stick)

    def start(job, reply):
        reply.fail(MessageError("E-MSG-403", issued="a", newest="b"))

    with served(site / "state" / "forward.sock", start):
        assert 8 == backlog(site, "--import-receipts", stick)
    assert "E-MSG-403" in capsys.readouterr().err
    assert 1 == document(capsys, site)["unsent_batches"]


def test_what_the_centre_rejected_is_shown(site, capsys):
    """A batch in quarantine: listed with its reason, and the exit code says that something is wrong."""
    backlog(site, "--export", str(site / "stick"))
    with open_database(site / "state" / "edge.db", max_mib=64) as database:
        outbox = Outbox(database)
        (sealed,) = outbox.unstored(None, 2)
        outbox.apply_receipt(EpochState(sealed.epoch, 1, 0, sealed.sha256, ((1, "E-MSG-105"),)))
    assert 6 == backlog(site)
    assert f"{sealed.epoch.hex()} 1: E-MSG-105" in capsys.readouterr().out


def test_what_moved_to_another_epoch_is_nothing_wrong(site, capsys):
    """A batch that was sealed anew lives on: exit code 0, as `edge status` says."""
    backlog(site, "--export", str(site / "stick"))
    with open_database(site / "state" / "edge.db", max_mib=64) as database:
        outbox = Outbox(database)
        (sealed,) = outbox.unstored(None, 2)
        outbox.apply_receipt(EpochState(sealed.epoch, 9, 0, sealed.sha256))
        outbox.reseal(sealed, Sealing(b"anew", outbox.head().epoch, 1))
    capsys.readouterr()
    assert 0 == backlog(site)
    assert "resealed" not in capsys.readouterr().out
    found = document(capsys, site)
    assert ([], 1) == (found["quarantine"], found["moved_batches"])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--export", "none"], "E-CAR-103"),
        (["--import-receipts", "stick"], "E-CAR-108"),
        (["--export", "stick/edge-gw-9"], "E-CAR-105"),
    ],
)
def test_a_wrong_stick_is_usage(site, capsys, arguments, code):
    """No stick there, a stick that never was here, the folder of another gateway."""
    (site / "stick" / "edge-gw-9").mkdir()
    assert 2 == backlog(site, arguments[0], str(site / arguments[1]))
    assert code in capsys.readouterr().err


def test_a_forged_receipt_is_refused_with_the_centres_code(site, capsys):
    """Signed by nobody that we know: exit code 8, and nothing is released."""
    stick = site / "stick"
    backlog(site, "--export", str(stick))
    edge("centre", "receive", str(site / "centre"), str(stick))
    path = stick / "edge-gw-1" / "receipt.cos"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert 8 == backlog(site, "--import-receipts", str(stick))
    assert "E-MSG-206" in capsys.readouterr().err
    assert 1 == document(capsys, site)["unsent_batches"]


def test_looking_makes_no_store(site, capsys):
    """A gateway that never ran: told, and no file is made."""
    for path in (site / "state").glob("edge.db*"):
        path.unlink()
    assert 2 == backlog(site)
    assert "E-CAR-106" in capsys.readouterr().err
    assert not (site / "state" / "edge.db").exists()


def test_a_look_after_a_power_cut_sees_the_log(site, capsys):
    """The log was not played back yet, and its shared memory is gone: the waiting polls are seen all the same."""
    state = site / "state"
    database = open_database(state / "edge.db", max_mib=64)
    Journal(database).append([record(9)])
    saved = {
        path.name: path.read_bytes() for path in state.glob("edge.db*") if not path.name.endswith(("-shm", "lock"))
    }
    database.close()
    for path in state.glob("edge.db*"):
        path.unlink()
    for name, content in saved.items():
        (state / name).write_bytes(content)
    assert 8 == document(capsys, site)["waiting_readings"]


def test_what_is_written_needs_no_right_but_the_users(site):
    """FAT has no owners and no modes; elsewhere files are the user's, and the private key is not among them."""
    backlog(site, "--export", str(site / "stick"))
    written = [path for path in (site / "stick").rglob("*") if path.is_file()]
    assert {os.getuid()} == {path.stat().st_uid for path in written}
    assert all(stat.S_ISREG(path.lstat().st_mode) and path.stat().st_nlink == 1 for path in written)
    secret = load_signer(site / "batch.key")._key.private_bytes_raw()
    assert not any(secret in path.read_bytes() for path in written)

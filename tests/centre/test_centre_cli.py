"""`edge centre` as a person uses it: make the folder, enrol, look at what came."""

import csv
import io
import json
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edge.centre.accept import Fate, Taken
from edge.centre.folder import build_worker
from edge.centre.keyring import FolderKeyring
from edge.centre.ledger import PollCounts
from edge.centre.ledger_sqlite import SqliteLedger
from edge.centre.worker import Online, Trouble
from edge.cli.centre_run import _print_line
from edge.cli.main import main
from edge.clock import ManualClock
from edge.config.centre import CentreSettings, load_centre
from edge.config.table import build_table
from edge.errors import ConfigError, ForwardError, IdentityError, StoreError, UsageError
from edge.identity.keys import load_signer, load_verifier, make_key, save_public
from tests.centre.centre_kit import METER, QUARTER, SLOT, Gateway, MemoryBroker, record, take
from tests.centre.test_centre_accept import an_older_centre
from tests.centre.test_centre_completeness import PLAN

DAY = ["--from", "2026-11-23T00:00Z", "--to", "2026-11-23T09:00Z"]


@pytest.fixture(autouse=True)
def _in_english(monkeypatch):
    monkeypatch.setenv("EDGE_LANG", "en")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a centre."""
    assert 0 == edge("centre", "init", str(tmp_path / "c"), "--tenant", "hz")
    return tmp_path / "c"


@pytest.fixture
def heard(folder: Path) -> Path:
    """Make a centre that has heard a gateway: a plan and three polls, one of them missing."""
    gateway = Gateway()
    with SqliteLedger(folder / "ledger.db") as ledger:
        missing = record(SLOT + 2 * QUARTER, value=None)
        take(ledger, gateway, gateway.seal(record(), record(SLOT + QUARTER, value="13.00"), missing, plan=PLAN))
    return folder


def edge(*arguments: str) -> int:
    """Run the command and return its exit code."""
    with pytest.raises(SystemExit) as exit_of:
        main(list(arguments))
    return int(exit_of.value.code or 0)


def test_rejected_batches_are_read_again_after_an_upgrade(folder, tmp_path, capsys):
    """One that the older version could not read, and one that nobody can."""
    gateway = Gateway()
    save_public(tmp_path / "gw.pub", gateway.signer)
    assert 0 == edge("centre", "enrol", str(folder), gateway.name, str(tmp_path / "gw.pub"))
    with SqliteLedger(folder / "ledger.db") as ledger, an_older_centre():
        take(ledger, gateway, gateway.seal(record()))
    capsys.readouterr()
    assert 0 == edge("centre", "reread", str(folder), "--json")
    assert {"stored": 1, "readings": 1, "rejected": 0} == json.loads(capsys.readouterr().out)
    with SqliteLedger(folder / "ledger.db") as ledger:
        take(ledger, gateway, gateway.seal_raw(b"\xff"))
    assert 6 == edge("centre", "reread", str(folder))
    assert "0 rejected batches could be read now, 0 readings; 1 cannot be read yet" in capsys.readouterr().err


def test_a_gateway_is_closed_and_opened_again(heard, capsys):
    """Its holes are final from then on; a name that nobody knows is refused."""
    assert 0 == edge("centre", "close", str(heard), "gw-1", "--at", "2026-11-23T08:15Z")
    assert 6 == edge("centre", "completeness", str(heard), *DAY, "--json")
    document = json.loads(capsys.readouterr().out)
    assert {"gw-1": "2026-11-23T08:15:00Z"} == document["closed"]
    assert {"nobody"} == {hole["closed_by"] for hole in document["holes"]}
    assert 0 == edge("centre", "close", str(heard), "gw-1", "--undo")
    assert "gw-1 is not closed" in capsys.readouterr().err
    edge("centre", "completeness", str(heard), *DAY, "--json")
    assert {} == json.loads(capsys.readouterr().out)["closed"]
    assert 2 == edge("centre", "close", str(heard), "nobody")
    assert "E-CEN-111" in capsys.readouterr().err


def test_a_full_disk_does_not_keep_anybody_from_reading(heard):
    """No byte can be written to any file: both verbs give what they give else."""
    (heard / "ledger.db-wal").unlink(missing_ok=True)
    (heard / "ledger.db-shm").unlink(missing_ok=True)

    def fill_the_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    for verb, code, found in (("export", 0, '"12.30"'), ("completeness", 6, METER)):
        words = [sys.executable, "-m", "edge.cli.main", "centre", verb, str(heard), *DAY]
        done = subprocess.run(words, capture_output=True, text=True, preexec_fn=fill_the_disk, timeout=60, check=False)
        assert (code, True) == (done.returncode, found in done.stdout), done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["export", "--gateway", "nobody"], "E-CEN-111"),
        (["export", "--from", "2026-11-24", "--to", "2026-11-23"], "E-CEN-112"),
        (["completeness", "--from", "0001-01-01T00:00+08:00"], "E-CEN-115"),
        (["completeness", "--from", "yesterday"], "E-CEN-105"),
    ],
)
def test_a_question_that_makes_no_sense_is_told_as_what_it_is(heard, words, code, capsys):
    """Never by silence."""
    verb, *more = words
    assert 2 == edge("centre", verb, str(heard), *more)
    assert code in capsys.readouterr().err


def test_where_no_centre_is_the_next_act_makes_one(tmp_path, capsys):
    """With the folder that was named."""
    assert 2 == edge("centre", "completeness", str(tmp_path / "nowhere"))
    assert f"edge centre init {tmp_path / 'nowhere'}" in capsys.readouterr().err


def test_a_list_that_names_no_meter_is_no_list(folder, tmp_path, capsys):
    """Headings alone."""
    (tmp_path / "meters.csv").write_text("address,name\n", encoding="utf-8")
    assert 3 == edge("centre", "enrol", str(folder), "--meters", str(tmp_path / "meters.csv"))
    assert "names no meter" in capsys.readouterr().err


def test_a_key_is_one_gateways_and_never_the_centres(folder, tmp_path, capsys):
    """What looks enrolled and can never be heard is refused."""
    assert 0 != edge("centre", "enrol", str(folder), "gw-1", str(folder / "centre.pub"))
    assert "E-CEN-116" in capsys.readouterr().err
    key = str(public_key(tmp_path))
    assert 0 == edge("centre", "enrol", str(folder), "gw-1", key)
    assert 0 == edge("centre", "enrol", str(folder), "gw-1", key)
    assert 0 != edge("centre", "enrol", str(folder), "gw-2", key)
    assert "E-CEN-117" in capsys.readouterr().err
    assert ["gw-1"] == FolderKeyring(folder / "gateways").names()


def public_key(path: Path) -> Path:
    """Make a gateway's key pair and return the public half."""
    signer = make_key(path / "batch.key")
    save_public(path / "batch.pub", signer)
    return path / "batch.pub"


def test_init_makes_a_whole_centre(folder):
    """The settings load as they were written, the private key is its owner's alone, the two halves belong together."""
    settings = load_centre(folder)
    assert ("hz", str(folder / "gateways")) == (settings.centre.tenant, settings.centre.gateways)
    assert 0o600 == stat.S_IMODE((folder / "centre.key").stat().st_mode)
    assert load_signer(folder / "centre.key").kid == load_verifier(folder / "centre.pub").kid


@pytest.mark.parametrize("name", ["centre.toml", "centre.key", "centre.pub", "gateways"])
def test_init_overwrites_nothing(tmp_path, capsys, name):
    """Any part that is there stops it, before anything is made."""
    (tmp_path / name).mkdir()
    assert 2 == edge("centre", "init", str(tmp_path))
    assert "E-CEN-101" in capsys.readouterr().err
    assert [name] == [path.name for path in tmp_path.iterdir()]


def test_a_bad_tenant_makes_nothing(tmp_path, capsys):
    """A name that would not fit into a topic is refused before a file is written."""
    assert 2 == edge("centre", "init", str(tmp_path), "--tenant", "a/b")
    assert "E-CEN-102" in capsys.readouterr().err
    assert [] == list(tmp_path.iterdir())


def test_a_mistake_in_the_settings_is_shown_in_its_line(folder, capsys):
    """The same way of telling as for the gateway's settings, with its own exit code."""
    text = (folder / "centre.toml").read_text(encoding="utf-8")
    (folder / "centre.toml").write_text(text.replace('durable = "commit"', 'durable = "maybe"'), encoding="utf-8")
    line = text[: text.index("durable = ")].count("\n") + 1
    assert 3 == edge("centre", "run", str(folder))
    assert f"centre.toml:{line}:" in capsys.readouterr().err
    with pytest.raises(ConfigError):
        load_centre(folder)


def test_the_template_is_made_of_defaults(folder):
    """What the commented file says is what holds when a key is left out."""
    written = load_centre(folder)
    bare = build_table(CentreSettings, {"centre": {"tenant": "hz"}})
    assert (bare.schema, bare.mqtt, bare.completeness) == (written.schema, written.mqtt, written.completeness)


def test_enrol_takes_a_checked_key(folder, tmp_path, capsys):
    """The key lands under the gateway's name; the same again is fine, another one is not, except with --replace."""
    public = public_key(tmp_path)
    assert 0 == edge("centre", "enrol", str(folder), "gw-1", str(public))
    kid = load_verifier(public).kid
    assert kid.hex() in capsys.readouterr().err
    assert kid == load_verifier(folder / "gateways" / "gw-1.pub").kid
    assert 0 == edge("centre", "enrol", str(folder), "gw-1", str(public))
    (tmp_path / "new").mkdir()
    other = public_key(tmp_path / "new")
    assert IdentityError.exit_code == edge("centre", "enrol", str(folder), "gw-1", str(other))
    assert "E-CEN-103" in capsys.readouterr().err
    assert 0 == edge("centre", "enrol", str(folder), "gw-1", str(other), "--replace")
    assert load_verifier(other).kid == load_verifier(folder / "gateways" / "gw-1.pub").kid


@pytest.mark.parametrize("name", ["../evil", "", "a" * 33, "c d"])
def test_a_name_never_leaves_the_folder(folder, tmp_path, name):
    """The name becomes a file name: nothing but a name is taken."""
    assert UsageError.exit_code == edge("centre", "enrol", str(folder), name, str(public_key(tmp_path)))
    assert [] == list((folder / "gateways").iterdir())


def test_a_private_key_is_never_enrolled(folder, tmp_path):
    """Somebody sent the wrong half: it is refused and copied nowhere."""
    public_key(tmp_path)
    assert IdentityError.exit_code == edge("centre", "enrol", str(folder), "gw-1", str(tmp_path / "batch.key"))
    assert [] == list((folder / "gateways").iterdir())


def test_enrol_wants_something_to_enrol(folder, capsys):
    """Half of the arguments is a mistake, with the right call in the advice."""
    assert 2 == edge("centre", "enrol", str(folder), "gw-1")
    assert "E-CEN-107" in capsys.readouterr().err


@pytest.mark.parametrize("heading", ["address,name", "名称,表地址"])
def test_a_meter_list_marks_the_others(heard, tmp_path, heading, capsys):
    """English and Chinese headings; readings of a meter that is not on it are marked in the export."""
    row = "000000000009,x" if heading.startswith("address") else "x,000000000009"
    (tmp_path / "meters.csv").write_text(f"\ufeff{heading}\n{row}\n", encoding="utf-8")
    assert 0 == edge("centre", "enrol", str(heard), "--meters", str(tmp_path / "meters.csv"))
    capsys.readouterr()
    edge("centre", "export", str(heard), "--json")
    rows = json.loads(capsys.readouterr().out)["readings"]
    assert {False} == {row["assigned"] for row in rows}


@pytest.mark.parametrize(("text", "line"), [("address\n12345670\n", 2), ("name\nx\n", 1), ("address\n" + "1" * 13, 2)])
def test_a_bad_meter_list_changes_nothing(heard, tmp_path, text, line, capsys):
    """A dropped leading zero is shown with its line, and no row of the list is taken."""
    (tmp_path / "meters.csv").write_text(text, encoding="utf-8")
    assert 3 == edge("centre", "enrol", str(heard), "--meters", str(tmp_path / "meters.csv"))
    assert f"line {line}" in capsys.readouterr().err
    with SqliteLedger(heard / "ledger.db") as ledger:
        assert [] == ledger.unassigned()


def test_export_gives_exact_values_in_every_form(heard, capsys):
    """One truth: the three forms hold the same readings, values as text."""
    edge("centre", "export", str(heard))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    edge("centre", "export", str(heard), "--json")
    assert lines == json.loads(capsys.readouterr().out)["readings"]
    edge("centre", "export", str(heard), "--csv")
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert ["12.30", "13.00"] == [row["value"] for row in table] == [row["value"] for row in lines]
    assert ("2026-11-23T08:00:00Z", "2026-11-23T08:00:03.000000Z") == (lines[0]["slot_at"], lines[0]["read_at"])


def test_export_keeps_to_the_span_and_the_meter(heard, capsys):
    """From is included, to is not; a meter that is not there gives nothing."""
    edge("centre", "export", str(heard), "--from", "2026-11-23T08:15Z", "--to", "2026-11-23T08:30Z")
    assert ["13.00"] == [json.loads(line)["value"] for line in capsys.readouterr().out.splitlines()]
    edge("centre", "export", str(heard), "--to", "2026-11-23T16:15+08:00", "--meter", METER)
    assert ["12.30"] == [json.loads(line)["value"] for line in capsys.readouterr().out.splitlines()]
    edge("centre", "export", str(heard), "--meter", "000000000009")
    assert "" == capsys.readouterr().out


def test_completeness_says_what_is_missing_and_exits_with_partly(heard, capsys):
    """The statement as a document: totals, and each hole with who can close it."""
    assert 6 == edge(
        "centre", "completeness", str(heard), "--from", "2026-11-23T08:00Z", "--to", "2026-11-23T08:45Z", "--json"
    )
    statement = json.loads(capsys.readouterr().out)
    (mine,) = [row for row in statement["meters"] if row["meter"] == METER]
    assert (3, 2, 1) == (mine["expected"], mine["in_time"] + mine["late"], mine["missing_open"])
    assert (["load"], 1) == (list(mine["tasks"]), mine["tasks"]["load"]["missing_open"])
    assert {
        "gateway": "gw-1",
        "meter": METER,
        "task": "load",
        "from": "2026-11-23T08:30:00Z",
        "to": "2026-11-23T08:30:00Z",
        "count": 1,
        "state": "missing_open",
        "reason": "silence",
        "closed_by": "meter",
        "batches": [],
    } in statement["holes"]


def test_completeness_tells_each_slot_as_a_line(heard, capsys):
    """Meter, task and slot with its state, reason and who can close it, in the order of time."""
    span = ["--from", "2026-11-23T08:00Z", "--to", "2026-11-23T08:45Z"]
    assert 6 == edge("centre", "completeness", str(heard), *span, "--jsonl")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    mine = [one for one in lines if one["meter"] == METER]
    assert ["08:00", "08:15", "08:30"] == [one["slot_at"][11:16] for one in mine]
    assert [(None, ""), (None, ""), ("meter", "silence")] == [(one["closed_by"], one["reason"]) for one in mine]
    assert {"gw-1"} == {one["gateway"] for one in lines}


def test_a_gateway_that_is_enrolled_and_never_came_is_named(heard, tmp_path, capsys):
    """Nothing can be expected of it, and that is no good state either."""
    assert 0 == edge("centre", "enrol", str(heard), "gw-9", str(public_key(tmp_path)))
    capsys.readouterr()
    assert 6 == edge("centre", "completeness", str(heard), *DAY, "--json")
    assert ["gw-9"] == json.loads(capsys.readouterr().out)["unheard"]
    assert 6 == edge("centre", "completeness", str(heard), *DAY, "--gateway", "gw-9")
    assert "gw-9: enrolled, and never heard of" in capsys.readouterr().out


def test_a_meter_that_nobody_reads_is_named(heard, tmp_path, capsys):
    """In the document, in the lines and in words, with what to do; a list without it takes it off."""
    lists = [tmp_path / "long.csv", tmp_path / "short.csv"]
    lists[0].write_text(f"address\n{METER}\n000000000009\n", encoding="utf-8")
    lists[1].write_text(f"address\n{METER}\n", encoding="utf-8")
    assert 0 == edge("centre", "enrol", str(heard), "--meters", str(lists[0]))
    capsys.readouterr()
    assert 6 == edge("centre", "completeness", str(heard), *DAY, "--json")
    (one,) = json.loads(capsys.readouterr().out)["never_heard"]
    assert {"meter": "000000000009", "gateway": None, "closed_by": "gateway"} == one
    assert 6 == edge("centre", "completeness", str(heard), *DAY, "--jsonl")
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert ("000000000009", "never_heard", None) == (last["meter"], last["state"], last["slot_at"])
    assert 6 == edge("centre", "completeness", str(heard), *DAY)
    said = capsys.readouterr().out
    assert "meter 000000000009 is on the list and never heard of" in said
    assert "edge meters add at the gateway" in said
    assert 0 == edge("centre", "enrol", str(heard), "--meters", str(lists[1]), "--replace")
    capsys.readouterr()
    assert 6 == edge("centre", "completeness", str(heard), *DAY, "--json")
    assert [] == json.loads(capsys.readouterr().out)["never_heard"]


def test_completeness_for_people_names_the_hole(heard, capsys):
    """A line a meter, then a line a hole, in Chinese if that is asked for."""
    assert 6 == edge("centre", "completeness", str(heard), *DAY, "--lang", "zh")
    text = capsys.readouterr().out
    assert f"gw-1 {METER} load 2026-11-23T08:30:00Z" in text
    assert "电表内可能仍有数据" in text


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--from", "yesterday"], "E-CEN-105"),
        (["--from", "2026-11-24", "--to", "2026-11-23"], "E-CEN-112"),
        (["--from", "2100-01-01"], "E-CEN-112"),
        (["--gateway", "gw-l"], "E-CEN-111"),
    ],
)
def test_what_cannot_be_asked_is_usage(heard, words, code, capsys):
    """No date, the end before the beginning, a gateway that nobody knows: each with its own words."""
    assert 2 == edge("centre", "completeness", str(heard), *words)
    assert code in capsys.readouterr().err


def test_a_folder_without_a_centre_is_told(tmp_path, capsys):
    """Not as a gateway's settings that are missing."""
    assert 2 == edge("centre", "completeness", str(tmp_path))
    said = capsys.readouterr().err
    assert (True, True) == ("E-CEN-113" in said, "edge centre init" in said)


def test_looking_makes_no_ledger(folder, capsys):
    """A centre that never ran has nothing to show, and looking does not make an empty file."""
    assert 2 == edge("centre", "export", str(folder))
    assert "E-CEN-303" in capsys.readouterr().err
    assert not (folder / "ledger.db").exists()


def test_a_newer_ledger_is_refused_and_not_touched(heard):
    """A file of a later layout is left as it is."""
    with SqliteLedger(heard / "ledger.db") as ledger:
        ledger._run("PRAGMA user_version = 99")
    with pytest.raises(StoreError) as caught:
        SqliteLedger(heard / "ledger.db")
    assert "E-CEN-304" == caught.value.code


def test_a_file_that_is_no_ledger_is_told(tmp_path):
    """Rubbish under the ledger's name is an error with a code, not a traceback."""
    (tmp_path / "ledger.db").write_bytes(b"no database at all, but long enough to be one" * 100)
    with pytest.raises(StoreError) as caught:
        SqliteLedger(tmp_path / "ledger.db")
    assert "E-CEN-301" == caught.value.code


def test_a_hostile_name_reads_no_file_outside(folder, tmp_path):
    """The name in an envelope is not checked yet when its key is looked for."""
    public_key(tmp_path)
    assert not FolderKeyring(folder / "gateways").knows("../../batch")
    assert FolderKeyring(tmp_path).knows("batch")


@pytest.mark.parametrize(
    ("notice", "text"),
    [
        (Online(), "connected to the broker"),
        (Trouble(ForwardError("E-CEN-402"), 2.0), "E-CEN-402"),
        (Taken(fate=Fate.STORED, gateway="gw-1", seq=7, counts=PollCounts(readings=480)), "batch 7: stored, 480"),
        (Taken(fate=Fate.DUPLICATE, gateway="gw-1", seq=7), "batch 7: duplicate"),
        (
            Taken(fate=Fate.FORK, gateway="gw-1", seq=7),
            "fork: gateway gw-1 signed two different batches under number 7",
        ),
        (Taken(fate=Fate.REFUSED, gateway="gw-1", reason="E-MSG-206"), "(E-MSG-206)"),
        (Taken(fate=Fate.REJECTED, gateway="gw-1", seq=7, reason="chain"), "(chain)"),
    ],
)
def test_what_happens_is_told_in_a_line(notice, text, capsys):
    """Each event names the gateway and the batch; an alarm brings its cause and the next act."""
    _print_line(notice)
    assert text in capsys.readouterr().err


def test_each_start_is_another_run_and_enrolling_needs_no_restart(folder, tmp_path):
    """Two workers of one folder have different runs; a key that is enrolled later is found."""
    settings = load_centre(folder)
    clock = ManualClock(SLOT)
    with SqliteLedger(folder / "ledger.db") as ledger:
        one, two = (
            build_worker(settings, ledger, clock, lambda _: None, link=MemoryBroker(clock)) for _ in range(2)
        )  # fmt: skip
        assert 2 == len({one.desk.run, two.desk.run})
        assert not one.keys.knows("gw-1")
        assert 0 == edge("centre", "enrol", str(folder), "gw-1", str(public_key(tmp_path)))
        assert one.keys.knows("gw-1")
        (folder / "gateways" / "gw-1.pub").unlink()
        assert not one.keys.knows("gw-1")

"""`edge meters`: what it prints, what it changes, how it ends."""

import json

import pytest
from click.testing import CliRunner

import edge.control.client
from edge.cli.meters import meters
from edge.errors import ConfigError, StoreError, UsageError
from edge.store.meter import Meter
from edge.store.register import MeterRegister, RegisterLock

SETTINGS = """
schema = 1
[gateway]
id = "gw-1"
tenant = "hz"
state_dir = "{state}"
[[bus]]
name = "A"
port = "/dev/ttyUSB0"
"""


@pytest.fixture(autouse=True)
def english(monkeypatch):
    """Speak English whatever the machine speaks."""
    monkeypatch.setenv("EDGE_LANG", "en")


@pytest.fixture
def run(tmp_path):
    """Return a function that runs the command on a state directory and hands back what came of it."""

    def call(verb, *arguments, where=("--state-dir", str(tmp_path / "state"))):
        return CliRunner().invoke(meters, [verb, *arguments, *where])

    return call


@pytest.fixture
def state(tmp_path):
    """Return the state directory."""
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


def registered(state):
    """Return what is in the register."""
    with MeterRegister(state / "register.json") as register:
        return register.meters()


def test_add_list_remove(run, state):
    """A meter that is added is listed with its fields, and gone after it is removed."""
    added = run("add", "000000000001", "--bus", "A", "--name", "一号", "--tag", "x", "--tag", "y", "--ct-ratio", "1.5")
    assert (0, "") == (added.exit_code, added.stdout)
    meter = Meter(address="000000000001", bus="A", name="一号", tags=("x", "y"), ct_ratio="1.5")
    assert (meter,) == registered(state)
    listed = run("list")
    assert "000000000001  A  -  x y  一号\n" == listed.stdout
    assert "1 meters" in listed.stderr
    assert ["x", "y"] == json.loads(run("list", "--json").stdout)["meters"][0]["tags"]
    assert 0 == run("remove", "000000000001").exit_code
    assert () == registered(state)


def test_json_says_what_was_done(run, state):
    """One document on standard output and nothing else there."""
    assert {"added": ["000000000001"]} == json.loads(run("add", "000000000001", "--bus", "A", "--json").stdout)
    assert {"removed": ["000000000001"]} == json.loads(run("remove", "000000000001", "--json").stdout)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("add", "1", "--bus", "A"), "E-STO-201"),
        (("add", "999999999999", "--bus", "A"), "E-STO-202"),
        (("add", "000000000002", "--bus", "no bus"), "E-STO-203"),
        (("add", "000000000001", "--bus", "A"), "E-STO-204"),
        (("add", "000000000002"), "E-STO-309"),
        (("remove", "000000000009"), "E-STO-205"),
    ],
)
def test_a_mistake_is_told_and_changes_nothing(run, state, arguments, code):
    """Usage errors end with 2 and leave the register as it was."""
    run("add", "000000000001", "--bus", "A")
    result = run(*arguments)
    assert (UsageError, code, 2) == (type(result.exception), result.exception.code, result.exception.exit_code)
    assert ["000000000001"] == [one.address for one in registered(state)]


def test_the_settings_name_the_state_and_the_buses(run, state, tmp_path):
    """With --config the only bus need not be named, and one that is not there is refused."""
    config = tmp_path / "edge.toml"
    config.write_text(SETTINGS.format(state=state))
    where = ("--config", str(config))
    assert 0 == run("add", "000000000001", where=where).exit_code
    assert ["A"] == [one.bus for one in registered(state)]
    assert "E-STO-308" == run("add", "000000000002", "--bus", "B", where=where).exception.code


LIST = "address,bus,name\n12345678,A,一号\n000000000002,A,two\n"


def test_import_shows_a_plan_and_does_it(run, state, tmp_path):
    """Added meters, zeros that were put back and the sums are on standard error; the register holds them."""
    (tmp_path / "list.csv").write_text(LIST)
    result = run("import", str(tmp_path / "list.csv"))
    assert (0, "") == (result.exit_code, result.stdout)
    assert "+ 000012345678" in result.stderr
    assert "zeros added to 12345678: 000012345678, please compare with the nameplate" in result.stderr
    assert "2 added, 0 changed, 0 removed, 0 the same" in result.stderr
    assert ["000012345678", "000000000002"] == [one.address for one in registered(state)]
    again = json.loads(run("import", str(tmp_path / "list.csv"), "--json").stdout)
    assert ([], 2, True) == (again["added"], again["same"], again["applied"])
    assert ("E-STO-304", 2) == (again["notes"][0]["code"], again["notes"][0]["row"])


def test_a_plan_alone_changes_nothing(run, state, tmp_path):
    """--plan shows and stops."""
    (tmp_path / "list.csv").write_text(LIST)
    assert not json.loads(run("import", str(tmp_path / "list.csv"), "--plan", "--json").stdout)["applied"]
    assert () == registered(state)


def test_a_list_with_a_mistake_changes_nothing(run, state, tmp_path):
    """All mistakes are shown with their rows, the exit code is 3."""
    (tmp_path / "list.csv").write_text(LIST + "1E+11,A,three\n000000000002,A,again\n")
    result = run("import", str(tmp_path / "list.csv"), "--json")
    assert (ConfigError, "E-STO-301", 2) == (
        type(result.exception),
        result.exception.code,
        result.exception.values["count"],
    )
    assert [("E-STO-305", 4), ("E-STO-307", 5)] == [
        (one["code"], one["row"]) for one in json.loads(result.stdout)["problems"]
    ]
    assert ("row 4" in result.stderr, ()) == (True, registered(state))


def test_removing_by_import_needs_a_yes(run, state, tmp_path):
    """A whole list takes meters away only when somebody agreed."""
    run("add", "000000000009", "--bus", "A", "--name", "gone")
    (tmp_path / "list.csv").write_text(LIST)
    refused = run("import", str(tmp_path / "list.csv"), "--replace")
    assert ("E-STO-314", 1) == (refused.exception.code, len(registered(state)))
    assert "- 000000000009" in refused.stderr
    assert 0 == run("import", str(tmp_path / "list.csv"), "--replace", "--yes").exit_code
    assert ["000012345678", "000000000002"] == [one.address for one in registered(state)]


def test_export_is_what_import_takes(run, state, tmp_path):
    """To a file with the mark that Excel needs, to standard output without, in the language of the run."""
    run("add", "000000000001", "--bus", "A", "--name", "一号")
    assert 0 == run("export", "-o", str(tmp_path / "out.csv")).exit_code
    assert (tmp_path / "out.csv").read_bytes().startswith(b"\xef\xbb\xbfaddress,name,bus")
    assert run("export").stdout_bytes == (tmp_path / "out.csv").read_bytes()[3:]
    assert 1 == json.loads(run("import", str(tmp_path / "out.csv"), "--json").stdout)["same"]
    assert "E-STO-315" == run("export", "-o", str(tmp_path / "gone" / "out.csv")).exception.code


def test_the_daemon_does_the_change_while_it_holds_the_register(run, state, monkeypatch):
    """With the lock held and a socket there, the change goes over the socket as JSON, and its answer counts."""
    jobs, answer = [], [{"done": True}]

    def ask(path, job):
        jobs.append((path.name, json.loads(json.dumps(job))))
        yield from answer

    monkeypatch.setattr(edge.control.client, "ask", ask)
    (state / "poll.sock").touch()
    with RegisterLock(state, "edge poll"):
        assert 0 == run("add", "000000000001", "--bus", "A").exit_code
        answer[:] = [{"error": {"code": "E-STO-204", "exit": 2, "values": {"address": "000000000001"}}}]
        refused = run("add", "000000000001", "--bus", "A")
    assert (2, "E-STO-204") == (refused.exception.exit_code, refused.exception.code)
    assert "000000000001" in refused.exception.fact()
    name, job = jobs[0]
    assert ("poll.sock", "register", "000000000001") == (name, job["job"], job["add"][0]["address"])
    assert () == registered(state)


@pytest.mark.parametrize("has_socket", [False, True])
def test_a_held_register_without_a_daemon_is_an_error(run, state, has_socket):
    """Nobody answers: the command says who holds the register."""
    if has_socket:
        (state / "poll.sock").touch()
    with RegisterLock(state, "edge setup"):
        result = run("add", "000000000001", "--bus", "A")
    assert (StoreError, "E-STO-207") == (type(result.exception), result.exception.code)
    assert "edge setup" in result.exception.fact()


def test_a_register_from_its_backup_is_told(run, state):
    """The person learns that the last change may be missing."""
    run("add", "000000000001", "--bus", "A")
    run("add", "000000000002", "--bus", "A")
    (state / "register.json").write_bytes(b"damaged")
    result = run("list")
    assert ("E-STO-209" in result.stderr, "000000000001  A  -  -\n") == (True, result.stdout)

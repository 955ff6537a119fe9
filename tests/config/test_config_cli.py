"""`edge config`: exit codes, what stands on which stream, and files that are never overwritten."""

import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edge.cli.config import config
from edge.cli.main import main
from edge.config.load import load_settings
from edge.errors import UsageError

GOOD = Path(__file__).parent.parent / "vectors" / "config_good.toml"
INIT = ["init", "--id", "gw-1", "--tenant", "hz", "--port", "/dev/ttyUSB0"]


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDGE_LANG", "en")
    monkeypatch.chdir(tmp_path)


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(config, list(arguments))


def _code(*arguments: str) -> int:
    """Return the exit code of the whole program."""
    with pytest.raises(SystemExit) as caught:
        main(["config", *arguments])
    return caught.value.code if isinstance(caught.value.code, int) else 1


def test_a_good_file_gives_one_line_and_exit_code_0() -> None:
    """The summary names the gateway, buses and tasks, on standard output."""
    result = _run("check", str(GOOD))
    assert (0, f"{GOOD}: fine; gateway gw-1, 2 bus(es), 2 task(s)\n", "") == (
        result.exit_code,
        result.stdout,
        result.stderr,
    )


def test_a_good_file_as_json() -> None:
    """One document."""
    document = json.loads(_run("check", str(GOOD), "--json").stdout)
    assert (1, True, "gw-1", 2, 2, 0, []) == tuple(
        document[key] for key in ("version", "ok", "gateway", "buses", "tasks", "count", "problems")
    )


def test_mistakes_give_exit_code_3_on_standard_error(tmp_path: Path) -> None:
    """Every mistake is shown; nothing stands on standard output."""
    (tmp_path / "bad.toml").write_text("[gateway]\nid = 3\ntenat = 'x'\n", encoding="utf-8")
    result = _run("check", "bad.toml")
    assert (3, "") == (result.exit_code, result.stdout)
    assert ["E-CFG-021", "E-CFG-031", "E-CFG-020", "E-CFG-001"] == [
        line[6:15] for line in result.stderr.split("\n") if line.startswith("error[")
    ]


def test_mistakes_as_json_give_exit_code_3(tmp_path: Path) -> None:
    """The document stands on standard output, alone."""
    (tmp_path / "bad.toml").write_text("[gateway]\nid = 3\ntenant = 'x'\n", encoding="utf-8")
    result = _run("check", "bad.toml", "--json")
    document = json.loads(result.stdout)
    assert (3, False, "E-CFG-031", 2) == (
        result.exit_code,
        document["ok"],
        document["problems"][0]["code"],
        document["problems"][0]["line"],
    )
    assert "" == result.stderr


def test_a_missing_file_gives_exit_code_3() -> None:
    """A file that is not there is a wrong setting, with the next act."""
    result = _run("check", "none.toml")
    assert 3 == result.exit_code
    assert "E-CFG-002" in result.stderr
    assert "edge config init" in result.stderr


def test_the_file_may_be_named_by_the_option() -> None:
    """--config FILE is the same as FILE."""
    assert 0 == _run("check", "--config", str(GOOD)).exit_code


def test_the_file_here_is_the_default(tmp_path: Path) -> None:
    """Without a name, edge.toml of this folder is checked where no gateway is installed."""
    (tmp_path / "edge.toml").write_bytes(GOOD.read_bytes())
    assert "edge.toml: fine" in _run("check").stdout


def test_show_prints_what_the_file_says() -> None:
    """Without --effective only what is in the file, as TOML that loads; paths are absolute."""
    shown = tomllib.loads(_run("show", str(GOOD)).stdout)
    assert {"name": "A", "port": "/dev/ttyUSB#0", "baud": 2400, "parity": "even"} == shown["bus"][0]
    assert {"day": 1, "at": "00:10"} == shown["task"][1]["monthly"]
    assert str(GOOD.parent / "keys/gw.key") == shown["mqtt"]["key"]
    assert "centre" not in shown


def test_show_effective_says_where_each_value_comes_from(tmp_path: Path) -> None:
    """Defaults are shown too; what is printed is a file that loads and means the same."""
    text = _run("show", str(GOOD), "--effective").stdout
    assert f'parity = "even"  # {GOOD}:13\n' in text
    assert "tries = 2  # default\n" in text
    (tmp_path / "again.toml").write_text(text, encoding="utf-8")
    assert load_settings(GOOD) == load_settings(tmp_path / "again.toml")


def test_show_effective_as_json() -> None:
    """Settings and origins in one document."""
    document = json.loads(_run("show", str(GOOD), "--effective", "--json").stdout)
    assert 2 == document["settings"]["bus"][0]["tries"]
    assert ("default", f"{GOOD}:37") == (document["origin"]["bus[0].tries"], document["origin"]["mqtt.endpoints"])


def test_show_names_the_password_file_and_never_opens_it(tmp_path: Path) -> None:
    """What the password file holds is not printed."""
    (tmp_path / "password").write_text("hunter2", encoding="utf-8")
    (tmp_path / "edge.toml").write_text(
        'gateway = { id = "g", tenant = "t" }\n[mqtt]\nendpoints = ["mqtt://b"]\npassword_file = "password"\n',
        encoding="utf-8",
    )
    shown = _run("show", "edge.toml", "--effective").stdout
    assert f'password_file = "{tmp_path}/password"' in shown
    assert "hunter2" not in shown


def test_init_writes_a_file_that_loads(tmp_path: Path) -> None:
    """Every answer is in the file; a port makes a bus."""
    result = _run(*INIT, "--port", "socket://192.0.2.9:4001", "--baud", "9600", "--endpoint", "mqtts://b:8883")
    settings = load_settings(tmp_path / "edge.toml")
    assert (0, "") == (result.exit_code, result.stdout)
    assert ("gw-1", "hz") == (settings.gateway.id, settings.gateway.tenant)
    assert [("A", "/dev/ttyUSB0", 9600), ("B", "socket://192.0.2.9:4001", 9600)] == [
        (bus.name, bus.port, bus.baud) for bus in settings.bus
    ]
    assert settings.mqtt is not None
    assert ("mqtts://b:8883",) == settings.mqtt.endpoints


def test_init_makes_as_many_buses_as_ports(tmp_path: Path) -> None:
    """More buses than letters get names that are still different."""
    ports = [part for number in range(30) for part in ("--port", f"/dev/ttyS{number}")]
    assert 0 == _code("init", "--id", "g", "--tenant", "t", *ports)
    assert 30 == len({bus.name for bus in load_settings(tmp_path / "edge.toml").bus})


def test_init_never_overwrites(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An existing file, and a link to nowhere, stay as they are; exit code 2; nothing is left beside them."""
    (tmp_path / "edge.toml").write_text("mine", encoding="utf-8")
    (tmp_path / "link.toml").symlink_to("nowhere")
    assert 2 == _code(*INIT)
    assert 2 == _code(*INIT, "--out", "link.toml")
    assert "mine" == (tmp_path / "edge.toml").read_text(encoding="utf-8")
    assert {"edge.toml", "link.toml"} == {path.name for path in tmp_path.iterdir()}
    assert 2 == capsys.readouterr().err.count("E-CFG-061")


def test_init_refuses_before_it_asks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody answers questions for a file that cannot be written."""
    (tmp_path / "edge.toml").touch()
    assert 2 == _code("init")
    assert "E-CFG-061" in capsys.readouterr().err


def test_init_spares_a_file_that_appears_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that comes up between the question and the write is not overwritten either."""
    monkeypatch.setattr(
        "edge.cli.config.parse_toml_model", lambda *_, **__: (tmp_path / "edge.toml").write_text("mine", "utf-8")
    )
    assert 2 == _code(*INIT)
    assert "mine" == (tmp_path / "edge.toml").read_text(encoding="utf-8")


def test_init_refuses_values_that_would_not_load(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is written; the mistake is shown in the line that would have been written."""
    for value in ("bad id", 'quo"te', "new\nline", "\udcff"):
        assert 3 == _code("init", "--id", value, "--tenant", "t", "--port", "/dev/a")
    assert 3 == _code("init", "--id", "g", "--tenant", "t", "--port", "/dev/a\x7f")
    assert [] == list(tmp_path.iterdir())
    assert "E-CFG-041" in capsys.readouterr().err


def test_init_says_where_it_cannot_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is not there is named, with the next act; exit code 3."""
    assert 3 == _code(*INIT, "--out", str(tmp_path / "none" / "edge.toml"))
    assert "E-CFG-062" in capsys.readouterr().err


def test_init_asks_nobody_without_a_terminal(tmp_path: Path) -> None:
    """What is missing is named at once; exit code 2; nothing is written."""
    result = CliRunner().invoke(config, ["init", "--id", "g"], input="answer\nanswer\n")
    assert isinstance(result.exception, UsageError)
    assert ("E-CFG-063", 2) == (result.exception.code, result.exception.exit_code)
    assert "--tenant, --port" in str(result.exception)
    assert [] == list(tmp_path.iterdir())


def test_init_asks_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal only what is missing is asked."""
    monkeypatch.setattr("edge.cli.config._can_ask", lambda: True)
    result = CliRunner().invoke(config, ["init", "--id", "g"], input="hz\n/dev/ttyUSB0\n")
    settings = load_settings(tmp_path / "edge.toml")
    assert (0, "") == (result.exit_code, result.stdout)
    assert ("g", "hz", "/dev/ttyUSB0") == (settings.gateway.id, settings.gateway.tenant, settings.bus[0].port)


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk at the sync leaves neither the file nor the one beside it."""

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edge.cli.config.os.fsync", fail)
    assert 3 == _code(*INIT)
    assert [] == list(tmp_path.iterdir())


def test_schema_prints_json() -> None:
    """The schema names every table."""
    schema = json.loads(_run("schema").stdout)
    tables = {"schema", "gateway", "identity", "bus", "task", "item", "mqtt", "batch", "store", "centre", "metrics"}
    assert tables == set(schema["properties"])

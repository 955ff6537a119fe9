"""`edge config check` with a register and for a centre, and `edge config migrate`."""

import json
from typing import ClassVar, Literal

import pytest
from click.testing import CliRunner

from edge.cli.config import config
from edge.cli.config_check import migrate_file
from edge.cli.main import main
from edge.config.fields import Field
from edge.config.steps import Changed, Steps
from edge.config.table import table
from edge.errors import ConfigError, UsageError
from edge.store.meter import Meter
from edge.store.register import REGISTER_FILE, MeterRegister
from edge.store.register_change import RegisterChange

TEXT = """\
[gateway]
id = "g"
tenant = "t"
state_dir = "state"

[[bus]]
name = "A"
port = "/dev/a"

[[task]]
name = "load"
every = "1m"
items = ["energy_active_import_total"]

[[task]]
name = "often"
every = "30s"
items = ["voltage_l1"]
"""


@pytest.fixture(autouse=True)
def _english(monkeypatch):
    monkeypatch.setenv("EDGE_LANG", "en")


@pytest.fixture
def file(tmp_path):
    """Return the settings of a site; `register` puts meters into its register."""
    path = tmp_path / "edge.toml"
    path.write_text(TEXT, encoding="utf-8")
    return path


def register(file, **counts):
    """Put so many meters on each bus."""
    state = file.parent / "state"
    state.mkdir()
    meters = [
        Meter(address=f"{1000 * place + number:012}", bus=bus)
        for place, (bus, count) in enumerate(counts.items(), 1)
        for number in range(count)
    ]
    with MeterRegister(state / REGISTER_FILE) as opened:
        opened.apply(RegisterChange(add=tuple(meters)))


def run(*arguments):
    return CliRunner().invoke(config, [str(one) for one in arguments])


def exit_code(*arguments):
    """Return the exit code of the whole program."""
    with pytest.raises(SystemExit) as caught:
        main(["config", *arguments])
    return caught.value.code


def test_with_a_register_each_bus_says_how_busy_it_is(file):
    """Nothing is on standard error, and the exit code is 0."""
    register(file, A=10)
    result = run("check", file)
    assert (0, "") == (result.exit_code, result.stderr)
    assert f"{file}: fine; gateway g, 1 bus(es), 2 task(s)\n  bus A: 10 meter(s), about 12 % of its time\n" == (
        result.stdout
    )


def test_what_the_register_makes_doubtful_is_shown_in_the_file_and_stops_nothing(file):
    """Warnings by line, with their sums; a service must start with them, so the exit code is 0 unless asked."""
    register(file, A=130, C=4)
    result = run("check", file)
    shown = [line for line in result.stderr.split("\n") if line.startswith("warning[") or "-->" in line]
    lost = "000000002000, 000000002001, 000000002002, …"
    assert [
        f"warning[E-CFG-082]: 4 meters of the register are on bus C, which is not here: {lost}",
        f" --> {file}:6:3",
        "warning[E-CFG-080]: task often cannot be done every 30s: bus A needs 31.5 s for it",
        f"  --> {file}:17:9",
    ] == shown
    assert [0, 3] == [exit_code("check", str(file), *strict) for strict in ((), ("--strict",))]


def test_warnings_as_json(file):
    """The same document as for mistakes; the level tells them apart."""
    register(file, A=90)
    document = json.loads(run("check", file, "--json").stdout)
    assert (True, 1, [("E-CFG-081", "warning", 7)]) == (
        document["ok"],
        document["count"],
        [(one["code"], one["level"], one["line"]) for one in document["problems"]],
    )


def test_a_register_that_cannot_be_read_is_no_mistake_of_the_settings(file):
    """It is told, and the file is fine."""
    (file.parent / "state").mkdir()
    (file.parent / "state" / REGISTER_FILE).write_text("{", encoding="utf-8")
    result = run("check", file)
    assert (0, True) == (result.exit_code, "register was not looked at" in result.stderr)


def test_a_centres_file_is_checked_as_one(tmp_path):
    """By its name: what is fine, what is wrong with line and hint, what is in force by default, and its schema."""
    path = tmp_path / "centre.toml"
    path.write_text('[centre]\ntenant = "t"\n', encoding="utf-8")
    assert (0, f"{path}: fine; centre of t\n") == (run("check", path).exit_code, run("check", path).stdout)
    assert 'grace = "30m"  # default' in run("show", path, "--effective").stdout
    assert '"CentreFacts"' in run("schema", "--centre").stdout
    path.write_text('[centre]\ntenant = "t"\ndurabel = "commit"\n[mqtt]\nkey = "k"\n', encoding="utf-8")
    result = run("check", path)
    assert 3 == result.exit_code
    assert ["E-CFG-020", "E-CFG-050"] == [one[6:15] for one in result.stderr.split("\n") if one.startswith("error[")][
        :2
    ]
    assert "did you mean durable?" in result.stderr


@pytest.mark.parametrize("options", [(), ("--json",), ("--effective",), ("--effective", "--json")])
def test_a_password_in_an_address_is_struck_out(tmp_path, options):
    """It does not belong there, but what shows the settings must not spread it; nor must a mistake beside it."""
    path = tmp_path / "centre.toml"
    path.write_text('[centre]\ntenant = "t"\ndatabase = "postgresql://u:s3c@ret@h/n"\n', encoding="utf-8")
    shown = run("show", path, *options).stdout
    assert ("postgresql://u:*******@h/n" in shown, "s3c" in shown) == (True, False)
    path.write_text('[centre]\ntenant = "t"\n[mqtt]\nendpoint = "mqtt://u:s3c@b"\n', encoding="utf-8")
    for result in (run("check", path), run("check", path, "--json")):
        assert ("E-CFG-047" in result.output, "s3c" in result.output) == (True, False)


def test_a_file_of_the_newest_layout_is_left(file):
    """Nothing is written, not even a copy."""
    result = run("migrate", file)
    assert (0, TEXT, [file]) == (result.exit_code, file.read_text(encoding="utf-8"), list(file.parent.iterdir()))
    assert "newest layout" in result.stderr


@table
class Newer:
    """Settings whose second layout calls a key otherwise."""

    STEPS: ClassVar[Steps] = {1: (Changed((), "site", "place"), Changed((), "old", ""))}

    schema: Literal[2] = Field(2)
    place: str = Field(min_length=2)


def test_an_older_file_is_written_anew_and_kept(tmp_path):
    """Comments and mode stay; the file as it was lies beside it."""
    path = tmp_path / "x.toml"
    path.write_text('schema = 1\nsite = "cellar" # cold\n', encoding="utf-8")
    path.chmod(0o640)
    assert migrate_file(path, Newer, ())
    assert 'schema = 2\nplace = "cellar" # cold\n' == path.read_text(encoding="utf-8")
    assert 'schema = 1\nsite = "cellar" # cold\n' == (tmp_path / "x.toml.replaced").read_text(encoding="utf-8")
    assert 0o640 == path.stat().st_mode & 0o777
    assert not migrate_file(path, Newer, ())


@pytest.mark.parametrize("text", ['site = "x"\n', 'old = 1;\nsite = "cellar"\n'])
def test_a_wrong_file_is_not_written_anew(tmp_path, text):
    """Its mistakes come first."""
    path = tmp_path / "x.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError):
        migrate_file(path, Newer, ())
    assert [path] == list(tmp_path.iterdir())
    assert text == path.read_text(encoding="utf-8")


def test_a_file_that_cannot_be_written_anew_says_so(tmp_path):
    """A value that goes over lines cannot become a comment by one mark."""
    path = tmp_path / "x.toml"
    path.write_text('old = [\n1]\nsite = "cellar"\n', encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        migrate_file(path, Newer, ())
    assert ("E-CFG-091", [path]) == (caught.value.code, list(tmp_path.iterdir()))

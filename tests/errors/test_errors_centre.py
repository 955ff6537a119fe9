"""What the centre tells of its folder and of what gateways sent, from the real thing to the line on the terminal."""

import json

import pytest

from edge.centre.accept import Fate, Uplink, accept
from edge.centre.folder import make_folder
from edge.centre.ledger_sqlite import SqliteLedger
from edge.cli.centre_run import _print_line
from edge.cli.main import _run
from edge.messages.signing import Ed25519Signer
from tests.centre.centre_kit import SLOT, Gateway, Keys, payload, record, take


@pytest.fixture(autouse=True)
def english(monkeypatch):
    """Messages are compared in English, whatever this machine speaks."""
    monkeypatch.setenv("EDGE_LANG", "en")


@pytest.fixture
def folder(tmp_path):
    """Make a centre."""
    make_folder(tmp_path / "c", "hz")
    return tmp_path / "c"


@pytest.fixture
def ledger(tmp_path):
    """Open a ledger."""
    with SqliteLedger(tmp_path / "ledger.db") as opened:
        yield opened


def told(taken, fate, capsys) -> str:
    """Return what the terminal shows of the one message that was taken."""
    assert [fate] == [one.fate for one in taken]
    _print_line(taken[0])
    return capsys.readouterr().err


def test_a_fork_is_told(ledger, capsys):
    """Two signed batches under one number."""
    gateway = Gateway()
    take(ledger, gateway, gateway.seal(record()))
    other = gateway.at(1, payload(record(value="99.00")))
    assert "error[E-CEN-201]: fork: gateway gw-1" in told(take(ledger, gateway, other), Fate.FORK, capsys)


def test_a_stranger_is_refused(ledger, capsys):
    """A batch under the name of a gateway whose key is another one."""
    stranger = Gateway(signer=Ed25519Signer(b"s" * 32))
    keys = Keys({"gw-1": Gateway().signer})
    taken = accept(ledger, [Uplink("gw-1", stranger.seal(record()), SLOT)], keys)
    assert "error[E-CEN-202]: refused: a message under the name of gateway gw-1" in told(taken, Fate.REFUSED, capsys)


def test_a_signed_batch_that_cannot_be_read_is_rejected(ledger, capsys):
    """The signature holds and the payload is no batch: the gateway keeps it too, so that somebody can look."""
    gateway = Gateway()
    taken = take(ledger, gateway, gateway.seal_raw(b"\xa0"))
    assert "error[E-CEN-203]: rejected: batch 1 of gateway gw-1" in told(taken, Fate.REJECTED, capsys)


@pytest.mark.parametrize(("text", "line"), [("address\n12345670\n", 2), ("name\nx\n", 1)])
def test_a_bad_meter_list_is_told_with_its_line(folder, tmp_path, text, line, capsys):
    """A lost zero and a missing column."""
    (tmp_path / "meters.csv").write_text(text, encoding="utf-8")
    assert 3 == _run(["centre", "enrol", str(folder), "--meters", str(tmp_path / "meters.csv")])
    assert f"error[E-CEN-104]: {tmp_path / 'meters.csv'}, line {line}:" in capsys.readouterr().err


def test_a_list_that_cannot_be_read_is_told(folder, tmp_path, capsys):
    """The file is not there, or is no text."""
    assert 3 == _run(["centre", "enrol", str(folder), "--meters", str(tmp_path / "none.csv"), "--lang", "en"])
    assert "error[E-CEN-106]" in (err := capsys.readouterr().err)
    assert str(tmp_path / "none.csv") in err


def test_a_folder_that_cannot_be_made_is_told(tmp_path, capsys):
    """Where a folder of the path is a file there is no room for a centre."""
    (tmp_path / "file").write_text("")
    assert 2 == _run(["centre", "init", str(tmp_path / "file" / "c")])
    assert "error[E-CEN-106]" in capsys.readouterr().err


def test_a_gateway_is_not_called_as_the_centre(folder, tmp_path, capsys):
    """The name of the centre's own topic is refused at both ends."""
    assert 2 == _run(["centre", "enrol", str(folder), "c", str(folder / "centre.pub")])
    assert 'error[E-CEN-102]: "c" is no name of a gateway' in capsys.readouterr().err
    config = tmp_path / "edge.toml"
    config.write_text('gateway = { id = "c", tenant = "t" }\n', encoding="utf-8")
    assert 3 == _run(["config", "check", str(config), "--json"])
    assert ["E-CFG-060"] == [one["code"] for one in json.loads(capsys.readouterr().out)["problems"]]

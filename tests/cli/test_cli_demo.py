"""`edge demo`: how it judges what came of the rounds, and how it ends when a part does not run."""

import signal
import sys
from datetime import UTC, datetime, timedelta

import pytest

import edge.demo.site
from edge.centre.ledger import SlotRow
from edge.cli.demo import judge
from edge.cli.main import _run
from edge.demo.site import BAD_WIRE, DEAD, DUPLICATE, DemoSite
from edge.demo.watch import RoundView
from edge.reading.record import SlotState

HEALTHY = "202311000001"
METERS = (HEALTHY, DEAD, BAD_WIRE, DUPLICATE)
AS_BUILT = {HEALTHY: "", DEAD: "silence", BAD_WIRE: "bad_checksum", DUPLICATE: "collision"}
AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def english(monkeypatch):
    """Messages are compared in English, whatever this machine speaks."""
    monkeypatch.setenv("EDGE_LANG", "en")


@pytest.fixture(autouse=True)
def signals():
    """Give the signals back that the command takes: it never returns to anybody but in tests."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, act in before.items():
        signal.signal(number, act)


@pytest.fixture
def site(tmp_path):
    """Return a site that was not started."""
    return DemoSite(tmp_path, 8, is_fast=True, meters=list(METERS))


def row(meter: str, reason: str, number: int) -> SlotRow:
    """Return a slot as the ledger holds it: missing if there is a reason."""
    return SlotRow(
        meter=meter,
        task="load",
        slot_at=AT + timedelta(seconds=8 * number),
        state=SlotState.MISSING_OPEN if reason else SlotState.READ,
        reason=reason or None,
        conflict=False,
        received_at=AT,
        epoch=b"epoch--1",
        seq=number + 1,
    )


def view(number: int = 0, confirmed=METERS, **changed: str) -> RoundView:
    """Return a round as it was built, but for the reasons changed: `m<address>=reason`."""
    reasons = {**AS_BUILT, **{name[1:]: reason for name, reason in changed.items()}}
    rows = {meter: row(meter, reason, number) for meter, reason in reasons.items()}
    return RoundView(AT + timedelta(seconds=8 * number), rows, frozenset(confirmed))


def test_rounds_that_came_as_built_end_with_0(site, capsys):
    """All confirmed, each fault told by its own verdict: the sum is printed."""
    assert 0 == judge(site, [view(0), view(1)], 2, is_over=False)
    assert "2 rounds, 8 slots, all under signed receipts: 2 read, 6 missing" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("meter", "reason"),
    [
        (HEALTHY, "silence"),
        (DEAD, ""),
        (DEAD, "bad_checksum"),
        (DEAD, "gateway_down"),
        (BAD_WIRE, "silence"),
        (BAD_WIRE, "collision"),
        (DUPLICATE, "bad_checksum"),
        (DUPLICATE, ""),
    ],
)
def test_a_round_that_is_not_as_built_ends_with_8(site, meter, reason, capsys):
    """A healthy meter missing, or a fault told as another one, is no success, even under a receipt."""
    assert 8 == judge(site, [view(0), view(1, **{f"m{meter}": reason})], 2, is_over=False)
    out, err = capsys.readouterr()
    assert ("", "1 rounds did not come out as built\n") == (out, err)


def test_a_meter_without_a_slot_is_not_as_built(site):
    """A round in which the ledger misses a meter altogether is wrong."""
    whole = view()
    part = RoundView(whole.slot_at, {HEALTHY: whole.rows[HEALTHY]}, whole.confirmed)
    assert 8 == judge(site, [part], 1, is_over=False)


def test_what_is_not_confirmed_is_waited_for_and_then_ends_with_8(site, capsys):
    """A gap in the confirmed rounds counts to the gap only."""
    views = [view(0), view(1, confirmed=METERS[1:]), view(2)]
    assert judge(site, views, 2, is_over=False) is None
    assert 8 == judge(site, views, 2, is_over=True)
    assert "only 1 of 2 rounds are confirmed" in capsys.readouterr().err
    assert judge(site, [], 1, is_over=False) is None
    assert 8 == judge(site, [], 1, is_over=True)


def test_a_folder_that_exists_is_not_touched(tmp_path, capsys):
    """The demo never writes into somebody's folder."""
    assert 1 == _run(["demo", "--dir", str(tmp_path)])
    assert "error[E-CLI-108]" in capsys.readouterr().err
    assert [] == list(tmp_path.iterdir())


def test_a_missing_broker_is_named(monkeypatch, tmp_path, capsys):
    """Without the package of the demo's broker the command says what to install, and leaves nothing running."""
    monkeypatch.setitem(sys.modules, "iotcore", None)
    assert 1 == _run(["demo", "--dir", str(tmp_path / "demo")])
    assert "error[E-CLI-106]" in (err := capsys.readouterr().err)
    assert "pip install" in err


def test_a_part_that_does_not_run_is_named_with_its_words(monkeypatch, tmp_path, capsys):
    """The part and the end of what it said are in the message."""
    command = [sys.executable, "-c", "import sys; sys.exit('no room on this machine')"]
    monkeypatch.setattr(edge.demo.site, "_command", lambda *_: command)
    assert 1 == _run(["demo", "--dir", str(tmp_path / "demo")])
    err = capsys.readouterr().err
    assert "error[E-CLI-107]: the part centre init of the demo does not run" in err
    assert "no room on this machine" in err

"""Somebody else's reader: cwt verifies our envelopes, and a plain CBOR decoder reads what they hold."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.vectors.batch import make

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-witness" / "bin" / "python"


def _witness(public: str, envelope: str) -> subprocess.CompletedProcess[str]:
    if not PYTHON.exists():
        pytest.fail("no witness environment here: run make witness")
    command = [PYTHON, "-I", Path(__file__).with_name("witness.py"), public, envelope]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)


def _vector() -> dict[str, str]:
    content: dict[str, str] = json.loads((make.HERE / "two-rounds.json").read_text(encoding="utf-8"))
    return content


def test_cwt_verifies_and_a_plain_decoder_reads() -> None:
    """Header, tables and columns are what the format's description says, found without any of our code."""
    vector = _vector()
    done = _witness(vector["public_key"], vector["envelope"])
    assert 0 == done.returncode, done.stderr
    found = json.loads(done.stdout)
    # First round, doubled by zigzag: 20000 = 004E20H, 6355200 = 60F900H; 4400 = 1130H, 4398 = 112EH. Low bytes first.
    energies, volts = "2000" + "4ef9" + "0060", "302e" + "1111"
    # Second round: +25, +40 become 50, 80; -5, +101 become 9, 202.
    assert {
        "content_type": "application/edge-batch+cbor",
        "gateway": "gw-hz-0001",
        "seq": 1,
        "unprotected": 0,
        "raw_length": 0,
        "tasks": ["load"],
        "items": [[["energy_active_import_total", -2], ["voltage_l1", -1]]],
        "columns": [[energies, volts], ["3250", "09ca"]],
    } == found


@pytest.mark.parametrize("at", [12, 60, 200, -1])
def test_cwt_refuses_a_changed_envelope(at: int) -> None:
    """A bit in the content type, the epoch, the payload, the signature: refused by their code as by ours."""
    vector = _vector()
    envelope = bytearray.fromhex(vector["envelope"])
    envelope[at] ^= 1
    done = _witness(vector["public_key"], envelope.hex())
    assert (3, "") == (done.returncode, done.stdout)

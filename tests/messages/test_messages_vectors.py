"""The vectors in `tests/vectors/batch/`: our own reader, and the stand-alone one of the documents, read them alike."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge.identity.keys import public_pem
from edge.messages import cose
from edge.messages.batch import build_batch, parse_batch
from edge.messages.codes import REASONS, SOURCES, STATES, TRUSTS
from edge.messages.envelope import open_envelope
from edge.messages.signing import Ed25519Verifier
from edge.reading.chain import GENESIS
from tests.vectors.batch import make

ROOT = Path(__file__).parents[2]
NAMES = list(make.BATCHES)


def _vector(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((make.HERE / f"{name}.json").read_text(encoding="utf-8"))
    return content


def test_there_is_a_file_for_each_case_and_no_other() -> None:
    """A case that was added or renamed without `make.py` being run is found."""
    assert sorted(NAMES) == sorted(path.stem for path in make.HERE.glob("*.json"))


@pytest.mark.parametrize("name", NAMES)
def test_a_vector_opens_and_means_what_it_says(name: str) -> None:
    """The envelope verifies, inflates to the payload, and the payload holds the records that stand beside it."""
    vector = _vector(name)
    verifier = Ed25519Verifier(bytes.fromhex(vector["public_key"]))
    opened = open_envelope(bytes.fromhex(vector["envelope"]), lambda _gateway, _kid: verifier, cose.BATCH)
    batch = parse_batch(opened.raw)
    assert (vector["raw"], vector["sha256"]) == (opened.raw.hex(), opened.sha256.hex())
    assert sorted(vector["records"], key=str) == sorted((make.meaning_of(one) for one in batch.records), key=str)
    assert vector["sealed_at"] == batch.sealed_at.isoformat()
    assert vector["plan"] == make._plan(batch.plan)
    assert vector["losses"] == [
        [loss.task, loss.meter, loss.first_at.isoformat(), loss.last_at.isoformat(), loss.count, loss.reason]
        for loss in batch.losses
    ]


@pytest.mark.parametrize("name", NAMES)
def test_the_payload_is_still_built_to_the_same_bytes(name: str) -> None:
    """The format does not drift: a change of it changes the version, and the vectors with it."""
    assert _vector(name)["raw"] == build_batch(make.BATCHES[name]).hex()


def test_the_envelopes_form_a_chain() -> None:
    """In the order of `make.py`, from the first of the epoch on; a replacement stands for its original."""
    prev = GENESIS
    for seq, name in enumerate(NAMES, start=1):
        vector = _vector(name)
        verifier = Ed25519Verifier(bytes.fromhex(vector["public_key"]))
        opened = open_envelope(bytes.fromhex(vector["envelope"]), lambda _gateway, _kid, key=verifier: key, cose.BATCH)
        assert (seq, prev) == (opened.header.seq, opened.header.prev)
        prev = opened.header.replaces or opened.sha256


@pytest.mark.parametrize("name", NAMES)
def test_the_reader_of_the_documents_reads_the_same(name: str, tmp_path: Path) -> None:
    """`docs/read_batch.py`, run as a program that imports nothing of ours, prints every reading of the vector."""
    vector = _vector(name)
    (tmp_path / "key.pem").write_text(public_pem(bytes.fromhex(vector["public_key"])))
    (tmp_path / "envelope").write_bytes(bytes.fromhex(vector["envelope"]))
    done = _read(tmp_path)
    assert 0 == done.returncode, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(map(str, _expected(vector))) == sorted(str(_as_expected(one)) for one in found)


def test_the_reader_of_the_documents_refuses_a_changed_envelope(tmp_path: Path) -> None:
    """One bit: no reading is printed."""
    vector = _vector(NAMES[0])
    (tmp_path / "key.pem").write_text(public_pem(bytes.fromhex(vector["public_key"])))
    envelope = bytearray.fromhex(vector["envelope"])
    envelope[200] ^= 1
    (tmp_path / "envelope").write_bytes(envelope)
    done = _read(tmp_path)
    assert (1, "") == (done.returncode, done.stdout)


def _read(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", ROOT / "docs" / "read_batch.py", folder / "key.pem", folder / "envelope"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)


_COMMON = ("task", "meter", "slot_at", "read_at", "trust", "state", "source", "flags")


def _expected(vector: dict[str, Any]) -> list[list[object]]:
    where = [vector["gateway"], vector["epoch"], vector["seq"]]
    rows = []
    for record in vector["records"]:
        common = where + [record[name] for name in _COMMON]
        for key, value in record["values"].items():
            rows.append([*common, key, value, record["units"].get(key), record["reason"]])
        rows.extend([*common, key, None, None, reason] for key, reason in record["faults"].items())
        if not record["values"] and not record["faults"]:
            rows.append([*common, None, None, None, record["reason"]])
    return rows


def _as_expected(line: dict[str, Any]) -> list[object]:
    names = ("gateway", "epoch", "seq", *_COMMON, "key", "value", "unit", "reason")
    return [line.get(name) for name in names]


def test_the_description_holds_every_number_and_label() -> None:
    """`docs/batch.cddl` names the words behind the numbers, and the labels, as the program has them."""
    text = (ROOT / "docs" / "batch.cddl").read_text(encoding="utf-8")
    for number, reason in REASONS.items():
        assert f"{number:<4} ; {reason}" in text
    for table in (TRUSTS, SOURCES, STATES):
        assert ", ".join(str(word) for word in table.values()) in text
    for label in (cose.GATEWAY, cose.EPOCH, cose.SEQ, cose.PREV, cose.RAW_LENGTH, cose.REPLACES, cose.PREDECESSOR):
        assert f"{label} => " in text
    for content_type in (cose.BATCH, cose.RECEIPT, cose.BIRTH):
        assert f'"{content_type}"' in text

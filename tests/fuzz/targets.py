"""What is fuzzed: for each parser of foreign bytes, how it is run, what it may cost, and where inputs begin.

A target takes any bytes and returns; the only exceptions that it takes for an answer are those that the parser
declares. Where a signature or a checksum stands in front, the target makes a right one, so that what lies behind is
reached: whoever holds a key, or the disk, can be hostile too.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from zlib import compress

from edge.carry.layout import Carried, Manifest, decode_manifest, encode_manifest, envelope_name
from edge.carry.layout import _checksum as _sum_of_manifest
from edge.centre.rows import amounts_text, face_of, plan_text
from edge.cli.settings_file import ALL_CHECKS
from edge.config import syntax
from edge.config.centre import CentreSettings
from edge.config.load import parse_toml_model
from edge.config.settings import Settings
from edge.control.jobs import parse_job
from edge.errors import CarryError, ConfigError, ControlError, MessageError, StoreError, UsageError
from edge.messages import cose
from edge.messages.batch import Batch, build_batch, parse_batch
from edge.messages.birth import Birth, Standing, open_birth, sign_birth
from edge.messages.box_state import BoxState
from edge.messages.envelope import open_envelope
from edge.messages.receipt import EpochReceipt, Receipt, open_receipt, sign_receipt
from edge.poll.learned import learned_of
from edge.protocols.dlt645.driver import Dlt645Driver
from edge.protocols.dlt645.frame import FrameReader, NeedData
from edge.protocols.exchange import Request, Timing
from edge.reading.chain import GENESIS
from edge.store.packing import DamagedRow, Row, crc_of, pack_plan, pack_record, unpack_plan, unpack_record
from edge.store.register import MeterRegister
from edge.store.safe_storage import _checksum as _sum_of_register
from edge.store.safe_storage import decode_document, encode_document
from tests.fuzz.watch import Bounds
from tests.messages.samples import SEALED_AT, SIGNER, VERIFIER
from tests.store.store_kit import plan, record

_VECTORS = Path(__file__).parent.parent / "vectors"
_METER = "202107072529"
_EPOCH = b"epoch--1"


USUAL = Bounds()


@dataclass(frozen=True)
class Target:
    """A parser under test. `longest`: bytes of an input that a fuzzer tries."""

    run: Callable[[bytes], object]
    seeds: Callable[[], Iterator[bytes]]
    bounds: Bounds = USUAL
    longest: int = 4096


class AnyKey:
    """A verifier that takes every signature under every name: what lies behind the signature is to be reached."""

    alg = -8

    def __init__(self, kid: bytes) -> None:
        self.kid = kid

    def verify(self, signature: bytes, data: bytes) -> None:
        """Take it."""


def _any_key(gateway: str, kid: bytes) -> AnyKey:
    return AnyKey(kid)


# The wire


def run_frames(data: bytes) -> None:
    """Feed a reader: the first byte says in which pieces, and every event is taken until nothing is left."""
    reader, size = FrameReader(), 1 + (data[0] if data else 0)
    for at in range(1, len(data), size):
        reader.receive(data[at : at + size])
        while reader.next_event() is not NeedData.NEED_DATA:
            assert reader.missing >= 1
    reader.give_up()
    while reader.next_event() is not NeedData.NEED_DATA:
        pass


def run_answer(data: bytes) -> None:
    """Let a read of either year hear these bytes: it ends in an outcome and raises nothing."""
    is_new = not data or data[0] % 2
    request = Request("0000FF00" if is_new else "901F", ())
    exchange = Dlt645Driver("2007" if is_new else "1997").read(_METER, request, Timing())
    exchange.request()
    exchange.receive(data[1:])
    assert exchange.outcome or exchange.give_up()


def _frames() -> Iterator[bytes]:
    for name in ("dlt645.txt", "dlt645_wrong.txt"):
        for line in (_VECTORS / name).read_text(encoding="utf-8").splitlines():
            if line.startswith("frame:"):
                yield b"\xff" + bytes.fromhex(line.removeprefix("frame:"))


# Signed messages


def run_envelope(data: bytes) -> None:
    """Open an envelope as the centre does, then its batch."""
    try:
        parse_batch(open_envelope(data, _any_key).raw)
    except MessageError:
        return


def run_inflate(data: bytes) -> None:
    """Sign any payload with any declared length: the first bytes are the length, the rest is deflate."""
    labels = {
        cose.GATEWAY: "gw-1",
        cose.EPOCH: _EPOCH,
        cose.SEQ: 1,
        cose.PREV: GENESIS,
        cose.RAW_LENGTH: int.from_bytes(data[:3], "big"),
    }
    try:
        message = cose.sign_message(cose.BATCH, labels, data[3:], SIGNER)
        parse_batch(open_envelope(message, lambda gateway, kid: VERIFIER).raw)
    except MessageError:
        return


def run_batch(data: bytes) -> None:
    """Read a payload; what is read can be written again, and into a ledger's rows."""
    try:
        batch = parse_batch(data)
    except MessageError:
        return
    build_batch(batch)
    for one in batch.records:
        amounts_text(face_of(one))
    if batch.plan is not None:
        plan_text(batch.plan)


def run_receipt(data: bytes) -> None:
    """Open a receipt as it comes, and the same bytes as the payload of one that the centre signed."""
    with suppress(MessageError):
        open_receipt(data, VERIFIER)
    try:
        open_receipt(cose.sign_message(cose.RECEIPT, {}, data, SIGNER), VERIFIER)
    except MessageError:
        return


def run_birth(data: bytes) -> None:
    """Open a birth as it comes, and the same bytes as the payload of one that its gateway signed."""
    with suppress(MessageError):
        open_birth(data, _any_key)
    try:
        open_birth(cose.sign_message(cose.BIRTH, {cose.GATEWAY: "gw-1"}, data, SIGNER), _any_key)
    except MessageError:
        return


def _payloads() -> Iterator[bytes]:
    for path in sorted((_VECTORS / "batch").glob("*.json")):
        yield bytes.fromhex(json.loads(path.read_text(encoding="utf-8"))["raw"])


def _envelopes() -> Iterator[bytes]:
    for path in sorted((_VECTORS / "batch").glob("*.json")):
        yield bytes.fromhex(json.loads(path.read_text(encoding="utf-8"))["envelope"])


def _deflated() -> Iterator[bytes]:
    for raw in [*_payloads(), bytes(100_000)]:
        yield len(raw).to_bytes(3, "big") + compress(raw)
        yield (100).to_bytes(3, "big") + compress(raw)


def _receipts() -> Iterator[bytes]:
    epochs = (
        EpochReceipt(_EPOCH, 5, 4, b"h" * 32, ((6, 7), (9, 9)), ((3, "chain"),)),
        EpochReceipt(b"epoch--0", 0, 0, GENESIS),
    )
    signed = sign_receipt(Receipt("gw-1", b"run----1", 7, SEALED_AT, "commit", epochs), SIGNER)
    yield signed
    yield cose.open_message(signed, cose.RECEIPT, lambda labels, kid: VERIFIER).payload


def _births() -> Iterator[bytes]:
    birth = Birth(
        gateway="gw-1", boot_id="0" * 32, epoch=_EPOCH, oldest_seq=1, next_seq=4, head=b"h" * 32, version="0.1.0",
        buffered=7, sent_at=SEALED_AT, trust="rtc", older=(Standing(b"epoch--0", 2, 9),),
        state=BoxState(settings="ab", offset_s=-1, buses=(("A", 99),), failing=1, meters=2, codes=("E-BUS-104",)),
    )  # fmt: skip
    signed = sign_birth(birth, SIGNER)
    yield signed
    yield cose.open_message(signed, cose.BIRTH, lambda labels, kid: VERIFIER, required=(cose.GATEWAY,)).payload


# Files and requests


def run_settings(data: bytes) -> None:
    """Read the gateway's settings, and the same bytes as the centre's."""
    for model, checks in ((Settings, ALL_CHECKS), (CentreSettings, ())):
        try:
            parse_toml_model(data, Path("/etc/edge/edge.toml"), model, checks=checks)  # type: ignore[type-var]
        except ConfigError:
            continue


def run_register(data: bytes) -> None:
    """Read the register's file; and the same JSON with a right checksum, as meters and what was learned of them."""
    with suppress(ValueError):
        decode_document(data)
    try:
        tables = json.loads(data)
        content = json.dumps({"sha256": _sum_of_register(tables), "data": tables}).encode()
    except (ValueError, RecursionError):
        return
    with tempfile.TemporaryDirectory(dir=_memory_disk()) as folder:
        path = Path(folder) / "register.json"
        path.write_bytes(content)
        try:
            with MeterRegister(path) as register:
                for meter in register.meters():
                    learned_of(meter.learned)
        except (StoreError, UsageError):
            return


def run_row(data: bytes) -> None:
    """Read a row of the journal with a right checksum; what comes out can be sealed, or is refused as too large."""
    body = b"\x01" + data
    columns = (b"load", _METER.encode(), 1_790_000_000_000_000, 3)
    try:
        found = unpack_record(Row(*columns, crc_of(*columns, body), body))
    except DamagedRow:
        return
    try:
        build_batch(Batch((found,), None, (), SEALED_AT))
    except MessageError:
        return


def run_plan(data: bytes) -> None:
    """Read a plan's row; what comes out can be sealed, or is refused."""
    try:
        found = unpack_plan(data, 1_790_000_000_000_000)
    except DamagedRow:
        return
    try:
        build_batch(Batch((), found, (), SEALED_AT))
    except MessageError:
        return


def run_request(data: bytes) -> None:
    """Read a line of the control socket."""
    try:
        parse_job(data, {"my_item"})
    except ControlError as exc:
        exc.fact()


def run_manifest(data: bytes) -> None:
    """Read a manifest; and the same data under a right checksum."""
    with suppress(CarryError):
        decode_manifest(data)
    try:
        inner = json.loads(data)
        content = json.dumps({"sha256": _sum_of_manifest(inner), "data": inner}).encode()
    except (ValueError, RecursionError):
        return
    try:
        decode_manifest(content)
    except CarryError:
        return


def _memory_disk() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _settings() -> Iterator[bytes]:
    yield (_VECTORS / "config_good.toml").read_bytes()
    for path in sorted((Path(__file__).parents[2] / "config").glob("*.toml")):
        yield path.read_bytes()


def _registers() -> Iterator[bytes]:
    meter = {
        "address": _METER, "bus": "A", "name": "n", "protocol": "dlt645-2007", "tags": ["speed=9600"],
        "ct_ratio": "1.5",
        "learned": {"refused": {"00010000": "2026-01-01"}, "proven": ["0201FF00"], "sizes": {"a": 1}, "baud": 9600},
    }  # fmt: skip
    tables = {"about": {"1": {"schema": 1}}, "meters": {"1": meter}}
    yield encode_document(tables)
    yield json.dumps(tables).encode()


def _rows() -> Iterator[bytes]:
    whole = record(flags=("a=b",), raw=(b"\x68",), response_ms=12, units={"di:00010000": "kWh"})
    yield pack_record(whole).body[1:]
    yield pack_record(replace(whole, values={})).body[1:]


def _plans() -> Iterator[bytes]:
    yield pack_plan(plan())


def _requests() -> Iterator[bytes]:
    for job in (
        {"job": "read", "meter": _METER, "items": ["voltage", "di:00010000"], "bus": "A", "protocol": "dlt645"},
        {"job": "scan", "bus": "A", "addresses": ["AAAAAAAAAA01"], "quick": True, "known": False, "state": {"a": 1}},
        {"job": "detect", "bus": "A", "all": True},
        {"job": "trace", "bus": "A", "last": 7},
        {"job": "diagnose", "bus": "A", "meter": _METER},
        {"job": "register", "add": [{"address": _METER}]},
        {"job": "receipt", "receipt": "00ff"},
    ):
        yield json.dumps(job).encode()


def _manifests() -> Iterator[bytes]:
    files = tuple(Carried(envelope_name(_EPOCH, seq), 700, "ab" * 32) for seq in (1, 2))
    content = encode_manifest(
        Manifest(gateway="gw-1", tenant="hz", version="0.1.0", made_at=SEALED_AT, left=0, files=files)
    )
    yield content
    yield json.dumps(json.loads(content)["data"]).encode()


_MIB = 1 << 20
# Two models; each mistake of the syntax is looked for by at most so many passes of the standard parser, which needs
# less than 16 lines a byte.
_PASSES = 2 * syntax._MOST_FAULTS * (3 + syntax._MOST_OPENERS)
TARGETS = {
    "frames": Target(run_frames, _frames),
    "answer": Target(run_answer, _frames),
    "envelope": Target(run_envelope, _envelopes, Bounds(bytes_any=64 * _MIB)),
    "inflate": Target(run_inflate, _deflated, Bounds(bytes_any=64 * _MIB)),
    "batch": Target(run_batch, _payloads),
    "receipt": Target(run_receipt, _receipts),
    "birth": Target(run_birth, _births),
    "settings": Target(run_settings, _settings, Bounds(steps_each=_PASSES * 16), longest=2048),
    "register": Target(run_register, _registers),
    "row": Target(run_row, _rows),
    "plan": Target(run_plan, _plans),
    "request": Target(run_request, _requests),
    "manifest": Target(run_manifest, _manifests),
}


def run_proof(data: bytes) -> None:
    """Fail behind four right bytes: what only a fuzzer that sees the branches finds in seconds."""
    if data[:1] == b"e" and data[1:2] == b"d" and data[2:3] == b"g" and data[3:4] == b"e":
        raise KeyError(data)


PROOF = {"proof": Target(run_proof, lambda: iter([b"...."]))}

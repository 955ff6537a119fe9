"""Every parser of foreign bytes takes any bytes: no exception but the declared ones, bounded memory, bounded steps.

Three ways: inputs near to good ones (Hypothesis), inputs that are long and of one kind, and a share of what
`make fuzz` does (atheris; EDGE_FUZZ_S seconds a target). What ever broke a target stands in `crashers/`.
"""

import importlib.util
import os
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.__main__ import _ALL, CRASHERS, fuzz
from tests.fuzz.targets import TARGETS
from tests.fuzz.watch import Bounds, TooManyStepsError, count_steps, measure_memory

SHARE_S = int(os.environ.get("EDGE_FUZZ_S", "10"))
_LONG = 1 << 16

edits = st.lists(
    st.tuples(st.sampled_from(("flip", "cut", "insert", "double", "drop")), st.floats(0, 1), st.binary(max_size=8)),
    max_size=4,
)


def edited(seed: bytes, steps) -> bytes:
    """Return the seed after a few small changes."""
    data = bytearray(seed)
    for kind, part, piece in steps:
        at = int(part * len(data))
        match kind:
            case "flip" if data:
                data[min(at, len(data) - 1)] ^= 1 << (piece[0] % 8 if piece else 0)
            case "cut":
                del data[at:]
            case "insert":
                data[at:at] = piece
            case "double":
                data[at:at] = data[at : at + 64]
            case "drop":
                del data[at : at + 1 + len(piece)]
    return bytes(data)


def check(name: str, data: bytes) -> None:
    """Run a target on an input and hold it to its bounds."""
    target = TARGETS[name]
    count_steps(target.run, data, target.bounds)
    measure_memory(target.run, data, target.bounds)


@pytest.mark.parametrize("name", TARGETS)
def test_good_inputs_and_their_neighbours(name):
    """From each seed, a few edits away: where the branches are."""
    seeds = list(TARGETS[name].seeds())
    assert seeds

    @settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    @given(st.sampled_from(seeds), edits)
    def run(seed, steps):
        check(name, edited(seed, steps))

    for seed in seeds:
        check(name, seed)
    run()


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes(name):
    """Bytes of no kind at all."""

    @settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
    @given(st.binary(max_size=200))
    def run(data):
        check(name, data)

    run()


_NOISE = random.Random(4).randbytes(_LONG)
LONG = {
    "zeros": bytes(_LONG),
    "starts": b"\x00" + b"\x68" * _LONG,
    "starts of frames": b"\x00" + bytes.fromhex("6811111111111168910433333333") * (_LONG // 14),
    "wakes": b"\x00" + b"\xfe" * _LONG,
    "noise": _NOISE,
    "lists": b"[" * _LONG,
    "closed lists": b"[" * 900 + b"]" * 900,
    "CBOR lists": b"\x81" * _LONG,
    "a CBOR list of a count that is not there": b"\x9a\xff\xff\xff\xff",
    "CBOR text of a length that is not there": b"\x7b" + b"\xff" * 8,
    "a CBOR number without end": b"\xc2\x59\xff\xf0" + b"\xff" * 0xFFF0,
    "shared references": b"\xd8\x1c\x82" * 2000 + b"\xd8\x1d\x00" * 2000,
    "digits": b"1" * _LONG,
    "a key of many parts": b"a." * (_LONG // 2) + b"a = 1",
    "many keys": b"".join(b"k%d = 1\n" % number for number in range(6000)),
    "many tables": b"".join(b"[t%d]\n" % number for number in range(6000)),
    "quotes": b'"' * _LONG,
    "objects": b'{"a":' * (_LONG // 5),
    "empty objects": b"[" + b"{}," * (_LONG // 3) + b"{}]",
}


@pytest.mark.parametrize("kind", LONG)
@pytest.mark.parametrize("name", TARGETS)
def test_long_inputs_of_one_kind(name, kind):
    """What makes a parser quadratic, recursive or greedy."""
    check(name, LONG[kind])


@pytest.mark.parametrize("path", sorted(CRASHERS.glob("*.hex")), ids=lambda path: path.stem)
def test_what_broke_a_target_once(path: Path):
    """Kept by `make fuzz`; the name says which target."""
    check(path.stem.rpartition("-")[0], bytes.fromhex("".join(path.read_text(encoding="ascii").split())))


def test_the_watch_sees_what_it_is_for():
    """A quadratic parser, a greedy one, and one that raises what it does not declare are each caught."""
    small = Bounds(bytes_any=1 << 16, bytes_each=10, steps_any=1000, steps_each=10)

    def quadratic(data):
        for at in range(len(data)):
            for _ in range(at):
                pass

    with pytest.raises(TooManyStepsError):
        count_steps(quadratic, bytes(1000), small)
    with pytest.raises(AssertionError, match="bytes for an input"):
        measure_memory(lambda data: bytes(1 << 20), b"x", small)
    with pytest.raises(ZeroDivisionError):
        count_steps(lambda data: 1 / 0, b"", small)


_HAS_FUZZER = importlib.util.find_spec("atheris") is not None
needs_fuzzer = pytest.mark.skipif(
    not _HAS_FUZZER, reason="atheris has no wheel for this Python or processor (requirements/test.in)"
)


@needs_fuzzer
def test_a_share_of_the_fuzzing(tmp_path):
    """A few seconds of coverage-guided search for each target, from its seeds; an hour each is `make fuzz`."""
    assert {name: [] for name in TARGETS} == fuzz(list(TARGETS), SHARE_S, tmp_path / "build", tmp_path)


@needs_fuzzer
def test_the_fuzzer_finds_a_defect_behind_four_bytes(tmp_path, capsys):
    """It sees branches, reports what broke, and keeps the input as hex: the test above can fail."""
    ((kept,),) = fuzz(["proof"], 30, tmp_path / "build", tmp_path).values()
    assert bytes.fromhex(kept.read_text(encoding="ascii").strip())[:4] == b"edge"
    assert "KeyError" in capsys.readouterr().out


@needs_fuzzer
def test_a_target_of_which_nothing_is_heard_counts_as_broken(tmp_path, monkeypatch):
    """A process that ends before it fuzzed is no success: here it does not know the target."""
    monkeypatch.setitem(_ALL, "unknown", TARGETS["row"])
    assert {"unknown": [tmp_path / "unknown.log"]} == fuzz(["unknown"], 1, tmp_path, tmp_path)

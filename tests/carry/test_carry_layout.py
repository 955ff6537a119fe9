"""Names and manifest of a stick: both ways, and nothing else is taken for one."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.carry.layout import (
    Carried,
    Manifest,
    decode_manifest,
    encode_manifest,
    envelope_name,
    folder_name,
    gateway_of,
    is_envelope_name,
)
from edge.errors import CarryError

EPOCH = bytes(range(8))
FILES = (Carried(envelope_name(EPOCH, 1), 700, "ab" * 32), Carried(envelope_name(EPOCH, 2), 65536, "00" * 32))
MANIFEST = Manifest(
    gateway="gw-1",
    tenant="hz",
    version="0.1.0",
    made_at=datetime(2026, 11, 23, 8, tzinfo=UTC),
    left=7,
    files=FILES,
)

numbers = st.integers(1, (1 << 63) - 1)
epochs = st.binary(min_size=8, max_size=8)


@given(epochs, numbers)
def test_a_batch_has_one_short_name_that_any_fat_takes(epoch, seq):
    """Lower case, digits and one dot; it is known again, and no other number has it."""
    name = envelope_name(epoch, seq)
    assert is_envelope_name(name)
    assert (epoch.hex(), seq) == (name.split("/")[0], int(name.split("/")[1].removesuffix(".cos")))
    assert name == name.lower()


def test_usual_names_are_of_the_old_short_form():
    """Eight and three: one entry of a FAT folder each, so that a year of quarters of an hour fits into one."""
    assert "0001020304050607/00035040.cos" == envelope_name(EPOCH, 35040)


@pytest.mark.parametrize(
    "name", ["../1.cos", "0001020304050607/1.cos", "/etc/passwd", "0001020304050607/../00000001.cos"]
)
def test_no_other_path_is_a_batchs(name):
    """A manifest cannot lead out of its folder."""
    assert not is_envelope_name(name)
    content = encode_manifest(MANIFEST).replace(FILES[0].name.encode(), name.encode())
    with pytest.raises(CarryError):
        decode_manifest(content)


@pytest.mark.parametrize("name", ["edge-", "edge-a/b", "edge-" + "x" * 33, "gw-1", "edge-gw.1"])
def test_only_a_gateways_folder_is_one(name):
    """The name is the prefix and an id as the settings allow it."""
    assert gateway_of(name) is None
    assert "gw-1" == gateway_of(folder_name("gw-1"))


def test_a_manifest_comes_back_as_it_was():
    """Encode and decode are each other's way back."""
    assert MANIFEST == decode_manifest(encode_manifest(MANIFEST))


@given(st.data())
def test_any_changed_byte_is_seen(data):
    """The checksum covers everything that is said; what comes through a change is the same manifest."""
    content = bytearray(encode_manifest(MANIFEST))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    try:
        found = decode_manifest(bytes(content))
    except CarryError:
        return
    assert MANIFEST == found


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"made_at": "2026-11-23T08:00:00"},
        {"left": -1},
        {"left": True},
        {"gateway": None},
        {"gateway": "x" * 65},
        {"files": [["0001020304050607/00000001.cos", 70000, "ab" * 32]]},
        {"files": [["0001020304050607/00000001.cos", 7, "AB" * 32]]},
        {"files": [["0001020304050607/00000001.cos", 7, "ab" * 32]] * 2},
        {"files": "abc"},
        {"files": [[1, 2]]},
    ],
)
def test_a_manifest_that_cannot_be_is_none(change):
    """Somebody who can make a right checksum still brings nothing but what a gateway writes."""
    from edge.carry.layout import _checksum

    data = json.loads(encode_manifest(MANIFEST))["data"] | change
    with pytest.raises(CarryError) as caught:
        decode_manifest(json.dumps({"sha256": _checksum(data), "data": data}).encode())
    assert "E-CAR-208" == caught.value.code


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"null", b"\xff", b'{"data":1}', b"[" * 100_000, b" " * (17 << 20)]
)
def test_no_manifest_at_all(content):
    """Cut, empty, something else, nested without end, or without end."""
    with pytest.raises(CarryError) as caught:
        decode_manifest(content)
    assert "E-CAR-208" == caught.value.code

"""Every published frame: read, explained, and built again."""

from typing import Any

import pytest

from edge.cli.explain import as_document, explain_line
from edge.protocols.dlt645.frame import BadFrame, Frame, FrameReader, NeedData, encode_frame
from edge.protocols.dlt645.items import decode_data, encode_data
from tests.protocols.vector_file import Case, load_cases

_RIGHT = load_cases("dlt645.txt")
_WRONG = load_cases("dlt645_wrong.txt")
_ids = {"ids": lambda case: case.name}


def _document(case: Case, protocol: str | None = None) -> dict[str, Any]:
    version = protocol and protocol.removeprefix("dlt645-")
    return as_document(explain_line(case.frame.hex(), version), protocol)


def _frame(raw: bytes) -> Frame:
    reader = FrameReader()
    reader.receive(raw)
    frame = reader.next_event()
    assert isinstance(frame, Frame)
    return frame


def test_all_published_frames_are_here():
    """The files hold all collected cases: a lost block would be a lost test."""
    assert (178, 20) == (len(_RIGHT), len(_WRONG))


@pytest.mark.parametrize("case", _RIGHT, **_ids)
def test_published_frame_is_explained(case: Case):
    """Version, direction, address, control code, identifier and every value come out as published."""
    version, direction, address, control, di = case.expect.split()
    document = _document(case)
    head = {name: document[name] for name in ("ok", "protocol", "direction", "address", "control", "di", "problem")}
    assert head == {
        "ok": True,
        "protocol": f"dlt645-{version}",
        "direction": direction,
        "address": address,
        "control": control,
        "di": None if di == "-" else di,
        "problem": None,
    }
    expected = [(None if value == "absent" else value, unit) for value, unit, _ in case.values]
    assert expected == [(item["value"], item["unit"]) for item in document["items"]]
    refusal = document["refusal"]
    assert case.refusal == ((refusal["code"], *refusal["reasons"]) if refusal else ())


@pytest.mark.parametrize("case", _RIGHT, **_ids)
def test_published_frame_is_the_same_with_its_protocol_given(case: Case):
    """Naming the protocol changes nothing where the control code names it already."""
    assert _document(case) == _document(case, f"dlt645-{case.expect.split()[0]}")


@pytest.mark.parametrize("case", [case for case in _RIGHT if case.expect.split()[3] not in {"91", "81"}], **_ids)
def test_names_of_what_is_no_read_answer(case: Case):
    """The fields of requests and confirmations carry their names."""
    names = [name for _, _, name in case.values]
    assert names == [item["name"] for item in _document(case)["items"]]


@pytest.mark.parametrize("case", _RIGHT, **_ids)
def test_published_frame_is_built_again(case: Case):
    """A frame that was read builds to the same bytes, preamble included."""
    frame = _frame(case.frame)
    assert case.frame == encode_frame(frame.address, frame.control, frame.data, frame.preamble)


@pytest.mark.parametrize("case", [case for case in _RIGHT if case.expect.split()[3] in {"91", "81"}], **_ids)
def test_published_answer_is_encoded_again(case: Case):
    """The values of a read answer encode to the same data bytes."""
    version, _, _, _, di = case.expect.split()
    data = _frame(case.frame).data[len(di) // 2 :]
    assert data == encode_data(version, di, [item.value for item in decode_data(version, di, data)])


@pytest.mark.parametrize("case", _WRONG, **_ids)
def test_published_wrong_frame_is_refused(case: Case):
    """A wrong frame is refused with the right code and says why."""
    code, _, reason = case.expect.partition(" | ")
    document = _document(case)
    assert (False, code) == (document["ok"], document["problem"]["code"])
    assert reason.removesuffix(" the identifier") in document["problem"]["text"]


@pytest.mark.parametrize("case", [case for case in _WRONG if case.kind == "frame" and case.name != "n031"], **_ids)
def test_reader_gives_no_frame_for_a_broken_one(case: Case):
    """The frame layer lets no broken frame through, and waits for nothing after the deadline."""
    reader = FrameReader()
    reader.receive(case.frame)
    reader.give_up()
    events = []
    while (event := reader.next_event()) is not NeedData.NEED_DATA:
        events.append(event)
    assert all(isinstance(event, BadFrame) for event in events)
    reader.receive(encode_frame("000000000001", 0x11, b"\x00"))
    assert isinstance(reader.next_event(), Frame)

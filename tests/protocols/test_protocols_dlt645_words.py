"""Status, mode and characteristic words: set bits by name, in two languages, in the page and in the object."""

import pytest
from click.testing import CliRunner

from edge.cli.explain import as_document, explain_line
from edge.cli.explain import explain as command
from edge.protocols.dlt645.frame import encode_frame
from edge.protocols.dlt645.words import set_bits

_ME = "202107072529"


def _answer(di: str, data: str) -> str:
    return encode_frame(_ME, 0x91, bytes.fromhex(di)[::-1] + bytes.fromhex(data), 0).hex()


@pytest.mark.parametrize(
    ("di", "text", "names"),
    [
        ("04000501", "0006", ("block demand method", "clock battery low")),
        ("04000502", "0041", ("active power reverse, phase A", "reactive power reverse, phase C")),
        ("04000502", "0008", ("bit 3",)),
        ("04000503", "0018", ("programming permitted", "relay open")),
        ("04000503", "0002", ("auxiliary supply",)),
        ("04000503", "0004", ("battery supply",)),
        ("04000503", "0006", ("bit 1", "bit 2")),
        ("04000503", "1000", ("keep-power on (unverified)",)),
        ("04000504", "0181", ("voltage loss, phase A", "phase failure, phase A", "current failure, phase A")),
        ("04000506", "0040", ("power reversal, phase C",)),
        ("04000507", "8021", ("voltage reverse sequence", "power-down", "bit 15")),
        ("04000601", "05", ("add forward active", "add reverse active")),
        ("04000602", "41", ("add quadrant I", "add quadrant IV")),
        ("04000603", "08", ("subtract quadrant II",)),
        ("04000703", "08", ("2400 bit/s",)),
        ("04000705", "81", ("bit 0", "bit 7")),
        ("04000801", "41", ("Sunday works", "Saturday works")),
        ("04000901", "09", ("voltage, current, frequency", "active and reactive totals")),
        ("04000902", "80", ("variables",)),
        ("03300901", "02", ("subtract forward active",)),
        ("03300A01", "80", ("subtract quadrant IV",)),
        ("04000501", "0000", ()),
        ("04000501", None, ()),
        ("00010000", "0001", ()),
    ],
)
def test_set_bits(di: str, text: str | None, names: tuple[str, ...]):
    """Each set bit is named, groups of bits by their value, bits without a name by number; nothing for what is 0."""
    assert names == set_bits(di, text)


def test_names_in_chinese():
    """The names have a Chinese side, and what is not proven says so there too."""
    assert ("继电器状态：断", "保电状态（未证实）") == set_bits("04000503", "1010", "zh")
    assert ("第15位",) == set_bits("04000507", "8000", "zh")


def test_page_and_object(monkeypatch: pytest.MonkeyPatch):
    """The page adds the names behind the word; the object keeps the hex text and has the names beside it."""
    frame = _answer("04000503", "1000")
    assert "run status word 3 = 0010; bits set = relay open" in CliRunner().invoke(command, [frame]).stdout
    monkeypatch.setenv("EDGE_LANG", "zh")
    assert "置位 = 继电器状态：断" in CliRunner().invoke(command, [frame]).stdout
    document = as_document(explain_line(frame), None)
    assert [("0010", ["relay open"])] == [(item["value"], item["bits"]) for item in document["items"]]


def test_what_is_no_word_has_no_bits():
    """An operator code in a record, a number, and a word with nothing set have no list of bits."""
    record = as_document(explain_line(_answer("03300901", "010203311223" + "01000000" + "01")), None)
    assert [False, False, True] == ["bits" in item for item in record["items"]]
    assert "bits" not in as_document(explain_line(_answer("04000503", "0000")), None)["items"][0]
    assert "bits" not in as_document(explain_line(_answer("00010000", "01000000")), None)["items"][0]
    assert 7 == len(as_document(explain_line(_answer("040005FF", "0100" * 7)), None)["items"])

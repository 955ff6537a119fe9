"""`edge explain` as a stranger uses it: odd hex, several frames, broken ones, and the page for people."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from edge.cli.explain import as_document, explain_line
from edge.cli.main import main
from edge.errors import UsageError
from edge.protocols.dlt645.frame import encode_frame

_GOOD = "6861010000000068910833333433593333338A16"
_ME = "000000000161"


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the language of the machine out of it."""
    for name in ("EDGE_LANG", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")


def _run(*arguments: str, given: str | bytes = "") -> Result:
    from edge.cli.explain import explain

    return CliRunner().invoke(explain, arguments, input=given)


def _one(frame: bytes | str) -> dict[str, Any]:
    line = frame if isinstance(frame, str) else frame.hex()
    return as_document(explain_line(line), None)


def test_the_contract_of_one_object():
    """The keys and their values, as other programs rely on them."""
    result = _run("--jsonl", _GOOD)
    assert (0, 1) == (result.exit_code, len(result.stdout.splitlines()))
    assert json.loads(result.stdout) == {
        "ok": True,
        "protocol": "dlt645-2007",
        "direction": "response",
        "address": "000000000161",
        "control": "91",
        "function": "read",
        "more": False,
        "di": "00010000",
        "items": [
            {
                "di": "00010000",
                "quantity": "energy_active_import_total",
                "value": "0.26",
                "unit": "kWh",
                "name": "forward active energy, total",
            }
        ],
        "refusal": None,
        "problem": None,
    }


@pytest.mark.parametrize(
    "text",
    [
        _GOOD.lower(),
        "68 61 01 00 00 00 00 68 91 08 33 33 34 33 59 33 33 33 8A 16",
        "68:61:01:00:00:00:00:68:91:08:33:33:34:33:59:33:33:33:8a:16",
        "0x68,0x61,0x01,0x00,0x00,0x00,0x00,0x68,0x91,0x08,0x33,0x33,0x34,0x33,0x59,0x33,0x33,0x33,0x8A,0x16",
        "68H 61H 01H 00H 00H 00H 00H 68H 91H 08H 33H 33H 34H 33H 59H 33H 33H 33H 8AH 16H",
        "\ufeff[" + _GOOD + "]",
        r"\x68\x61\x01\x00\x00\x00\x00\x68\x91\x08\x33\x33\x34\x33\x59\x33\x33\x33\x8a\x16",
        "FEFEFEFE" + _GOOD,
        "00FF12" + _GOOD + "00",
        _GOOD + _GOOD[:20],
        _GOOD[:30] + _GOOD,
    ],
)
def test_hex_as_people_write_it(text: str):
    """Blanks, colons, 0x, H, brackets, small letters, noise and a second frame around the frame do no harm."""
    found = _one(text)
    assert (True, "0.26") == (found["ok"], found["items"][0]["value"])


@pytest.mark.parametrize("text", ["hello", "686", "６８", "68 6g", "\udcff", "68\x00", "电表", "𝟞𝟠"])
def test_what_is_no_hex(text: str):
    """Text that is no hex is a problem of its own; nothing else is claimed."""
    found = _one(text)
    assert (False, "not_hex", [], None) == (
        found["ok"],
        found["problem"]["code"],
        found["items"],
        found["control"],
    )


def test_bytes_as_arguments_of_their_own():
    """A frame pasted without quotes is one frame."""
    result = _run("--jsonl", *bytes.fromhex(_GOOD).hex(" ").split())
    assert [True] == [json.loads(line)["ok"] for line in result.stdout.splitlines()]


def test_lines_of_standard_input():
    """One object a line, empty lines skipped, in order; one bad line makes the exit code 6 and stops nothing."""
    result = _run("--jsonl", given=f"{_GOOD}\r\n\n  \nnonsense\n{_GOOD}")
    assert [True, False, True] == [json.loads(line)["ok"] for line in result.stdout.splitlines()]
    assert result.exit_code == 6


def test_binary_on_standard_input():
    """Bytes that are no text are not hex, and nothing more happens."""
    result = _run("--jsonl", given=bytes(range(128, 256)))
    assert ["not_hex"] == [json.loads(line)["problem"]["code"] for line in result.stdout.splitlines()]


def test_megabytes():
    """A megabyte of noise in front hides no frame and is no page of a million lines."""
    assert _one("68" * 500_000 + "FE" * 300 + _GOOD)["ok"]
    result = _run("00" * 1000 + _GOOD)
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) < 100


def test_nothing_given_on_a_terminal(monkeypatch: pytest.MonkeyPatch):
    """With nothing to explain and nobody to type it the command says how to use it."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    from edge.cli import explain as module

    with pytest.raises(UsageError) as caught:
        list(module._lines(()))
    assert ("E-CLI-301", 2) == (caught.value.code, caught.value.exit_code)


@pytest.mark.parametrize(
    ("frame", "code", "at"),
    [
        ("", "empty", 0),
        ("FEFE0011", "no_start", 2),
        (_GOOD[:-2], "truncated", 19),
        (_GOOD[:-2] + "17", "bad_end", 19),
        (_GOOD[:-4] + "8B16", "bad_checksum", 18),
        ("6861010000000011910833333433593333338A16", "second_start", 7),
        ("6812FEFE00000000" + _GOOD[:-4] + "8B16", "bad_checksum", 26),
        (encode_frame(_ME, 0x91, bytes.fromhex("01010004") + bytes.fromhex("01321116"), 0), "impossible_date", 15),
        (encode_frame(_ME, 0x91, bytes.fromhex("01010004") + bytes.fromhex("01110016"), 2), "impossible_date", 18),
        (encode_frame(_ME, 0x91, bytes.fromhex("02010004") + bytes.fromhex("000024"), 0), "impossible_date", 16),
        (encode_frame(_ME, 0x91, bytes.fromhex("00000100") + bytes.fromhex("000000A0"), 0), "not_bcd", 17),
        (encode_frame(_ME, 0x08, bytes.fromhex("000000011313"), 0), "impossible_date", 14),
        (encode_frame(_ME, 0x08, bytes.fromhex("0000000101"), 0), "length", 10),
        (encode_frame(_ME, 0x1C, bytes(15), 0), "length", 10),
        (encode_frame(_ME, 0x17, b"\x18", 0), "bad_speed", 10),
        (encode_frame(_ME, 0x17, b"\x00", 0), "bad_speed", 10),
        (encode_frame(_ME, 0x9C, b"\x00", 0), "length", 10),
        (encode_frame(_ME, 0x11, bytes.fromhex("0000010001"), 0), "length", 10),
        (encode_frame(_ME, 0x11, bytes.fromhex("CDCDCECD"), 0), "offset_missing", 10),
        (encode_frame(_ME, 0xD1, b"", 0), "length", 10),
        (encode_frame(_ME, 0x14, bytes.fromhex("01010004") + bytes(8) + bytes(3), 0), "length", 22),
    ],
)
def test_problems_and_where_they_are(frame: bytes | str, code: str, at: int):
    """Every problem has its code and the offset of the byte that shows it."""
    problem = _one(frame)["problem"]
    assert (code, at) == (problem["code"], problem["at"])


def test_fields_before_the_problem_are_given():
    """What was read before the byte that cannot be right is not thrown away."""
    found = _one(encode_frame(_ME, 0x91, bytes.fromhex("00FF0100") + bytes.fromhex("2600000000A00000"), 0))
    assert (False, "0001FF00", ["0.26"]) == (found["ok"], found["di"], [item["value"] for item in found["items"]])


@pytest.mark.parametrize(
    "frame",
    [
        encode_frame(_ME, 0x16, bytes.fromhex("99999999")),
        encode_frame(_ME, 0x16, bytes.fromhex("00230199")),
        encode_frame(_ME, 0x91, bytes.fromhex("00000101") + bytes(8)),
        encode_frame(_ME, 0x91, bytes.fromhex("00000101") + b"\xff" * 8),
        encode_frame(_ME, 0x91, bytes.fromhex("010B0004") + bytes.fromhex("9999")),
        encode_frame(_ME, 0x91, bytes.fromhex("99999999") + bytes(7)),
        encode_frame(_ME, 0x11, bytes.fromhex("01000006") + bytes.fromhex("05 30 12 29 02 24")),
        encode_frame(_ME, 0x1B, bytes(8) + b"\xff" * 4),
        encode_frame(_ME, 0x14, bytes.fromhex("01010004") + b"\x99" + bytes(7) + bytes(20)),
        encode_frame(_ME, 0x1F, b"\1\2"),
    ],
)
def test_strange_but_not_wrong(frame: bytes):
    """Wildcards of a freeze, absent data, unset days, unknown identifiers and functions are no faults."""
    assert _one(frame)["problem"] is None


def test_unknown_identifier_is_raw():
    """An identifier that no table knows is explained with its bytes."""
    found = _one(encode_frame(_ME, 0x91, bytes.fromhex("99999999") + b"\x01\xab"))
    assert [("99999999", None, "01AB")] == [(i["di"], i["quantity"], i["value"]) for i in found["items"]]


def test_follow_up_answer_is_a_part():
    """Part of a longer answer is not judged by its length; the sequence number stands apart."""
    found = _one(encode_frame(_ME, 0xB2, bytes.fromhex("01023003") + b"\1\2" + b"\7"))
    assert (True, True, "read_follow_up") == (found["ok"], found["more"], found["function"])
    assert ["0102", "7"] == [item["value"] for item in found["items"]]


@pytest.mark.parametrize(
    ("control", "protocol", "function"),
    [
        (0x01, None, "read"),
        (0x03, None, "security"),
        (0x03, "1997", "re_read"),
        (0x10, None, "clear_demand"),
        (0x13, None, "read_address"),
        (0x1A, None, "clear_meter"),
        (0x1D, None, "multifunction_output"),
        (0x11, "1997", None),
    ],
)
def test_function_names(control: int, protocol: str | None, function: str | None):
    """The function is named by the version; the same code may be another function in the other version."""
    document = as_document(explain_line(encode_frame(_ME, control).hex(), protocol), None)
    assert function == document["function"]


def test_page_for_people_shows_every_byte():
    """Each byte has its offset, itself, itself minus 33H, its field; the bad one is marked and the right sum named."""
    lines = _run("FE" + _GOOD[:-4] + "8B16").stdout.splitlines()
    rows = {int(line.split()[0]): line for line in lines if line.split() and line.split()[0].isdecimal()}
    assert list(range(21)) == sorted(rows)
    assert ["15", "59", "26", "DATA"] == rows[15].split()[:4]
    assert "expected 8AH" in rows[19]
    assert "<-- !" in rows[19]
    assert "frame says 8BH, sum is 8AH" in lines[-2]


def test_page_in_chinese(monkeypatch: pytest.MonkeyPatch):
    """The page and the problem speak the language of the run."""
    monkeypatch.setenv("EDGE_LANG", "zh")
    assert "正向有功电能总 = 0.26 kWh" in _run(_GOOD).stdout
    assert "校验和：帧中为 8BH，计算值为 8AH" in _run(_GOOD[:-4] + "8B16").stdout


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (encode_frame(_ME, 0x91, bytes.fromhex("01010004") + bytes.fromhex("01321116"), 0), "161132 中 DD 为 32"),
        (encode_frame(_ME, 0x91, bytes.fromhex("02010004") + bytes.fromhex("000024"), 0), "240000 中 hh 为 24"),
        (encode_frame(_ME, 0x91, bytes.fromhex("00000100") + bytes.fromhex("000000A0"), 0), "不是 BCD 码：a0000000"),
        (encode_frame(_ME, 0x08, bytes.fromhex("000000300226"), 0), "02 月没有 30 日"),
        (encode_frame(_ME, 0x91, bytes.fromhex("00000100") + b"\1", 0), "数据长度 1 与标识 00010000 不符"),
        (encode_frame(_ME, 0x08, bytes(5), 0), "数据域 5 字节与功能不符"),
        (encode_frame(_ME, 0x17, b"\x18", 0), "通信速率特征字 18H 并非恰有一个有效位"),
        (encode_frame(_ME, 0x11, bytes.fromhex("CDCDCECD"), 0), "33H 偏移未加"),
    ],
)
def test_what_is_wrong_with_the_content_is_told_in_chinese(frame: bytes, text: str, monkeypatch: pytest.MonkeyPatch):
    """The page speaks the language of the run to its last line; the object for programs stays English."""
    monkeypatch.setenv("EDGE_LANG", "zh")
    shown = _run(frame.hex()).stdout
    assert text in shown.splitlines()[-2]
    assert "有误" in shown
    document = json.loads(_run("--jsonl", frame.hex()).stdout)
    assert document["problem"]["text"].isascii()


def test_a_broken_frame_names_its_function_in_chinese(monkeypatch: pytest.MonkeyPatch):
    """What the head still says is in the language of the run, names for programs are not."""
    monkeypatch.setenv("EDGE_LANG", "zh")
    broken = _GOOD[:-4] + "8B16"
    assert "读数据" in _run(broken).stdout.splitlines()[0]
    document = json.loads(_run("--jsonl", broken).stdout)
    assert ("read", True) == (document["function"], document["problem"]["text"].isascii())
    good = json.loads(_run("--jsonl", _GOOD).stdout)
    assert "forward active energy, total" == good["items"][0]["name"]


def test_whole_command(capsys: pytest.CaptureFixture[str]):
    """The verb stands in the program, with its exit code."""
    with pytest.raises(SystemExit) as caught:
        main(["explain", "--jsonl", "--protocol", "dlt645-2007", _GOOD[:-2] + "17"])
    assert caught.value.code == 6
    assert json.loads(capsys.readouterr().out)["problem"]["code"] == "bad_end"


@given(st.binary(max_size=40), st.integers(0, 255), st.binary(max_size=40), st.sampled_from([None, "1997", "2007"]))
def test_no_frame_makes_it_raise(noise: bytes, control: int, data: bytes, version: str | None):
    """Any bytes, and any sound frame with any content, are explained or refused, in words and as a page."""
    from edge.cli.explain_layout import draw
    from edge.protocols.dlt645.explain import explain_bytes

    for raw in (noise, noise + encode_frame(_ME, control, data), encode_frame(_ME, control, data)[:-3]):
        result = explain_bytes(raw, version)
        assert result.is_ok == (as_document(result, None)["problem"] is None)
        assert draw(result, "zh")

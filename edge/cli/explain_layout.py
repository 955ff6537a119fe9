"""The layout of `edge explain` for people: every byte with its offset, as it stands, minus 33H, and what it means."""

from collections.abc import Iterator
from dataclasses import dataclass

from edge.protocols.dlt645.explain import DATA_AT, Explanation, plain_data
from edge.protocols.dlt645.facts import Fact
from edge.protocols.dlt645.frame import END, START, WAKE

_HEADINGS = {
    "en": ("offset", "raw", "-33H", "field", "meaning"),
    "zh": ("偏移", "原始", "减33H", "字段", "含义"),
}
_MOST_AROUND = 32  # bytes shown before the frame; more are counted only


@dataclass(frozen=True, slots=True)
class _Line:
    at: int
    raw: int
    plain: int | None
    field: str
    meaning: str = ""


def draw(explanation: Explanation, lang: str) -> str:
    """Return the page of one frame: a summary, a line for each byte, and what is wrong."""
    lines = [_summary(explanation, lang), _row(_HEADINGS[lang])]
    skipped = max(0, explanation.start - _MOST_AROUND)
    if skipped:
        lines.append(f"  ... {skipped}")
    lines += [_draw_line(line, explanation) for line in _all_lines(explanation, skipped, lang)]
    lines += [f"  {note}" for note in explanation.notes]
    lines.append(_result(explanation, lang))
    return "\n".join(lines) + "\n"


def _summary(explanation: Explanation, lang: str) -> str:
    direction = {
        "request": ("request", "请求"),
        "response": ("response", "应答"),
        None: ("no frame", "不成帧"),
    }[explanation.direction][lang == "zh"]
    parts = [explanation.protocol, direction, explanation.address, explanation.function_text, explanation.di]
    return "  ".join(part for part in parts if part)


def _row(cells: tuple[str, ...]) -> str:
    return f"{cells[0]:>6}  {cells[1]:>4}  {cells[2]:>5}  {cells[3]:<14}  {cells[4]}".rstrip()


def _draw_line(line: _Line, explanation: Explanation) -> str:
    plain = "" if line.plain is None else f"{line.plain:02X}"
    text = _row((str(line.at), f"{line.raw:02X}", plain, line.field, line.meaning))
    is_bad = explanation.problem is not None and explanation.problem.at == line.at
    return text + "   <-- !" if is_bad else text


def _result(explanation: Explanation, lang: str) -> str:
    if explanation.problem is not None:
        where = f"偏移 {explanation.problem.at}" if lang == "zh" else f"at offset {explanation.problem.at}"
        return f"{'有误' if lang == 'zh' else 'BAD'}: {explanation.problem.text(lang)} ({where})"
    if explanation.refusal is not None:
        reasons = ", ".join(explanation.refusal.reasons)
        says = "电表拒绝" if lang == "zh" else "OK, the meter refuses"
        return f"{says}: ERR {explanation.refusal.code} {reasons}".rstrip()
    return "正确" if lang == "zh" else "OK"


def _all_lines(explanation: Explanation, first: int, lang: str) -> Iterator[_Line]:
    """Yield a line for each byte from `first` on: what is before the frame, its head, its data, its end."""
    data, start, frame = explanation.data, explanation.start, explanation.frame
    zh = lang == "zh"
    for at in range(first, start):
        is_wake = data[at] == WAKE
        field = ("前导" if zh else "preamble") if is_wake else ("干扰" if zh else "noise")
        yield _Line(at, data[at], None, field)
    has_head = len(frame) > DATA_AT - 1 and frame[7] == START
    if not has_head:
        for i, byte in enumerate(frame):
            yield _Line(start + i, byte, None, ("起始" if zh else "start") if i == 0 and byte == START else "?")
        return
    yield from _head_lines(explanation, zh)
    yield from _data_lines(explanation)
    yield from _tail_lines(explanation, zh)


def _head_lines(explanation: Explanation, zh: bool) -> Iterator[_Line]:
    frame, start = explanation.frame, explanation.start
    yield _Line(start, frame[0], None, "起始" if zh else "start")
    for i in range(1, 7):
        yield _Line(start + i, frame[i], None, f"A{i - 1}", (explanation.address or "") if i == 1 else "")
    yield _Line(start + 7, frame[7], None, "起始" if zh else "start")
    yield _Line(start + 8, frame[8], None, "C", explanation.function_text)
    yield _Line(start + 9, frame[9], None, "L", f"{frame[9]}")


def _data_lines(explanation: Explanation) -> Iterator[_Line]:
    plain = plain_data(explanation)
    covered = {offset for fact in explanation.facts for offset in range(fact.start, fact.stop)}
    for i, byte in enumerate(plain):
        at = explanation.start + DATA_AT + i
        here = [_meaning(fact) for fact in explanation.facts if fact.start == i and fact.stop > i]
        yield _Line(at, explanation.data[at], byte, "DATA", "; ".join(here) if i in covered or not covered else "?")


def _meaning(fact: Fact) -> str:
    value = "--" if fact.value is None else fact.value
    return f"{fact.name} = {value} {fact.unit}".rstrip()


def _tail_lines(explanation: Explanation, zh: bool) -> Iterator[_Line]:
    frame, start = explanation.frame, explanation.start
    end = DATA_AT + frame[9]
    if len(frame) > end:
        expected = sum(frame[:end]) & 0xFF
        text = "正确" if zh else "right"
        if expected != frame[end]:
            text = f"应为 {expected:02X}H" if zh else f"expected {expected:02X}H"
        yield _Line(start + end, frame[end], None, "CS", text)
    if len(frame) > end + 1:
        is_end = frame[end + 1] == END
        text = "" if is_end else ("应为 16H" if zh else "expected 16H")
        yield _Line(start + end + 1, frame[end + 1], None, "结束" if zh else "end", text)

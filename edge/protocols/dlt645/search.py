"""Finding the frame in bytes that somebody pasted: the first sound one, or what is wrong with the best start.

Unlike the reader of a line, this one has all bytes at once and has to say why there is no frame.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from edge.protocols.dlt645.frame import END, MAX_FRAME, OVERHEAD, START, WAKE

_SECOND_START = 7
_LENGTH_AT = 9


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong: `code` is stable, `at` the offset within the bytes given, the texts for people."""

    code: str
    at: int
    en: str
    zh: str

    def text(self, lang: str) -> str:
        """Return the text in a language."""
        return self.zh if lang == "zh" else self.en


@dataclass(frozen=True, slots=True)
class Found:
    """Where the frame (or the best start of one) is; `raw` runs to its end, or to the end of the bytes."""

    start: int
    raw: bytes
    problem: Problem | None


def find_frame(data: bytes) -> Found:
    """Return the first sound frame; if there is none, the first start with both its 68H, else the first 68H."""
    first_start, first_head = -1, -1
    for start in _starts(data):
        if first_start < 0:
            first_start = start
        if not _has_head(data, start):
            continue
        if _is_sound(data, start):
            return Found(start, data[start : start + OVERHEAD + data[start + _LENGTH_AT]], None)
        if first_head < 0:
            first_head = start
    if first_start < 0:
        return Found(0, data, _no_start(data))
    return _broken(data, first_start if first_head < 0 else first_head)


def second_start_problem(data: bytes, start: int) -> Problem:
    """Return the problem of a 68H that has no second one seven bytes on."""
    at = start + _SECOND_START
    return Problem(
        "second_start",
        at,
        f"second 68H missing at offset {at}, found {data[at]:02X}H",
        f"偏移 {at} 处缺少第二个 68H，实为 {data[at]:02X}H",
    )


def _starts(data: bytes) -> Iterator[int]:
    start = data.find(START)
    while start >= 0:
        yield start
        start = data.find(START, start + 1)


def _has_head(data: bytes, start: int) -> bool:
    return len(data) > start + _LENGTH_AT and data[start + _SECOND_START] == START


def _is_sound(data: bytes, start: int) -> bool:
    end = start + OVERHEAD + data[start + _LENGTH_AT] - 1
    if end >= len(data) or data[end] != END:
        return False  # before the sum: megabytes of 68H stay cheap
    return sum(data[start : end - 1]) & 0xFF == data[end - 1]


def _broken(data: bytes, start: int) -> Found:
    """Return what is wrong with the start of a frame here."""
    rest = data[start : start + MAX_FRAME]
    if len(rest) > _SECOND_START and rest[_SECOND_START] != START:
        return Found(start, rest, second_start_problem(data, start))
    size = OVERHEAD + rest[_LENGTH_AT] if len(rest) > _LENGTH_AT else OVERHEAD
    if len(rest) < size:
        return Found(start, rest, _truncated(start, rest, size))
    raw = rest[:size]
    return Found(start, raw, _bad_end(start, raw) if raw[-1] != END else _bad_checksum(start, raw))


def _bad_end(start: int, raw: bytes) -> Problem:
    at, length = start + len(raw) - 1, raw[_LENGTH_AT]
    return Problem(
        "bad_end",
        at,
        f"L={length} puts the end 16H at offset {at}, found {raw[-1]:02X}H",
        f"按 L={length}，结束符 16H 应在偏移 {at}，实为 {raw[-1]:02X}H",
    )


def _bad_checksum(start: int, raw: bytes) -> Problem:
    says, is_sum = raw[-2], sum(raw[:-2]) & 0xFF
    return Problem(
        "bad_checksum",
        start + len(raw) - 2,
        f"checksum: frame says {says:02X}H, sum is {is_sum:02X}H",
        f"校验和：帧中为 {says:02X}H，计算值为 {is_sum:02X}H",
    )


def _truncated(start: int, rest: bytes, size: int) -> Problem:
    have = len(rest)
    if have > _LENGTH_AT:
        data = max(have - OVERHEAD, 0)
        en = f"truncated: L={rest[_LENGTH_AT]} but only {data} data bytes before CS/16H, {size - have} bytes missing"
        zh = f"帧不完整：L={rest[_LENGTH_AT]}，校验和与 16H 之前只有 {data} 个数据字节，缺 {size - have} 字节"
    else:
        en = f"truncated: {have} bytes from the 68H on, a frame has at least {OVERHEAD}"
        zh = f"帧不完整：自 68H 起只有 {have} 字节，一帧至少 {OVERHEAD} 字节"
    return Problem("truncated", start + have, en, zh)


def _no_start(data: bytes) -> Problem:
    if not data:
        return Problem("empty", 0, "no bytes", "没有任何字节")
    at = next((i for i, byte in enumerate(data) if byte != WAKE), 0)
    return Problem("no_start", at, "no 68H that could start a frame", "没有可作为帧起始符的 68H")

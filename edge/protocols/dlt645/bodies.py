"""What the data bytes of a frame say, for every function of both versions: requests, answers and refusals.

Each function is a few lines that take fields off the front of the data. What cannot be right is a FieldError with the
offset within the data; the facts read before it are kept.
Sources: reference of the functions in DL/T 645-2007; 1CH from published frames; 03H, 1DH and the 1997 functions 03H
and 10H from recall, so the data of those are not judged.
"""

from collections.abc import Callable

from edge.protocols.dlt645.catalogue import catalogue
from edge.protocols.dlt645.control import MORE, RELAY_ORDERS, REPLY, SECURE_LEVELS, SPEEDS, Function, refusal_reasons
from edge.protocols.dlt645.facts import Fact, value_facts
from edge.protocols.dlt645.formats import FieldError, check_date
from edge.protocols.dlt645.items import data_sizes, decode_data

_OFFSET = 0x33


class Body:
    """Takes fields off the data of one frame, in order, and keeps what it found."""

    def __init__(self, version: str, control: int, data: bytes, lang: str) -> None:
        self.version = version
        self.control = control
        self.data = data
        self.lang = lang
        self.at = 0
        self.di: str | None = None
        self.facts: list[Fact] = []

    @property
    def left(self) -> int:
        """How many bytes are not taken yet."""
        return len(self.data) - self.at

    def say(self, en: str, zh: str) -> str:
        """Return the text in the language wanted."""
        return zh if self.lang == "zh" else en

    def take(self, size: int) -> bytes:
        """Return the next bytes. Raises FieldError if there are fewer."""
        if self.left < size:
            raise self.wrong_length()
        self.at += size
        return self.data[self.at - size : self.at]

    def add(self, size: int, name: str, value: str | None, unit: str = "", *, is_item: bool = True) -> None:
        """Keep a fact about the last `size` bytes taken."""
        self.facts.append(Fact(name, value, unit, self.at - size, self.at, is_item=is_item))

    def expect(self, *sizes: int) -> None:
        """Raise FieldError unless the data have one of these sizes."""
        if len(self.data) not in sizes:
            raise self.wrong_length()

    def wrong_length(self) -> FieldError:
        """Return the error of data that no frame of this function can have."""
        size = len(self.data)
        return FieldError("length", f"{size} data bytes do not fit the function", zh=f"数据域 {size} 字节与功能不符")

    def number(self, size: int, name: str) -> str:
        """Take a decimal number or a password, and return it as text, high byte first."""
        at = self.at
        raw = self.take(size)
        text = raw[::-1].hex().upper()
        self.add(size, name, text)
        if not text.isdecimal():
            raise FieldError("not_bcd", f"not BCD {text.lower()}", at, zh=f"不是 BCD 码：{text.lower()}")
        return text

    def hexadecimal(self, size: int, name: str) -> str:
        """Take bytes that need not be decimal, and return them as text, high byte first."""
        text = self.take(size)[::-1].hex().upper()
        self.add(size, name, text)
        return text

    def wire(self, size: int, name: str) -> None:
        """Take bytes that are shown as they stood on the wire."""
        self.add(size, name, self.take(size).hex().upper())

    def date(self, parts: str, name: str, *, may_be_zero: bool = False, wild: bool = False) -> None:
        """Take a date, lowest part first on the wire. `wild`: 99 stands for "every"."""
        letters = tuple(parts[i : i + 2] for i in range(0, len(parts), 2))
        at = self.at
        text = self.number(len(letters), name)
        if may_be_zero and not int(text):
            return
        kept = [(letter, text[2 * i : 2 * i + 2]) for i, letter in enumerate(letters)]
        if wild:
            kept = [(letter, digits) for letter, digits in kept if digits != "99"]
        try:
            check_date(tuple(letter for letter, _ in kept), "".join(digits for _, digits in kept))
        except FieldError as fault:
            raise fault.at_byte(at + fault.at) from fault

    def identifier(self) -> str:
        """Take the identifier. Raises FieldError where the offset of 33H was plainly added twice, or never."""
        size = 4 if self.version == "2007" else 2
        raw = self.take(size)
        self.di = raw[::-1].hex().upper()
        entry = catalogue(self.version).find(self.di)
        self.add(size, self.say("data identifier", "数据标识"), self.di, is_item=False)
        if entry is None:
            self._check_offset(raw)
        return self.di

    def _check_offset(self, raw: bytes) -> None:
        for shift, code in ((-_OFFSET, "offset_twice"), (_OFFSET, "offset_missing")):
            meant = bytes((byte + shift) & 0xFF for byte in raw)[::-1].hex().upper()
            entry = catalogue(self.version).find(meant)
            # Two bytes are too few to accuse by a pattern that many identifiers fit.
            if entry is not None and (self.version == "2007" or entry.pattern == meant):
                en = "added twice" if shift < 0 else "was not added"
                zh = "加了两次" if shift < 0 else "未加"
                raise FieldError(
                    code,
                    f"offset 33H {en}: DI reads {self.di}, meant {meant}",
                    zh=f"33H 偏移{zh}：数据标识读作 {self.di}，应为 {meant}",
                )

    def authority(self) -> int:
        """Take password level, password and operator code; return the level."""
        level = int(self.hexadecimal(1, "PA"), 16)
        self.hexadecimal(3, self.say("password (P2P1P0)", "密码 (P2P1P0)"))
        self.hexadecimal(4, self.say("operator (C3C2C1C0)", "操作者代码 (C3C2C1C0)"))
        return level

    def values(self) -> None:
        """Take all that is left as the data of the identifier."""
        for fact in value_facts(self.version, self.di or "", self.data[self.at :], self.at, self.lang):
            self.facts.append(fact)  # those before a fault stay
        self.at = len(self.data)

    def part(self, size: int) -> None:
        """Take bytes that are part of a longer answer."""
        raw = self.take(size)
        if size:
            name = self.say("part of the data (wire order, offset removed)", "部分数据（线路顺序，已减 33H）")
            self.facts.append(Fact(name, raw.hex().upper(), "", self.at - size, self.at, self.di))


def _read_request(body: Body) -> None:
    di = body.identifier()
    known = catalogue(body.version).find(di)
    takes_more = body.version == "2007" and (known is None or known.kind == "load")
    if body.left not in ((0, 1, 6) if takes_more else (0,)):
        raise body.wrong_length()
    if body.left:
        body.number(1, body.say("blocks wanted", "请求块数"))
    if body.left:
        body.date("YYMMDDhhmm", body.say("from time YYMMDDhhmm", "起始时间 YYMMDDhhmm"))


def _read_answer(body: Body) -> None:
    body.identifier()
    if body.control & MORE:
        body.part(body.left)
    else:
        body.values()


def _follow_up_request(body: Body) -> None:
    body.identifier()
    if body.version == "2007":
        body.add(1, "SEQ", str(body.take(1)[0]))


def _follow_up_answer(body: Body) -> None:
    body.identifier()
    has_sequence = body.version == "2007"
    body.part(body.left - has_sequence)
    if has_sequence:
        body.add(1, "SEQ", str(body.take(1)[0]))


def _nothing(body: Body) -> None:
    body.expect(0)


def _accepted(body: Body) -> None:
    body.expect(0)
    body.add(0, body.say("result", "结果"), body.say("accepted", "已接受"))


def _address_answer(body: Body) -> None:
    body.expect(6)
    name = body.say("meter address", "电表地址")
    body.number(6, name)
    fact = body.facts.pop()
    body.facts.append(Fact(name, fact.value, "", fact.start, fact.stop, None, "meter_address"))


def _write_request(body: Body) -> None:
    di = body.identifier()
    data_name = body.say("data (wire order, offset removed)", "数据（线路顺序，已减 33H）")
    if body.version == "1997":
        body.wire(4, body.say("password bytes (wire order)", "密码（线路顺序）"))
        level = 0
    else:
        level = body.authority()
    at = body.at
    body.wire(body.left, data_name)
    if level not in SECURE_LEVELS and data_sizes(body.version, di) is not None:
        try:
            decode_data(body.version, di, body.data[at:])
        except FieldError as fault:
            raise fault.at_byte(at + fault.at) from fault


def _write_address(body: Body) -> None:
    body.expect(6)
    body.number(6, body.say("new meter address", "新通信地址"))


def _time_sync(body: Body) -> None:
    body.expect(6)
    body.date("YYMMDDhhmmss", body.say("time YYMMDDhhmmss", "时间 YYMMDDhhmmss"))


def _freeze(body: Body) -> None:
    body.expect(4)
    body.date("MMDDhhmm", body.say("freeze time MMDDhhmm", "冻结时间 MMDDhhmm"), wild=True)


def _speed(body: Body) -> None:
    """Source: DL/T 645-2007, speed characteristic. The 1997 bits are not known: shown raw."""
    body.expect(1)
    if body.version == "1997":
        body.hexadecimal(1, body.say("speed characteristic", "通信速率特征字"))
        return
    raw = body.take(1)[0]
    baud = SPEEDS.get(raw)
    body.add(1, body.say("baud rate", "波特率"), str(baud) if baud else None, "bit/s")
    if baud is None:
        is_missing = (raw + _OFFSET) & 0xFF in SPEEDS
        text = f"baud characteristic {raw:02X}H has not exactly one valid bit"
        zh = f"通信速率特征字 {raw:02X}H 并非恰有一个有效位"
        if is_missing:
            why, why_zh = " (offset 33H was not added)", "（未加 33H 偏移）"
            raise FieldError("offset_missing", text + why, zh=zh + why_zh)
        raise FieldError("bad_speed", text, zh=zh)


def _password_request(body: Body) -> None:
    if body.version == "2007":
        body.expect(12)
        body.identifier()
    else:
        body.expect(8)
    for en, zh in (("old", "旧"), ("new", "新")):
        body.hexadecimal(1, body.say(f"{en} PA", f"{zh} PA"))
        body.hexadecimal(3, body.say(f"{en} password (P2P1P0)", f"{zh}密码 (P2P1P0)"))


def _password_answer(body: Body) -> None:
    if body.version == "1997":
        body.wire(body.left, body.say("data", "数据"))
        return
    body.expect(4)
    body.hexadecimal(1, body.say("new PA", "新 PA"))
    body.hexadecimal(3, body.say("new password (P2P1P0)", "新密码 (P2P1P0)"))


def _clear(body: Body) -> None:
    if body.version == "1997":
        body.wire(body.left, body.say("password bytes (wire order)", "密码（线路顺序）"))
        return
    body.expect(8)
    body.authority()


def _clear_events(body: Body) -> None:
    body.expect(12)
    body.authority()
    body.hexadecimal(4, body.say("events to clear", "清零的事件"))


def _relay(body: Body) -> None:
    """Source: two published frames collections; a limit of all zero is seen in the field and expired for any meter."""
    body.expect(16)
    body.authority()
    order = int(body.hexadecimal(1, "N1"), 16)
    words = RELAY_ORDERS.get(order, ("unknown", "未知"))
    body.add(1, body.say("action", "动作"), body.say(*words))
    body.hexadecimal(1, "N2")
    body.date("YYMMDDhhmmss", body.say("valid until YYMMDDhhmmss", "有效截止 YYMMDDhhmmss"), may_be_zero=True)


def _output(body: Body) -> None:
    body.expect(1)
    body.hexadecimal(
        1, body.say("output (00 second pulse, 01 demand period, 02 switching)", "输出（00 秒脉冲 01 需量周期 02 投切）")
    )


def _security(body: Body) -> None:
    body.di = body.take(4)[::-1].hex().upper()
    body.add(4, body.say("data identifier", "数据标识"), body.di, is_item=False)
    body.wire(body.left, body.say("security data (wire order, offset removed)", "安全数据（线路顺序，已减 33H）"))


def _raw(body: Body) -> None:
    if body.left:
        body.wire(body.left, body.say("data (wire order, offset removed)", "数据（线路顺序，已减 33H）"))


_REQUESTS: dict[str, Callable[[Body], None]] = {
    "read": _read_request,
    "read_follow_up": _follow_up_request,
    "read_address": _nothing,
    "write": _write_request,
    "write_address": _write_address,
    "time_sync": _time_sync,
    "freeze": _freeze,
    "change_speed": _speed,
    "change_password": _password_request,
    "clear_demand": _clear,
    "clear_meter": _clear,
    "clear_events": _clear_events,
    "relay": _relay,
    "multifunction_output": _output,
    "security": _security,
}
_ANSWERS: dict[str, Callable[[Body], None]] = {
    "read": _read_answer,
    "re_read": _read_answer,
    "read_follow_up": _follow_up_answer,
    "read_address": _address_answer,
    "write": _accepted,
    "write_address": _accepted,
    "time_sync": _accepted,
    "freeze": _accepted,
    "change_speed": _speed,
    "change_password": _password_answer,
    "clear_demand": _accepted,
    "clear_meter": _accepted,
    "clear_events": _accepted,
    "relay": _accepted,
    "multifunction_output": _output,
    "security": _security,
}


def read_body(body: Body, function: Function | None) -> None:
    """Fill the body's facts. Raises FieldError for what cannot be right; the facts read before it stay."""
    name = function.name if function else ""
    handlers = _ANSWERS if body.control & REPLY else _REQUESTS
    handlers.get(name, _raw)(body)
    if body.left:
        raise body.wrong_length()


def read_refusal(body: Body, function: Function | None) -> tuple[str, tuple[str, ...]]:
    """Return the error byte as hex and its bits in words. Security authentication (2007) has two bytes."""
    if function is not None and function.name == "security":
        body.expect(1, 2)
    else:
        body.expect(1)
    raw = body.take(len(body.data))
    reasons = refusal_reasons(body.version, raw[0], body.lang)
    body.add(len(raw), body.say("error byte", "错误信息字"), ", ".join(reasons) or "0", is_item=False)
    return raw[::-1].hex().upper(), reasons

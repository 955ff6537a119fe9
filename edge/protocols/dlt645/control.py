"""Control codes of DL/T 645: the function codes of both versions by name, and the bits of the error byte in words.

The same code can mean different things: 03H is "re-read" in 1997 and security authentication in 2007.
Sources: DL/T 645-2007 for 08H and 11H..1BH; 1CH seen in two independent sources; 1DH and 03H (2007) from recall of the
grid companies' extensions; 1997 codes from published libraries and live captures (03H, 10H: recall).
"""

from dataclasses import dataclass
from typing import Literal

Version = Literal["1997", "2007"]

REPLY = 0x80
ABNORMAL = 0x40
MORE = 0x20
FUNCTION = 0x1F

NO_DATA = 0x02  # bit of the error byte, both versions: the meter has no such data

READ = {"2007": 0x11, "1997": 0x01}
READ_FOLLOW_UP = {"2007": 0x12, "1997": 0x02}
READ_ADDRESS = 0x13


@dataclass(frozen=True, slots=True)
class Function:
    """One function of a version: `name` is stable, the texts are for people."""

    name: str
    en: str
    zh: str


_READ = Function("read", "read data", "读数据")
_FOLLOW_UP = Function("read_follow_up", "read follow-up data", "读后续数据")
_WRITE = Function("write", "write data", "写数据")
_SPEED = Function("change_speed", "change communication speed", "更改通信速率")
_PASSWORD = Function("change_password", "change password", "修改密码")
_DEMAND = Function("clear_demand", "clear maximum demand", "最大需量清零")
_WRITE_ADDRESS = Function("write_address", "write communication address", "写通信地址")
_SYNC = Function("time_sync", "broadcast time synchronisation", "广播校时")

FUNCTIONS: dict[str, dict[int, Function]] = {
    "2007": {
        0x03: Function("security", "security authentication", "安全认证"),
        0x08: _SYNC,
        0x11: _READ,
        0x12: _FOLLOW_UP,
        0x13: Function("read_address", "read communication address", "读通信地址"),
        0x14: _WRITE,
        0x15: _WRITE_ADDRESS,
        0x16: Function("freeze", "freeze", "冻结"),
        0x17: _SPEED,
        0x18: _PASSWORD,
        0x19: _DEMAND,
        0x1A: Function("clear_meter", "clear meter", "电表清零"),
        0x1B: Function("clear_events", "clear events", "事件清零"),
        0x1C: Function("relay", "relay, alarm and keep-power control", "跳合闸、报警、保电"),
        0x1D: Function("multifunction_output", "multifunction terminal output", "多功能端子输出控制"),
    },
    "1997": {
        0x01: _READ,
        0x02: _FOLLOW_UP,
        0x03: Function("re_read", "read the data again", "重读数据"),
        0x04: _WRITE,
        0x08: _SYNC,
        0x0A: _WRITE_ADDRESS,
        0x0C: _SPEED,
        0x0F: _PASSWORD,
        0x10: _DEMAND,
    },
}

_ERR: dict[str, tuple[tuple[str, str], ...]] = {
    "2007": (
        ("other error", "其他错误"),
        ("no requested data", "无请求数据"),
        ("password wrong / not authorised", "密码错/未授权"),
        ("baud rate cannot change", "通信速率不能更改"),
        ("year time-zone count exceeded", "年时区数超"),
        ("day period count exceeded", "日时段数超"),
        ("tariff count exceeded", "费率数超"),
        ("reserved", "保留"),
    ),
    "1997": (
        ("illegal data", "非法数据"),
        ("identifier wrong", "数据标识错"),
        ("password wrong", "密码错"),
        ("reserved", "保留"),
        ("year time-zone count exceeded", "年时区数超"),
        ("day period count exceeded", "日时段数超"),
        ("tariff count exceeded", "费率数超"),
        ("reserved", "保留"),
    ),
}

# Relay, alarm and keep-power orders N1 of 1CH. 1AH, 1BH, 2AH..3BH from two sources; 1CH seen in field frames, its
# name from recall; 1DH, 1EH from recall.
RELAY_ORDERS: dict[int, tuple[str, str]] = {
    0x1A: ("trip", "跳闸"),
    0x1B: ("close permitted", "合闸允许"),
    0x1C: ("close directly", "直接合闸"),
    0x1D: ("trip after warning", "预跳闸"),
    0x1E: ("trip after warning, with delay", "延时预跳闸"),
    0x2A: ("alarm on", "报警"),
    0x2B: ("alarm off", "报警解除"),
    0x3A: ("keep power on", "保电"),
    0x3B: ("keep power off", "保电解除"),
}

# Speed characteristic byte: exactly one of these bits (DL/T 645-2007).
SPEEDS: dict[int, int] = {0x02: 600, 0x04: 1200, 0x08: 2400, 0x10: 4800, 0x20: 9600, 0x40: 19200}

# Password levels of the extensions: the data of such a write are enciphered by a security module.
SECURE_LEVELS = frozenset({0x98, 0x99})


def function_of(version: str, control: int) -> Function | None:
    """Return the function that a control byte names in this version, None if it has none."""
    return FUNCTIONS[version].get(control & FUNCTION)


def refusal_reasons(version: str, err: int, lang: str = "en") -> tuple[str, ...]:
    """Return the set bits of an error byte in words, lowest bit first. They are bits: several may be set."""
    words = _ERR[version]
    return tuple(words[bit][lang == "zh"] for bit in range(8) if err >> bit & 1)


def version_of(control: int) -> Version:
    """Return the version that a control byte belongs to, where nothing else tells.

    1997: 01H, 02H, 04H, 0AH, 0CH, 0FH, 10H and their replies. 03H and 08H stand in both: 2007, the one in use.
    """
    code = control & FUNCTION
    return "1997" if code in FUNCTIONS["1997"] and code not in FUNCTIONS["2007"] else "2007"

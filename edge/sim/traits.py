"""What a simulated meter is like, by name, beside the faults that damage its answers; `edge sim --fault ADDRESS=NAME`.

Spans of time are written START-END, in seconds from when the meter was put on its wire.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from edge.bus.link import Parity
from edge.protocols.dlt645.control import SPEEDS

Stretch = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """One meter's nature. Stretches are in seconds from the begin, the end not in it.

    `wake`: FEH bytes that it needs before a request if the wire was quiet for `wake_after_s`; `quiet_s`: a request
    that comes sooner after the last byte is not heard. `load_every_min`: 0 for a meter that keeps no load records.
    `baud`, `parity`: None, as its wire. `password`: level and three bytes as on the wire; None: no order is taken.
    """

    wake: int = 0
    wake_after_s: float = 0.0
    quiet_s: float = 0.0
    has_totals_block: bool = False
    load_every_min: int = 15
    load_days: float = 40.0
    instant_freezes: int = 3
    hourly_freezes: int = 254
    daily_freezes: int = 62
    timed_freezes: int = 12
    password: bytes | None = None
    is_key_pressed: bool = True
    changes_speed: bool = True
    baud: int | None = None
    parity: Parity | None = None
    unplugged: tuple[Stretch, ...] = ()
    without_power: tuple[Stretch, ...] = ()
    without_records: tuple[Stretch, ...] = ()
    without_voltage: tuple[Stretch, ...] = ()


@dataclass(frozen=True, slots=True)
class Trait:
    """One kind of trait: what VALUE means, its default, and what it makes of a meter, in English and Chinese."""

    turn: Callable[[Traits, str], Traits]
    value: str
    default: str
    en: str
    zh: str


def _number(value: str) -> float:
    number = float(value)
    if not number >= 0:
        raise ValueError(value)
    return number


def _needs_wake(traits: Traits, value: str) -> Traits:
    count, _, after_s = value.partition("/")
    return replace(traits, wake=int(_number(count)), wake_after_s=_number(after_s or "0"))


def _needs_quiet(traits: Traits, value: str) -> Traits:
    return replace(traits, quiet_s=_number(value) / 1000)


def _totals_block(traits: Traits, _value: str) -> Traits:
    return replace(traits, has_totals_block=True)


def _load_every(traits: Traits, value: str) -> Traits:
    minutes = int(value)
    if minutes < 1 or 1440 % minutes:
        raise ValueError(value)
    return replace(traits, load_every_min=minutes)


def _no_load_records(traits: Traits, _value: str) -> Traits:
    return replace(traits, load_every_min=0)


def _keeps(traits: Traits, value: str) -> Traits:
    days = _number(value)
    return replace(traits, load_days=days, daily_freezes=int(days), hourly_freezes=min(254, int(days * 24)))


def _no_freeze(traits: Traits, _value: str) -> Traits:
    return replace(traits, instant_freezes=0)


def _password(traits: Traits, value: str) -> Traits:
    raw = bytes.fromhex(value)
    if len(raw) != 4:  # noqa: PLR2004 - level and three bytes
        raise ValueError(value)
    return replace(traits, password=raw[:1] + raw[:0:-1])


def _no_key(traits: Traits, _value: str) -> Traits:
    return replace(traits, is_key_pressed=False)


def _fixed_speed(traits: Traits, _value: str) -> Traits:
    return replace(traits, changes_speed=False)


def _speed(traits: Traits, value: str) -> Traits:
    if int(value) not in SPEEDS.values():
        raise ValueError(value)
    return replace(traits, baud=int(value))


def _parity(traits: Traits, value: str) -> Traits:
    known: dict[str, Parity] = {"even": "even", "odd": "odd", "none": "none"}
    if value not in known:
        raise ValueError(value)
    return replace(traits, parity=known[value])


def _stretch(value: str) -> Stretch:
    start, _, end = value.partition("-")
    found = (_number(start), _number(end))
    if found[0] > found[1]:
        raise ValueError(value)
    return found


def _unplugged(traits: Traits, value: str) -> Traits:
    return replace(traits, unplugged=(*traits.unplugged, _stretch(value)))


def _without_power(traits: Traits, value: str) -> Traits:
    return replace(traits, without_power=(*traits.without_power, _stretch(value)))


def _without_records(traits: Traits, value: str) -> Traits:
    return replace(traits, without_records=(*traits.without_records, _stretch(value)))


def _without_voltage(traits: Traits, value: str) -> Traits:
    return replace(traits, without_voltage=(*traits.without_voltage, _stretch(value)))


TRAITS: dict[str, Trait] = {
    "needs-wake": Trait(
        _needs_wake, "FEH[/idle s]", "4", "deaf without so many FEH, if the wire was idle so long", "需要若干前导 FEH"
    ),
    "needs-quiet": Trait(_needs_quiet, "ms", "20", "deaf to a request that comes sooner", "请求前需要静默"),
    "totals-block": Trait(_totals_block, "", "", "answers 02FF0000: P, Q, S, PF", "支持厂家数据块 02FF0000"),
    "load-every": Trait(_load_every, "minutes", "15", "a load record so often", "负荷记录间隔"),
    "no-load-records": Trait(_no_load_records, "", "", "keeps no load records", "无负荷记录"),
    "keeps": Trait(_keeps, "days", "2", "load records and freezes go back so far", "负荷记录和冻结的保存天数"),
    "no-freeze": Trait(_no_freeze, "", "", "refuses to freeze on order", "拒绝冻结命令"),
    "password": Trait(_password, "level+6 digits", "02000000", "takes orders with it", "接受带此密码的命令"),
    "no-key": Trait(_no_key, "", "", "its programming key is not pressed", "未按编程键"),
    "fixed-speed": Trait(_fixed_speed, "", "", "refuses to change its speed", "拒绝更改速率"),
    "speed": Trait(_speed, "Bd", "9600", "talks at another speed than its wire", "通信速率与总线不同"),
    "parity": Trait(_parity, "even|odd|none", "none", "talks with another parity", "校验方式不同"),
    "unplugged": Trait(_unplugged, "START-END s", "60-120", "is off the wire, and counts on", "从总线断开，继续计量"),
    "no-power": Trait(_without_power, "START-END s", "60-120", "is off and records nothing", "停电，不记录"),
    "no-records": Trait(_without_records, "START-END s", "60-120", "records nothing", "不记录"),
    "voltage-loss": Trait(_without_voltage, "START-END s", "60-120", "phase A lost its voltage", "A相失压"),
}

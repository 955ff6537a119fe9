"""The knobs: what can be wrong with a simulated meter, by name; `edge sim --fault ADDRESS=NAME[:VALUE][@SHARE]`.

A fault turns the answer that the meter was about to send into another one, or into none. SHARE (0..1) is the part of
the answers that it hits, by the meter's own seeded dice. The names of `traits.py` are taken as well; these are what
the meter is like, and hit no answer.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from random import Random

from edge.protocols.dlt645.control import ABNORMAL, REPLY
from edge.protocols.dlt645.frame import Frame
from edge.sim.reply import Reply
from edge.sim.traits import TRAITS, Trait, Traits

_Act = Callable[[Reply, Frame, str, Random], Reply | None]
DUPLICATE = "duplicate"
OVERLAP_BYTES = 16  # the second answer starts behind the first one's header and before its end


@dataclass(frozen=True, slots=True)
class Knob:
    """One kind of fault: what VALUE means, its default, and what happens, in English and Chinese."""

    act: _Act
    value: str
    default: str
    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A knob that is turned."""

    name: str
    value: str
    share: float = 1.0

    def apply(self, reply: Reply, request: Frame, random: Random) -> Reply | None:
        """Return what is sent instead, None for silence."""
        if self.name in TRAITS or random.random() >= self.share:
            return reply
        return KNOBS[self.name].act(reply, request, self.value, random)

    def __str__(self) -> str:
        shown = f"{self.name}:{self.value}" if self.value else self.name
        return shown if self.share == 1 else f"{shown}@{self.share:g}"


class UnknownFaultError(ValueError):
    """A fault text that names no knob, or a value that the knob cannot take."""


def parse_fault(text: str) -> Fault:
    """Return the fault or trait of a text like "dead", "noise:0.02" or "bad-checksum@0.5". Raises UnknownFaultError."""
    body, _, share = text.partition("@")
    name, _, value = body.partition(":")
    knob = KNOBS.get(name) or TRAITS.get(name)
    if knob is None:
        raise UnknownFaultError(f'"{name}" is no fault; known: {", ".join((*KNOBS, *TRAITS))}')
    value = value or knob.default
    takes = f'"{text}": {name} takes {knob.value or "no value"}'
    try:
        fault = Fault(name, value, float(share) if share else 1.0)
        _try(fault)
    except ValueError as exc:
        raise UnknownFaultError(takes) from exc
    if name in TRAITS and (share or (value and not knob.value)):
        raise UnknownFaultError(f"{takes}, and no share")
    if not 0 <= fault.share <= 1 or (value and not knob.value):
        raise UnknownFaultError(f"{takes}, and a share from 0 to 1")
    return fault


def knob_of(fault: Fault) -> Knob | Trait:
    """Return what stands behind a fault's name."""
    return KNOBS.get(fault.name) or TRAITS[fault.name]


def traits_of(faults: Iterable[Fault]) -> Traits:
    """Return what a meter with these faults is like."""
    traits = Traits()
    for fault in faults:
        if fault.name in TRAITS:
            traits = TRAITS[fault.name].turn(traits, fault.value)
    return traits


def _try(fault: Fault) -> None:
    """Raise ValueError if the knob cannot take the value."""
    if fault.name in TRAITS:
        TRAITS[fault.name].turn(Traits(), fault.value)
    else:
        KNOBS[fault.name].act(_PROBE, _ASKED, fault.value, Random(0))


def _dead(_reply: Reply, _request: Frame, _value: str, _random: Random) -> None:
    return None


def _noise(reply: Reply, _request: Frame, value: str, random: Random) -> Reply:
    size = len(reply.encode())
    hit = [((at + 0.5) / size, random.randrange(8)) for at in range(size) if random.random() < float(value)]
    return replace(reply, flips=reply.flips + tuple(hit))


def _garbage(reply: Reply, _request: Frame, value: str, random: Random) -> Reply:
    """Turn every byte round as a wrong speed does: nothing of the frame is left."""
    size = len(reply.encode())
    bits = max(1, int(value))
    return replace(
        reply, flips=tuple(((at + 0.5) / size, random.randrange(8)) for at in range(size) for _ in range(bits))
    )


def _junk(reply: Reply, _request: Frame, value: str, random: Random) -> Reply:
    count = int(value)
    return replace(reply, before=random.randbytes(count) + reply.before, after=reply.after + random.randbytes(count))


def _slow(reply: Reply, _request: Frame, value: str, _random: Random) -> Reply:
    return replace(reply, delay_s=reply.delay_s + _positive(value) / 1000)


def _spread(reply: Reply, _request: Frame, value: str, random: Random) -> Reply:
    return replace(reply, delay_s=reply.delay_s + random.random() * _positive(value) / 1000)


def _lost(reply: Reply, _request: Frame, value: str, random: Random) -> Reply | None:
    return None if random.random() < float(value) else reply


def _gap(reply: Reply, _request: Frame, value: str, _random: Random) -> Reply:
    return replace(reply, gap_s=_positive(value) / 1000)


def _late(reply: Reply, _request: Frame, value: str, _random: Random) -> Reply:
    return replace(reply, late_s=_positive(value) / 1000)


def _wrong_address(reply: Reply, _request: Frame, value: str, _random: Random) -> Reply:
    if len(value) != 12 or not value.isdecimal():  # noqa: PLR2004 - digits of an address
        raise ValueError(value)
    return replace(reply, address=value)


def _bad_checksum(reply: Reply, _request: Frame, _value: str, _random: Random) -> Reply:
    return replace(reply, is_sum_bad=True)


def _cut(reply: Reply, _request: Frame, value: str, _random: Random) -> Reply:
    return replace(reply, cut=int(_positive(value)))


def _malformed(reply: Reply, _request: Frame, _value: str, _random: Random) -> Reply:
    """Put a digit above nine into the last byte: the frame is sound, its content cannot be."""
    return replace(reply, data=reply.data[:-1] + b"\xfa") if reply.data else reply


def _refuse(reply: Reply, request: Frame, value: str, _random: Random) -> Reply:
    return replace(reply, control=REPLY | ABNORMAL | request.function, data=bytes((int(value, 16),)))


def _no_blocks(reply: Reply, request: Frame, _value: str, random: Random) -> Reply:
    is_block = b"\xff" in request.data[:4] if len(request.data) >= 4 else (request.data[:1] or b"\0")[0] & 15 == 15  # noqa: PLR2004
    return _refuse(reply, request, "02", random) if is_block else reply


def _preamble(reply: Reply, _request: Frame, value: str, _random: Random) -> Reply:
    return replace(reply, preamble=int(_positive(value)))


def _foreign_master(reply: Reply, request: Frame, value: str, random: Random) -> Reply:
    """Let somebody else's request stand where the answer should: a second master talked into ours."""
    return replace(_wrong_address(reply, request, value, random), control=request.function, data=request.data)


def _overlap(reply: Reply, _request: Frame, value: str, _random: Random) -> Reply:
    return replace(reply, delay_bytes=reply.delay_bytes + int(_positive(value)))


def _positive(value: str) -> float:
    number = float(value)
    if number < 0:
        raise ValueError(value)
    return number


_ASKED = Frame("000000000001", 0x11, b"\0\0\1\0", b"")
_PROBE = Reply(address="000000000001", control=0x91, data=b"\0\0\1\0\0\0\0\0")
KNOBS: dict[str, Knob] = {
    "dead": Knob(_dead, "", "", "never answers", "不应答"),
    "noise": Knob(_noise, "share of bytes", "0.02", "bits of its answers are flipped", "应答中的位被翻转"),
    "garbage": Knob(_garbage, "bits per byte", "2", "its answers are unrecognisable", "应答无法识别"),
    "junk": Knob(_junk, "bytes", "6", "random bytes before and after its answers", "应答前后有随机字节"),
    "slow": Knob(_slow, "ms", "200", "answers so much later, still in time", "应答延迟，但未超时"),
    "spread": Knob(_spread, "ms", "100", "answers up to so much later", "应答延迟不定"),
    "lost": Knob(_lost, "share of answers", "0.1", "some of its answers are lost", "部分应答丢失"),
    "gap": Knob(_gap, "ms", "20", "pauses between the bytes of its answers", "应答字节之间有停顿"),
    "late": Knob(_late, "ms", "900", "answers after the deadline", "超过期限后才应答"),
    "wrong-address": Knob(_wrong_address, "address", "000000999999", "answers under another address", "以另一地址应答"),
    "bad-checksum": Knob(_bad_checksum, "", "", "its checksum is wrong", "校验和错误"),
    "cut": Knob(_cut, "bytes", "5", "its answers lack so many bytes at the end", "应答末尾缺少若干字节"),
    "malformed": Knob(_malformed, "", "", "sound frames with impossible content", "帧完好但内容不可能正确"),
    "refuse": Knob(_refuse, "ERR, hex", "02", "refuses everything", "拒绝一切请求"),
    "no-blocks": Knob(_no_blocks, "", "", "refuses block reads", "拒绝数据块读取"),
    "preamble": Knob(_preamble, "bytes", "0", "sends so many FEH first", "先发送若干个 FEH"),
    "foreign-master": Knob(
        _foreign_master, "address", "000000888888", "a second master asks where it should answer", "另一主站插入请求"
    ),
    DUPLICATE: Knob(
        _overlap, "bytes", str(OVERLAP_BYTES), "a second meter has its address and answers over it", "另一电表地址相同"
    ),
}

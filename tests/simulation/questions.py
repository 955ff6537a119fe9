"""Random questions to one meter, and which place of an answer belongs to which item: reckoned here, from no table."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from edge.protocols.dlt645.memory import load_ask
from edge.protocols.exchange import Request

_ENERGIES = (0, 1, 2, 3, 5, 8, 9)
_SINGLES_2007 = ("02010100", "02020100", "02030000", "02030100", "02060000", "02800002", "04000401", "04000102")
_BLOCKS_2007 = ("0201FF00", "0202FF00", "0203FF00", "0204FF00", "0205FF00", "0206FF00")
_FREEZES = ("05060001", "05060101", "05060102", "05040001", "05040101", "05060901", "05061001")
_SINGLES_1997 = ("9010", "9011", "9012", "9110", "9130", "9140", "B611", "B621", "B630", "A010", "B010", "C011", "C032")
_BLOCKS_1997 = ("901F", "902F", "911F", "A01F", "B61F", "B62F", "B63F")


@dataclass(frozen=True, slots=True)
class Asked:
    """One question. `begin`, `blocks`: of a read of load records."""

    address: str
    version: str
    request: Request
    begin: datetime | None = None
    blocks: int = 0
    is_search: bool = False

    @property
    def is_wildcard(self):
        """Whether several meters may feel asked."""
        return "A" in self.address


def random_question(random: Random, meter, now: datetime) -> Asked:
    """Return something to ask a meter: single items, blocks, freezes, load records, now and then by a wildcard."""
    address, version = meter.address, meter.version
    if random.random() < 0.08:
        address = "A" * 12 if random.random() < 0.3 else "A" * 8 + address[8:]
        return _wildcard(random, address, version)
    if version == "2007" and random.random() < 0.25:
        return load_question(random, meter, now)
    return Asked(address, version, Request(_identifier(random, version), ()))


def _wildcard(random: Random, address: str, version: str) -> Asked:
    """Return a search, or a plain read of whoever has these low digits."""
    register = "9010" if version == "1997" else "00010000"
    if random.random() < 0.3:
        return Asked(address, version, Request(register, ()))
    whole = "" if address == "A" * 12 else "04000401"
    return Asked(address, version, Request(register if version == "1997" else whole, ()), is_search=True)


def load_question(random: Random, meter, now: datetime) -> Asked:
    """Return a question for load records of some class, from a quarter of an hour within the last two days on."""
    begin = now - timedelta(minutes=15 * random.randrange(200))
    begin = begin.replace(minute=begin.minute // 15 * 15, second=0, microsecond=0)
    blocks = random.choice((1, 2, 4, 8))
    ask = load_ask(f"06{random.choice((0, 1, 2, 4, 4)):02X}0001", begin, blocks)
    return Asked(meter.address, meter.version, ask.request, begin, blocks)


def _identifier(random: Random, version: str) -> str:
    if version == "1997":
        return random.choice(random.choice((_SINGLES_1997, _BLOCKS_1997)))
    match random.randrange(6):
        case 0:
            return f"00{random.choice(_ENERGIES):02X}{random.randrange(5):02X}{random.choice((0, 0, 1, 2)):02X}"
        case 1 | 2:
            return f"00{random.choice(_ENERGIES):02X}FF{random.choice((0, 0, 1)):02X}"
        case 3:
            return random.choice(_BLOCKS_2007)
        case 4:
            return random.choice((*_SINGLES_2007, "0101FF00", "01010000", "000100FF"))
        case _:
            return random.choice(_FREEZES)


def places(version: str, di: str, count: int) -> list[str]:
    """Return the identifier of each of `count` values of an answer, in wire order.

    A block is counted up from its first member: total and tariffs from 0; phases from A, the total before them where
    there is one. A demand has two values, itself and its time.
    """
    width = 2 if di[0:2] == "01" or di == "05060901" else 1
    if version == "1997":
        first = 1 if di[:3] in ("B61", "B62") else 0
        members = [f"{di[:3]}{number:X}" for number in range(first, 15)] if di.endswith("F") else [di] * 99
    elif di[:2] in ("00", "01") and di[4:6] == "FF":
        members = [f"{di[:4]}{number:02X}{di[6:]}" for number in range(64)]
    elif di[:2] in ("00", "01") and di[6:] == "FF":
        members = [f"{di[:6]}{number:02X}" for number in range(13)]
    elif di == "02FF0000":
        members = ["02030000", "02040000", "02050000", "02060000"]
    elif di[:2] == "02" and di[4:6] == "FF":
        first = 1 if di[2:4] in ("01", "02") else 0
        members = [f"{di[:4]}{number:02X}00" for number in range(first, 4)]
    else:
        return [di] * count
    return [member for member in members for _ in range(width)][:count]

"""The cheapest set of requests for the keys that are wanted: blocks where they save wire time, single reads where not.

The cost of a request is its turn-round (quiet, response delay) and the bytes of both frames; an answer that does not
fit one frame costs a turn-round and two heads more for each further frame. Blocks that share a wanted identifier form a
cluster; of each cluster every choice of blocks is tried, so the plan is the least there is (up to 12 blocks a cluster,
which no usual task has; beyond that blocks are taken while they save most).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import combinations
from math import ceil, inf

from edge.protocols.dlt645.catalogue import Catalogue, catalogue
from edge.protocols.dlt645.control import Version
from edge.protocols.dlt645.frame import OVERHEAD, PREAMBLE
from edge.protocols.dlt645.items import data_sizes
from edge.protocols.exchange import PlanTerms, Request
from edge.reading.quantities import is_raw_key
from edge.reading.vendor import VendorItem

# Totals of active, reactive and apparent power and of the power factor: in no table of the standard, yet many meters
# answer it ("FF" over the quantity). Source: seen with other masters' plans; unverified, so each meter has to prove it.
UNLISTED = frozenset({"02FF0000"})

_ROOM = 200  # data bytes of one answer frame
_USUAL_TARIFFS = 4
_MOST_EXACT = 12
_ENERGY_OR_DEMAND = {"00", "01"}


@dataclass(frozen=True, slots=True)
class _Costs:
    """What single reads and blocks cost, in seconds; `inf` for what the meter refused."""

    single: Mapping[str, float]
    block: Mapping[str, float]
    members: Mapping[str, frozenset[str]]

    def of(self, wanted: frozenset[str], chosen: Iterable[str]) -> float:
        """Return what it costs to read the wanted identifiers with these blocks and single reads for the rest."""
        blocks = tuple(chosen)
        rest = wanted.difference(*(self.members[block] for block in blocks))
        return sum(self.block[block] for block in blocks) + sum(self.single[one] for one in rest)


@lru_cache(maxsize=512)
def plan_requests(
    version: Version, keys: tuple[str, ...], terms: PlanTerms, extra: tuple[VendorItem, ...] = ()
) -> tuple[tuple[Request, ...], tuple[str, ...]]:
    """Return the requests in the order of the first key that each brings, and the keys that cannot be read.

    `extra`: items that the settings define.
    """
    identifiers = {key: identifier_of(version, key, extra) for key in keys}
    own = frozenset(one.identifier for one in extra)  # their content is no longer what the standard's blocks bring
    wanted = frozenset(
        di for key, di in identifiers.items() if di and di not in own and not is_raw_key(key) and "+" not in di
    )
    block_of = _choose(version, wanted, replace(terms, avoid=terms.avoid | own))
    plan: dict[str, list[str]] = {}
    unknown = []
    for key, di in identifiers.items():
        carrier = None if di is None or is_raw_key(key) else block_of.get(di)
        if carrier is None and di is not None and terms.avoid.isdisjoint((di, *di.split("+"))):
            carrier = di
        if carrier is None:
            unknown.append(key)
        else:
            plan.setdefault(carrier, []).append(key)
    return tuple(Request(identifier, tuple(names)) for identifier, names in plan.items()), tuple(unknown)


def identifier_of(version: Version, key: str, extra: tuple[VendorItem, ...] = ()) -> str | None:
    """Return the identifier that brings a key alone, None if this version has none."""
    digits = 8 if version == "2007" else 4
    if is_raw_key(key):
        return key[3:] if len(key[3:]) == digits else None
    return catalogue(version, extra).identifier_of(key)


def tariff_count(version: Version, block: str, values: int) -> int | None:
    """Return how many tariffs a block's answer with so many values shows; None if it is no block of tariffs."""
    return values - 1 if _is_tariff_block(version, block) and values else None


def request_cost(version: Version, identifier: str, terms: PlanTerms) -> float:
    """Return the seconds that one request and its answer take on the wire, quiet and response delay included."""
    id_bytes = 4 if version == "2007" else 2
    heads = terms.wake + PREAMBLE + 2 * (OVERHEAD + id_bytes)
    size = expected_size(version, identifier, terms)
    more = ceil(max(0, size + id_bytes - _ROOM) / (_ROOM - id_bytes - 1))
    return (1 + more) * (terms.turn_s + heads * terms.byte_s) + (size + more) * terms.byte_s


def _choose(version: Version, wanted: frozenset[str], terms: PlanTerms) -> dict[str, str]:
    """Return the block that brings each wanted identifier; those that are read alone are not in it."""
    members = {
        block: inside & wanted
        for block, inside in _blocks(version).items()
        if block not in terms.avoid and (terms.with_unlisted or block not in UNLISTED) and inside & wanted
    }
    costs = _Costs(
        {di: inf if di in terms.avoid else request_cost(version, di, terms) for di in wanted},
        {block: request_cost(version, block, terms) for block in members},
        members,
    )
    found: dict[str, str] = {}
    for cluster in _clusters(members):
        for block in _cheapest(frozenset().union(*(members[block] for block in cluster)), cluster, costs):
            for di in members[block]:
                found.setdefault(di, block)
    return found


def _cheapest(wanted: frozenset[str], cluster: Sequence[str], costs: _Costs) -> tuple[str, ...]:
    """Return the choice of blocks that costs least; of equal ones the one with the fewest blocks."""
    if len(cluster) > _MOST_EXACT:
        return _greedy(wanted, cluster, costs)
    choices = (choice for size in range(len(cluster) + 1) for choice in combinations(cluster, size))
    return min(choices, key=lambda choice: (costs.of(wanted, choice), len(choice)))


def _greedy(wanted: frozenset[str], cluster: Sequence[str], costs: _Costs) -> tuple[str, ...]:
    chosen: tuple[str, ...] = ()
    while True:
        rest = [block for block in cluster if block not in chosen]
        better = min(((*chosen, block) for block in rest), key=lambda one: costs.of(wanted, one), default=chosen)
        if not costs.of(wanted, better) < costs.of(wanted, chosen):
            return chosen
        chosen = better


def _clusters(members: Mapping[str, frozenset[str]]) -> list[list[str]]:
    """Return the blocks in groups that share no wanted identifier with another group."""
    clusters: list[tuple[set[str], list[str]]] = []
    for block in sorted(members):
        joined = [one for one in clusters if one[0] & members[block]]
        inside = set(members[block]).union(*(one[0] for one in joined))
        blocks = [each for one in joined for each in one[1]] + [block]
        clusters = [one for one in clusters if one not in joined] + [(inside, blocks)]
    return [blocks for _, blocks in clusters]


def expected_size(version: Version, identifier: str, terms: PlanTerms) -> int:
    """Return the value bytes that an answer has, as far as that is known before asking."""
    learned = next((size for one, size in terms.sizes if one == identifier), None)
    if learned is not None:
        return learned
    if "+" in identifier:
        return 3 * sum(expected_size(version, part, terms) for part in identifier.split("+"))
    sizes = data_sizes(version, identifier)
    if sizes is None:
        return _ROOM
    if _is_tariff_block(version, identifier):
        return min(sizes[1], sizes[0] * (1 + (terms.tariffs if terms.tariffs is not None else _USUAL_TARIFFS)))
    return sizes[1]


def _is_tariff_block(version: Version, identifier: str) -> bool:
    if version == "1997":
        return identifier[0] in "9A" and identifier[-1] == "F"
    return identifier[:2] in _ENERGY_OR_DEMAND and identifier[4:6] == "FF"


@cache
def _blocks(version: Version) -> dict[str, frozenset[str]]:
    """Return the identifiers in each block that bring quantities of the present: tariffs, phases, status words."""
    book = catalogue(version)
    found = {}
    for block in _block_identifiers(book):
        entry = book.find(block)
        inside = frozenset(member for member in (entry.members if entry else ()) if book.key_of(member))
        if inside:
            found[block] = inside
    return found


def _block_identifiers(book: Catalogue) -> list[str]:
    """Return the blocks of present values; those over settlements bring no quantity twice in one moment."""
    patterns = [pattern for pattern in book.patterns() if pattern.endswith(("F", "FF", "FF00", "FFss", "FF0000"))]
    resolved = [pattern.replace("ss", "00") for pattern in patterns]
    return [di for di in resolved if di.isupper() or di.isdecimal()]

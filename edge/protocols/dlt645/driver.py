"""DL/T 645 as the poller knows it: which requests bring which quantities, and the exchanges that make them.

What a request costs and which blocks save time is `wire_plan.py`; what is made of an answer is `read.py`.
"""

from collections.abc import Sequence

from edge.protocols.dlt645.addresses import ANY
from edge.protocols.dlt645.clock import ClockExchange
from edge.protocols.dlt645.control import Version
from edge.protocols.dlt645.question import Question
from edge.protocols.dlt645.read import ReadExchange
from edge.protocols.dlt645.totals import judge_totals
from edge.protocols.dlt645.wire_plan import UNLISTED, expected_size, plan_requests, tariff_count
from edge.protocols.exchange import ANY_METER, Exchange, PlanTerms, Proof, Request, Timing
from edge.reading.outcome import Item
from edge.reading.vendor import VendorItem

# Whoever answers these tells its address in the answer's address field (2007: in the data too).
_FIND_BY = {"2007": "04000401", "1997": "9010"}


class Dlt645Driver:
    """Implements `Driver` for one version of the standard; `extra`: items that the settings define."""

    def __init__(self, version: Version, extra: tuple[VendorItem, ...] = ()) -> None:
        self._version = version
        self._extra = extra

    @property
    def name(self) -> str:
        """The name in the settings."""
        return f"dlt645-{self._version}"

    def requests_for(
        self, keys: Sequence[str], terms: PlanTerms = ANY_METER
    ) -> tuple[tuple[Request, ...], tuple[str, ...]]:
        """Return the requests in the order of the first key that each brings, and the keys that cannot be read."""
        return plan_requests(self._version, tuple(keys), terms, self._extra)

    def is_unlisted(self, identifier: str) -> bool:
        """Return True for a block that stands in no table."""
        return self._version == "2007" and identifier in UNLISTED

    def expected_size(self, identifier: str, terms: PlanTerms = ANY_METER) -> int:
        """Return the value bytes that the plan expects of an answer."""
        return expected_size(self._version, identifier, terms)

    def judge(self, identifier: str, items: Sequence[Item]) -> Proof:
        """Return what the values of the block of totals say by themselves: P, Q, S and the power factor must fit."""
        return judge_totals(items)

    def tariffs_in(self, identifier: str, items: Sequence[Item]) -> int | None:
        """Return how many tariffs an answer shows: a block of energies has the total first."""
        return tariff_count(self._version, identifier, len(items))

    def read(self, address: str, request: Request, timing: Timing, late_from: frozenset[str] = frozenset()) -> Exchange:
        """Return an exchange that reads the request's identifier; two joined by + are a clock's date and time."""

        def make(identifier: str) -> ReadExchange:
            question = Question(
                version=self._version,
                address=address,
                identifier=identifier,
                keys=request.keys,
                argument=request.argument,
                extra=self._extra,
            )
            return ReadExchange(question, timing, late_from=late_from)

        date, plus, time = request.identifier.partition("+")
        return ClockExchange(make, (date, time)) if plus else make(date)

    def find(self, pattern: str, timing: Timing) -> Exchange:
        """Return an exchange that asks who is there.

        2007: the read-address function for "any", else a read of the address by shortened addressing; 1997: a read.
        Time: with wildcards it lasts to the deadline, for a second meter may answer after the first.
        """
        identifier = "" if self._version == "2007" and pattern == ANY else _FIND_BY[self._version]
        question = Question(version=self._version, address=pattern, identifier=identifier, is_search=True)
        return ReadExchange(question, timing)

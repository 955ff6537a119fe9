"""Watches the demo from outside: receipts as they stand on the broker, slots as they stand in the centre's ledger.

A slot counts as confirmed when the ledger holds it in a batch whose number a receipt covers, and the receipt was
signed by the centre. The gateway itself is not asked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile

from edge.centre.ledger import ReadingRow, SlotRow, Span
from edge.centre.ledger_sqlite import SqliteLedger
from edge.clock import SystemClock
from edge.demo.site import GATEWAY, TENANT, DemoSite
from edge.errors import EdgeError, MessageError
from edge.identity.keys import load_verifier
from edge.messages.receipt import Receipt, open_receipt
from edge.messages.topics import receipt_topic
from edge.mqtt.link import MqttLink, MqttOptions, Received
from edge.quality.slots import slots_between
from edge.reading.record import SlotState

_FAR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class RoundView:
    """One round as it stands: the slot of each meter that the ledger holds, and those under a receipt."""

    slot_at: datetime
    rows: dict[str, SlotRow]
    confirmed: frozenset[str]


@dataclass(slots=True)
class DemoWatch:
    """What is known so far."""

    site: DemoSite
    receipt: Receipt | None = None
    refused: int = 0
    _link: MqttLink | None = None
    _ledger: SqliteLedger | None = None
    _covered: dict[bytes, int] = field(default_factory=dict)

    def open(self) -> None:
        """Connect to the broker and open the ledger for reading."""
        options = MqttOptions(url=self.site.broker_url, client_id="edge-demo-watch")
        self._link = MqttLink(options, SystemClock())
        self._link.connect()
        self._link.subscribe([(receipt_topic(TENANT, GATEWAY), 1)])

    def close(self) -> None:
        """Let go of both."""
        if self._link is not None:
            self._link.close()
        if self._ledger is not None:
            self._ledger.close()

    def step(self, timeout_s: float) -> None:
        """Take in receipts for up to `timeout_s`."""
        if self._link is None:
            return
        verifier = load_verifier(self.site.centre_dir / "centre.pub")
        for event in self._link.step(timeout_s):
            if not isinstance(event, Received):
                continue
            self._link.acknowledge(event.token)
            try:
                self._admit(open_receipt(event.payload, verifier))
            except MessageError:
                self.refused += 1

    def _admit(self, receipt: Receipt) -> None:
        self.receipt = receipt
        for epoch in receipt.epochs:
            self._covered[epoch.epoch] = epoch.stored

    def rounds(self) -> list[RoundView]:
        """Return the rounds of the plan in force so far, oldest first."""
        ledger = self._open_ledger()
        if ledger is None:
            return []
        now = datetime.now(UTC)
        rows: dict[datetime, dict[str, SlotRow]] = {}
        for row in ledger.slots(GATEWAY, now - _FAR, now + _FAR):
            rows.setdefault(row.slot_at, {})[row.meter] = row
        return [self._view(slot, rows.get(slot, {})) for slot in self._slots(ledger, now)]

    def _slots(self, ledger: SqliteLedger, now: datetime) -> Iterator[datetime]:
        plans = ledger.plans(GATEWAY)
        if plans and plans[0].tasks:
            task = plans[0].tasks[0]
            yield from islice(slots_between(task.schedule, plans[0].timezone, plans[0].valid_from, now), 10_000)

    def _view(self, slot: datetime, rows: dict[str, SlotRow]) -> RoundView:
        confirmed = {meter for meter, row in rows.items() if row.seq <= self._covered.get(row.epoch, 0)}
        return RoundView(slot, rows, frozenset(confirmed))

    def latest_readings(self) -> dict[tuple[str, str], ReadingRow]:
        """Return the latest reading of each (meter, quantity) in the ledger."""
        ledger = self._open_ledger()
        if ledger is None:
            return {}
        since = datetime.now(UTC) - timedelta(seconds=4 * self.site.period_s)
        return {(row.meter, row.quantity): row for row in ledger.readings(Span(since=since, gateway=GATEWAY))}

    def _open_ledger(self) -> SqliteLedger | None:
        if self._ledger is None and self.site.ledger_path.exists():
            try:
                self._ledger = SqliteLedger(self.site.ledger_path, must_exist=True)
            except EdgeError:
                return None
        return self._ledger


def is_as_built(site: DemoSite, view: RoundView) -> bool:
    """Return True if a round came out as the site was built: healthy meters read, each fault told by its verdict."""
    return all(_is_right(site, meter, view.rows.get(meter)) for meter in site.meters)


def _is_right(site: DemoSite, meter: str, row: SlotRow | None) -> bool:
    if row is None:
        return False
    fault = site.fault_of(meter)
    if fault is None:
        return row.state in (SlotState.READ, SlotState.REFILLED)
    return row.state in (SlotState.MISSING_OPEN, SlotState.MISSING_FINAL) and row.reason == fault.verdict.value


def count_confirmed(site: DemoSite, views: Sequence[RoundView]) -> int:
    """Return how many rounds from the first on are confirmed without a gap."""
    return sum(1 for _ in takewhile(lambda view: is_confirmed(site, view), views))


def is_confirmed(site: DemoSite, view: RoundView) -> bool:
    """Return True if every meter's slot of the round is under a signed receipt."""
    return view.confirmed >= set(site.meters)

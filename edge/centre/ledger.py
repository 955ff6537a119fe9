"""The ledger: what the centre keeps, and the seam to where it keeps it.

A ledger stores and finds; it judges nothing. The rules of what is accepted stand in `accept.py`, those of which poll
counts for a slot in `once.py`, and both are the same for every ledger. Everything that belongs to one envelope is
written inside one `transaction`; what was written is durable when the transaction's block is left. What comes in
numbers is asked for and kept in sets: a database across a network is paid by the question, not by the row.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol, Self

from edge.reading.loss import Loss
from edge.reading.plan import Plan
from edge.reading.record import PollRecord, SlotState


class Held(StrEnum):
    """What the ledger made of an envelope that it keeps under its number."""

    STORED = "stored"
    REJECTED = "rejected"  # signed and in its place, but it could not be taken in; `stored` passes it


@dataclass(frozen=True, slots=True, order=True)
class BatchKey:
    """What names a batch: gateway, epoch, sequence number."""

    gateway: str
    epoch: bytes
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """How an envelope hangs in its chain. `sha256` is that of its exact bytes.

    `is_unread`: it is held, in its place, and was rejected because the centre of that day could not read it.
    """

    sha256: bytes
    prev: bytes
    replaces: bytes | None = None
    is_unread: bool = False

    @property
    def mark(self) -> bytes:
        """What the next envelope's `prev` names: a replacement stands for the original."""
        return self.replaces or self.sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An envelope for the ledger; its exact bytes stay as evidence."""

    key: BatchKey
    link: Link
    state: Held
    reason: str = ""
    envelope: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochState:
    """How far an epoch has come: `stored` is the highest seq without a gap, `head` the mark of that envelope.

    `oldest` is the lowest seq that the gateway's birth says it can still send. `durable` is the highest seq that is
    known to be in a copy too; only `mark_durable` raises it.
    """

    gateway: str
    epoch: bytes
    predecessor: bytes | None = None
    stored: int = 0
    head: bytes
    oldest: int = 1
    durable: int = 0
    heard_at: datetime


class QuarantineKind(StrEnum):
    """Why bytes were set aside."""

    FORGED = "forged"  # not signed by the gateway that it names, or no envelope at all
    FORK = "fork"  # a second, different envelope under a number that is taken
    REPLACED = "replaced"  # a replacement whose original came after all


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """Bytes in quarantine, with what is known about them."""

    kind: QuarantineKind
    gateway: str
    epoch: bytes | None = None
    seq: int | None = None
    reason: str
    raw: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class PollCounts:
    """What became of the polls of a batch. `readings` counts those that were new to the ledger."""

    readings: int = 0
    repeated: int = 0
    superseded: int = 0
    conflicts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRow:
    """The poll that counts for a slot, with the batch that brought it and the instant at which the centre had it."""

    epoch: bytes
    seq: int
    task: str
    meter: str
    slot_at: datetime
    state: SlotState
    reason: str | None
    received_at: datetime
    conflict: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingRow:
    """One reading as it is handed on: instants are text in UTC, values are exact text."""

    gateway: str
    meter: str
    task: str
    slot_at: str
    read_at: str
    quantity: str
    value: str | None
    unit: str
    source: str
    trust: str
    reason: str | None
    assigned: bool
    conflict: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Which readings are wanted; `since` is included, `until` is not."""

    since: datetime | None = None
    until: datetime | None = None
    gateway: str | None = None
    meter: str | None = None


Polls = tuple[Entry, Sequence[PollRecord]]  # of one batch


class Ledger(Protocol):
    """Where the centre keeps what it accepted. Every method raises StoreError if the database does not obey."""

    @property
    def layout(self) -> int:
        """The layout of its tables."""

    def __enter__(self) -> Self:
        """Use it as a context manager, or close it."""

    def __exit__(self, *_: object) -> None:
        """Close it."""

    def close(self) -> None:
        """Let go of the database."""

    def claim(self) -> None:
        """Be the one centre that runs on this ledger until it is closed. Raises StoreError E-CEN-305 if one does."""

    def transaction(self) -> AbstractContextManager[None]:
        """Open a transaction: durable when the block ends, without a trace when it raises."""

    def links(self, keys: Collection[BatchKey]) -> Mapping[BatchKey, Link]:
        """Return how the envelopes that are held under these numbers hang in their chains."""

    def envelope(self, key: BatchKey) -> bytes | None:
        """Return the exact bytes that are held under a number."""

    def keep_entries(self, entries: Sequence[Entry]) -> None:
        """Keep envelopes of different numbers; one already held is replaced, its plan and losses are forgotten."""

    def keep_polls(self, batches: Sequence[Polls]) -> Sequence[PollCounts]:
        """Keep the polls of batches whose envelopes are kept, in order, each slot once (`once.py`)."""

    def keep_plan(self, entry: Entry, plan: Plan) -> None:
        """Keep the plan that a batch brought."""

    def keep_losses(self, entry: Entry, losses: Iterable[Loss]) -> None:
        """Keep what the gateway says is lost for good; a loss that it told in another epoch already counts once."""

    def set_aside(self, kept: SetAside) -> None:
        """Put bytes into quarantine; it is bounded, the oldest of the same kind and gateway go first."""

    def quarantine(self) -> Sequence[SetAside]:
        """Return what is in quarantine, oldest first."""

    def count(self, tally: Mapping[tuple[str, str], int], at: datetime) -> None:
        """Count what gateways sent: so many, by (gateway, a short name)."""

    def counts(self, gateway: str) -> Mapping[str, int]:
        """Return what was counted, by name."""

    def epoch(self, gateway: str, epoch: bytes) -> EpochState | None:
        """Return how far an epoch has come."""

    def save_epochs(self, states: Sequence[EpochState]) -> None:
        """Keep how far epochs have come, `durable` only where `stored` fell; new ones in the order given."""

    def waiting(self) -> Sequence[EpochState]:
        """Return the epochs with more stored than durable."""

    def mark_durable(self, states: Iterable[EpochState]) -> None:
        """Note that what these states call stored is in a copy: `durable` rises to it, not above what is stored here.

        Durable on return.
        """

    def durables(self) -> Mapping[tuple[str, bytes], int]:
        """Return `durable` of each epoch, by (gateway, epoch), where it is above 0."""

    def copy_to(self, folder: Path) -> Sequence[EpochState]:
        """Write a whole copy into a folder, while the centre may go on; return the epochs as the copy holds them.

        Durable: the file is synced on return; its folder is not.
        """

    def epochs(self, gateway: str) -> Sequence[EpochState]:
        """Return the epochs of a gateway in the order in which they were first heard of."""

    def gateways(self) -> Sequence[str]:
        """Return the gateways that were heard, by name."""

    def missing(self, state: EpochState, limit: int) -> tuple[tuple[int, int], ...]:
        """Return the gaps above `stored`, as (first, last), lowest first."""

    def rejected(self, gateway: str, epoch: bytes, limit: int) -> tuple[tuple[int, str], ...]:
        """Return the latest rejected numbers with their reasons, lowest first."""

    def plans(self, gateway: str) -> Sequence[Plan]:
        """Return the plans of a gateway in the order in which it made them: by epoch, then by number."""

    def close_gateway(self, gateway: str, at: datetime | None) -> None:
        """Note that nothing is expected any more of the plans that are in force at an instant; None takes it back."""

    def closed(self) -> Mapping[str, datetime]:
        """Return which gateways are closed, and from when on."""

    def losses(self, gateway: str) -> Sequence[Loss]:
        """Return what a gateway said is lost."""

    def slots(self, gateway: str, since: datetime, until: datetime) -> Iterator[SlotRow]:
        """Yield the polls that count, with since <= slot < until."""

    def readings(self, span: Span) -> Iterator[ReadingRow]:
        """Yield readings in the order of their slots."""

    def import_meters(self, addresses: Iterable[str], *, is_whole: bool = False) -> int:
        """Add meters to the list of those that are known, or take these as the whole list; return how many it has."""

    def meters(self) -> Sequence[str]:
        """Return the list of meters that are known, by address."""

    def unassigned(self) -> Sequence[str]:
        """Return the meters with readings that are not on the list; none if there is no list."""

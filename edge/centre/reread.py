"""Batches that a centre of an older version rejected, since it could not read them: read again from the evidence.

They come in as if the gateway had sent the same bytes again; nothing is asked of the gateway, which may have forgotten
them. What still cannot be read stays rejected. A batch that does not follow its chain is none of these.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from edge.centre.accept import Fate, Taken, Uplink, accept
from edge.centre.keyring import Keyring
from edge.centre.ledger import BatchKey, Ledger
from edge.messages.receipt import BROKEN_CHAIN

_PER_TRANSACTION = 32
_ALL = 1_000_000_000


def reread(ledger: Ledger, keys: Keyring, at: datetime) -> Iterator[Taken]:
    """Yield what became of each rejected batch: stored now, or as before.

    Durable: what was yielded is. A gateway whose key is not enrolled any more is passed over.
    """
    waiting = iter(
        [
            BatchKey(gateway, state.epoch, seq)
            for gateway in ledger.gateways()
            if keys.knows(gateway)
            for state in ledger.epochs(gateway)
            for seq, reason in ledger.rejected(gateway, state.epoch, _ALL)
            if reason != BROKEN_CHAIN
        ]
    )
    while page := list(islice(waiting, _PER_TRANSACTION)):
        uplinks = [Uplink(key.gateway, ledger.envelope(key) or b"", at) for key in page]
        yield from accept(ledger, uplinks, keys)


def is_read(taken: Taken) -> bool:
    """Return True if the batch could be read this time."""
    return taken.fate is Fate.STORED

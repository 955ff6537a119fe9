"""What a command does itself where no daemon forwards: seal what waits, and apply a receipt that was carried.

The same rules and the same transactions as in the daemon. Should one start in between, the store takes each number
from one of them only, and the other sees an error with nothing changed.
"""

from dataclasses import dataclass
from pathlib import Path

from edge.clock import Clock
from edge.config.settings import Settings
from edge.errors import EdgeError, ForwardError, IdentityError
from edge.forward.greeting import birth_of
from edge.forward.receipts import Accepted, accept_receipt
from edge.forward.sealing import Sealer
from edge.forward.settings import ForwardSettings, seal_rules
from edge.identity.files import find_file
from edge.identity.keys import load_signer, load_verifier
from edge.messages.birth import sign_birth
from edge.messages.signing import Signer
from edge.store.database import open_database
from edge.store.outbox import Outbox


@dataclass(frozen=True, slots=True)
class SealedAlone:
    """Batches that were sealed, the signed birth, and why neither or not all of it could be done."""

    sealed: int
    birth: bytes | None
    trouble: EdgeError | None


def seal_alone(settings: Settings, folder: Path, store: Path, clock: Clock, version: str) -> SealedAlone:
    """Seal all that waits, and sign the birth. File names of the settings are relative to `folder`.

    Durable: on the disk on return. Raises StoreError. A key that cannot be read is `trouble`, and nothing is sealed.
    """
    try:
        signer = load_signer(find_file(folder / settings.identity.batch_key))
    except IdentityError as exc:
        return SealedAlone(0, None, exc)
    with open_database(store, max_mib=settings.store.max_mib, clock=clock) as database:
        outbox = Outbox(database, clock)
        sealed, trouble = _seal_all(settings, outbox, signer, clock)
        gateway = settings.gateway
        facts = ForwardSettings(gateway=gateway.id, tenant=gateway.tenant, version=version, endpoints=())
        return SealedAlone(sealed, sign_birth(birth_of(facts, outbox, clock), signer), trouble)


def apply_alone(data: bytes, settings: Settings, folder: Path, store: Path, clock: Clock) -> Accepted:
    """Apply a carried receipt with all its checks. Durable on return. Raises MessageError with nothing changed."""
    centre = load_verifier(find_file(folder / settings.centre.key))
    with open_database(store, max_mib=settings.store.max_mib, clock=clock) as database:
        return accept_receipt(data, Outbox(database, clock), centre, settings.gateway.id, is_carried=True)


def _seal_all(settings: Settings, outbox: Outbox, signer: Signer, clock: Clock) -> tuple[int, EdgeError | None]:
    sealer = Sealer(outbox, signer, clock, settings.gateway.id, seal_rules(settings))
    sealer.look(clock.monotonic())
    sealed = 0
    try:
        while sealer.seal(clock.monotonic()) is not None:
            sealed += 1
    except ForwardError as exc:
        return sealed, exc
    return sealed, ForwardError("E-FWD-208") if sealer.waits_for_time else sealer.plan_trouble

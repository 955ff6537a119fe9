"""The daemon itself, made to say what it has promised.

    python -m tests.torture.saying_daemon FOLDER run --only poll ...

It is the product's own command; only the functions whose return is a promise say so after they have returned. So that
they do, the daemon runs in this process, and not in its place.
"""

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import edge.cli.daemon
from edge.cli.main import main
from edge.forward.sealing import Sealer
from edge.store.journal import Journal
from edge.store.meter import meter_document
from edge.store.outbox import Outbox
from edge.store.register import MeterRegister
from tests.torture.words import Mouth, content_key, open_batch


def make_it_say(mouth: Mouth) -> None:
    """Let each promise be followed by a word."""

    def appended(journal: Journal, kept: Any, records: Any) -> None:
        if not kept.duplicates:
            mouth.say("appended", keys=[content_key(record) for record in records])

    def sealed(sealer: Sealer, found: Any, now_s: float) -> None:
        if found is not None:
            verifier = sealer._signer.verifier()
            keys = [content_key(record) for record in open_batch(found.envelope, verifier).records]
            mouth.say("sealed", epoch=found.epoch.hex(), seq=found.seq, sha256=found.sha256.hex(), keys=keys)

    def marked(outbox: Outbox, is_new: bool, run: bytes, n: int, *_: Any, **__: Any) -> None:
        if is_new:
            mouth.say("receipt", run=run.hex(), n=n)

    def confirmed(outbox: Outbox, applied: Any, receipt: Any, **_: Any) -> None:
        if applied.is_known and not applied.mismatch:
            durable = min(receipt.durable, receipt.stored)
            mouth.say("confirmed", epoch=receipt.epoch.hex(), stored=receipt.stored, durable=durable)

    def registered(register: MeterRegister, _: None, change: Any) -> None:
        mouth.say("registered", meters=[meter_document(one) for one in register.meters()])

    _after(Journal, "append", appended)
    _after(Sealer, "seal", sealed)
    _after(Outbox, "mark_receipt", marked)
    _after(Outbox, "apply_receipt", confirmed)
    _after(MeterRegister, "apply", registered)


def _after(owner: type, name: str, say: Callable[..., None]) -> None:
    original = getattr(owner, name)

    @wraps(original)
    def call(self: Any, *arguments: Any, **more: Any) -> Any:
        result = original(self, *arguments, **more)
        say(self, result, *arguments, **more)
        return result

    setattr(owner, name, call)


if __name__ == "__main__":
    make_it_say(Mouth(Path(sys.argv[1])))
    edge.cli.daemon.become_daemon = lambda order, _: edge.cli.daemon.run_daemon(order)  # type: ignore[assignment]
    main(sys.argv[2:])

"""A hostile hand on the broker: it sees all that is carried, can publish anything, and holds no key but its own.

It has two genuine things that it should not have: receipts that the centre signed for another gateway, and the key of
an enrolled gateway.
"""

import contextlib
from dataclasses import replace

from edge.errors import MessageError
from edge.messages.birth import Birth, sign_birth
from edge.messages.envelope import open_envelope, seal_envelope
from edge.messages.receipt import EpochReceipt, Receipt, open_receipt, sign_receipt
from edge.messages.signing import Ed25519Signer
from edge.messages.topics import batch_topic, birth_topic, parse_batch_topic, receipt_topic
from tests.simulation.centre_site import TENANT


class Hand:
    """Does one hostile thing a call, counted by its name."""

    def __init__(self, system) -> None:
        self.system = system
        self.random = system.random
        self.key = Ed25519Signer(self.random.randbytes(32))

    def act_further(self, random) -> None:
        """Do something hostile with what is old, or of somebody else."""
        acts = (self.bring_receipt_of_another_run, self.bring_receipt_of_another_epoch, self.bring_foreign_batch)
        self.random, usual = random, self.random
        try:
            self._do(random.choice(acts))
        finally:
            self.random = usual

    def act(self) -> None:
        """Do something hostile, if there is anything to do it with."""
        acts = (
            self.alter_envelope,
            self.forge_envelope,
            self.carry_to_another_topic,
            self.replay_envelope,
            self.replay_receipt,
            self.alter_receipt,
            self.forge_receipt,
            self.misdirect_receipt,
            self.forge_birth,
            self.send_junk,
        )
        self._do(self.random.choice(acts))

    def _do(self, act) -> None:
        if act():
            self.system.faults[f"hostile: {act.__name__.replace('_', ' ')}"] += 1

    def alter_envelope(self):
        """Flip a bit of an envelope."""
        topic, data = self._seen(_is_batch)
        return data and self._say(topic, self._flipped(data))

    def forge_envelope(self):
        """Seal the payload of a gateway's envelope with another key, under the next number."""
        topic, data = self._seen(_is_batch)
        if not data:
            return False
        opened = self._opened(data)
        if opened is None:
            return False
        raw = opened.raw
        header = replace(opened.header, seq=opened.header.seq + 1, prev=opened.sha256, predecessor=None)
        kid = self.system.boxes[0].signer.kid
        signer = self.random.choice((self.key, _Masked(self.key, kid)))
        return self._say(topic, seal_envelope(header, raw, signer))

    def carry_to_another_topic(self):
        """Publish a gateway's envelope as another's, whose key is enrolled too."""
        _, data = self._seen(_is_batch)
        return data and self._say(batch_topic(TENANT, "gw-other", 0), data)

    def replay_envelope(self):
        """Publish an old envelope again."""
        topic, data = self._seen(_is_batch)
        return data and self._say(topic, data)

    def replay_receipt(self):
        """Publish an old receipt again, retained or not."""
        topic, data = self._seen(_is_receipt)
        return data and self._say(topic, data, retain=self.random.random() < 0.5)

    def alter_receipt(self):
        """Flip a bit of a receipt."""
        topic, data = self._seen(_is_receipt)
        return data and self._say(topic, self._flipped(data), retain=self.random.random() < 0.5)

    def forge_receipt(self):
        """Sign with another key that everything is durable."""
        box = self.random.choice(self.system.boxes)
        receipt = self._all_durable(box, box.name)
        signer = self.random.choice((self.key, _Masked(self.key, self.system.centre.signer.kid)))
        return receipt and self._say(receipt_topic(TENANT, box.name), sign_receipt(receipt, signer))

    def misdirect_receipt(self):
        """Bring a gateway what the centre signed for another one."""
        box = self.random.choice(self.system.boxes)
        receipt = self._all_durable(box, "gw-other")
        data = receipt and sign_receipt(receipt, self.system.centre.signer)
        return data and self._say(receipt_topic(TENANT, box.name), data)

    def forge_birth(self):
        """Sign with another key that nothing old can be sent any more."""
        box = self.random.choice(self.system.boxes)
        head = self._head(box)
        if head is None:
            return False
        epoch, next_seq, prev = head
        birth = Birth(
            gateway=box.name,
            boot_id="0" * 32,
            epoch=epoch,
            oldest_seq=next_seq,
            next_seq=next_seq,
            head=prev,
            version="9",
            buffered=0,
            sent_at=self.system.now.utc(),
            trust="synchronised",
            older=(),
        )
        return self._say(birth_topic(TENANT, box.name), sign_birth(birth, _Masked(self.key, box.signer.kid)))

    def bring_receipt_of_another_run(self):
        """Bring a gateway a genuine receipt that an earlier run of the centre signed for it."""
        return self._bring_old(lambda old, new: old.run != new.run)

    def bring_receipt_of_another_epoch(self):
        """Bring a gateway a genuine receipt from before its newest epoch."""
        return self._bring_old(
            lambda old, new: bool({one.epoch for one in new.epochs} - {one.epoch for one in old.epochs})
        )

    def bring_foreign_batch(self):
        """Publish a batch that another enrolled gateway signed as this one's, under this one's next number."""
        topic, data = self._seen(_is_batch)
        opened = self._opened(data) if data else None
        if opened is None:
            return False
        name = self.random.choice(("gw-other", opened.header.gateway))
        header = replace(opened.header, gateway=name, seq=opened.header.seq + 1, prev=opened.sha256, predecessor=None)
        return self._say(topic, seal_envelope(header, opened.raw, self.key))

    def _bring_old(self, is_wanted):
        """Publish a carried receipt that stands so to the newest one of the same gateway."""
        verifier = self.system.centre.signer.verifier()
        box = self.random.choice(self.system.boxes)
        topic = receipt_topic(TENANT, box.name)
        seen = []
        for carried, data in self.system.broker.carried:
            if carried == topic:
                with contextlib.suppress(MessageError):
                    seen.append((open_receipt(data, verifier), data))
        old = [data for receipt, data in seen if is_wanted(receipt, seen[-1][0])]
        return bool(old) and self._say(topic, self.random.choice(old), retain=self.random.random() < 0.5)

    def send_junk(self):
        """Publish what is no message at all."""
        box = self.random.choice(self.system.boxes)
        topic = self.random.choice((batch_topic(TENANT, box.name, 1), receipt_topic(TENANT, box.name)))
        return self._say(topic, self.random.randbytes(self.random.randrange(1, 300)))

    def _seen(self, wanted):
        found = [one for one in self.system.broker.carried[-200:] if wanted(one[0])]
        return self.random.choice(found) if found else ("", b"")

    def _say(self, topic, payload, *, retain=False):
        if self.system.broker.is_up:
            self.system.broker.publish(topic, payload, retain=retain)
        return self.system.broker.is_up

    def _flipped(self, data):
        bit = self.random.randrange(len(data) * 8)
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        return bytes(changed)

    def _opened(self, data):
        try:
            return open_envelope(data, lambda gateway, kid: self.system.public_keys.get(gateway, {}).get(kid))
        except Exception:  # noqa: BLE001 - what it altered itself before
            return None

    def _head(self, box):
        """Return epoch, next number and hash of a gateway's chain, from its newest envelope that was carried."""
        for topic, data in reversed(self.system.broker.carried[-200:]):
            opened = self._opened(data) if _is_batch(topic) else None
            if opened is not None and opened.header.gateway == box.name:
                return opened.header.epoch, opened.header.seq + 1, opened.sha256
        return None

    def _all_durable(self, box, gateway):
        head = self._head(box)
        if head is None:
            return None
        epoch, next_seq, prev = head
        state = EpochReceipt(epoch=epoch, stored=next_seq - 1, durable=next_seq - 1, head=prev)
        return Receipt(gateway, self.random.randbytes(8), 1 << 40, self.system.now.utc(), "commit", (state,))


class _Masked:
    """A key that says that it is another."""

    def __init__(self, signer, kid):
        self._signer, self.kid, self.alg = signer, kid, signer.alg

    def sign(self, data):
        """Sign."""
        return self._signer.sign(data)


def _is_batch(topic):
    return parse_batch_topic(topic) is not None


def _is_receipt(topic):
    return topic.endswith("/dn/rc")

"""Verify envelopes and print their readings as JSON lines: python read_batch.py PUBLIC_KEY.pem ENVELOPE...

A reader that shares nothing with edge: a CBOR decoder (cbor2), inflate, and Ed25519 are all it takes. See batch.md.
"""

import itertools
import json
import sys
import zlib
from datetime import datetime, timezone
from decimal import Decimal

import cbor2
from cryptography.hazmat.primitives.serialization import load_pem_public_key

TRUST = ["synchronised", "rtc", "floor", "none"]
SOURCE = ["live", "freeze", "load_record", "re-read"]
STATE = ["read", "missing_open", "refilled", "missing_final"]
REASON = [None, "silence", "garbage", "bad_checksum", "wrong_address", "refused", "collision", "late", "malformed",
          "foreign_master", "port_gone", "gateway_down", "overrun", "unknown_item", "not_kept", "not_frozen",
          "shed"]


def open_envelope(envelope, key):
    protected, unprotected, payload, signature = cbor2.loads(envelope).value
    key.verify(signature, cbor2.dumps(["Signature1", protected, b"", payload]))  # raises if it does not hold
    header = cbor2.loads(protected)
    assert header[1] == -8 and header[3] == "application/edge-batch+cbor" and not unprotected
    inflater = zlib.decompressobj()
    raw = inflater.decompress(payload, header[-65541])
    assert len(raw) == header[-65541] and inflater.eof
    return header, cbor2.loads(raw)


def column_of(column, kind, last, meters):
    if column is None:
        return [None] * len(meters)
    if isinstance(column, bytes):  # the lowest byte of every member, then the next of every member; zigzag
        n = len(meters)
        zigzag = [int.from_bytes(column[i::n], "little") for i in range(n)]
        column = [z >> 1 if z % 2 == 0 else -(z >> 1) - 1 for z in zigzag]
    if isinstance(kind, int):
        for i, meter in enumerate(meters):
            if column[i] is not None:
                last[meter] = last.get(meter, 0) + column[i]
        return [None if c is None else str(Decimal(last[m]).scaleb(kind)) for c, m in zip(column, meters)]
    return column


def readings(batch):
    total, meters, slot, lasts = 0, [], 0, {}
    for one in batch.get(4, []):
        meters.append(one if isinstance(one, str) else f"{(total := total + one):012d}")
    for group in batch.get(6, []):
        slot += group.get(1, 0)
        which = list(itertools.accumulate(group[5])) if 5 in group else list(range(len(meters)))
        items = batch[5][group.get(4, 0)]
        columns = [column_of(column, kind, lasts.setdefault((group.get(0, 0), group.get(4, 0), key), {}), which)
                   for (key, kind, *_), column in zip(items, group.get(9, []))]
        faults = {(at, item): REASON[reason] for at, item, reason in group.get(10, [])}
        shed = group.get(12, [])
        flags = dict(group.get(11, []))
        for at, read in enumerate(itertools.accumulate(group[8])):
            poll = {"task": batch[2][group.get(0, 0)], "meter": meters[which[at]], "slot_at": text_of(slot),
                    "read_at": text_of(slot + read), "trust": TRUST[batch[3][group.get(2, 0)][1]],
                    "source": SOURCE[group.get(3, 0)], "state": STATE[group.get(7, 0)],
                    "reason": REASON[group[6][at]] if 6 in group else None, "flags": flags.get(at, [])}
            if not items:
                yield poll
            for number, ((key, _, *unit), column) in enumerate(zip(items, columns)):
                reason = faults.get((at, number), "shed" if number in shed else poll["reason"])
                yield poll | {"key": key, "value": column[at], "unit": unit[0] if unit else None, "reason": reason}


def text_of(second):
    return datetime.fromtimestamp(second, timezone.utc).isoformat()


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        public_key = load_pem_public_key(file.read())
    for name in sys.argv[2:]:
        with open(name, "rb") as file:
            header, batch = open_envelope(file.read(), public_key)
        where = {"gateway": header[-65537], "epoch": header[-65538].hex(), "seq": header[-65539]}
        for reading in readings(batch):
            print(json.dumps(where | reading, ensure_ascii=False))

"""An outside witness, run by the interpreter of `.venv-witness`: `cwt` verifies an envelope, cbor2 5 reads its payload.

Usage: witness_cwt.py PUBLIC_KEY.pem ENVELOPE. Prints "verified" and the number of groups; fails if cwt refuses.
"""

import sys
import zlib
from pathlib import Path

import cbor2
from cwt import COSE, COSEKey


def main():
    public, envelope = (Path(name) for name in sys.argv[1:])
    key = COSEKey.from_pem(public.read_bytes(), alg="EdDSA", kid=_kid_of(envelope.read_bytes()))
    payload = COSE.new().decode(envelope.read_bytes(), key)
    document = cbor2.loads(zlib.decompress(payload))
    print("verified", len(document))


def _kid_of(envelope):
    protected = cbor2.loads(envelope).value[0]
    return cbor2.loads(protected)[4]


if __name__ == "__main__":
    main()

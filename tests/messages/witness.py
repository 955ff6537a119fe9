"""Run by the witness environment, which has cwt and nothing of ours: prints what somebody else's libraries read.

Arguments: public key (hex), envelope (hex). Prints one JSON document, or ends with exit code 3 if cwt refuses.
"""

import json
import sys
import zlib

import cbor2
import cwt
from cwt import COSE, COSEKey

if __name__ == "__main__":
    public, envelope = bytes.fromhex(sys.argv[1]), bytes.fromhex(sys.argv[2])
    kid = cbor2.loads(cbor2.loads(envelope).value[0])[4]
    key = COSEKey.new({1: 1, 2: kid, 3: -8, -1: 6, -2: public})  # RFC 9053, 7.2: OKP, Ed25519
    try:
        protected, unprotected, payload = COSE.new().decode_with_headers(envelope, keys=[key])
    except cwt.VerifyError:
        sys.exit(3)
    batch = cbor2.loads(zlib.decompress(payload))
    print(
        json.dumps(
            {
                "content_type": protected[3],
                "gateway": protected[-65537],
                "seq": protected[-65539],
                "unprotected": len(unprotected),
                "raw_length": len(zlib.decompress(payload)) - protected[-65541],
                "tasks": batch[2],
                "items": batch[5],
                "columns": [[column.hex() for column in group[9]] for group in batch[6]],
            }
        )
    )

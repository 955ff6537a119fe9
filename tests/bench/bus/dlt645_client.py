"""The serial client of the PyPI package dlt645, as its users write it: one register after the other.

Usage: python -m tests.bench.bus.dlt645_client PORT BAUD ROUNDS ADDRESS...
Prints a JSON line a round. Parity none: a pty keeps no other, and the client sets its port anew at every read.
"""

import json
import sys
import time

from dlt645 import MeterClientService

from tests.bench.bus.items import WORKLOAD

_TIMEOUT_S = 1.0  # the package's own default


def main():
    """Read every register of every meter, so many rounds."""
    port, baud, rounds, *addresses = sys.argv[1:]
    client = MeterClientService.new_rtu_client(port, int(baud), 8, 1, "N", _TIMEOUT_S)
    assert client.client.connect()
    for _ in range(int(rounds)):
        begin, cpu = time.time(), time.process_time()
        read = [_read(client, address, identifier) for address in addresses for identifier in WORKLOAD]
        document = {"begin": begin, "end": time.time(), "cpu_s": time.process_time() - cpu, "read": read}
        print(json.dumps(document), flush=True)


def _read(client, address, identifier):
    client.address = bytearray(bytes.fromhex(address)[::-1])
    begin = time.time()
    ask = client.read_00 if identifier.startswith("00") else client.read_02
    item = ask(int(identifier, 16))
    value = None if item is None else str(item.value)
    return {"meter": address, "di": identifier, "value": value, "begin": begin, "end": time.time()}


if __name__ == "__main__":
    main()

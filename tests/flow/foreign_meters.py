"""Somebody else's meters, as a process: the server of the PyPI package dlt645 3.2.0, over TCP or on a port.

Usage: python foreign_meters.py tcp PORT | serial PATH. Prints "ready" when it serves.
Its quirks (seen): its address setter takes the low byte first; it has no block reads; a client that connects twice
is served twice; it answers frames for any other address with an error.
"""

import sys
import time

from dlt645 import MeterServerService

ADDRESS = "202311000077"
# Identifier, value put in. Its setters refuse energies above 799 999.99 and voltages above 799.9.
VALUES = {
    0x00010000: 123456.78,
    0x00010100: 100.25,
    0x00020000: 9.5,
    0x02010100: 230.4,
    0x02010200: 231.5,
    0x02010300: 229.9,
    0x02020100: 12.345,
    0x02030000: 1.2345,
    0x02060000: 0.998,
    0x02800002: 50.01,
}


def main():
    kind, where = sys.argv[1:]
    if kind == "tcp":
        service = MeterServerService.new_tcp_server("127.0.0.1", int(where), 3600.0)
    else:
        service = MeterServerService.new_rtu_server(where, 8, 1, 9600, "N", 1.0)
    service.set_address(bytes.fromhex(ADDRESS)[::-1])
    for identifier, value in VALUES.items():
        put = service.set_00 if identifier < 0x01000000 else service.set_02
        assert put(identifier, value), f"{identifier:08X}"
    service.server.start()
    print("ready", flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()

"""Run all measurements, or those named: decode, path, memory."""

import sys

from tests.bench import decode, memory, path
from tests.bench.table import write

PARTS = {"decode": decode.rows, "path": path.rows, "memory": memory.rows}


def main():
    names = sys.argv[1:] or list(PARTS)
    rows = []
    for name in names:
        print(f"measuring: {name}", file=sys.stderr)
        rows += PARTS[name]()
    write(rows)


if __name__ == "__main__":
    main()

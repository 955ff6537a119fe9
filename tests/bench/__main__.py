"""Run all measurements, or those named: decode, path, memory; the rows of the others stay as they were."""

import sys

from tests.bench import decode, memory, path
from tests.bench.table import write

PARTS = {"decode": decode.rows, "path": path.rows, "memory": memory.rows}


def main():
    names = sys.argv[1:]
    rows = []
    for name in names or PARTS:
        print(f"measuring: {name}", file=sys.stderr)
        rows += PARTS[name]()
    write(rows, names)


if __name__ == "__main__":
    main()

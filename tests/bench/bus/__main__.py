"""Run all measurements and write the page; or print those named: wire, faults, scan.

The buses run beside each other, one speed in a thread: each is a process of its own that sleeps most of the time. How
late each let its bytes go stands on the page.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

from tests.bench.bus.faults_part import run_mix
from tests.bench.bus.page import PAGE, page
from tests.bench.bus.scan import run_scan
from tests.bench.bus.wire_part import figures

PARTS = ("wire", "faults", "scan")
BAUDS = (2400, 9600)


def main():
    """Measure, print, and write the page if everything was measured. The exit code is 1 if a value was wrong."""
    names = sys.argv[1:] or PARTS
    with ThreadPoolExecutor(max_workers=3) as pool:
        bauds = BAUDS if "wire" in names else ()
        wires = [pool.submit(_told, f"{baud} Bd", lambda baud=baud: list(figures(baud))) for baud in bauds]
        scan = pool.submit(_told, "scan", run_scan) if "scan" in names else None
        mix = pool.submit(_told, "faults", run_mix) if "faults" in names else None
    found = [figure for wire in wires for figure in wire.result()]
    text = page(found, mix and mix.result(), scan and scan.result())
    print(text)
    if set(names) == set(PARTS):
        PAGE.write_text(text, encoding="utf-8")
    return 1 if (mix and mix.result().wrong) or any(one.wrong for one in found) else 0


def _told(name, measure):
    print(f"measuring: {name}", file=sys.stderr)
    return measure()


if __name__ == "__main__":
    sys.exit(main())

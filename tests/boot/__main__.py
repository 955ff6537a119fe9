"""`make boot`: the archive is installed into a machine that boots for it, and lives through the drills.

Prints a line a drill. Ends with code 1 if one failed, 2 if the machine could not be started; nothing is skipped.
"""

import platform
import signal
import sys
import time
from pathlib import Path

from scripts import bundle
from tests.boot import drills
from tests.boot.machine import BootError, base_folder, booted, make_base
from tests.boot.site import Site

DRILLS = (
    drills.refusals,
    drills.udev_rules,
    drills.ready,
    drills.rights,
    drills.journal,
    drills.sandbox,
    drills.kill,
    drills.hang,
    drills.crash_loop,
    drills.stopped_by_hand,
    drills.sealed_keys,
    drills.one_process,
    drills.uninstall,
)


def main() -> int:
    """Run all drills on one machine; return the exit code."""
    begun = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))  # an ordered end takes the machine along
    try:
        base = base_folder(bundle.ROOT / "build" / "boot")
        is_new = make_base(base)
        print(f"base            {'made' if is_new else 'there'}, {time.monotonic() - begun:.0f} s", flush=True)
        archive = bundle.build(platform.machine(), bundle.ROOT / "dist", None)
        with booted(base) as machine:
            print(f"machine         {machine.run('systemctl', '--version').splitlines()[0]}", flush=True)
            code = _drill(Site(machine), archive)
    except (BootError, bundle.BundleError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    print(f"{'all' if not code else 'not all'} of {len(DRILLS) + 1} drills passed, {time.monotonic() - begun:.0f} s")
    return code


def _drill(site: Site, archive: Path) -> int:
    """Run the drills until one fails: a machine after a failed drill says nothing of the next."""
    steps = [("install", lambda: drills.install(site, archive))]
    steps += [(drill.__name__, lambda d=drill: d(site)) for drill in DRILLS]
    for name, step in steps:
        begun = time.monotonic()
        try:
            seen = step()
        except BootError as exc:
            print(f"{name:<15} FAILED: {exc}", flush=True)
            print(site.machine.attempt("journalctl", "--no-pager", "--lines=40")[1])
            return 1
        print(f"{name:<15} {seen}; {time.monotonic() - begun:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Random exchanges and rounds, judged: `make exchanges N=100000`; `SEED=n` replays one seed of both kinds.

The last line has what a reader wants to know; no faults, no values, or anything wrong, and the exit code is 1.
"""

import logging
import os
import sys

from tests.simulation.bare import Tally, run_world
from tests.simulation.polling import Polled, run_polling

_WORLDS_A_ROUND = 10  # bare worlds for each world that is polled


def main():
    """Run and print; return the exit code."""
    logging.disable(logging.CRITICAL)  # the poller tells of each fault that was put in
    wanted = int(os.environ.get("N", "100000"))
    seeds = iter([int(os.environ["SEED"])]) if "SEED" in os.environ else iter(range(10**9))
    bare, polled = Tally(), Polled()
    for seed in seeds:
        bare.add(run_world(seed))
        if "SEED" in os.environ or seed % _WORLDS_A_ROUND == 0:
            polled.add(run_polling(seed))
        if bare.exchanges + polled.exchanges >= wanted:
            break
    faults = bare.faults + polled.faults
    for name, count in sorted(faults.items()):
        print(f"  {count:7d}  {name}")
    print(f"outcomes: {dict(sorted(bare.outcomes.items()))}")
    print(f"records: {dict(sorted(polled.records.items()))}")
    wrong = bare.wrong + polled.wrong
    for line in wrong:
        print(f"WRONG {line}")
    print(
        f"{bare.exchanges + polled.exchanges} exchanges, {sum(faults.values())} faults, "
        f"{bare.values + polled.values} values checked, {len(wrong)} wrong, {len(bare.let_by)} let by the checksum"
    )
    return 1 if wrong or not faults or not bare.values or not polled.values else 0


if __name__ == "__main__":
    sys.exit(main())

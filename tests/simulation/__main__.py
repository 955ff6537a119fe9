"""Random exchanges and rounds, judged: `make exchanges N=100000`; `SEED=n` replays one seed of both kinds.

The last lines have what a reader wants to know; no faults, no values, or anything wrong, and the exit code is 1.
Polled wires without parity are counted apart: there damage may forge a value for the checksum of one byte.
"""

import logging
import os
import sys

from tests.simulation.bare import Tally, run_world
from tests.simulation.polling import Polled, run_polling
from tests.simulation.worlds import Climate

_WORLDS_A_ROUND = 10  # bare worlds for each world that is polled, and for each that is polled without parity
_LET_BY = 20_000  # values for each that damage may forge where nothing but a checksum of one byte guards them


def main():
    """Run and print; return the exit code."""
    logging.disable(logging.CRITICAL)  # the poller tells of each fault that was put in
    wanted = int(os.environ.get("N", "100000"))
    seeds = iter([int(os.environ["SEED"])]) if "SEED" in os.environ else iter(range(10**9))
    bare, polled, unguarded = Tally(), Polled(), Polled()
    for seed in seeds:
        bare.add(run_world(seed))
        if "SEED" in os.environ or seed % _WORLDS_A_ROUND == 0:
            polled.add(run_polling(seed))
        if "SEED" in os.environ or seed % _WORLDS_A_ROUND == 1:
            unguarded.add(run_polling(seed, Climate(raw_flips=True)))
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
    for line in unguarded.wrong:
        print(f"without parity: {line}")
    print(f"without parity: {unguarded.exchanges} exchanges, {unguarded.values} values, {len(unguarded.wrong)} wrong")
    is_empty = not (faults and bare.values and polled.values and unguarded.values)
    return 1 if wrong or is_empty or len(unguarded.wrong) * _LET_BY > unguarded.values else 0


if __name__ == "__main__":
    sys.exit(main())

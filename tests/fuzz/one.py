"""Targets under atheris, each in a process of its own; started by `tests.fuzz`. Standard input has a line a target.

A line is a JSON list: the file that takes what the process says, the target's name, libFuzzer's own options. The
parsers are instrumented once, before the processes part: that takes longer than a short share of the fuzzing itself.
"""

import json
import os
import sys

import atheris

with atheris.instrument_imports(include=["edge", "tomllib", "json", "construct", "tests.fuzz.targets"]):
    from tests.fuzz.targets import PROOF, TARGETS
    from tests.fuzz.watch import count_steps, measure_memory

_AT_ONCE = 2


def main() -> None:
    """Fuzz all targets, two at a time; print a line for each that is over: its name and how its process ended."""
    orders = [json.loads(line) for line in sys.stdin]
    running: dict[int, str] = {}
    while orders or running:
        if orders and len(running) < _AT_ONCE:
            said, name, *options = orders.pop(0)
            if (pid := os.fork()) == 0:
                _fuzz(said, name, options)
            running[pid] = name
            continue
        pid, status = os.wait()
        print(running.pop(pid), os.waitstatus_to_exitcode(status), flush=True)


def _fuzz(said: str, name: str, options: list[str]) -> None:
    """Fuzz until the time is over or an input breaks the target; what an input may cost is watched. Does not return."""
    file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    target = {**TARGETS, **PROOF}[name]

    def run(data: bytes) -> None:
        count_steps(target.run, data, target.bounds)
        measure_memory(target.run, data, target.bounds)

    atheris.Setup([name, *options], run)
    atheris.Fuzz()
    sys.exit(70)  # libFuzzer ends its process by itself: here it has not


if __name__ == "__main__":
    main()

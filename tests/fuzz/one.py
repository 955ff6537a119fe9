"""One target under atheris; started by `tests.fuzz`, with libFuzzer's own options behind the target's name."""

import sys

import atheris

with atheris.instrument_imports(include=["edge", "tomllib", "json", "construct", "tests.fuzz.targets"]):
    from tests.fuzz.targets import PROOF, TARGETS
    from tests.fuzz.watch import count_steps, measure_memory


def main() -> None:
    """Fuzz until the time is over or an input breaks the target; what an input may cost is watched."""
    name, *options = sys.argv[1:]
    target = {**TARGETS, **PROOF}[name]

    def run(data: bytes) -> None:
        count_steps(target.run, data, target.bounds)
        measure_memory(target.run, data, target.bounds)

    atheris.Setup([name, *options], run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

"""Reads the vector files under tests/vectors: blocks of `name: value` lines, parted by empty lines."""

from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent.parent / "vectors"


@dataclass(frozen=True, slots=True)
class Case:
    """One block; `values` holds the lines that may stand more than once, each cut at its bars."""

    name: str
    frame: bytes
    expect: str
    kind: str
    values: tuple[tuple[str, ...], ...]
    refusal: tuple[str, ...]


def load_cases(file_name: str) -> list[Case]:
    """Return the cases of a file in its order."""
    blocks = (_FOLDER / file_name).read_text(encoding="utf-8").split("\n\n")
    return [_case(block) for block in blocks if "\nframe:" in block]


def _case(block: str) -> Case:
    pairs = [line.split(": ", 1) for line in block.strip().splitlines() if not line.startswith("#")]
    single = {name: value for name, value in pairs if name != "value"}
    return Case(
        name=single["case"],
        frame=bytes.fromhex(single["frame"]),
        expect=single["expect"],
        kind=single.get("kind", ""),
        values=tuple(_cut(value) for name, value in pairs if name == "value"),
        refusal=_cut(single["refusal"]) if "refusal" in single else (),
    )


def _cut(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split("|"))

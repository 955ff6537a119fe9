"""What a gateway's register was told, kept beside it: a start finds the last change there, or the one under way."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from edge.store.meter import Meter
from edge.store.register import MeterRegister


@dataclass(slots=True)
class RegisterBook:
    """`kept`: the meters of the last acknowledged write; `tried`: those of writes that nobody acknowledged since."""

    kept: tuple[Meter, ...] = ()
    tried: list[tuple[Meter, ...]] = field(default_factory=list)
    starts: int = 0
    wrong: list[str] = field(default_factory=list)


class WitnessRegister(MeterRegister):
    """The register; what it writes and acknowledges goes into its book."""

    def __init__(self, path: Path, book: RegisterBook) -> None:
        super().__init__(path)
        self._book = book

    def check(self) -> None:
        """Compare what a start finds with the book. Raises StoreError as a start does."""
        found, book = self.meters(), self._book
        book.starts += 1
        if found != book.kept and found not in book.tried:
            names = [meter.address for meter in found]
            book.wrong.append(f"[register] a start found {names}, not the last write nor one under way")
        book.kept = found
        book.tried.clear()

    def _save(self, meters: Iterable[Meter]) -> None:
        wanted = tuple(meters)
        self._book.tried.append(wanted)
        super()._save(wanted)
        self._book.kept = wanted
        self._book.tried.clear()

"""The seam to the database for everything beside `database.py`: ask for rows, change rows. No library shows through."""

from collections.abc import Iterable
from typing import Any, Protocol

Cell = int | str | bytes | None


class Rows(Protocol):
    """An open database, seen from the tables. Every call raises StoreError for what the storage does wrong."""

    def rows(self, sql: str, *values: Cell) -> list[tuple[Any, ...]]:
        """Return all rows of a question."""

    def change(self, sql: str, *values: Cell) -> int:
        """Change rows; return how many."""

    def change_each(self, sql: str, rows: Iterable[tuple[Cell, ...]]) -> int:
        """Change rows once for each tuple; return how many were changed in all."""

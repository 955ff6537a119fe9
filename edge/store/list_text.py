"""A meter list's file as rows of cells: which encoding, which separator, or which kind of spreadsheet.

UTF-8 is tried before GB18030: UTF-8 read as GB18030 gives garbage without an error, the other way round fails
(measured). UTF-16 is known by its mark only.
"""

import csv
import io
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from edge.errors import ConfigError

MOST_BYTES = 8 << 20
MOST_ROWS = 8192  # more meters than any gateway has buses for
_SEPARATORS = (",", ";", "\t")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_ZIP_MARK = b"PK\x03\x04"
_OLD_EXCEL_MARK = b"\xd0\xcf\x11\xe0"


def read_cells(path: Path) -> list[tuple[int, list[str]]]:
    """Return (row number, cells) of every row that is not empty. Raises ConfigError for what is no table."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)  # a device may never end
    except OSError as exc:
        raise ConfigError("E-STO-302", path=path, detail=str(exc)) from exc
    if len(content) > MOST_BYTES:
        raise ConfigError("E-STO-302", path=path, detail=f"larger than {MOST_BYTES >> 20} MiB")
    if content.startswith(_ZIP_MARK):
        rows = _excel_rows(path)
    elif content.startswith(_OLD_EXCEL_MARK):
        raise ConfigError("E-STO-306", path=path, detail="the format of Excel before 2007")
    else:
        rows = split_text(decode_text(content, path), path)
    if len(rows) > MOST_ROWS:
        raise ConfigError("E-STO-316", path=path, most=MOST_ROWS)
    numbered = [(number, [cell.strip() for cell in cells]) for number, cells in rows]
    return [(number, cells) for number, cells in numbered if any(cells)]


def decode_text(content: bytes, path: Path) -> str:
    """Return the text of a file in UTF-8 (with or without mark), GB18030, or UTF-16 with its mark."""
    encodings = ("utf-16",) if content.startswith(_UTF16_MARKS) else ("utf-8-sig", "gb18030")
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise ConfigError("E-STO-302", path=path, detail="no text in UTF-8, GB18030 or UTF-16 with a mark")


def split_text(text: str, path: Path) -> list[tuple[int, list[str]]]:
    """Return (row number, cells); the number is that of the row's last line, as an editor shows it."""
    heading = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(_SEPARATORS, key=heading.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        rows.extend((reader.line_num, cells) for cells in islice(reader, MOST_ROWS + 1))
    except csv.Error as exc:
        raise ConfigError("E-STO-302", path=path, detail=f"row {reader.line_num}: {exc}") from exc
    return rows


def _excel_rows(path: Path) -> list[tuple[int, list[str]]]:
    try:
        import openpyxl  # type: ignore[import-untyped,unused-ignore] # noqa: PLC0415 - an extra, and slow to load
    except ImportError as exc:
        raise ConfigError("E-STO-306", path=path, detail=str(exc)) from exc
    try:
        with closing(openpyxl.load_workbook(path, read_only=True, data_only=True)) as book:
            rows = [list(row) for row in islice(book.active.iter_rows(values_only=True), MOST_ROWS + 1)]
    except Exception as exc:  # openpyxl raises whatever its parsers raise
        raise ConfigError("E-STO-302", path=path, detail=f"{type(exc).__name__}: {exc}") from exc
    return [(number, [_excel_text(cell) for cell in row]) for number, row in enumerate(rows, 1)]


def _excel_text(cell: Any) -> str:
    """Return a cell as text; a whole number as its digits, whatever kind of number it is held in."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)

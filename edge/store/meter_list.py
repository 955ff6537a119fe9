"""Meter lists: what a table of meters would do to the register, and the register as such a table.

A plan is made before anything is done: meters added, changed, removed and the same; all mistakes of all rows at
once; notes that a person should look at. A list with a mistake changes nothing. Headings may be English or Chinese.

An address is text of 12 digits. Spreadsheet programs drop the zeros on the left: fewer digits are filled up and the
row is marked; what was turned into 1E+11, or has more than 15 digits (where they round), cannot be repaired.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edge.errors import ConfigError, Language, UsageError, entry_of
from edge.store.list_text import read_cells
from edge.store.meter import Meter
from edge.store.register_change import RegisterChange

COLUMNS = ("address", "name", "bus", "protocol", "tags", "place", "area", "role", "ct_ratio", "pt_ratio", "note")
CHINESE = ("表地址", "名称", "总线", "规约", "标签", "位置", "台区", "角色", "CT变比", "PT变比", "备注")
_MORE_HEADINGS = {
    "address": ("meter", "meter address", "地址", "表号", "电表地址", "通信地址", "通讯地址", "表计地址", "电能表地址"),
    "name": ("户名", "表名", "用户名称", "电表名称"),
    "bus": ("line", "端口", "线路", "总线名称"),
    "protocol": ("协议", "通信规约", "通讯规约"),
    "tags": ("tag", "分组", "组"),
    "place": ("安装位置", "地点", "安装地点", "表位"),
    "area": ("台区名称", "区域"),
    "role": ("用途", "类型", "表计类型"),
    "ct_ratio": ("ct", "ct ratio", "电流变比", "电流互感器变比"),
    "pt_ratio": ("pt", "pt ratio", "电压变比", "电压互感器变比"),
    "note": ("notes", "remark", "说明", "注释"),
}
_DIGITS = 12
_ROUNDED_FROM = 15  # a spreadsheet keeps 15 digits of a number
_NUMBER_FORM = re.compile(r"[0-9]+([.,][0-9]+)?[eE][+-]?[0-9]+")
_FORMULA_STARTS = ("=", "+", "-", "@")


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to say of a row or column, by its code in the catalogue."""

    code: str
    values: Mapping[str, Any]

    def fact(self, lang: Language = "en") -> str:
        """Return it in words."""
        return entry_of(self.code).fact(lang, self.values)


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What an import would do. `problems`: mistakes, any of which forbids it; `notes`: to be looked at."""

    added: tuple[Meter, ...]
    changed: tuple[tuple[Meter, Meter], ...]
    removed: tuple[Meter, ...]
    same: tuple[Meter, ...]
    problems: tuple[Remark, ...]
    notes: tuple[Remark, ...]

    def change(self) -> RegisterChange:
        """Return the plan as a change of the register."""
        return RegisterChange(
            add=self.added,
            remove=tuple(meter.address for meter in self.removed),
            replace=tuple(new for _, new in self.changed),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRules:
    """How a list is taken.

    `buses`: those of the settings, None where nobody knows them; `bus`: for rows that name none; `is_whole`: the
    list names every meter that there is, others are removed.
    """

    buses: tuple[str, ...] | None = None
    bus: str = ""
    is_whole: bool = False


def plan_import(path: Path, present: Sequence[Meter], rules: ImportRules) -> ImportPlan:
    """Return what importing this file would do. Raises ConfigError if the file is no table with addresses."""
    rows = read_cells(path)
    heading = rows[0][1] if rows else []
    columns, notes = _columns(heading, path)
    there = {meter.address: meter for meter in present}
    reading = _Reading(rules=rules, columns=columns, width=len(heading), there=there, notes=notes)
    for number, cells in rows[1:]:
        reading.take(number, cells)
    return reading.plan()


def write_list(meters: Iterable[Meter], lang: Language = "en") -> str:
    """Return the register as CSV. A cell that a spreadsheet would take for a formula is held down by a quote."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(CHINESE if lang == "zh" else COLUMNS)
    for meter in meters:
        writer.writerow([_hold_down(_cell(meter, column)) for column in COLUMNS])
    return out.getvalue()


@dataclass(slots=True, kw_only=True)
class _Reading:
    """A list under way: what its rows gave so far."""

    rules: ImportRules
    columns: Mapping[int, str]
    width: int
    there: Mapping[str, Meter]
    notes: list[Remark]
    problems: list[Remark] = field(default_factory=list)
    listed: dict[str, Meter] = field(default_factory=dict)
    first_rows: dict[str, int] = field(default_factory=dict)

    def take(self, number: int, cells: Sequence[str]) -> None:
        """Take a row: its meter, or its mistake."""
        if any(cells[self.width :]):
            self._refuse("E-STO-310", row=number, detail=f"{len(cells)} cells under {self.width} headings")
            return
        texts = {name: _let_go(cells[place]) for place, name in self.columns.items() if place < len(cells)}
        address, remark = repair_address(number, texts.pop("address", ""))
        if remark is not None:
            (self.problems if address is None else self.notes).append(remark)
        if address is None:
            return
        if address in self.first_rows:
            self._refuse("E-STO-307", row=number, address=address, first=self.first_rows[address])
            return
        self.first_rows[address] = number
        self._list(number, address, texts)

    def plan(self) -> ImportPlan:
        """Compare with what is there. A column that the list does not have is left as it is in the register."""
        columns = {*self.columns.values(), "bus"}
        there = self.there
        added = [meter for address, meter in self.listed.items() if address not in there]
        pairs = [(there[a], _merged(there[a], meter, columns)) for a, meter in self.listed.items() if a in there]
        removed = [meter for address, meter in there.items() if address not in self.first_rows]
        return ImportPlan(
            added=tuple(added),
            changed=tuple((old, new) for old, new in pairs if old != new),
            removed=tuple(removed) if self.rules.is_whole else (),
            same=tuple(old for old, new in pairs if old == new),
            problems=tuple(self.problems),
            notes=tuple(self.notes),
        )

    def _list(self, number: int, address: str, texts: dict[str, str]) -> None:
        old = self.there.get(address)
        bus = texts.pop("bus", "") or self.rules.bus or (old.bus if old else "")
        if not self._is_bus(number, address, bus):
            return
        tags = tuple(dict.fromkeys(filter(None, re.split(r"[\s,;|，；、]+", texts.pop("tags", "")))))
        fields: dict[str, Any] = {**texts, "protocol": texts.get("protocol", "").lower()}
        try:
            self.listed[address] = Meter(address=address, bus=bus, tags=tags, **fields)
        except UsageError as exc:
            self._refuse("E-STO-310", row=number, detail=exc.fact())

    def _is_bus(self, number: int, address: str, bus: str) -> bool:
        buses = self.rules.buses
        if not bus:
            self._refuse("E-STO-309", row=number, address=address)
        elif buses is not None and bus not in buses:
            self._refuse("E-STO-308", row=number, address=address, bus=bus, known=", ".join(buses) or "-")
        else:
            return True
        return False

    def _refuse(self, code: str, **values: object) -> None:
        self.problems.append(Remark(code, values))


def _columns(heading: Sequence[str], path: Path) -> tuple[dict[int, str], list[Remark]]:
    """Return the field of each column that is known, and a note for each that is not."""
    columns: dict[int, str] = {}
    notes: list[Remark] = []
    for place, text in enumerate(heading):
        column = _HEADINGS.get(_plain(text))
        if column is None:
            if text:
                notes.append(Remark("E-STO-311", {"column": text}))
            continue
        if column in columns.values():
            raise ConfigError("E-STO-312", path=path, column=text)
        columns[place] = column
    if "address" not in columns.values():
        raise ConfigError("E-STO-303", path=path, found=", ".join(heading) or "-")
    return columns, notes


def repair_address(row: int, text: str) -> tuple[str | None, Remark | None]:
    """Return (address, None), (address, note that zeros were added), or (None, what is wrong)."""
    value = unicodedata.normalize("NFKC", text).strip().removeprefix("'")  # the spreadsheets' mark of a text
    value = re.sub(r'^="([0-9]+)"$', r"\1", value)  # how a formula keeps a number as text
    value = re.sub(r"(?<=[0-9])\.0+$", "", value)
    if _NUMBER_FORM.fullmatch(value) or (value.isdecimal() and len(value) > _ROUNDED_FROM):
        return None, Remark("E-STO-305", {"row": row, "value": text})
    if not re.fullmatch(r"[0-9]+", value):
        return None, _no_address(row, text, "empty" if not value else "something else than digits is in it")
    if len(value) > _DIGITS:
        return None, _no_address(row, text, f"{len(value)} digits")
    address = value.zfill(_DIGITS)
    if address in ("0" * _DIGITS, "9" * _DIGITS):
        return None, _no_address(row, text, "not the address of one meter")
    if len(value) < _DIGITS:
        return address, Remark("E-STO-304", {"row": row, "value": value, "address": address})
    return address, None


def _no_address(row: int, text: str, detail: str) -> Remark:
    return Remark("E-STO-313", {"row": row, "value": text or '""', "detail": detail})


def _merged(old: Meter, listed: Meter, columns: set[str]) -> Meter:
    """Return the old meter with the list's columns; what was learned on another bus or protocol does not hold."""
    new = replace(old, **{name: getattr(listed, name) for name in columns})
    return new if (new.bus, new.protocol) == (old.bus, old.protocol) else replace(new, learned={})


def _plain(heading: str) -> str:
    return re.sub(r"[\s_]+", " ", unicodedata.normalize("NFKC", heading)).strip().lower()


_HEADINGS: dict[str, str] = {
    _plain(heading): column
    for column, chinese in zip(COLUMNS, CHINESE, strict=True)
    for heading in (column, chinese, *_MORE_HEADINGS.get(column, ()))
}


def _cell(meter: Meter, column: str) -> str:
    return " ".join(meter.tags) if column == "tags" else str(getattr(meter, column))


def _hold_down(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA_STARTS) or re.match(r"'+[=+\-@]", text) else text


def _let_go(text: str) -> str:
    return text[1:] if re.match(r"'+[=+\-@]", text) else text

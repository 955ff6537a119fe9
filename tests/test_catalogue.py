"""The catalogue of codes: whole in both languages, used, and documented."""

import re
import string
from pathlib import Path

import pytest

from edge.errors.catalogue import CATALOGUE
from edge.errors.page import codes_page

ROOT = Path(__file__).parent.parent
_CODE = re.compile(r"E-[A-Z]{3}-\d{3}")
_PARTS = ("fact", "cause", "advice")


def _used_codes() -> set[str]:
    sources = [path for path in (ROOT / "edge").rglob("*.py") if not path.name.startswith("codes_")]
    sources += (ROOT / "install").glob("*.sh")
    return {code for path in sources for code in _CODE.findall(path.read_text(encoding="utf-8"))}


def _names(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def _chinese(text: str) -> int:
    return sum("\u4e00" <= char <= "\u9fff" for char in text)


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_every_code_is_whole(code: str) -> None:
    """Fact, cause and next act stand in English and Chinese; the Chinese text is Chinese."""
    entry = CATALOGUE[code]
    assert [] == [part for part, text in zip(_PARTS, entry.en, strict=True) if not text.strip()]
    assert [] == [part for part, text in zip(_PARTS, entry.zh, strict=True) if not text.strip()]
    assert 0 < _chinese("".join(entry.zh))
    assert _chinese("".join(entry.en)) < len("".join(entry.en)) / 10  # a Chinese heading may be quoted


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_both_languages_name_the_same_values(code: str) -> None:
    """A value that one language shows, the other shows too, in the same part."""
    entry = CATALOGUE[code]
    assert [_names(text) for text in entry.en] == [_names(text) for text in entry.zh]


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_a_text_survives_an_error_without_values(code: str) -> None:
    """A value that was not brought stays visible as its name and hides nothing else."""
    for lang in ("en", "zh"):
        texts = (CATALOGUE[code].fact(lang, {}), CATALOGUE[code].cause(lang, {}), CATALOGUE[code].advice(lang, {}))
        assert all(texts)


def test_codes_have_the_form() -> None:
    """A code is E-, three letters of its part, and three digits."""
    assert [] == [code for code in CATALOGUE if not _CODE.fullmatch(code)]


def test_every_code_in_the_source_is_in_the_catalogue() -> None:
    """Nothing is raised that has no words."""
    assert set() == _used_codes() - set(CATALOGUE)


def test_every_code_in_the_catalogue_is_used() -> None:
    """No words wait for an error that nobody raises."""
    assert set() == set(CATALOGUE) - _used_codes()


def test_the_page_of_codes_is_the_catalogue() -> None:
    """`docs/codes.md` is what the program makes; after a change: scripts/pages."""
    assert codes_page() == (ROOT / "docs" / "codes.md").read_text(encoding="utf-8")


def test_the_page_names_every_code_with_its_next_act() -> None:
    """Each code has a heading of its own and its English next act below it."""
    page = codes_page()
    sections = {part[:9]: part for part in page.split("\n## ")[1:]}
    assert set(CATALOGUE) == set(sections)
    cell = str.maketrans({"*": "\\*", "|": "\\|", "<": "&lt;"})
    empty: dict[str, object] = {
        name: f"{{{name}}}" for entry in CATALOGUE.values() for t in entry.en for name in _names(t)
    }
    missing = [
        code for code, entry in CATALOGUE.items() if entry.advice("en", empty).translate(cell) not in sections[code]
    ]
    assert [] == missing

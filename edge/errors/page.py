"""The page of all codes, `docs/codes.md`: made from the catalogue by `python -m edge.errors.page`."""

import sys
from collections.abc import Iterator

from edge.errors.catalogue import CATALOGUE, Entry

_HEAD = """# Error codes

Made by `scripts/pages` from `edge/errors/codes_*.py`; do not edit. A word in braces is a value that the message brings.
In the excerpt of a settings file the fact is the headline, the cause stands beside the carets, the next act is the
hint.
"""


def codes_page() -> str:
    """Return the text of the page: every code in order, with fact, cause and next act in English and Chinese."""
    return "\n".join([_HEAD, *(line for code in sorted(CATALOGUE) for line in _section(CATALOGUE[code]))])


def _section(entry: Entry) -> Iterator[str]:
    yield f"## {entry.code}\n"
    yield "| | English | 中文 |"
    yield "| --- | --- | --- |"
    for name, part in (("fact", entry.fact), ("cause", entry.cause), ("next act", entry.advice)):
        yield f"| {name} | {_cell(part('en', _Names()))} | {_cell(part('zh', _Names()))} |"
    yield ""


class _Names(dict[str, object]):
    """Fills a placeholder with its own name in braces."""

    def __missing__(self, key: str) -> str:
        return f"{{{key}}}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")


if __name__ == "__main__":
    sys.stdout.write(codes_page())

"""What is wrong, as people and programs are shown it: root causes with cause and next act, consequences below them."""

from collections.abc import Iterable, Iterator
from typing import Any

from edge.cli.common import language, say, tell
from edge.errors import entry_of
from edge.health.causes import Trouble

_MOST_SHOWN = 5  # consequences of one cause, each by itself; the rest are counted


def show_troubles(troubles: Iterable[Trouble]) -> None:
    """Print each root cause with its next act, and in a line each what follows from it."""
    lang = language()
    for one in troubles:
        entry = entry_of(one.code)
        tell(f"{one.claim}: [{entry.code}] {entry.fact(lang, one.values)}")
        if one.since:
            tell(f"  {say('since', '自')} {one.since}")
        tell(f"  {say('cause', '原因')}: {entry.cause(lang, one.values)}")
        tell(f"  {say('next ', '处理')}: {entry.advice(lang, one.values)}")
        for line in _consequences(one):
            tell(f"  {say('hence', '由此')}: {line}")


def trouble_documents(troubles: Iterable[Trouble]) -> list[dict[str, Any]]:
    """Return the same for JSON, with the words of this run's language."""
    lang = language()
    return [
        {
            "claim": one.claim,
            "code": one.code,
            "since": one.since,
            "fact": entry_of(one.code).fact(lang, one.values),
            "cause": entry_of(one.code).cause(lang, one.values),
            "next": entry_of(one.code).advice(lang, one.values),
            "values": {
                name: value if isinstance(value, int | float) else str(value) for name, value in one.values.items()
            },
            "follows": trouble_documents(one.follows),
        }
        for one in troubles
    ]


def _consequences(trouble: Trouble) -> Iterator[str]:
    lang = language()
    found = list(trouble)[1:]
    for one in found[:_MOST_SHOWN]:
        yield f"{one.claim}: [{one.code}] {entry_of(one.code).fact(lang, one.values)}"
    if len(found) > _MOST_SHOWN:
        rest = len(found) - _MOST_SHOWN
        yield say(f"{rest} more (--json names them)", f"另有 {rest} 项（--json 可列出）")

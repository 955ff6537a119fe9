"""CBOR out of the store's file, as if somebody else had written it: bounded, plain values only, one kind of error.

A right checksum says that nothing was changed by accident, not who wrote it. Taken: numbers, text, bytes, booleans,
null, lists, maps, and whole numbers of any size; no other tag (cbor2 would follow shared references and compute
fractions, which can grow without end).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import cbor2

MAX_BYTES = 1 << 20  # a batch of many polls is not larger
_MAX_DEPTH = 8
_BIG, _BIG_NEGATIVE = 2, 3


def load_strict(data: bytes) -> Any:
    """Return the value. Raises ValueError, and nothing else, whatever the bytes are."""
    if len(data) > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES} bytes")
    try:
        return cbor2.loads(
            data, semantic_decoders=_TAGS, tag_hook=_refuse, max_depth=_MAX_DEPTH, allow_duplicate_keys=False
        )
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError, MemoryError) as exc:
        raise ValueError(str(exc) or type(exc).__name__) from exc


def _refuse(*_: object) -> Any:
    raise cbor2.CBORDecodeError("a tag")


def _big(value: Any, *_: object) -> int:
    if type(value) is not bytes:
        raise cbor2.CBORDecodeError("a large number that is no byte string")
    return int.from_bytes(value, "big")


class _Tags(Mapping[int, Callable[..., Any]]):
    """A decoder for every tag; all but those of whole numbers refuse."""

    def __getitem__(self, tag: int) -> Callable[..., Any]:
        return {_BIG: _big, _BIG_NEGATIVE: lambda value, *_: -1 - _big(value)}.get(tag, _refuse)

    def __contains__(self, tag: object) -> bool:
        return True

    def __iter__(self) -> Iterator[int]:
        return iter((_BIG, _BIG_NEGATIVE))

    def __len__(self) -> int:
        return 2


_TAGS = _Tags()

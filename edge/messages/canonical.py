"""CBOR as our messages use it: one way to write each value, and a reader that takes nothing else.

Values: integers of 64 bits, byte strings, text, booleans, null, lists, and maps with integer or text keys.
No floats, tags, undefined or other simple values, no indefinite lengths, no doubled keys, nothing after the value.
Order of map keys: by the bytes of the encoded key (RFC 8949, 4.2.1). cbor2's own canonical mode sorts shorter keys
first (RFC 7049), therefore the order is made here.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

import cbor2

from edge.errors import MessageError

MAX_DEPTH = 12
_PLAIN = frozenset({int, bytes, str, bool, type(None)})
_INT_MIN, _INT_MAX = -(1 << 64), (1 << 64) - 1


def encode_canonical(value: object) -> bytes:
    """Return the one encoding of a value. Raises MessageError E-MSG-104 for a value that our messages do not have."""
    try:
        return cbor2.dumps(_ordered(value, MAX_DEPTH))
    except (cbor2.CBOREncodeError, UnicodeEncodeError) as exc:
        raise MessageError("E-MSG-104", detail=str(exc)) from exc


def decode_strict(data: bytes, *, limit: int) -> Any:
    """Return the value of at most `limit` bytes of CBOR: lists as list, maps as dict.

    Raises MessageError: E-MSG-103 longer than the limit, E-MSG-101 not CBOR or not in the one way of writing it.
    """
    if len(data) > limit:
        raise MessageError("E-MSG-103", size=len(data), limit=limit)
    try:
        value = cbor2.loads(
            data,
            semantic_decoders=_NO_TAGS,
            tag_hook=_refuse_tag,
            max_depth=MAX_DEPTH,
            allow_indefinite=False,
            allow_duplicate_keys=False,
        )
        again = encode_canonical(value)
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError, MemoryError) as exc:
        raise MessageError("E-MSG-101", detail=str(exc) or type(exc).__name__) from exc
    except MessageError as exc:
        raise MessageError("E-MSG-101", detail=exc.values.get("detail", "")) from exc
    if again != data:
        raise MessageError("E-MSG-101", detail="not the shortest form, not in order, or bytes after the value")
    return value


def _ordered(value: Any, depth: int) -> Any:
    """Return the value with its maps in key order, after a check that it holds nothing but our kinds of values."""
    kind = type(value)
    if kind is dict:
        _check_depth(depth)
        _check_keys(value)
        return {key: _ordered(value[key], depth - 1) for key in sorted(value, key=cbor2.dumps)}
    if kind is list or kind is tuple:
        _check_depth(depth)
        kinds = set(map(type, value))
        if kinds == {int}:  # the columns: quickly
            _check_int(min(value))
            _check_int(max(value))
            return value
        return [_ordered(one, depth - 1) for one in value]
    if kind is int:
        _check_int(value)
    elif kind not in _PLAIN:
        raise MessageError("E-MSG-104", detail=f"a value of type {kind.__name__}")
    return value


def _check_depth(depth: int) -> None:
    if depth == 0:
        raise MessageError("E-MSG-104", detail=f"nested deeper than {MAX_DEPTH}")


def _check_keys(mapping: dict[Any, Any]) -> None:
    if not {int, str}.issuperset(map(type, mapping)):
        raise MessageError("E-MSG-104", detail="a map key that is neither integer nor text")
    for key in mapping:
        if type(key) is int:
            _check_int(key)


def _check_int(value: int) -> None:
    if not _INT_MIN <= value <= _INT_MAX:
        raise MessageError("E-MSG-104", detail="an integer of more than 64 bits")


def _refuse_tag(*_: object) -> NoReturn:
    raise cbor2.CBORDecodeError("a tag")


class _NoTags(Mapping[int, Callable[..., NoReturn]]):
    """A decoder for every tag, that refuses: cbor2 would follow shared references, which can grow without end."""

    def __getitem__(self, tag: int) -> Callable[..., NoReturn]:
        return _refuse_tag

    def __contains__(self, tag: object) -> bool:
        return True

    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 1


_NO_TAGS = _NoTags()

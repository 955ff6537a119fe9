"""The chain: each envelope names its number and the hash of the one before it."""

from edge.errors import MessageError
from edge.messages.envelope import Header


def check_follows(header: Header, expected_seq: int, expected_prev: bytes) -> None:
    """Return if this envelope is the next of its epoch.

    Order of checks: E-MSG-302 the number was seen before, E-MSG-301 numbers are missing before it, E-MSG-303 it
    follows another envelope than the one that is held. All MessageError.
    """
    if header.seq < expected_seq:
        raise MessageError("E-MSG-302", seq=header.seq, expected=expected_seq)
    if header.seq > expected_seq:
        raise MessageError("E-MSG-301", seq=header.seq, expected=expected_seq)
    if header.prev != expected_prev:
        raise MessageError("E-MSG-303", seq=header.seq, found=header.prev.hex(), expected=expected_prev.hex())

"""The block of totals that stands in no table: when its values prove it."""

from decimal import Decimal

import pytest

from edge.protocols.dlt645.items import decode_data
from edge.protocols.dlt645.totals import judge_totals
from edge.protocols.exchange import Proof


def _block(active, reactive, apparent, factor):
    """Return the data of the block: three bytes a power, two the factor, lowest byte first, top bit the sign."""
    parts = []
    for value, decimals, size in ((active, 4, 3), (reactive, 4, 3), (apparent, 4, 3), (factor, 3, 2)):
        digits = bytearray.fromhex(f"{abs(int(Decimal(value).scaleb(decimals))):0{2 * size}d}")
        digits[0] |= 0x80 if value.startswith("-") else 0
        parts.append(bytes(digits)[::-1])
    return b"".join(parts)


@pytest.mark.parametrize(
    ("totals", "proof"),
    [
        (("3.0000", "4.0000", "5.0000", "0.600"), Proof.HOLDS),
        (("-3.0000", "4.0000", "5.0000", "-0.600"), Proof.HOLDS),
        (("3.0000", "0.0000", "3.0000", "1.000"), Proof.HOLDS),
        (("3.0000", "4.0000", "9.0000", "0.600"), Proof.OPEN),
        (("3.0000", "4.0000", "5.0000", "0.900"), Proof.OPEN),
        (("0.0000", "0.0000", "0.0000", "1.000"), Proof.OPEN),
        (("0.0100", "0.0000", "0.0100", "1.000"), Proof.OPEN),
        (("3.0000", "4.0000", "5.0000", "1.600"), Proof.BROKEN),
        (("3.0000", "4.0000", "-5.0000", "0.600"), Proof.BROKEN),
    ],
)
def test_totals_prove_themselves_or_not(totals, proof):
    """P, Q, S and the factor must fit each other; an idle meter proves nothing; a factor above one is none."""
    assert proof is judge_totals(decode_data("2007", "02FF0000", _block(*totals)))


@pytest.mark.parametrize("size", [3, 6, 9])
def test_a_shorter_block_is_something_else(size):
    """Fewer than four values are no totals, whatever they are."""
    data = _block("3.0000", "4.0000", "5.0000", "0.600")[:size]
    assert Proof.BROKEN is judge_totals(decode_data("2007", "02FF0000", data))


def test_absent_values_are_no_proof():
    """A meter that marks them all as absent shows nothing."""
    assert Proof.BROKEN is judge_totals(decode_data("2007", "02FF0000", b"\xff" * 11))

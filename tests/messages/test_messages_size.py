"""The budget on the wire: bytes per reading, envelope and signature included, for a load of one seed."""

import pytest

from edge.messages import cose
from edge.messages.batch import build_batch, parse_batch
from edge.messages.envelope import Header, open_envelope, seal_envelope
from tests.messages.samples import KEYS, SIGNER, batch_of, in_full, load, trusted


@pytest.mark.parametrize(("meters", "rounds", "budget"), [(256, 1, 3.5), (8, 96, 1.2)])
def test_bytes_per_reading_stay_in_the_budget(meters: int, rounds: int, budget: float) -> None:
    """One round of 256 meters, and a backlog of 8 meters and 96 rounds, 12 quantities each; all of it comes back."""
    records = load(meters, rounds)
    raw = build_batch(batch_of(*records))
    header = Header(gateway="gw-1", epoch=bytes(8), seq=7, prev=bytes([7]) * 32, raw_length=len(raw))
    envelope = seal_envelope(header, raw, SIGNER)
    assert budget >= len(envelope) / (meters * rounds * len(KEYS))
    opened = open_envelope(envelope, trusted, cose.BATCH)
    assert [in_full(one)[7] for one in records] == [in_full(one)[7] for one in parse_batch(opened.raw).records]

"""What the settings allow fits what the messages carry."""

import random
from collections.abc import Callable
from datetime import UTC, datetime

from edge.config.checks import MOST_ITEMS, MOST_TASKS
from edge.config.settings import Settings
from edge.messages.batch import Batch, build_batch, parse_batch
from edge.messages.envelope import Header, seal_envelope
from edge.messages.plan_rows import MAX_TASKS
from edge.messages.signing import Ed25519Signer
from edge.messages.tables import MAX_ITEMS, MAX_KEY, MAX_UNIT
from edge.poll.plan import PolledMeter, plan_in_force
from edge.reading.chain import GENESIS
from edge.reading.quantities import quantities

TAGS = [f"tag{number}" for number in range(MOST_TASKS)]
AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def test_the_bounds_are_not_wider_than_those_of_a_batch() -> None:
    """As many tasks, items and characters as the settings let through, the reader of a batch takes."""
    assert MOST_TASKS <= MAX_TASKS
    assert MOST_ITEMS <= MAX_ITEMS
    assert max(len(key) for key in quantities()) <= MAX_KEY
    assert max(len(one.unit) for one in quantities().values()) <= MAX_UNIT


def test_the_largest_plan_fits_an_envelope(load: Callable[[str], Settings]) -> None:
    """64 tasks with 256 of a meter's identifiers each, for half of 512 meters: sealed, and read back unchanged."""
    rng = random.Random(7)
    identifiers = [f"di:{rng.randrange(1 << 32):08X}" for _ in range(1000)]
    tasks = "".join(
        f'[[task]]\nname = "t{number}"\nevery = "15m"\nitems = {rng.sample(identifiers, MOST_ITEMS)}\n'
        f'meters = ["tag{number}"]\n'
        for number in range(MOST_TASKS)
    )
    meters = [
        PolledMeter(f"{rng.randrange(10**12):012d}", "A", "dlt645-2007", tuple(rng.sample(TAGS, MOST_TASKS // 2)))
        for _ in range(512)
    ]
    plan = plan_in_force(load('gateway = { id = "g", tenant = "t" }\n' + tasks), meters, AT)
    raw = build_batch(Batch((), plan, (), AT))
    assert plan == parse_batch(raw).plan
    header = Header(gateway="g", epoch=b"epoch--1", seq=1, prev=GENESIS, raw_length=len(raw))
    assert seal_envelope(header, raw, Ed25519Signer(bytes(32)))

"""The forwarder's bench for a test."""

from collections.abc import Iterator

import pytest

from tests.forward.forward_tools import Bench


@pytest.fixture
def bench(tmp_path) -> Iterator[Bench]:
    """Return a gateway's forwarding on a store of its own."""
    one = Bench(tmp_path / "edge.db")
    yield one
    one.close()

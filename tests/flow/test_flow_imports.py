"""What each half of the daemon has loaded while it works: nothing of the other's, nothing that only a start needs."""

import re

import pytest

from tests.flow.processes import FlowSite, edge, eventually

METER = "202311000001"
_IMPORTED = re.compile(rb"^import time: +\d+ \| +\d+ \| +(\S+)$", re.MULTILINE)
_NETWORK = {"paho", "cryptography", "ssl", "edge.identity", "edge.messages", "edge.mqtt", "edge.forward"}
_BUSES = {"construct", "serial", "tinydb", "edge.bus", "edge.protocols", "edge.poll"}
_UNASKED = {"prometheus_client", "http.server", "edge.app.metrics_port", "edge.health.exposition"}
_START = {"pydantic", "click", "rich", "tomllib", "edge.config.load", "edge.cli.main"}


@pytest.fixture
def loaded(tmp_path, mosquitto, monkeypatch):
    """Let both halves bring a reading to the centre; return the modules that each process has loaded, by its half."""
    with FlowSite(tmp_path, mosquitto.url) as site:
        port = site.start_sim("--bus", f"A=pty:{tmp_path / 'bus'}", "--meters", "1", "--first", METER)
        site.configure(("A", port, ""), items=("voltage",))
        edge("meters", "add", METER, "--bus", "A", "--config", site.config)
        site.start_centre()
        monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
        site.start_poll()
        site.start_forward()
        eventually(site.exported, what="a reading at the centre")
        assert (0, 0) == (site.end("poll"), site.end("forward"))
        return {half: _modules((tmp_path / f"{half}.log").read_bytes()) for half in ("poll", "forward")}


def _modules(log):
    """Return what the program imported that the process became last: modules, and the packages around them."""
    names = [match[1].decode() for match in _IMPORTED.finditer(log)]
    begun = max(place for place, name in enumerate(names) if name == "site")
    return {name.rsplit(".", depth)[0] for name in names[begun:] for depth in range(name.count(".") + 1)}


def test_a_half_has_loaded_what_it_needs_and_no_more(loaded):
    """What hears the street has no code for brokers and keys; what has the keys has none that parses meters' bytes."""
    assert set() == loaded["poll"] & (_NETWORK | _START | _UNASKED)
    assert set() == loaded["forward"] & (_BUSES | _START | _UNASKED)
    assert (set(), set()) == (_BUSES - loaded["poll"], _NETWORK - loaded["forward"])

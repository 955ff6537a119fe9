"""What tests of the verbs share: simulated meters behind every port, settings of two buses."""

import pytest

import edge.cli.direct
from tests.cli.sim_line import SimLine

SETTINGS = """# kept as it was written
schema = 1
[gateway]
id = "g"
tenant = "t"
state_dir = "{state}"
[[bus]]
name = "A"
port = "/dev/one"  # the left one
[[bus]]
name = "B"
port = "/dev/two"
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Write settings with two buses; English; the current directory is empty and our own."""
    monkeypatch.setenv("EDGE_LANG", "en")
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "edge.toml"
    file.write_text(SETTINGS.format(state=tmp_path), encoding="utf-8")
    return file


@pytest.fixture
def sim_line(monkeypatch):
    """Put simulated meters behind every port."""
    made = SimLine()
    monkeypatch.setattr(edge.cli.direct, "open_link", made.open)
    monkeypatch.setattr(edge.cli.direct, "SystemClock", lambda: made.clock)
    return made

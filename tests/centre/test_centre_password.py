"""The centre's password for the broker: the same rule as at the gateway."""

import pytest

from edge.centre.folder import mqtt_options
from edge.config.centre import CentreSettings
from edge.config.table import build_table
from edge.errors import ForwardError


def settings(path) -> CentreSettings:
    """Return settings that name a password file."""
    mqtt = {"endpoint": "mqtts://broker.example", "username": "centre", "password_file": str(path)}
    return build_table(CentreSettings, {"schema": 1, "centre": {"tenant": "hz"}, "mqtt": mqtt})


def test_the_password_comes_from_a_file_of_its_owner_alone(tmp_path):
    """Mode 0600 is read; one that others can open, and none at all, have their codes."""
    path = tmp_path / "password"
    codes = []
    for mode in (None, 0o640, 0o602):
        if mode is not None:
            path.write_text("secret\n", encoding="utf-8")
            path.chmod(mode)
        with pytest.raises(ForwardError) as caught:
            mqtt_options(settings(path))
        codes.append(caught.value.code)
    assert ["E-FWD-127", "E-FWD-128", "E-FWD-128"] == codes
    path.chmod(0o600)
    assert "secret" == mqtt_options(settings(path)).password

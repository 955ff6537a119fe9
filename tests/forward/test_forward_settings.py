"""From edge.toml to the forwarder's settings, and which broker is tried when."""

import pytest

from edge.config.settings import Settings
from edge.config.table import build_table
from edge.errors import ForwardError
from edge.forward.retry import Retry
from edge.forward.settings import forward_settings, link_options

GATEWAY = {"id": "gw-1", "tenant": "hz"}
MQTT = {
    "endpoints": ["mqtts://a.example", "mqtts://b.example:1"],
    "ca": "ca.pem",
    "certificate": "gw.pem",
    "key": "/keys/gw.key",
    "username": "u",
    "password_file": "password",
    "window": 5,
    "resend": "10s",
    "version": "5",
}
WILL = ("st", b"gone", 1, True)


def settings(**tables) -> Settings:
    """Return settings with these tables."""
    return build_table(Settings, {"schema": 1, "gateway": GATEWAY, **tables})


def test_the_settings_arrive():
    """Every setting of forwarding has its effect."""
    one = forward_settings(
        settings(mqtt=MQTT, batch={"max_readings": 7, "max_age": "2m"}, store={"max_mib": 32, "commit_s": 4.0}), "9.9"
    )
    assert ("gw-1", "hz", "9.9", 5, 10, 200) == (
        one.gateway,
        one.tenant,
        one.version,
        one.window,
        one.resend_s,
        one.max_resend_s,
    )
    assert one.endpoints == ("mqtts://a.example", "mqtts://b.example:1")
    assert (7, 120, 1048576) == (one.seal.max_readings, one.seal.max_age_s, one.seal.held_readings)
    assert one.seal.quiet_s > 4, "a pause between two commits is no end of a round"


def test_the_options_of_a_connection(tmp_path):
    """File names are relative to the settings' folder, the password comes from its file, the session is clean."""
    (tmp_path / "password").write_text("secret\n", encoding="utf-8")
    (tmp_path / "password").chmod(0o600)
    options = link_options(settings(mqtt=MQTT), tmp_path, "mqtts://a.example", WILL)
    assert (str(tmp_path / "ca.pem"), str(tmp_path / "gw.pem"), "/keys/gw.key") == (
        options.ca,
        options.certificate,
        options.key,
    )
    assert ("u", "secret", "5", True, WILL) == (
        options.username,
        options.password,
        options.version,
        options.clean_session,
        options.will,
    )
    assert "secret" not in repr(options)


def test_two_tenants_with_the_same_gateway_id_are_two_clients(tmp_path):
    """The client id holds the tenant: a broker drops the older of two equal ones."""
    mqtt = {"endpoints": ["mqtt://a"]}
    ids = {
        link_options(settings(mqtt=mqtt, gateway={**GATEWAY, "tenant": tenant}), tmp_path, "mqtt://a", WILL).client_id
        for tenant in ("hz", "nb")
    }
    assert len(ids) == 2


def test_what_is_missing_has_its_code(tmp_path):
    """No broker in the settings and an unreadable password file are told apart."""
    with pytest.raises(ForwardError) as caught:
        link_options(settings(), tmp_path, "mqtts://a.example", WILL)
    assert caught.value.code == "E-FWD-109"
    with pytest.raises(ForwardError) as caught:
        link_options(settings(mqtt=MQTT), tmp_path, "mqtts://a.example", WILL)
    assert caught.value.code == "E-FWD-127"


def test_files_that_systemd_hands_over_go_first(tmp_path):
    """TLS key and password come from the folder of what was handed over, what is not there from beside the settings."""
    handed = tmp_path / "handed"
    handed.mkdir()
    for name in ("edge_gw.key", "edge_password"):
        (handed / name).write_text("handed\n", encoding="utf-8")
        (handed / name).chmod(0o400)
    options = link_options(settings(mqtt=MQTT), tmp_path, "mqtts://a.example", WILL, handed)
    assert (str(handed / "edge_gw.key"), "handed") == (options.key, options.password)
    assert (str(tmp_path / "ca.pem"), str(tmp_path / "gw.pem")) == (options.ca, options.certificate)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_password_file_that_others_can_open_is_refused(tmp_path, mode):
    """As with the TLS key: group and others have no right to it at all."""
    (tmp_path / "password").write_text("secret\n", encoding="utf-8")
    (tmp_path / "password").chmod(mode)
    with pytest.raises(ForwardError) as caught:
        link_options(settings(mqtt=MQTT), tmp_path, "mqtts://a.example", WILL)
    assert caught.value.code == "E-FWD-128"
    assert "secret" not in str(caught.value)


def test_endpoints_take_turns_with_growing_pauses():
    """Pauses grow a round, not an attempt, up to their bound; the jitter spreads them by half either way."""
    retry = Retry(("a", "b"), 1, 5, 60)
    tried, pauses = [], []
    for _ in range(8):
        tried.append(retry.endpoint)
        retry.note_failure(100, 0, 0.5)
        pauses.append(retry.due_s - 100)
    assert tried == ["a", "b"] * 4
    assert pauses == [1, 1, 2, 2, 4, 4, 5, 5]
    retry.note_failure(100, 0, 0)
    assert retry.due_s == 102.5
    retry.note_failure(100, 0, 1)
    assert retry.due_s == 107.5


def test_only_a_steady_connection_ends_the_growing():
    """A broker that takes and drops us counts as a failure; one that lasted starts anew with the first endpoint."""
    retry = Retry(("a", "b"), 1, 100, 60)
    for _ in range(7):
        retry.note_failure(0, 59, 0.5)
    assert ("b", 8) == (retry.endpoint, retry.due_s)
    retry.note_failure(0, 60, 0.5)
    assert ("a", 1) == (retry.endpoint, retry.due_s)

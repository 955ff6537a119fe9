"""`edge doctor`: each look at the site provoked, and the root cause first, with and without a daemon."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from edge import __version__
from edge.cli import doctor_machine, doctor_site
from edge.cli.main import cli
from edge.cli.settings_file import load_settings
from edge.clock import ClockTrust, ManualClock, SystemClock
from edge.errors import EdgeError
from edge.health.model import Health
from edge.identity.keys import make_key
from edge.store.database import open_database
from edge.store.journal import Journal
from tests.flow.processes import FlowSite, edge, eventually, free_port
from tests.forward.broker_tools import issue, mosquitto_at, tls_lines
from tests.store.store_kit import record

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
NOBODY = {"poll": None, "forward": None}


def settings_of(folder, more=""):
    """Return the settings of a site in this folder."""
    file = folder / "edge.toml"
    state = folder / "state"
    file.write_text(f'schema = 1\n[gateway]\nid = "g"\ntenant = "t"\nstate_dir = "{state}"\n{more}', encoding="utf-8")
    return load_settings(file)


def said(check):
    """Return the answer and the code of a check."""
    return check.answer.value, check.error.code if check.error else None


def half(**health):
    """Return what a half of the daemon says of itself."""
    counters = health.pop("counters", {})
    return {"version": __version__, "health": {"counters": counters, "gauges": {}, "conditions": {}}, **health}


def test_a_daemon_that_does_not_run_is_named(tmp_path):
    """Which half is away stands in the text; a site without a broker may poll alone."""
    with_broker = settings_of(tmp_path, '[mqtt]\nendpoints = ["mqtt://127.0.0.1:1"]\n')
    check = doctor_site.look_at_service(with_broker, {"poll": half(), "forward": None})
    assert (("no", "E-CTL-110"), "forward") == (said(check), check.error.values["detail"])
    assert ("yes", None) == said(doctor_site.look_at_service(settings_of(tmp_path), {"poll": half(), "forward": None}))
    assert ("no", "E-CTL-110") == said(doctor_site.look_at_service(settings_of(tmp_path), NOBODY))


def test_a_state_directory_is_there_and_closed(tmp_path):
    """Not there, no folder, open to all: each by its code."""
    path = tmp_path / "state"
    assert ("no", "E-HLT-142") == said(doctor_site.look_at_state_dir(path))
    path.write_text("", encoding="utf-8")
    assert ("no", "E-CLI-105") == said(doctor_site.look_at_state_dir(path))
    path.unlink()
    path.mkdir(mode=0o700)
    assert ("yes", None) == said(doctor_site.look_at_state_dir(path))
    path.chmod(0o755)
    check = doctor_site.look_at_state_dir(path)
    assert (("no", "E-HLT-141"), "0755") == (said(check), check.error.values["mode"])


def test_keys_are_there_and_closed(tmp_path):
    """A key that others may read is no secret."""
    settings = settings_of(tmp_path)
    assert ("no", "E-KEY-102") == said(doctor_site.look_at_keys(settings, tmp_path))
    make_key(tmp_path / "batch.key")
    assert ("yes", None) == said(doctor_site.look_at_keys(settings, tmp_path))
    (tmp_path / "batch.key").chmod(0o644)
    assert ("no", "E-KEY-103") == said(doctor_site.look_at_keys(settings, tmp_path))


MQTT = (
    '[mqtt]\nendpoints = ["mqtts://localhost:{port}"]\nca = "{ca}.pem"\ncertificate = "{gw}.pem"\nkey = "{key}.key"\n'
)


@pytest.mark.parametrize(
    ("gw", "key", "answers"),
    [
        ("good", "good", [("yes", None), ("yes", None)]),
        ("over", "over", [("no", "E-HLT-162"), ("yes", None)]),
        ("good", "over", [("yes", None), ("no", "E-HLT-164")]),
        ("none", "good", [("no", "E-HLT-165"), ("yes", None)]),
    ],
)
def test_certificates_are_looked_at(tmp_path, gw, key, answers):
    """Dates, and whether the key belongs to it; the end is among the facts."""
    issue(tmp_path, "good", until_day=100)
    issue(tmp_path, "over", from_day=-9, until_day=-2)
    settings = settings_of(tmp_path, MQTT.format(port=1, ca="ca", gw=gw, key=key))
    checks = list(doctor_site.look_at_certificates(settings, tmp_path, SystemClock()))
    assert answers == [said(check) for check in checks]
    assert (gw != "none") == ("days_left" in checks[0].facts)


def test_no_certificate_is_asked_for_where_none_is_set(tmp_path):
    """A site with a password has no certificate to look at."""
    settings = settings_of(tmp_path, '[mqtt]\nendpoints = ["mqtt://127.0.0.1:1"]\n')
    assert [] == list(doctor_site.look_at_certificates(settings, tmp_path, ManualClock()))


BUS = '[[bus]]\nname = "A"\nport = "{port}"\n'


def test_a_port_that_is_gone_is_named(tmp_path):
    """Daemon or not; a serial server is not a port of this machine."""
    settings = settings_of(tmp_path, BUS.format(port="/dev/ttyUSB99"))
    for is_running in (True, False):
        (check,) = doctor_site.look_at_bus_ports(settings, is_running=is_running)
        assert ("port A", ("no", "E-CLI-404")) == (check.claim, said(check))
    settings = settings_of(tmp_path, BUS.format(port="socket://127.0.0.1:1"))
    assert ["unknown"] == [one.answer.value for one in doctor_site.look_at_bus_ports(settings, is_running=False)]


@pytest.mark.parametrize(
    ("counters", "answer"),
    [
        ({"exchanges.A.ok": 19}, ("unknown", None)),
        ({"exchanges.A.ok": 90, "exchanges.A.silence": 10}, ("yes", None)),
        ({"exchanges.A.ok": 89, "exchanges.A.silence": 3, "exchanges.A.bad_checksum": 8}, ("no", "E-HLT-171")),
        ({"exchanges.AB.ok": 99}, ("unknown", None)),
    ],
)
def test_the_quality_of_a_bus_is_what_the_daemon_counted(tmp_path, counters, answer):
    """Nine of ten are enough; a handful says nothing; the most frequent fault is named."""
    settings = settings_of(tmp_path, BUS.format(port="/dev/ttyUSB99"))
    (check,) = doctor_site.look_at_buses(settings, half(counters=counters))
    assert answer == said(check)
    if answer[1]:
        assert "bad_checksum" == check.error.values["worst"]
    (check,) = doctor_site.look_at_buses(settings, None)
    assert ("unknown", None) == said(check)


def test_a_backlog_is_seen_with_and_without_a_daemon(tmp_path):
    """By the daemon's word, or in the store itself; a site without a broker has no timetable."""
    settings = settings_of(tmp_path, '[mqtt]\nendpoints = ["mqtt://127.0.0.1:1"]\n')
    settings.state_dir.mkdir()
    clock = ManualClock(now=NOW)
    assert ("unknown", None) == said(doctor_site.look_at_backlog(settings, None, clock))
    old, new = ((NOW - timedelta(minutes=age)).isoformat() for age in (61, 59))
    for oldest, answer in ((old, ("no", "E-FWD-220")), (new, ("yes", None)), (None, ("yes", None))):
        forward = {"oldest_unsent": oldest, "unsent_batches": 7}
        assert answer == said(doctor_site.look_at_backlog(settings, forward, clock))
    assert ("yes", None) == said(
        doctor_site.look_at_backlog(settings_of(tmp_path), {**forward, "oldest_unsent": old}, clock)
    )
    with open_database(settings.state_dir / "edge.db", max_mib=16, clock=clock) as database:
        Journal(database).append([record()])
        clock.now = record().stamp.at + timedelta(hours=2)
    assert ("no", "E-FWD-220") == said(
        doctor_site.look_at_backlog(settings_of(tmp_path, '[mqtt]\nendpoints = ["mqtt://127.0.0.1:1"]\n'), None, clock)
    )


@pytest.mark.parametrize(
    ("url", "code", "steps"),
    [
        ("mqtt://no.such.name.invalid:1", "E-FWD-101", {"name": "no"}),
        ("mqtt://127.0.0.1:{closed}", "E-FWD-102", {"name": "yes", "tcp": "no"}),
        ("mqtts://localhost:{port}", None, {"name": "yes", "tcp": "yes", "tls": "yes"}),
        ("mqtts://127.0.0.2:{other}", "E-FWD-102", {"name": "yes", "tcp": "no"}),
    ],
)
def test_the_first_step_to_a_broker_that_fails_is_named(tmp_path, url, code, steps):
    """Name, TCP, TLS, in this order."""
    ca = issue(tmp_path, "ca")
    server, _ = issue(tmp_path, "server", ca), issue(tmp_path, "gw", ca)
    with mosquitto_at(tmp_path, *tls_lines(ca, server)) as port:
        shown = url.format(closed=free_port(), port=port, other=free_port())
        more = MQTT.format(port=port, ca="ca", gw="gw", key="gw").replace(f"mqtts://localhost:{port}", shown)
        check = doctor_site.look_at_brokers(settings_of(tmp_path, more), tmp_path, ManualClock())
    assert (code, {shown: steps}) == (check.error and check.error.code, check.facts)


def test_a_broker_of_another_ca_fails_at_tls(tmp_path):
    """One broker that answers is enough; which one does not is among the facts."""
    ca, other = issue(tmp_path, "ca"), issue(tmp_path, "other")
    server, _ = issue(tmp_path, "server", ca), issue(tmp_path, "gw", ca)
    assert other
    with mosquitto_at(tmp_path, *tls_lines(ca, server)) as port:
        more = MQTT.format(port=port, ca="other", gw="gw", key="gw")
        check = doctor_site.look_at_brokers(settings_of(tmp_path, more), tmp_path, ManualClock())
        assert (("no", "E-FWD-111"), "no") == (said(check), next(iter(check.facts.values()))["tls"])
        two = MQTT.format(port=port, ca="ca", gw="gw", key="gw").replace(
            "endpoints = [", 'endpoints = ["mqtts://no.invalid", '
        )
        check = doctor_site.look_at_brokers(settings_of(tmp_path, two), tmp_path, ManualClock())
        assert (("yes", None), ["no", "yes"]) == (said(check), [one["name"] for one in check.facts.values()])


def test_a_daemon_of_another_version_is_named():
    """What runs is not what is installed: it was not restarted."""
    assert ("yes", None) == said(doctor_machine.look_at_versions({"poll": half(), "forward": None}))
    old = {"poll": {**half(), "version": "0.0.9"}, "forward": half()}
    check = doctor_machine.look_at_versions(old)
    assert (("no", "E-HLT-151"), "poll") == (said(check), check.error.values["half"])


def test_without_a_daemon_the_document_names_root_causes(tmp_path, monkeypatch):
    """Exit code 6; every look is in it; the words come in the language of the run; nothing is made on the disk."""
    monkeypatch.setattr("edge.cli.doctor_machine.make_clock", lambda _: ManualClock(trusted=ClockTrust.FLOOR))
    settings_of(tmp_path, BUS.format(port="/dev/ttyUSB99"))
    arguments = ["--lang", "zh", "doctor", "--json", "--config", str(tmp_path / "edge.toml")]
    done = CliRunner().invoke(cli, arguments, standalone_mode=False)
    document = json.loads(done.stdout)
    assert 6 == done.return_value
    codes = {one["claim"]: one["code"] for one in document["troubles"]}
    assert ("E-CTL-110", "E-HLT-142", "E-CLI-404") == (
        codes["service_running"],
        codes["state_dir_sound"],
        codes["port A"],
    )
    claims = {one["claim"] for one in document["checks"]}
    assert {"power", "clock_known", "disk_writable", "flash_life", "versions_agree", "keys_closed"} <= claims
    (port,) = [one for one in document["troubles"] if one["claim"] == "port A"]
    assert "/dev/ttyUSB99 已不存在" == port["fact"]
    assert ["edge.toml"] == [path.name for path in tmp_path.iterdir()]


def test_the_consequences_stand_below_their_cause(tmp_path, monkeypatch):
    """What the running daemon says of meters stands under the port that is gone; so it does in the status."""
    health = Health(ManualClock(now=NOW))
    for number in range(7):
        health.fails(f"meter {number:012}", EdgeError("E-BUS-201", bus="A", meter=f"{number:012}"))
    poll = {"version": __version__, "gateway": "g", "time": "", "clock": "rtc", "health": health.snapshot()}
    halves = {"poll": poll, "forward": None}
    monkeypatch.setattr("edge.cli.doctor.halves_of", lambda _: halves)
    settings_of(tmp_path, BUS.format(port="/dev/ttyUSB99"))
    arguments = ["--lang", "en", "doctor", "--config", str(tmp_path / "edge.toml")]
    done = CliRunner().invoke(cli, arguments, standalone_mode=False)
    lines = done.stderr.splitlines()
    place = lines.index("port A: [E-CLI-404] /dev/ttyUSB99 is gone")
    assert [f"  hence: meter {number:012}: [E-BUS-201]" for number in range(5)] == [
        line[:41].rstrip() for line in lines[place + 3 : place + 8]
    ]
    assert "  hence: 2 more (--json names them)" == lines[place + 8]
    document = json.loads(CliRunner().invoke(cli, [*arguments, "--json"], standalone_mode=False).stdout)
    (port,) = [one for one in document["troubles"] if one["claim"] == "port A"]
    assert 7 == len(port["follows"])


def test_a_running_gateway_is_asked(tmp_path, mosquitto):
    """Real processes: the port is pulled, and the doctor names it once, by the daemon's code and since when."""
    with FlowSite(tmp_path, mosquitto.url) as site:
        port = site.start_sim("--bus", f"A=pty:{tmp_path / 'bus'}", "--meters", "2", "--first", "202311000001")
        site.configure(("A", port, "tries = 1\nreply_ms = 100"), items=("voltage",))
        for number in (1, 2):
            edge("meters", "add", f"20231100000{number}", "--bus", "A", "--config", site.config)
        site.start_centre()
        site.start_poll()
        site.start_forward()

        def look(claim):
            done = edge("doctor", "--json", "--offline", "--config", site.config, check=False)
            found = {one["claim"]: one for one in json.loads(done.stdout)["checks"]}
            return found[claim], json.loads(done.stdout)["troubles"]

        eventually(lambda: look("bus A quality")[0]["answer"] == "yes", what="exchanges that went well")
        service, troubles = look("service_running")
        assert "yes" == service["answer"]
        assert not any(one["claim"].startswith(("port", "meter")) for one in troubles)
        site.kill("sim")

        def pulled():
            return [one for one in look("port A")[1] if one["claim"] == "port A" and one["since"]]

        (port,) = eventually(pulled, what="the port that is gone")
        assert port["code"].startswith("E-BUS-10")

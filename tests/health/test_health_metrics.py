"""The metrics: each provoked, named by convention, bounded in its labels; dashboard, rules, page made of them."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge.clock import ManualClock
from edge.errors import EdgeError
from edge.errors.catalogue import CATALOGUE
from edge.health.dashboards import ALERTS, alerts_text, dashboard_text, metrics_page, names_in
from edge.health.exposition import exposed
from edge.health.metrics import _BATCHES, _CONNECTIONS, _RECORDS, METRICS, View
from edge.health.model import BOUNDS_S, Health
from edge.reading.verdict import Verdict
from edge.store.shedding import Step

ROOT = Path(__file__).parent.parent.parent
LABELS = {"version", "hash", "code", "bus", "result", "meter"}
PROMTOOL = shutil.which("promtool")


def samples(view, *, with_meters=True):
    """Return what a scrape brings: (name, labels) -> value."""
    text = exposed(view, with_meters=with_meters).decode()
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def site(health, **more):
    """Return the view of a process with both halves and two buses of two meters each."""
    buses = [{"name": name, "port": "/dev/x", "polls": 1} for name in "AB"]
    forward = {"waiting_readings": 5, "unsent_batches": 3, "store_bytes": 4096, "store_limit_bytes": 8192}
    given = {
        "version": "1.2.3",
        "halves": {
            "poll": {"clock": "synchronised", "buses": buses},
            "forward": {"clock": "synchronised", "oldest_unsent": "2026-01-01T00:00:10+00:00", **forward},
        },
        "bus_of": {f"00000000000{number}": "AB"[number % 2] for number in range(4)},
        "settings_hash": "abc",
        "disk_free": 1000,
        "certificate_end": 2_000_000_000.0,
    }
    return View(health=health.snapshot(), **{**given, **more})


def busy() -> Health:
    """Return the health of a gateway to which everything has happened."""
    health = Health(ManualClock())
    for name in (*_BATCHES.values(), *_CONNECTIONS.values(), *_RECORDS.values()):
        health.count(name, 2)
    for name in ("receipts", "receipts_carried", "receipts_refused", "readings_dropped", "foreign_requests.A"):
        health.count(name, 3)
    for verdict in Verdict:
        health.count(f"exchanges.A.{verdict.value}", 4)
    health.observe("response.A", 0.03)
    health.observe("response.A", 7.0)
    health.measure("clock_offset_s", -2.5)
    health.seen("receipt")
    health.seen("meter 000000000001")
    health.holds("settings_are_right")
    health.fails("broker_reachable", EdgeError("E-FWD-101", host="h"))
    health.holds("port A")
    health.fails("port B", EdgeError("E-BUS-104", port="p"))
    health.fails("meter 000000000003", EdgeError("E-BUS-201", bus="B", meter="000000000003"))
    return health


def value(found, name, **labels):
    return found[name, tuple(sorted(labels.items()))]


def test_every_metric_is_provoked():
    """Whatever stands in the list comes up, and nothing else."""
    found = {name for name, _ in samples(site(busy()))}
    bare = {re.sub(r"_(bucket|sum|count)$", "", name) if "response" in name else name for name in found}
    assert {metric.name for metric in METRICS} == bare


def test_the_values_are_those_of_the_gateway():
    """One of each kind, with its labels."""
    found = samples(site(busy()))
    assert 1 == value(found, "edge_build_info", version="1.2.3")
    assert 1 == value(found, "edge_settings_info", hash="abc")
    assert {(verdict.value, 4.0) for verdict in Verdict} == {
        (dict(labels)["result"], count)
        for (name, labels), count in found.items()
        if name == "edge_poll_exchanges_total"
    }
    assert (6.0, 3.0) == (value(found, "edge_receipts_total"), value(found, "edge_receipts_refused_total"))
    assert (1.0, 0.0) == tuple(value(found, "edge_bus_port_open", bus=bus) for bus in "AB")
    assert (2.0, 2.0) == tuple(value(found, "edge_bus_meters", bus=bus) for bus in "AB")
    assert (0.0, 1.0) == tuple(value(found, "edge_bus_meters_failing", bus=bus) for bus in "AB")
    assert (0.0, 1.0, -2.5) == tuple(
        value(found, f"edge_{name}") for name in ("mqtt_connected", "clock_trusted", "clock_offset_seconds")
    )
    at = ManualClock().now.timestamp()
    assert at == value(found, "edge_centre_last_receipt_timestamp_seconds")
    assert at == value(found, "edge_meter_last_success_timestamp_seconds", bus="B", meter="000000000001")
    assert at + 10 == value(found, "edge_buffer_oldest_unsent_timestamp_seconds")
    assert (5, 3, 4096, 8192) == tuple(
        value(found, f"edge_{name}")
        for name in ("readings_waiting", "batches_unsent", "store_bytes", "store_limit_bytes")
    )
    assert (1000, 2e9) == (
        value(found, "edge_disk_free_bytes"),
        value(found, "edge_certificate_expiry_timestamp_seconds"),
    )
    codes = {dict(labels)["code"]: count for (name, labels), count in found.items() if name == "edge_troubles"}
    assert {"E-FWD-101": 1, "E-BUS-104": 1, "E-BUS-201": 1} == codes


def test_a_histogram_is_cumulative():
    """Each bucket holds what is shorter too; the last holds all."""
    found = samples(site(busy()))
    counts = [value(found, "edge_poll_response_seconds_bucket", bus="A", le=str(bound)) for bound in BOUNDS_S]
    assert [0] + [1] * (len(BOUNDS_S) - 1) == counts
    assert 2 == value(found, "edge_poll_response_seconds_bucket", bus="A", le="+Inf")
    assert (2, 7.03) == tuple(value(found, f"edge_poll_response_seconds_{end}", bus="A") for end in ("count", "sum"))


def test_a_dead_bus_has_only_failing_meters():
    """While nobody answers nothing is known of each: the bus is to blame for all."""
    health = busy()
    health.fails("bus A answers", EdgeError("E-BUS-233", bus="A"))
    assert 2 == value(samples(site(health)), "edge_bus_meters_failing", bus="A")


def test_what_is_not_known_has_no_sample():
    """A process that has just started claims nothing of brokers, receipts or certificates."""
    view = site(Health(ManualClock()), halves={}, bus_of={}, settings_hash="", disk_free=None, certificate_end=None)
    assert [("edge_build_info", (("version", "1.2.3"),))] == list(samples(view))


def test_meters_can_be_left_out():
    """The only samples that grow with the register go; nothing else does."""
    whole, few = samples(site(busy())), samples(site(busy()), with_meters=False)
    assert {"edge_meter_last_success_timestamp_seconds"} == {name for name, _ in set(whole) - set(few)}


def test_names_follow_the_convention():
    """Prefix, `_total` for counters alone, base units, labels of which there are few."""
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert re.fullmatch(r"edge_[a-z][a-z0-9_]*", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert not re.search(r"_(ms|minutes|hours|kib|mib|percent)(_|$)", metric.name)
        assert metric.text.endswith(".")
        assert set(metric.labels) <= LABELS
        assert ("meter" in metric.labels) == (metric.name.startswith("edge_meter_"))


def test_the_counters_are_those_that_the_program_counts():
    """A name that nobody counts would never have a sample."""
    files = [path for path in (ROOT / "edge").rglob("*.py") if path.name != "metrics.py"]
    source = "\n".join(path.read_text(encoding="utf-8") for path in files)
    steps = {f"batches_{step.value}" for step in Step}
    named = {*_BATCHES.values(), *_CONNECTIONS.values(), *_RECORDS.values(), "receipts", "receipts_refused"}
    assert [] == [name for name in named - steps if f'"{name}"' not in source]
    assert 'f"batches_{given.step}"' in source
    assert steps <= set(_BATCHES.values())
    for name in ("exchanges.{", "foreign_requests.{", "response.{"):
        assert f'f"{name}self.bus.name}}' in source


def test_page_dashboard_and_rules_are_made_from_the_list():
    """After a change: scripts/pages."""
    made = {
        "docs/metrics.md": metrics_page(),
        "config/grafana/edge.json": dashboard_text(),
        "config/prometheus/alerts.yml": alerts_text(),
    }
    assert [] == [name for name, text in made.items() if (ROOT / name).read_text(encoding="utf-8") != text]


def test_the_dashboard_shows_every_metric_and_no_other():
    """Each panel asks for one metric of the list; counters by rate."""
    panels = json.loads(dashboard_text())["panels"]
    asked = [name for panel in panels for name in names_in(panel["targets"][0]["expr"])]
    assert [metric.name for metric in METRICS if "_info" not in metric.name] == asked
    for panel in panels:
        assert panel["title"].endswith(("_total", "response_seconds")) == ("rate(" in panel["targets"][0]["expr"])
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(places)


def test_the_rules_name_only_what_is_there():
    """Metrics of the list, codes of the catalogue."""
    known = {metric.name for metric in METRICS}
    assert [] == [alert.name for alert in ALERTS if not names_in(alert.expr) <= known]
    assert [] == [alert.name for alert in ALERTS if not set(alert.codes) <= set(CATALOGUE)]
    assert len({alert.name for alert in ALERTS}) == len(ALERTS)


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not there: apt-get install prometheus")
def test_prometheus_takes_metrics_and_rules():
    """Its own checker has nothing against them."""
    text = exposed(site(busy()), with_meters=True)
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (0, b"") == (done.returncode, done.stderr + done.stdout)
    rules = ROOT / "config" / "prometheus" / "alerts.yml"
    assert 0 == subprocess.run([PROMTOOL, "check", "rules", rules], capture_output=True, check=False).returncode

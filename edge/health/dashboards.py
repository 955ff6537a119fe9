"""What is made from the list of metrics: its page, a Grafana dashboard, and Prometheus' alert rules.

`python -m edge.health.dashboards page|grafana|alerts` prints one of them; `scripts/pages` writes all three.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from edge.health.metrics import METER_METRICS, METRICS, Metric

_DASHBOARD_SCHEMA = 39  # of Grafana 10
_WIDTH, _HEIGHT, _COLUMNS = 12, 8, 24
_GRAFANA_UNITS = {"s": "s", "bytes": "bytes", "": "short"}
_NAME = re.compile(r"edge_[a-z0-9_]+")
_PARTS_OF_HISTOGRAM = ("_bucket", "_count", "_sum")


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule: `for_` so long the expression holds before it is told; `codes`: what `edge status` calls it."""

    name: str
    expr: str
    for_: str
    severity: str
    text: str
    codes: tuple[str, ...] = ()


ALERTS: tuple[Alert, ...] = (
    Alert("EdgeAway", 'up{job=~"edge.*"} == 0', "5m", "critical", "half {{ $labels.instance }} gives no metrics"),
    Alert(
        "EdgePortGone",
        "edge_bus_port_open == 0",
        "5m",
        "critical",
        "bus {{ $labels.bus }} has lost its port",
        ("E-BUS-104",),
    ),
    Alert(
        "EdgeBusDead",
        "edge_bus_meters_failing == edge_bus_meters and edge_bus_meters > 1",
        "15m",
        "critical",
        "nobody answers on bus {{ $labels.bus }}",
        ("E-BUS-233",),
    ),
    Alert(
        "EdgeMeterDead",
        "edge_bus_meters_failing > 0 and edge_bus_meters_failing < edge_bus_meters",
        "1h",
        "warning",
        "{{ $value }} meters of bus {{ $labels.bus }} are not read",
    ),
    Alert(
        "EdgeBusPoor",
        "sum by (instance, bus) (rate(edge_poll_exchanges_total{result='ok'}[30m]))"
        " / sum by (instance, bus) (rate(edge_poll_exchanges_total[30m])) < 0.9",
        "30m",
        "warning",
        "fewer than nine of ten exchanges on bus {{ $labels.bus }} go well",
        ("E-HLT-171",),
    ),
    Alert(
        "EdgeBacklogOld",
        "time() - edge_buffer_oldest_unsent_timestamp_seconds > 3600",
        "10m",
        "warning",
        "readings wait for more than an hour for their receipt",
        ("E-FWD-220",),
    ),
    Alert(
        "EdgeNoReceipt",
        "time() - edge_centre_last_receipt_timestamp_seconds > 1800 and edge_batches_unsent > 0",
        "5m",
        "warning",
        "the centre has confirmed nothing for half an hour",
        ("E-FWD-205",),
    ),
    Alert("EdgeBrokerAway", "edge_mqtt_connected == 0", "15m", "warning", "the broker is not reached"),
    Alert(
        "EdgeReadingsDropped",
        "increase(edge_readings_dropped_total[1h]) > 0",
        "0m",
        "critical",
        "readings were given up for want of room",
    ),
    Alert(
        "EdgeStoreFull",
        "edge_store_bytes / edge_store_limit_bytes > 0.9",
        "10m",
        "critical",
        "the store is nearly full",
        ("E-STO-116",),
    ),
    Alert(
        "EdgeDiskFull",
        "edge_disk_free_bytes < 209715200",
        "10m",
        "critical",
        "less than 200 MiB are free on the disk",
        ("E-HLT-111",),
    ),
    Alert(
        "EdgeClockUnknown",
        "edge_clock_trusted == 0",
        "30m",
        "warning",
        "the time of the box is not trusted",
        ("E-HLT-101",),
    ),
    Alert(
        "EdgeClockOff",
        "abs(edge_clock_offset_seconds) > 300",
        "10m",
        "warning",
        "the clock is minutes away from the centre's",
        ("E-FWD-219",),
    ),
    Alert(
        "EdgeCertificateEnds",
        "edge_certificate_expiry_timestamp_seconds - time() < 30 * 86400",
        "1h",
        "warning",
        "the certificate for the broker ends within 30 days",
        ("E-HLT-161",),
    ),
    Alert(
        "EdgeSettingsRefused",
        "edge_settings_right == 0",
        "5m",
        "warning",
        "the settings file is wrong; the old settings are in force",
    ),
)


def names_in(expr: str) -> set[str]:
    """Return the metrics that an expression names; those of a histogram without the ends of their series."""
    found = set(_NAME.findall(expr))
    return {next((name.removesuffix(end) for end in _PARTS_OF_HISTOGRAM if name.endswith(end)), name) for name in found}


def alerts_text() -> str:
    """Return the rules as YAML. Texts are JSON strings, which YAML takes as they are."""
    lines = [
        "# Made by scripts/pages from edge/health/dashboards.py; do not edit.",
        "groups:",
        "  - name: edge",
        "    rules:",
    ]
    for alert in ALERTS:
        lines += [
            f"      - alert: {alert.name}",
            f"        expr: {json.dumps(alert.expr)}",
            f"        for: {alert.for_}",
            f"        labels: {{severity: {alert.severity}}}",
            "        annotations:",
            f"          summary: {json.dumps(alert.text)}",
            f"          codes: {json.dumps(', '.join(alert.codes))}",
        ]
    return "\n".join([*lines, ""])


def dashboard_text() -> str:
    """Return the dashboard: a panel for each metric, but for those that only name the program."""
    panels = [_panel(number, metric) for number, metric in enumerate(one for one in METRICS if "_info" not in one.name)]
    dashboard = {
        "title": "edge",
        "uid": "edge-gateway",
        "schemaVersion": _DASHBOARD_SCHEMA,
        "tags": ["edge"],
        "time": {"from": "now-24h", "to": "now"},
        "refresh": "1m",
        "templating": {"list": [_source(), _instances()]},
        "panels": panels,
    }
    return json.dumps(dashboard, indent=1, ensure_ascii=False) + "\n"


def _source() -> dict[str, Any]:
    return {"name": "source", "type": "datasource", "query": "prometheus"}


def _instances() -> dict[str, Any]:
    query = "label_values(edge_build_info, instance)"
    return {
        "name": "instance",
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "query": query,
        "multi": True,
        "includeAll": True,
        "refresh": 2,
    }


def _panel(number: int, metric: Metric) -> dict[str, Any]:
    expr, legend = _query(metric)
    return {
        "id": number + 1,
        "title": metric.name,
        "description": metric.text,
        "type": "heatmap" if metric.kind == "histogram" else "timeseries",
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "gridPos": {
            "h": _HEIGHT,
            "w": _WIDTH,
            "x": number * _WIDTH % _COLUMNS,
            "y": number * _WIDTH // _COLUMNS * _HEIGHT,
        },
        "fieldConfig": {"defaults": {"unit": _unit(metric)}, "overrides": []},
        "targets": [
            {
                "refId": "A",
                "expr": expr,
                "legendFormat": legend,
                "format": "heatmap" if metric.kind == "histogram" else "time_series",
            }
        ],
    }


def _query(metric: Metric) -> tuple[str, str]:
    where = '{instance=~"$instance"}'
    legend = " ".join(f"{{{{{label}}}}}" for label in ("instance", *metric.labels))
    if metric.kind == "histogram":
        return f"sum by (le) (rate({metric.name}_bucket{where}[$__rate_interval]))", "{{le}}"
    if metric.kind == "counter":
        return f"rate({metric.name}{where}[$__rate_interval])", legend
    if metric.name.endswith("_timestamp_seconds"):
        sign = ("{0}{1} - time()" if "expiry" in metric.name else "time() - {0}{1}").format(metric.name, where)
        return sign, legend
    return f"{metric.name}{where}", legend


def _unit(metric: Metric) -> str:
    return "cps" if metric.kind == "counter" else _GRAFANA_UNITS[metric.unit]


def metrics_page() -> str:
    """Return the text of `docs/metrics.md`."""
    return "\n".join(_page())


def _page() -> Iterator[str]:
    yield "# Metrics\n"
    yield "Made by `scripts/pages` from `edge/health/metrics.py`; do not edit. How they are turned on and fetched:"
    yield "[operations.md](operations.md#metrics). What is not known has no sample. Each half gives what it knows.\n"
    yield "| metric | kind | labels | meaning |"
    yield "| --- | --- | --- | --- |"
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        more = " Left out with `meters = false`." if metric.name in METER_METRICS else ""
        yield f"| `{metric.name}` | {metric.kind} | {labels} | {metric.text}{more} |"
    yield "\n## Alerts\n"
    yield "`config/prometheus/alerts.yml`; the codes are those of [codes.md](codes.md).\n"
    yield "| alert | severity | after | when | codes |"
    yield "| --- | --- | --- | --- | --- |"
    for alert in ALERTS:
        text = re.sub(r"\{\{ \$(?:labels\.)?(\w+) \}\}", lambda found: found[1].upper(), alert.text)
        yield f"| `{alert.name}` | {alert.severity} | {alert.for_} | {text} | {', '.join(alert.codes)} |"
    yield ""


_MADE = {"page": metrics_page, "grafana": dashboard_text, "alerts": alerts_text}

if __name__ == "__main__":
    sys.stdout.write(_MADE[sys.argv[1]]())

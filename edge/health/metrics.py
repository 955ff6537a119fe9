"""Every metric of the gateway: its name by Prometheus' convention, what it says, and where its values come from. Pure.

Rules:
1. Names begin with `edge_`, counters end in `_total`, units are seconds and bytes.
2. Labels are bounded: buses and results of the settings and the program. Only what is in METER_METRICS has a meter.
3. What is not known has no sample: a zero would be a claim.
4. A half of the daemon gives what it knows: no metric comes from both, but those that say which program it is.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from edge.health.model import BOUNDS_S

Sample = tuple[tuple[str, ...], float]
Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a process knows at one moment. `halves`: the status of each half in it; `bus_of`: the bus of each meter.

    `settings_hash` is empty where the settings came from no file. `certificate_end`: seconds of the epoch, or None.
    """

    version: str
    health: Mapping[str, Any]
    halves: Mapping[str, Mapping[str, Any]]
    bus_of: Mapping[str, str] = field(default_factory=dict)
    settings_hash: str = ""
    disk_free: int | None = None
    certificate_end: float | None = None

    @property
    def counters(self) -> Mapping[str, int]:
        """The counters of the health model."""
        found: Mapping[str, int] = self.health["counters"]
        return found

    @property
    def conditions(self) -> Mapping[str, Mapping[str, Any]]:
        """Its conditions."""
        found: Mapping[str, Mapping[str, Any]] = self.health["conditions"]
        return found


Read = Callable[[View], Iterator[Sample]]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `read` yields its samples: the values of the labels, and a number."""

    name: str
    kind: Kind
    text: str
    read: Read
    labels: tuple[str, ...] = ()
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Durations by bounds, a bus each: cumulative counts, the last one of all, and their sum."""

    bus: str
    buckets: tuple[tuple[str, int], ...]
    sum_s: float


def histograms_of(view: View, name: str) -> Iterator[Histogram]:
    """Yield the spreads that begin with a name, by the bus behind it."""
    for key, spread in view.health["spreads"].items():
        start, _, bus = key.partition(".")
        if start != name:
            continue
        total, buckets = 0, []
        for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), spread["counts"], strict=True):
            total += count
            buckets.append((bound, total))
        yield Histogram(bus, tuple(buckets), spread["sum_s"])


def _counter(*names: str) -> Read:
    """Yield a counter of the health model, or the sum of several, once one of them has counted."""

    def read(view: View) -> Iterator[Sample]:
        counted = [view.counters[name] for name in names if name in view.counters]
        if counted:
            yield (), sum(counted)

    return read


def _results(names: Mapping[str, str]) -> Read:
    def read(view: View) -> Iterator[Sample]:
        for result, name in names.items():
            if name in view.counters:
                yield (result,), view.counters[name]

    return read


def _by_bus(name: str) -> Read:
    """Yield counters `name.BUS` and `name.BUS.RESULT` of the health model, by what stands behind the name."""

    def read(view: View) -> Iterator[Sample]:
        for key, count in view.counters.items():
            start, _, labels = key.partition(".")
            if start == name:
                yield tuple(labels.split(".")), count

    return read


def _of_forward(key: str) -> Read:
    def read(view: View) -> Iterator[Sample]:
        value = view.halves.get("forward", {}).get(key)
        if value is not None:
            yield (), value

    return read


def _oldest(view: View) -> Iterator[Sample]:
    oldest = view.halves.get("forward", {}).get("oldest_unsent")
    if oldest is not None:
        yield (), datetime.fromisoformat(oldest).timestamp()


def _holds(claim: str) -> Read:
    """Yield 1 if a claim holds, 0 if it does not, nothing while nobody knows."""

    def read(view: View) -> Iterator[Sample]:
        answer = view.conditions.get(claim, {}).get("answer")
        if answer in ("yes", "no"):
            yield (), float(answer == "yes")

    return read


def _seen(name: str) -> Read:
    def read(view: View) -> Iterator[Sample]:
        if name in view.health["seen"]:
            yield (), datetime.fromisoformat(view.health["seen"][name]["at"]).timestamp()

    return read


def _meters(view: View) -> Iterator[Sample]:
    for bus in view.halves.get("poll", {}).get("buses", ()):
        yield (bus["name"],), sum(on == bus["name"] for on in view.bus_of.values())


def _meters_failing(view: View) -> Iterator[Sample]:
    for bus in view.halves.get("poll", {}).get("buses", ()):
        here = [address for address, on in view.bus_of.items() if on == bus["name"]]
        is_dead = view.conditions.get(f"bus {bus['name']} answers", {}).get("answer") == "no"
        failing = [one for one in here if view.conditions.get(f"meter {one}", {}).get("answer") == "no"]
        yield (bus["name"],), len(here) if is_dead else len(failing)


def _ports(view: View) -> Iterator[Sample]:
    for bus in view.halves.get("poll", {}).get("buses", ()):
        answer = view.conditions.get(f"port {bus['name']}", {}).get("answer")
        if answer in ("yes", "no"):
            yield (bus["name"],), float(answer == "yes")


def _meter_seen(view: View) -> Iterator[Sample]:
    for address, bus in view.bus_of.items():
        if (seen := view.health["seen"].get(f"meter {address}")) is not None:
            yield (bus, address), datetime.fromisoformat(seen["at"]).timestamp()


def _troubles(view: View) -> Iterator[Sample]:
    codes = [one["code"] for one in view.conditions.values() if one["answer"] == "no"]
    for code in sorted(set(codes)):
        yield (code,), codes.count(code)


def _trusted(view: View) -> Iterator[Sample]:
    for status in list(view.halves.values())[:1]:
        yield (), float(status["clock"] in ("synchronised", "rtc"))


def _offset(view: View) -> Iterator[Sample]:
    if "clock_offset_s" in view.health["gauges"]:
        yield (), view.health["gauges"]["clock_offset_s"]


def _build(view: View) -> Iterator[Sample]:
    yield (view.version,), 1.0


def _settings(view: View) -> Iterator[Sample]:
    if view.settings_hash:
        yield (view.settings_hash,), 1.0


def _disk(view: View) -> Iterator[Sample]:
    if view.disk_free is not None:
        yield (), view.disk_free


def _certificate(view: View) -> Iterator[Sample]:
    if view.certificate_end is not None:
        yield (), view.certificate_end


def _nothing(_: View) -> Iterator[Sample]:
    """Yield nothing: a histogram is read by `histograms_of`."""
    yield from ()


_BATCHES = {
    "sealed": "batches_sealed",
    "sent": "batches_sent",
    "stored": "batches_stored",
    "rejected": "batches_rejected",
    "reduced": "batches_reduced",
    "dropped": "batches_dropped",
    "archived": "batches_archived",
    "quarantined": "batches_quarantined",
    "merged": "batches_merged",
    "damaged": "batches_damaged",
}
_CONNECTIONS = {"made": "connections", "lost": "connections_lost", "failed": "connections_failed"}
_RECORDS = {"stored": "records.stored", "refused": "records.refused", "redated": "records.redated"}

RESPONSE = "edge_poll_response_seconds"
METER_METRICS = ("edge_meter_last_success_timestamp_seconds",)

METRICS: tuple[Metric, ...] = (
    Metric("edge_build_info", "gauge", "1, with the version of the program.", _build, ("version",)),
    Metric("edge_settings_info", "gauge", "1, with the hash of the settings file in force.", _settings, ("hash",)),
    Metric(
        "edge_settings_right",
        "gauge",
        "1 if the settings file was taken when it was read last.",
        _holds("settings_are_right"),
    ),
    Metric("edge_troubles", "gauge", "Conditions that do not hold, by the code that says why.", _troubles, ("code",)),
    Metric("edge_clock_trusted", "gauge", "1 if the time is synchronised or kept by a clock chip.", _trusted),
    Metric("edge_clock_offset_seconds", "gauge", "How far this clock is ahead of the centre's.", _offset, (), "s"),
    Metric("edge_disk_free_bytes", "gauge", "Free room on the disk of the state directory.", _disk, (), "bytes"),
    Metric(
        "edge_poll_exchanges_total",
        "counter",
        "Exchanges with meters, by their verdict.",
        _by_bus("exchanges"),
        ("bus", "result"),
    ),
    Metric(
        RESPONSE, "histogram", "From the end of a request to the first byte of its answer.", _nothing, ("bus",), "s"
    ),
    Metric(
        "edge_bus_foreign_requests_total",
        "counter",
        "Requests on the wire that another master sent.",
        _by_bus("foreign_requests"),
        ("bus",),
    ),
    Metric("edge_bus_port_open", "gauge", "1 if the port of the bus carries exchanges.", _ports, ("bus",)),
    Metric("edge_bus_meters", "gauge", "Meters in the register.", _meters, ("bus",)),
    Metric(
        "edge_bus_meters_failing",
        "gauge",
        "Meters that were not read when they were asked last.",
        _meters_failing,
        ("bus",),
    ),
    Metric(METER_METRICS[0], "gauge", "When the meter was read last.", _meter_seen, ("bus", "meter"), "s"),
    Metric(
        "edge_records_total",
        "counter",
        "Records of polls, by what the store did with them.",
        _results(_RECORDS),
        ("result",),
    ),
    Metric("edge_readings_waiting", "gauge", "Readings that are in no batch yet.", _of_forward("waiting_readings")),
    Metric("edge_batches_unsent", "gauge", "Batches that no receipt covers.", _of_forward("unsent_batches")),
    Metric(
        "edge_buffer_oldest_unsent_timestamp_seconds",
        "gauge",
        "When the oldest of what no receipt covers was read or sealed.",
        _oldest,
        (),
        "s",
    ),
    Metric("edge_store_bytes", "gauge", "Size of the store.", _of_forward("store_bytes"), (), "bytes"),
    Metric(
        "edge_store_limit_bytes",
        "gauge",
        "Size that the store may have.",
        _of_forward("store_limit_bytes"),
        (),
        "bytes",
    ),
    Metric("edge_batches_total", "counter", "Batches, by what became of them.", _results(_BATCHES), ("result",)),
    Metric(
        "edge_readings_dropped_total",
        "counter",
        "Readings that were given up for want of room, each with a signed notice.",
        _counter("readings_dropped"),
    ),
    Metric("edge_mqtt_connected", "gauge", "1 if the broker is reached.", _holds("broker_reachable")),
    Metric(
        "edge_mqtt_connections_total",
        "counter",
        "Connections to a broker: made, lost, failed.",
        _results(_CONNECTIONS),
        ("result",),
    ),
    Metric("edge_receipts_total", "counter", "Receipts that were applied.", _counter("receipts", "receipts_carried")),
    Metric(
        "edge_receipts_refused_total",
        "counter",
        "Messages on the topic of receipts that were not believed.",
        _counter("receipts_refused"),
    ),
    Metric(
        "edge_centre_last_receipt_timestamp_seconds",
        "gauge",
        "When the centre confirmed something last.",
        _seen("receipt"),
        (),
        "s",
    ),
    Metric(
        "edge_certificate_expiry_timestamp_seconds",
        "gauge",
        "When the certificate for the broker ends.",
        _certificate,
        (),
        "s",
    ),
)

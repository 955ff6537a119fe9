"""The metrics as text that Prometheus reads. The only file that knows prometheus-client; imported when asked for."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from edge.health.metrics import METER_METRICS, METRICS, Metric, View, histograms_of

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_RESPONSES = "response"  # of the spreads of the health model


def exposed(view: View, *, with_meters: bool) -> bytes:
    """Return all metrics of a view. `with_meters` False leaves out those that have a sample for each meter."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(lambda: _families(view, with_meters=with_meters)))
    return bytes(generate_latest(registry))


class _Once(Collector):
    def __init__(self, families: Callable[[], Iterator[Family]]) -> None:
        self._families = families

    def collect(self) -> Iterator[Family]:
        return self._families()


def _families(view: View, *, with_meters: bool) -> Iterator[Family]:
    for metric in METRICS:
        if with_meters or metric.name not in METER_METRICS:
            family = _family(metric, view)
            if family.samples:
                yield family


def _family(metric: Metric, view: View) -> Family:
    if metric.kind == "histogram":
        spread = HistogramMetricFamily(metric.name, metric.text, labels=metric.labels)
        for one in histograms_of(view, _RESPONSES):
            spread.add_metric([one.bus], [(bound, float(count)) for bound, count in one.buckets], one.sum_s)
        return spread
    make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = make(metric.name, metric.text, labels=metric.labels)
    for labels, value in metric.read(view):
        family.add_metric(labels, value)
    return family

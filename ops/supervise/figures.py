"""What the supervisor tells Prometheus: which services are down, and how often each was restarted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ops.supervise.machine import Child, State


class Figures(Collector):
    """`children` is the supervisor's own table, looked at when Prometheus asks."""

    def __init__(self, children: Mapping[str, Child]) -> None:
        self.children = children
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client."""
        up = GaugeMetricFamily("tierline_service_up", "1 while the service answers its health check.", labels=["service"])
        restarts = CounterMetricFamily("tierline_service_restarts_total", "Deaths of the service.", labels=["service"])
        for name, child in self.children.items():
            up.add_metric([name], float(child.state is State.UP))
            restarts.add_metric([name], child.restarts)
        yield up
        yield restarts

"""What Prometheus is told of calls."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterator

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from tierline.common.v1.common_pb2 import Reason, Result, Side

from media.call.call import State
from media.call.outcome import Outcome

LATENCY_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.1, 0.2, 0.5, 1.0)


class Meters:
    """Counters of one media node."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.registry = registry
        self.outcomes = Counter("tierline_media_outcomes", "Calls that ended", ["result", "reason", "side"], registry=registry)
        self.refused = Counter("tierline_media_refused", "INVITEs refused before they became calls", ["why"], registry=registry)
        self.rtp_errors = Counter("tierline_media_rtp_errors", "rtpengine verbs that failed", ["verb"], registry=registry)
        self.strange = Counter("tierline_media_strange", "Events without a row in the table", ["state", "event"], registry=registry)
        self.offer_to_invite = Histogram(
            "tierline_media_offer_to_invite_seconds", "Offer to the seat's INVITE", buckets=LATENCY_S, registry=registry
        )

    def ended(self, outcome: Outcome) -> None:
        """A call is over."""
        words = Result.Name(outcome.result), Reason.Name(outcome.reason), Side.Name(outcome.side)
        self.outcomes.labels(*words).inc()

    def watch(self, states: Callable[[], Tally[State]], gauges: dict[str, Callable[[], float]]) -> None:
        """Have calls by state and other values looked at when Prometheus asks."""
        self.registry.register(_Looked(states, gauges))


class _Looked(Collector):
    def __init__(self, states: Callable[[], Tally[State]], gauges: dict[str, Callable[[], float]]) -> None:
        self._states, self._gauges = states, gauges

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Every state, also the empty ones, then the single values."""
        calls = GaugeMetricFamily("tierline_media_calls", "Calls by state", labels=["state"])
        now = self._states()
        for state in State:
            calls.add_metric([state], now[state])
        yield calls
        for name, look in self._gauges.items():
            yield GaugeMetricFamily(f"tierline_media_{name}", name.replace("_", " "), value=look())

"""What an endpoint shows to Prometheus: read from its plain counters when asked, so that it costs nothing per message."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from media.net.endpoint import Endpoint

_COUNTERS = {
    "retransmitted": "messages we sent again",
    "repeated": "requests of peers that came again",
    "malformed": "messages that could not be read",
    "stray": "responses and ACKs that belong to nothing",
    "refused": "requests refused before the call logic saw them",
    "listener_faults": "exceptions out of the call logic",
}


class SipCollector(Collector):
    """Register one per endpoint: `REGISTRY.register(SipCollector(endpoint))`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def collect(self) -> Iterator[Metric]:
        """The families."""
        count = self._endpoint.core.count
        messages = CounterMetricFamily("tierline_sip_messages", "SIP messages", labels=["direction"])
        messages.add_metric(["sent"], count.sent)
        messages.add_metric(["received"], count.received)
        yield messages
        for name, text in _COUNTERS.items():
            yield CounterMetricFamily(f"tierline_sip_{name}", f"SIP: {text}", value=getattr(count, name))
        live = GaugeMetricFamily("tierline_sip_live", "What the SIP user agent holds", labels=["what"])
        for what, number in (self._endpoint.core.live() | self._endpoint.sockets()).items():
            live.add_metric([what], number)
        yield live

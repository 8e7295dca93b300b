"""rtpengine's statistics for Prometheus, asked for by ng: so it needs no HTTP of its own, which would take commands too."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from media.rtp.api import RtpError
from media.rtp.bencode import Encodable, Value
from media.rtp.replies import walk

log = logging.getLogger(__name__)
Ask = Callable[[str, Mapping[str, Encodable]], Awaitable[dict[str, Value]]]
Family = type[CounterMetricFamily] | type[GaugeMetricFamily]
# name, kind, section of the answer, name there, text. Names of counters get `_total`.
METRICS: tuple[tuple[str, Family, str, str, str], ...] = (
    ("sessions", GaugeMetricFamily, "currentstatistics", "sessionstotal", "Calls in rtpengine"),
    ("transcoded_media", GaugeMetricFamily, "currentstatistics", "transcodedmedia", "Streams whose codec is converted"),
    ("uptime_seconds", GaugeMetricFamily, "totalstatistics", "uptime", "Since rtpengine started"),
    ("ended_sessions", CounterMetricFamily, "totalstatistics", "managedsessions", "Calls that ended"),
    ("rejected_sessions", CounterMetricFamily, "totalstatistics", "rejectedsessions", "Calls that were refused"),
    ("packets", CounterMetricFamily, "totalstatistics", "relayedpackets", "Packets sent on"),
    ("packet_errors", CounterMetricFamily, "totalstatistics", "relayedpacketerrors", "Packets not sent on, strangers' too"),
    ("bytes", CounterMetricFamily, "totalstatistics", "relayedbytes", "Bytes sent on"),
    ("one_way_streams", CounterMetricFamily, "totalstatistics", "onewaystreams", "Ended calls with one side silent"),
    ("silent_streams", CounterMetricFamily, "totalstatistics", "zerowaystreams", "Ended calls with both sides silent"),
)


class Statistics(Collector):
    """What rtpengine said last. `await refresh()` before it is collected."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._seen: dict[str, Value] = {}

    async def refresh(self) -> None:
        """Ask rtpengine; while it does not answer only `up` is told."""
        try:
            self._seen = await self._ask("statistics", {})
        except RtpError as error:
            log.debug("rtpengine does not tell its statistics", extra={"why": str(error)})
            self._seen = {}

    def collect(self) -> Iterator[Metric]:
        """One metric each; what the answer lacks is left out."""
        yield GaugeMetricFamily("rtpengine_up", "Whether rtpengine answers", value=float(bool(self._seen)))
        for name, family, section, key, text in METRICS:
            value = _number(walk(self._seen, "statistics", section, key))
            if value is not None:
                yield family(f"rtpengine_{name}", text, value=value)


def _number(value: Value | None) -> float | None:
    """A whole number, or one that is told as text."""
    if isinstance(value, bytes):
        try:
            return float(value)
        except ValueError:
            return None
    return float(value) if isinstance(value, int) else None

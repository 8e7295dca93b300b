"""What the router tells Prometheus. Counts are of this process; lines and nodes are the centre's, the same from every router."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

VERB_SECONDS = Histogram(
    "tierline_router_verb_seconds",
    "From asking the store to its answer, of verbs that it did (refused ones: tierline_router_refused_total).",
    ["verb"],
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2),
)
REFUSED = Counter("tierline_router_refused_total", "Requests and frames refused, by code.", ["code"])
OFFERS = Counter("tierline_router_offers_total", "Offers made by verbs and timers of this router, to whichever node.")
TIMEOUTS = Counter("tierline_router_timeouts_total", "Timers served that were due: offer, after_call, node.", ["kind"])
ROUTED = Counter("tierline_router_routed_total", "RouteCall answers, by refusal (media: not refused).", ["to"])
SESSIONS = Gauge("tierline_router_sessions", "Streams of media nodes held by this router.")
STORE_UP = Gauge("tierline_router_store_up", "1 while the store is connected.")
WAITING = Gauge("tierline_router_waiting", "Calls waiting.", ["queue"])
READY = Gauge("tierline_router_ready", "Agents ready for the skill of the queue.", ["queue"])
TALKING = Gauge("tierline_router_talking", "Calls talking.", ["queue"])
OLDEST = Gauge("tierline_router_oldest_wait_seconds", "Wait of the call at the head of the line.", ["queue"])
NODES = Gauge("tierline_router_nodes", "Media nodes by state: live, draining, lost.", ["state"])

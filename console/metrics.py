"""What the console tells Prometheus. One object a registry, so that tests may run several consoles in one process."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector


class Metrics(Collector):
    """All series of the console and the ledger."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.registry = registry
        self.facts: Tally[str] = Tally()  # by kind; a plain count, for it moves with every fact
        r = registry
        self.bad_facts = Counter("tierline_ledger_bad_facts", "Stream entries that were no facts: see table bad_fact", registry=r)
        self.away = Counter("tierline_ledger_away", "Times the ledger had to wait for Redis or SQL", ["what"], registry=r)
        self.lag = Gauge("tierline_ledger_lag_seconds", "Age of the last fact read when it was read", registry=r)
        self.leader = Gauge("tierline_ledger_leader", "1 if this console writes the ledger", registry=r)
        self.commit_seconds = Histogram("tierline_ledger_commit_seconds", "Time of one transaction of the ledger", registry=r)
        self.unexplained = Gauge("tierline_unexplained_calls", "Recent calls whose sources differ", ["code"], registry=r)
        self.deleted = Counter("tierline_deleted", "What was deleted because it had been kept long enough", ["kind"], registry=r)
        self.watchers = Gauge("tierline_console_watchers", "Open live connections", ["role"], registry=r)
        self.requests = Counter("tierline_console_requests", "HTTP answers", ["status"], registry=r)
        self.logins = Counter("tierline_console_logins", "Log-ins by outcome: ok, wrong, throttled", ["outcome"], registry=r)
        self.router_up = Gauge("tierline_console_router_up", "1 if a router answers", registry=r)
        self.rules_version = Gauge("tierline_console_rules_version", "Newest version of the rules", registry=r)
        self.rules_in_force = Gauge("tierline_console_rules_in_force", "1 if the routers work by the newest version", registry=r)
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """The series that are kept as plain counts."""
        family = CounterMetricFamily("tierline_ledger_facts", "Facts stored", labels=["kind"])
        for kind, count in self.facts.items():
            family.add_metric([kind], count)
        yield family

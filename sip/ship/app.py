"""Wires the shipper: files -> stream, metrics, end on SIGTERM."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

import redis.asyncio
from prometheus_client import CollectorRegistry, Counter, Gauge
from redis.exceptions import RedisError

from ops import keys, metrics, redis_access
from ops.centre import CentreConfig
from ops.facts import BadFact, decode
from sip.render import journal_of
from sip.ship.tail import Batch, Tail

log = logging.getLogger(__name__)
POLL_S = 0.5
SWEEP_EVERY = 40  # polls
PIPELINE = 500  # facts a round trip
RETRY_S = (0.2, 0.5, 1.0, 2.0)


@dataclass
class Meters:
    """What /metrics shows."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.shipped = Counter("tierline_ship_facts", "Facts written to the stream", registry=self.registry)
        self.bad = Counter("tierline_ship_bad_lines", "Lines that are no fact, left out", registry=self.registry)
        self.away = Counter("tierline_ship_redis_errors", "Writes that failed and are tried again", registry=self.registry)
        self.waiting = Gauge("tierline_ship_waiting_facts", "Facts read and not written yet", registry=self.registry)


class Shipper:
    """Moves facts; `run` until told to stop."""

    def __init__(self, config: CentreConfig, client: redis.asyncio.Redis, meters: Meters) -> None:
        self._stream = keys.facts(config.centre.tenant)
        self._redis = client
        self._meters = meters
        self._tail = Tail.open(journal_of(config))
        self._failures = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Poll, ship, sweep. What is in the files when `stop` is set is shipped first, if Redis is there."""
        polls = 0
        while not stop.is_set():
            wait = POLL_S if await self.once() else RETRY_S[min(self._failures, len(RETRY_S)) - 1]
            polls += 1
            if polls % SWEEP_EVERY == 0:
                self._sweep()
            try:
                await asyncio.wait_for(stop.wait(), wait)
            except TimeoutError:
                continue
        await self.once()

    async def once(self) -> bool:
        """Ship all that is there; False if Redis is away (then nothing is lost, the next call tries again)."""
        while batches := self._tail.batches():
            try:
                await self._write(batches)
            except RedisError as error:
                self._failed(error)
                return False
            self._tail.keep(batches)
        self._meters.waiting.set(0)
        self._failures = 0
        return True

    def _failed(self, error: RedisError) -> None:
        self._failures += 1
        self._meters.away.inc()
        if self._failures == 1:
            log.warning("redis away, facts wait in their files", extra={"error": str(error)})

    async def _write(self, batches: list[Batch]) -> None:
        facts = [line for batch in batches for line in batch.lines if self._good(line)]
        self._meters.waiting.set(len(facts))
        for start in range(0, len(facts), PIPELINE):
            part = facts[start : start + PIPELINE]
            pipe = self._redis.pipeline(transaction=False)
            for line in part:
                pipe.execute_command("XADD", self._stream, "*", keys.FACTS_FIELD, line)
            await pipe.execute()
            self._meters.shipped.inc(len(part))

    def _good(self, line: bytes) -> bool:
        try:
            decode(line)
        except BadFact as error:
            self._meters.bad.inc()
            log.error("a line in the accounting files is no fact", extra={"error": str(error)})
            return False
        return True

    def _sweep(self) -> None:
        for path in self._tail.sweep():
            log.debug("removed a shipped file", extra={"path": path.name})


async def main(config: CentreConfig, stop: asyncio.Event) -> None:
    """Run the service. Raises OSError if its metrics port is taken."""
    journal_of(config).mkdir(parents=True, exist_ok=True)
    meters = Meters()
    client = redis.asyncio.Redis.from_url(redis_access.url(config, redis_access.SHIP), socket_timeout=5, socket_connect_timeout=2)
    runner = await metrics.serve("127.0.0.1", config.ports.ship_metrics, meters.registry)
    log.info("shipping", extra={"folder": str(journal_of(config))})
    try:
        await Shipper(config, client, meters).run(stop)
    finally:
        await client.aclose()
        await runner.cleanup()

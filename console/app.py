"""The console process: wires ledger, live hub and web application, and nothing else does."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from zoneinfo import ZoneInfo

from aiohttp import web
from argon2 import PasswordHasher
from redis.asyncio import Redis
from sqlalchemy.exc import SQLAlchemyError

from console.api import reach, server
from console.api.acts import Acts
from console.api.agent import leave, page_closed
from console.api.context import Context
from console.api.newcomers import Newcomers
from console.api.sessions import Sessions
from console.api.taking import take
from console.ledger.audit import DIFFERENCES, audit
from console.ledger.database import Database, away
from console.ledger.people import People
from console.ledger.queries import Queries
from console.ledger.reader import Reader
from console.ledger.retention import Due, Keeper, due
from console.ledger.rulebooks import RuleBooks
from console.ledger.trail import Trail
from console.live.hub import Hub
from console.live.router import Refused, RouterAway, RouterFault, Routers, UnknownAgent
from console.live.rules import Rules
from console.metrics import Metrics
from ops import inner, redis_access
from ops.centre import CentreConfig
from ops.clock import Clock, SystemClock
from ops.facts import Fact

log = logging.getLogger(__name__)
EXPIRE_S = 15.0
ATTEND_S = 1.0
AUDIT_S = 60.0
AUDITED_MS = 900_000  # the metric looks back so far
RETRY_S = 2.0
RETENTION_S = 60.0
STEP_PAUSE_S = 0.1  # between two steps of a deletion: the ledger's writer comes first


class App:
    """One console. `start`, then `stop`."""

    def __init__(
        self,
        config: CentreConfig,
        clock: Clock | None = None,
        metrics: Metrics | None = None,
        passwords: PasswordHasher | None = None,
    ) -> None:
        self.config, self.clock, self.metrics = config, clock or SystemClock(), metrics or Metrics()
        tenant, database = config.centre.tenant, Database(config.database_url)
        self.redis = Redis.from_url(redis_access.url(config, redis_access.CONSOLE), socket_connect_timeout=3, socket_timeout=10)
        self.routers = Routers(config.routers, tenant, self.metrics, config.identity(inner.CONSOLE))
        self.reader = Reader(self.redis, database, tenant, f"{os.uname().nodename}:{os.getpid()}", self.clock, self.metrics)
        self.hub = Hub(config, self.routers, self.clock, lambda: self.reader.smooth)
        self.reader.feed, self.reader.stored = self._feed, self.hub.stored
        sessions = Sessions(config, People(database, tenant), self.clock, passwords)
        books = RuleBooks(database, tenant)
        self.rules = Rules(config, books, self.routers, self.clock, self.metrics)
        newcomers = Newcomers(config, sessions, books, self.redis)
        acts = Acts(Trail(database, tenant), self.clock)
        work = (sessions, self.routers, self.hub, self.rules, newcomers, acts)
        self.ctx = Context(config, self.clock, self.metrics, database, Queries(database, tenant), *work)
        self.rules.on_take = partial(take, self.ctx)
        self.keeper = Keeper(database, tenant, config.vault, config.spool)
        self.failed = asyncio.Event()  # a task ended by an error: half a console is worse than a restart
        self._tasks: list[asyncio.Task[None]] = []
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Wait for the database, serve, read. Raises OSError if the port is taken, or a certificate cannot be read."""
        await self._database_there()
        self._runner = web.AppRunner(server.make(self.ctx), access_log=None, shutdown_timeout=5)
        await self._runner.setup()
        tls = reach.server_tls(self.config)
        await web.TCPSite(self._runner, self.config.console.address, self.config.ports.console, ssl_context=tls).start()
        work = (self.ctx.sessions.seed, self.rules.run, self.reader.run, self.hub.run)
        chores = (self._housekeeping, self._attending, self._auditing, self._retaining)
        self._tasks = [asyncio.create_task(self._told(step), name=step.__qualname__) for step in (*work, *chores)]
        log.info("console serves", extra={"address": self.config.console.address, "port": self.config.ports.console})

    def _feed(self, facts: Sequence[Fact]) -> None:
        self.hub.feed(facts)
        self.rules.feed(facts)

    async def _told(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception:
            log.critical("a task of the console failed", exc_info=True)
            self.failed.set()
            raise

    async def _database_there(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self.ctx.database.migrate)
                await self.rules.load()
                return await self._known_rules()
            except SQLAlchemyError as error:
                if not away(error):
                    raise
                log.warning("waiting for the database", extra={"why": str(error)[:200]})
                await asyncio.sleep(RETRY_S)

    async def _known_rules(self) -> None:
        """Begin with the newest version, and what the edge must know of seats it brought."""
        config = self.rules.config
        self.ctx.take(config)
        self.ctx.sessions.config = config
        self.hub.take(config)
        await self.ctx.sessions.load()
        installed = {agent.seat for agent in self.rules.installed.agent if agent.seat}
        await self.ctx.newcomers.forget(installed - {agent.seat for agent in config.agent})

    async def _housekeeping(self) -> None:
        """End sessions that ran out, log their agents out, and try again what no router took."""
        while True:
            await asyncio.sleep(EXPIRE_S)
            try:
                gone = await self.ctx.sessions.expire()
                await self.ctx.newcomers.provide()
                await self._gone(gone)
                await self.ctx.acts.retry()
            except SQLAlchemyError as error:
                log.warning("sessions wait for the database", extra={"why": type(error).__name__})
                continue
            agents = [user for user in gone if user in self.ctx.agents and self.ctx.agents[user].role == "agent"]
            for agent in {*agents, *self.ctx.leaving}:
                await leave(self.ctx, agent)

    async def _attending(self) -> None:
        """Set agents not ready whose page has been closed for long."""
        while True:
            await asyncio.sleep(ATTEND_S)
            grace_ms = self.config.console.page_closed_s * 1000
            for agent in self.ctx.presence.overdue(self.clock.mono_ms(), grace_ms) if grace_ms else ():
                try:
                    await page_closed(self.ctx, agent)
                except (RouterAway, RouterFault, Refused, UnknownAgent) as error:
                    log.warning("closed page not told", extra={"agent": agent, "why": str(error)[:200]})

    async def _gone(self, users: list[str]) -> None:
        """Whose last session ran out."""
        for user in users:
            await self.ctx.acts.add(self.ctx.acts.made("", "", "", "session_expired", user, None, None))

    async def _auditing(self) -> None:
        """Keep the metric of unexplained calls; only the console that writes the ledger looks."""
        while True:
            await asyncio.sleep(AUDIT_S)
            now, ctx = self.clock.now_ms(), self.ctx
            span, tenant = (now - AUDITED_MS, now), self.config.centre.tenant
            try:
                report = await asyncio.to_thread(audit, ctx.database, tenant, span, ctx.policy, now)
            except SQLAlchemyError as error:
                log.warning("audit waits for the database", extra={"why": type(error).__name__})
                continue
            for code in DIFFERENCES:
                self.metrics.unexplained.labels(code).set(report.by_code.get(code, 0))
            if report.unexplained:
                log.error("unexplained calls", extra={"calls": report.unexplained, "by_code": report.by_code})

    async def _retaining(self) -> None:
        """Delete daily, in small steps, what was kept long enough."""
        config, keeper = self.config, self.keeper
        zone, done = ZoneInfo(config.centre.zone), ""
        while True:
            today = due(config.retention, zone, self.clock.now_ms())
            for one in today if today and today[0].day != done else ():
                try:
                    await self._delete(keeper, one)
                except (SQLAlchemyError, OSError) as error:  # the next day does the rest
                    log.error("deletion broke off", extra={"kind": one.kind, "why": f"{type(error).__name__}: {error}"[:300]})
            done = today[0].day if today else done
            await asyncio.sleep(RETENTION_S)

    async def _delete(self, keeper: Keeper, one: Due) -> None:
        """One kind of a day, unless another console does it. Raises SQLAlchemyError, OSError."""
        if not await asyncio.to_thread(keeper.claim, one, self.clock.now_ms()):
            return
        more = 1
        while more:
            more = await asyncio.to_thread(keeper.step, one)
            await asyncio.sleep(STEP_PAUSE_S)
        count = await asyncio.to_thread(keeper.deleted, one)
        self.metrics.deleted.labels(one.kind).inc(count)
        log.info("kept long enough", extra={"kind": one.kind, "deleted": count, "before_ms": one.before_ms})

    async def stop(self) -> None:
        """Serve no more, give the lease up, close everything."""
        if self._runner is not None:
            await self._runner.cleanup()
        self.reader.stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.reader.close()
        await self.routers.close()
        await self.redis.aclose()
        self.ctx.sessions.shutdown()
        self.ctx.database.close()


async def serve(config: CentreConfig, stop: asyncio.Event) -> None:
    """Run until `stop`. Raises SystemExit(70) when a task of it failed; the trace is in the log."""
    app = App(config)
    await app.start()
    ends = [asyncio.create_task(event.wait()) for event in (stop, app.failed)]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for end in ends:
        end.cancel()
    await app.stop()
    if app.failed.is_set():
        raise SystemExit(70)

"""Wires the router: the only place that knows all of its parts."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import grpc
from tierline.federation.v1 import federation_pb2_grpc

from ops import config as configuration
from ops import inner, lifecycle, metrics, redis_access
from ops import log as logs
from ops.centre import CentreConfig
from ops.clock import Clock, SystemClock
from ops.ports import LOOPBACK
from router import gauges
from router.alarm import Alarm
from router.core.errors import StoreAway
from router.dispatch import Dispatch
from router.federation import tls
from router.federation.clerk import Clerk
from router.federation.parts import Abroad, enabled, holder_of, ours_of, service_of, terms_of
from router.federation.server import FederationService, NationRole
from router.keeper import Keeper
from router.metrics import TIMEOUTS
from router.phones import Missing, missing_phones
from router.rpc.listen import ANY, OPTIONS, Gate, credentials, listen
from router.rpc.listen import serve as serve_role
from router.rpc.session import Desk
from router.rules import destinations_of, times_of
from router.store.base import Store
from router.store.redis import Place as StorePlace
from router.store.redis import RedisStore

log = logging.getLogger(__name__)
RULES_S = 2.0  # so often routers look for other rules without having been told
RETRY_S = 0.1  # while the store is away
SERVE_AT_ONCE = 100  # timers a script run: keeps each run short
GRACE_S = 2.0  # for unary calls under way when asked to stop


@dataclass(slots=True)
class Router:
    """A running router; `port` is the one it listens on, 0 with Unix sockets alone."""

    config: CentreConfig
    keeper: Keeper
    store: Store
    dispatch: Dispatch
    desk: Desk
    servers: list[grpc.aio.Server]
    port: int
    tasks: list[asyncio.Task[None]]
    abroad: Centres | None = None  # where this centre speaks with others

    async def close(self) -> None:
        """End streams cleanly (nodes and centres go to another router), then the rest."""
        self.desk.stop.set()
        await asyncio.gather(*(server.stop(GRACE_S) for server in self.servers))
        if self.abroad is not None:
            await self.abroad.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.store.close()


def redis_store(config: CentreConfig, name: str, clock: Clock) -> RedisStore:
    """The store that the configuration names."""
    url = redis_access.url(config, redis_access.ROUTER)
    return RedisStore(StorePlace(url, config.centre.tenant, name, times_of(config)), clock)


@dataclass(slots=True)
class Centres:
    """What a router has for other centres."""

    service: FederationService
    server: grpc.aio.Server
    tasks: list[asyncio.Task[None]]

    async def close(self) -> None:
        """Streams of others end cleanly; ours are closed with the tasks."""
        self.service.stop.set()
        await self.server.stop(GRACE_S)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def join(keeper: Keeper, desk: Desk, dispatch: Dispatch, address: str) -> Centres:
    """Speak with other centres; listen on `address`. Raises OSError for a taken port or a certificate that cannot be read."""
    config, clock = keeper.config, desk.clock
    clerk = Clerk(desk.store, dispatch.send, clock, ours_of(config, clock.now_ms()), lambda: terms_of(keeper.config))
    holder, service = holder_of(config, dispatch.holder, clerk), service_of(config, clerk, clock)
    dispatch.abroad = Abroad(holder, desk.store.publish)
    server = grpc.aio.server(options=tls.OPTIONS)
    federation_pb2_grpc.add_FederationServicer_to_server(service, server)
    listen(server, address, tls.identity(config).server())
    tasks = [asyncio.create_task(holder.run(), name="links")]
    if isinstance(service.role, NationRole):
        tasks.append(asyncio.create_task(service.role.run(), name="nation"))
    else:
        holder.role = service.role
    await server.start()
    return Centres(service, server, tasks)


@dataclass(frozen=True, slots=True)
class Place:
    """An address (host:port, port 0 takes a free one, or unix:PATH) and the role that asks there; listen.ANY: all of them."""

    address: str
    role: str = ANY
    identity: inner.Identity | None = None  # with TLS: each method only for the role's certificate


def places(config: CentreConfig, index: int) -> tuple[Place, ...]:
    """Where the n-th router of a centre listens."""
    router, identity = config.routers[index], config.identity(inner.ROUTER)
    if router.startswith(inner.UNIX):
        return tuple(Place(inner.target(router, role), role) for role in inner.ROLES)
    return (Place(router, ANY, identity),)


async def start(
    config: CentreConfig,
    store: Store,
    clock: Clock,
    name: str,
    where: Sequence[Place],
    federation: str = "",
    missing: Missing | None = None,
) -> Router:
    """A router that listens at these places, for other centres on `federation` ("": it knows none).

    `missing`: whether a seat has no phone; None: agents may be ready without one.
    Raises OSError if a place is taken or a certificate cannot be read."""
    holder = f"{name}-{clock.now_ms():x}-{os.getpid()}"
    dispatch = Dispatch(holder, store.publish)
    keeper = Keeper(config)
    nodes = config.media_uris
    terms = (nodes, config.centre.country, keeper.closed, missing, destinations_of(config))
    desk = Desk(store, dispatch, clock, config.centre.tenant, name, asyncio.Event(), *terms)
    await store.start(keeper.rules, dispatch.send, dispatch.drop_all, keeper.newer)
    alarm, changed = Alarm(clock, times_of(config).look_ms), asyncio.Event()
    await store.subscribe(holder, dispatch.receive, lambda due_ms: look(alarm, changed, due_ms))
    opened = [await _open(place, desk, keeper) for place in where]
    tasks = [
        asyncio.create_task(_again(lambda: watch_timers(store, dispatch, clock, alarm)), name="timers"),
        asyncio.create_task(_again(lambda: follow(store, changed)), name="rules"),
    ]
    abroad = await join(keeper, desk, dispatch, federation) if federation else None
    servers, port = [server for server, _ in opened], max((port for _, port in opened), default=0)
    return Router(config, keeper, store, dispatch, desk, servers, port, tasks, abroad)


async def _open(place: Place, desk: Desk, keeper: Keeper) -> tuple[grpc.aio.Server, int]:
    server = grpc.aio.server(options=OPTIONS, interceptors=[Gate()] if place.identity else None)
    serve_role(server, place.role, desk, keeper)
    port = listen(server, place.address, credentials(place.identity) if place.identity else None)
    await server.start()
    return server, port


def look(alarm: Alarm, changed: asyncio.Event, due_ms: int) -> None:
    """A word of the store: there is a timer that is due soon; 0: there may be other rules too."""
    alarm.soon(due_ms)
    if not due_ms:
        changed.set()


async def watch_timers(store: Store, dispatch: Dispatch, clock: Clock, alarm: Alarm) -> None:
    """Serve the timers, then wait until there may be one again."""
    alarm.began()
    await alarm.over(await serve_timers(store, dispatch, clock))


async def serve_timers(store: Store, dispatch: Dispatch, clock: Clock) -> int:
    """All timers that are due. When the next one is (UTC ms); 0: there is none."""
    more = True
    while more:
        expired = await store.expire(SERVE_AT_ONCE, clock.now_ms())
        dispatch.send(expired.effects)
        for kind, count in (("offer", expired.offers), ("after_call", expired.after_calls), ("node", expired.nodes)):
            TIMEOUTS.labels(kind).inc(count)
        more = expired.more
    return expired.next_ms


async def follow(store: Store, changed: asyncio.Event) -> None:
    """Take over the version of the rules that another router has brought into force, and wait for the next."""
    changed.clear()
    await store.in_force()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(RULES_S):
            await changed.wait()


async def _again(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except StoreAway:  # told by the store itself
            await asyncio.sleep(RETRY_S)


async def serve(config: CentreConfig, index: int, stop: asyncio.Event) -> None:
    """One instance, until `stop`."""
    clock = SystemClock()
    name = f"r{index + 1}"
    federation = f"{config.federation.address}:{config.ports.federation + index}" if enabled(config) else ""
    store = redis_store(config, name, clock)
    missing = missing_phones(store.look, config.edge.realm) if config.router.ready_needs_phone else None
    router = await start(config, store, clock, name, places(config, index), federation, missing)
    runner = await metrics.serve(LOOPBACK, config.ports.router_metrics + index, before=lambda: gauges.update(store, clock))
    log.info("router serves", extra={"places": [place.address for place in places(config, index)]})
    await stop.wait()
    await router.close()
    await runner.cleanup()


def main(argv: Sequence[str] | None = None) -> None:
    """python -m router --config FILE --index N."""
    parser = argparse.ArgumentParser(prog="python -m router", description="A router of a Tierline centre.")
    parser.add_argument("--config", required=True, help="configuration of the centre: TOML or STATE/centre.json")
    parser.add_argument("--index", type=int, default=0, help="which instance, from 0")
    asked = parser.parse_args(argv)
    logs.setup(f"router{asked.index + 1}")
    config = configuration.load(asked.config)
    lifecycle.run(lambda stop: serve(config, asked.index, stop))

"""Wires a media node: the only place that knows all of its parts.

edge --SIP--> Endpoint --events--> Engine --commands--> Endpoint, rtpengine, Session --gRPC--> router
                                                    '--> Outbox --> Redis      '--> Vault
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from media.call.closing import NO_RECORDING, RECORDING
from media.call.engine import Engine, Parts
from media.call.meters import Meters
from media.call.ports import House
from media.call.published import Shelf
from media.call.watch import Pace, Watcher
from media.config import MediaConfig, NoSuchNode, media_config
from media.drain import drain
from media.ivr.flow import FlowError
from media.ivr.prompts import NotPublished
from media.net.endpoint import Endpoint
from media.record.api import Filed, NotFiled
from media.record.vault import RecordingVault, vault_of
from media.rpc.outbox import Outbox
from media.rpc.pipe import Pipe
from media.rpc.rules import Rules
from media.rpc.session import Myself, Session
from media.rtp import hold as rtpengine
from media.rtp.api import RtpError
from media.rtp.client import RtpEngine
from media.rtp.statistics import Statistics
from ops import inner, lifecycle, metrics, redis_access
from ops import log as logs
from ops.centre import CentreConfig
from ops.clock import Clock, SystemClock
from ops.config import ConfigError, load
from ops.facts import Fact
from ops.node_secret import node_secret
from ops.numbering import Destinations
from ops.ports import LOOPBACK

log = logging.getLogger(__name__)
LEFTOVERS_S = 5.0  # calls are not held up longer by old recordings
HOUSEKEEPING_S = 60.0
SILENT_S = 60  # nobody has sent audio on a call for so long: a stray may be deleted
OLD_S = 120  # what was recorded so long ago is no job of this run that is still to be filed
OWED_S = 2.0  # for the router to take the last frames


@dataclass(frozen=True, slots=True)
class Node:
    """A running node."""

    config: MediaConfig
    endpoint: Endpoint
    engine: Engine
    session: Session
    outbox: Outbox
    vault: RecordingVault
    watcher: Watcher
    clock: Clock
    statistics: Statistics


@contextlib.asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """A task for as long as the context lasts; if it fails before, that is told."""
    task = asyncio.create_task(work)
    task.add_done_callback(_told)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _told(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.critical("a part of the node has stopped", exc_info=task.exception())


@contextlib.asynccontextmanager
async def _outbox(config: MediaConfig) -> AsyncIterator[Outbox]:
    outbox = Outbox(
        Pipe(redis_access.url(config.centre, redis_access.MEDIA)), config.centre.centre.tenant, config.uri, config.unsent
    )
    if kept := outbox.load():
        log.info("facts of an earlier run are sent", extra={"facts": kept})
    async with _running(outbox.run()):
        yield outbox
    await outbox.finish()


@contextlib.asynccontextmanager
async def _rules(config: MediaConfig) -> AsyncIterator[Rules]:
    rules = Rules(Pipe(redis_access.url(config.centre, redis_access.MEDIA)), config.centre.centre.tenant, dict(config.queues))
    await rules.look()
    async with _running(rules.run()):
        yield rules


def _dialling(centre: CentreConfig) -> tuple[Destinations, frozenset[str]]:
    """Whom callbacks may call: numbers, and trunks that name callers in From."""
    numbers = Destinations(centre.centre.country, centre.router.callback_countries, centre.centre.numbers)
    return numbers, frozenset(trunk.name for trunk in centre.trunk if trunk.trust_from)


@contextlib.asynccontextmanager
async def node(config: MediaConfig, clock: Clock, meters: Meters) -> AsyncIterator[Node]:
    """A node in service. Raises OSError for a taken port, NotPublished and FlowError without a usable menu."""
    centre = config.centre
    myself = Myself(centre.centre.tenant, config.node, config.uri, clock.now_ms())
    where = (centre.centre.tenant, config.node, centre.edge.realm, config.edge, config.spool)
    async with contextlib.AsyncExitStack() as stack:
        rules = await stack.enter_async_context(_rules(config))
        shelf = Shelf(centre.prompts, rules.known, clock)
        house = House(*where, shelf.greet, centre.media.record, rules.queues, *_dialling(centre))
        outbox = await stack.enter_async_context(_outbox(config))
        vault = vault_of(centre)
        stack.push_async_callback(vault.close)
        audio = await stack.enter_async_context(rtpengine.connect(centre, config.index))
        settings = replace(config.settings, secret=node_secret(config.centre.state))
        endpoint = Endpoint(settings, clock, only=(centre.edge.address, centre.ports.sip))
        stack.push_async_callback(endpoint.close)
        session = Session(centre.routers, myself, clock, centre.identity(inner.MEDIA))
        engine = Engine(house, Parts(endpoint, audio, vault, session, outbox, clock, meters), centre.media.max_calls)
        session.calls = engine
        _watch(meters, engine, session, outbox)
        watcher = Watcher(Pace(centre.media.silence_s * 1000), engine.legs_up, audio, endpoint, clock)
        made = Node(config, endpoint, engine, session, outbox, vault, watcher, clock, Statistics(audio.ask))
        # The vault cannot tell the first calls of this run from what an earlier one left: first that, but not for long.
        await asyncio.wait({await stack.enter_async_context(_running(_leftovers(made)))}, timeout=LEFTOVERS_S)
        await endpoint.start()
        for work in (session.run(), _housekeeping(made, audio), watcher.run()):
            await stack.enter_async_context(_running(work))
        yield made


def _watch(meters: Meters, engine: Engine, session: Session, outbox: Outbox) -> None:
    gauges = {
        "outbox_facts": lambda: float(len(outbox)),
        "router_owed_frames": lambda: float(session.owed),
        "router_up": lambda: float(session.up),
        "redis_up": lambda: float(not outbox.away),
    }
    meters.watch(engine.states, gauges)


async def _leftovers(made: Node, age_s: int = 0) -> None:
    """Recordings that an earlier run of the node did not file: file them, and tell the ledger."""
    for got in await made.vault.leftovers(made.config.spool, age_s):
        made.outbox.write(_recording_fact(made, got))


async def _housekeeping(made: Node, audio: RtpEngine) -> None:
    """Again and again: free what a dead run left in rtpengine, file what it recorded or what a full disk kept from being filed."""
    while True:
        await asyncio.sleep(HOUSEKEEPING_S)
        try:
            for call in await audio.sweep(made.clock.now_ms(), SILENT_S * 1000):
                log.warning("a call that a dead run of this node left has been silent and is deleted", extra={"call": call})
        except RtpError as error:
            log.warning("strays could not be looked for", extra={"why": str(error)})
        await _leftovers(made, OLD_S)


def _recording_fact(made: Node, got: Filed | NotFiled) -> Fact:
    if isinstance(got, Filed):
        started = int(Path(got.path).stem.rpartition("-")[2])
        kind, name, body = "recorded", RECORDING, {"path": got.path, "sha256": got.sha256, "duration_ms": got.duration_ms}
        body |= {"bytes": got.bytes, "started_ms": started} | ({"detail": got.note} if got.note else {})
    else:
        kind, name, body = "recording_failed", NO_RECORDING, {"reason": got.reason, "detail": got.detail}
    tenant, source = made.config.centre.centre.tenant, f"media:{made.config.node}"
    return Fact(f"{got.call}:m:{name}", made.clock.now_ms(), tenant, source, kind, body, got.call)


async def serve(config: MediaConfig, stop: asyncio.Event) -> None:
    """In service until `stop` is set, then drain."""
    clock, meters = SystemClock(), Meters()
    port = config.centre.ports.media_metrics + config.index
    async with node(config, clock, meters) as made:
        meters.registry.register(made.statistics)
        runner = await metrics.serve(LOOPBACK, port, meters.registry, made.statistics.refresh)
        log.info("in service", extra={"node": config.node, "uri": config.uri})
        try:
            await stop.wait()
            await drain(made.engine, lambda: _refuse(made), made.session.beat, config.centre.media.drain_s)
            await _owed(made.session)
        finally:
            await runner.cleanup()


def _refuse(made: Node) -> None:
    made.endpoint.available = False
    made.watcher.hurry()


async def _owed(session: Session) -> None:
    """Give the router a moment to take what it has to know."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(OWED_S):
            await session.paid()


def main(words: Sequence[str] | None = None) -> int:
    """`python -m media --config F --index N`."""
    parser = argparse.ArgumentParser(prog="media", description="One media node of a centre.")
    parser.add_argument("--config", required=True, type=Path, help="configuration of the centre (TOML or resolved JSON)")
    parser.add_argument("--index", default=0, type=int, help="which node, from 0")
    args = parser.parse_args(words)
    logs.setup(f"media{args.index + 1}")
    try:
        config = media_config(load(args.config), args.index)
        lifecycle.run(lambda stop: serve(config, stop))
    except (ConfigError, NoSuchNode, NotPublished, FlowError) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        log.critical("cannot start", extra={"why": str(error)})
        return 1
    return 0

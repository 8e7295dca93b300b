"""Routers in virtual time: the real sessions (router/rpc/session.py) and the real dispatch over streams of bytes; they stall, die,
and hand letters on.

gRPC alone is missing: `Pipe` stands for its context. The loop's time is the virtual one, and it runs until nothing is under way.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable
from typing import Any, Protocol, cast

import grpc
from tierline.routing.v1 import routing_pb2 as pb

from ops.clock import ManualClock
from router.core.errors import RouterError
from router.core.events import Effect
from router.dispatch import Abroad, Dispatch
from router.rpc.session import Desk, Session
from router.store.base import Store
from tests.contract.stores import World
from tests.properties.net import Net, Stream
from tests.router.kit import NODES

TICK_MS = 200
LEASE_MS = 3_000  # of the links to other centres
HALF_OPEN_MS = 300  # so long a router may still read a stream that its node has given up
IDLE_TURNS = 8  # turns of the loop without work of the store: all that followed from the last of it is done
Run = Callable[[Callable[[], Any]], Any]  # has one verb of the store done


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its timers go by the clock of the story."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self._virtual = clock

    def time(self) -> float:
        """Seconds of the story."""
        return self._virtual.mono_ms() / 1000


class Counted:
    """A store that knows how much work is under way."""

    def __init__(self, world: World) -> None:
        self._world, self.under_way = world, 0

    def __getattr__(self, verb: str) -> Any:
        def asked(*words: Any) -> Any:
            work = getattr(self._world.store, verb)(*words)
            if not inspect.isawaitable(work):
                return work
            self.under_way += 1
            future = asyncio.ensure_future(work)
            future.add_done_callback(self._done)
            return future

        return asked

    def _done(self, _: object) -> None:
        self.under_way -= 1

    async def quiet(self) -> None:
        """Until nothing is under way and nothing follows."""
        idle = 0
        while idle < IDLE_TURNS:
            await asyncio.sleep(0)
            idle = 0 if self.under_way else idle + 1


class Pipe:
    """What grpc gives a session of one stream."""

    def __init__(self, router: Router, stream: Stream) -> None:
        self.router, self.stream = router, stream
        self.over_at: int | None = None  # the node has given it up; nothing more is read then
        self._came: asyncio.Queue[Any] = asyncio.Queue()

    def feed(self, data: bytes) -> None:
        """From the node."""
        self._came.put_nowait(pb.ToRouter.FromString(data))

    async def read(self) -> Any:
        """The next message."""
        return await self._came.get()

    async def write(self, message: pb.ToMedia) -> None:
        """To the node, unless the router is about to die."""
        if not self.router.mute:
            self.stream.answer(message.SerializeToString())

    async def run(self) -> None:
        """Until one of both ends it; an error closes the stream (router/rpc/errors.py)."""
        try:
            await Session(self.router.desk).run(cast("grpc.aio.ServicerContext[Any, Any]", self))
        except RouterError:
            self.over_at = self.router.net.now
        finally:
            self.router.pipes.pop(self.stream.number, None)
            self.stream.cut()


class Links(Protocol):
    """What routers tell other centres."""

    def send(self, effect: Any) -> None:
        """By the router that holds the links."""


class Router:
    """One process."""

    def __init__(self, net: Net, world: World, run: Run, name: str, links: Links) -> None:
        self.net, self.world, self.run, self.name = net, world, run, name
        self.address, self.links = (name, 2), links
        self.store = Counted(world)
        self.others: dict[str, Router] = {}  # by holder
        self.alive, self.mute, self.stalled_until = True, False, 0
        self.pipes: dict[int, Pipe] = {}  # by number of the stream
        self._kept: list[Callable[[], None]] = []  # came while it was stalled
        self._born()
        net.join(self.address, self)

    def _born(self) -> None:
        self.holder = f"{self.name}-{self.net.now}"
        self.dispatch = Dispatch(self.holder, self._publish)
        self.dispatch.abroad = cast(Abroad, self)
        store = cast(Store, self.store)
        self.desk = Desk(store, self.dispatch, self.world.clock, "main", self.name, asyncio.Event(), NODES)
        self._tick = self.net.now + TICK_MS
        self._tasks: list[asyncio.Task[None]] = []

    # ---- faults --------------------------------------------------------------------------------------------------------
    @property
    def serves(self) -> bool:
        """It is there and not stopped."""
        return self.alive and self.net.now >= self.stalled_until

    def dies(self) -> None:
        """kill -9."""
        self.alive, self.mute = False, True
        self._kept.clear()
        for pipe in list(self.pipes.values()):
            pipe.stream.cut()
        for task in self._tasks:
            task.cancel()
        self.pump()

    def comes_back(self) -> None:
        """The process is started again."""
        if not self.alive:
            self.alive, self.mute = True, False
            self._born()

    def stalls(self, ms: int) -> None:
        """SIGSTOP for so long."""
        self.stalled_until = self.net.now + ms

    def drop_all(self) -> None:
        """The store was away."""
        self.dispatch.drop_all()
        self.pump()

    # ---- streams -------------------------------------------------------------------------------------------------------
    def pump(self) -> None:
        """Whatever can be done now is done."""
        self.run(self.store.quiet)

    def message(self, stream: Stream, data: bytes) -> None:
        """From a node, in order."""
        self._come(lambda: self._read(stream, data))

    def _come(self, what: Callable[[], None]) -> None:
        if self.alive:
            self._kept.append(what)
            self._wake()

    def _wake(self) -> None:
        """All that came, in its order, unless the process is stopped."""
        while self._kept and self.serves:
            self._kept.pop(0)()
            self.pump()

    def _read(self, stream: Stream, data: bytes) -> None:
        pipe = self.pipes.get(stream.number)
        if pipe is None and stream.open:
            pipe = self.pipes[stream.number] = Pipe(self, stream)
            self._begin(pipe)
        if pipe is not None:
            pipe.feed(data)

    def _begin(self, pipe: Pipe) -> None:
        async def begun() -> None:
            self._tasks.append(asyncio.ensure_future(pipe.run()))

        self.run(begun)

    def broken(self, stream: Stream) -> None:
        """A stream is over; frames of it that are still on their way may be read for a while, as from a socket."""
        pipe = self.pipes.get(stream.number)
        if pipe is not None and pipe.over_at is None:
            pipe.over_at = self.net.now + HALF_OPEN_MS

    def _close(self) -> None:
        over = [p for p in self.pipes.values() if p.over_at is not None and p.over_at <= self.net.now]
        for pipe in over:
            pipe._came.put_nowait(grpc.aio.EOF)

    # ---- what the store says ---------------------------------------------------------------------------------------------
    def deliver(self, effects: Iterable[Effect]) -> None:
        """What somebody else than a node brought about."""
        self.dispatch.send(effects)
        self.pump()

    def send(self, effect: Any) -> None:
        """Abroad of router/dispatch.py: the links are the story's, whichever router holds them."""
        if not self.mute:
            self.links.send(effect)

    def _publish(self, holder: str, payload: bytes) -> None:
        if holder in self.others and not self.mute:
            self.net.link.send(self.address, self.others[holder].address, holder.encode() + b"\n" + payload, "letter")

    # ---- Node of tests/kit/link.py ---------------------------------------------------------------------------------------
    def receive(self, now: int, data: bytes, source: tuple[str, int], transport: str) -> None:
        """A datagram of a stream, or a letter."""
        if transport != "letter":
            self.net.arrived(self.address, data, transport)
            return
        holder, _, payload = data.partition(b"\n")
        if holder.decode() == self.holder:
            self._come(lambda: self.dispatch.receive(payload))

    def tick(self, now: int) -> None:
        """Serve the timers; first what came while it was stopped."""
        self._tick = now + TICK_MS
        if not self.serves:
            return
        self._wake()
        self._close()
        self.run(lambda: self.world.store.hold_links(self.holder, LEASE_MS, now))
        more = True
        while more:
            expired = self.run(lambda: self.world.store.expire(100, now))
            self.deliver(expired.effects)
            more = expired.more

    def deadline(self) -> int | None:
        """The next tick."""
        return self._tick if self.alive else None

"""The stream of one media node.

Frames go to the store as they come, many under way at once; the store keeps their order. An ack names the highest frame before
which everything is stored. What the store answers goes out with what else leaves in the same turn of the loop. An ack alone waits a
moment for company: nobody acts on it, and a message costs the router, and the node, a tenth of a millisecond or two.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import grpc
from tierline.common.v1 import common_pb2
from tierline.routing.v1 import routing_pb2 as pb

from ops.clock import Clock
from ops.numbering import Destinations
from router import frames
from router.core.commands import From
from router.core.errors import BadInput, NumberNotAllowed, RouterError, StoreAway
from router.core.events import Effect, ToNode, TurnedAway
from router.core.route import listed_as
from router.metrics import REFUSED
from router.phones import Missing
from router.rpc import validate
from router.rpc.errors import Context
from router.store.base import Store

log = logging.getLogger(__name__)
WINDOW = 4096  # frames under way at the most: beyond, the node is read no further
ACK_S = 0.1  # so long an ack waits for company at the most
_WHY = {
    "QUEUE": common_pb2.REASON_UNKNOWN_QUEUE,
    "OFFER": common_pb2.REASON_EXPIRED,
    "NUMBER": common_pb2.REASON_NUMBER_NOT_ALLOWED,
    "CALLBACKS": common_pb2.REASON_TOO_MANY_CALLBACKS,
}


class Post(Protocol):
    """What a session needs of router/dispatch.py."""

    holder: str

    def attach(self, node: str, stream: Session) -> None:
        """The node's frames go to this stream."""

    def detach(self, node: str, stream: Session) -> None:
        """Not any more."""

    def send(self, effects: Sequence[Effect], asker: Session | None = None) -> None:
        """Deliver frames; `asker` is the stream whose message brought them."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What all sessions of a router share."""

    store: Store
    post: Post
    clock: Clock
    tenant: str
    router: str
    stop: asyncio.Event
    nodes: Mapping[str, str]  # SIP URI of each configured media node
    country: str = "CN"
    closed: Callable[[str, str, str, int], tuple[str, str]] = lambda *_: ("", "")  # Keeper.closed
    missing: Missing | None = None  # whether a seat has no phone; None: not to be asked
    destinations: Destinations = field(default_factory=Destinations)  # numbers that callbacks may dial


@dataclass(slots=True)
class _Waiting:
    seq: int
    done: bool = False


class Session:
    """`run(context)` once. Other threads of work call push() and drop()."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.by = From("", 0)
        self._out: list[pb.RouterFrame] = []
        self._waiting: deque[_Waiting] = deque()
        self._ack = self._acked = 0
        self._wake = asyncio.Event()
        self._later: asyncio.TimerHandle | None = None
        self._room = asyncio.Event()
        self._fault: RouterError | None = None
        self._over = False

    # ---- Stream of router/dispatch.py
    def push(self, frame: pb.RouterFrame) -> None:
        """To the node."""
        self._out.append(frame)
        self._wake.set()

    def drop(self, why: str) -> None:
        """End with UNAVAILABLE; the node opens another one."""
        self._fail(StoreAway(why))

    def _fail(self, fault: RouterError) -> None:
        self._fault = self._fault or fault
        self._wake.set()
        self._room.set()

    async def run(self, context: Context) -> None:
        """Until the node or the router ends it. Raises RouterError when the stream must be closed with a code."""
        reader = asyncio.create_task(self._read(context))
        stop = asyncio.create_task(self.desk.stop.wait())
        stop.add_done_callback(lambda _: self._finish())
        try:
            await self._write(context)
        finally:
            reader.cancel()
            stop.cancel()
            self.desk.post.detach(self.by.node, self)
            await asyncio.gather(reader, stop, return_exceptions=True)
        if self._fault is not None:
            raise self._fault

    def _finish(self) -> None:
        self._over = True
        self._wake.set()

    async def _write(self, context: Context) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._out or self._ack != self._acked:
                batch, self._out = self._out, []
                self._acked = self._ack
                if self._later is not None:
                    self._later.cancel()
                    self._later = None
                await context.write(pb.ToMedia(frames=batch, ack=self._acked))
            if self._fault is not None or (self._over and not self._out):
                return

    async def _read(self, context: Context) -> None:
        try:
            await self._greet(await context.read())
            while (batch := await context.read()) is not grpc.aio.EOF:
                await self._take(batch.frames)
        except RouterError as error:
            self._fail(error)
        except (grpc.RpcError, grpc.aio.UsageError, asyncio.InvalidStateError) as error:
            log.info("stream broke", extra={"node": self.by.node, "why": repr(error)})
        self._finish()

    async def _greet(self, batch: Any) -> None:
        first = batch.frames[0] if batch is not grpc.aio.EOF and batch.frames else None
        if first is None or first.WhichOneof("body") != "hello":
            raise BadInput("hello", "must be the first frame")
        desk = self.desk
        hello = validate.hello(first.hello, desk.post.holder, desk.tenant, desk.nodes)
        session, effects = await desk.store.hello(hello, desk.clock.now_ms())
        self.by = From(hello.node, session)
        desk.post.attach(hello.node, self)
        self.push(pb.RouterFrame(welcome=pb.Welcome(router=desk.router, now_ms=desk.clock.now_ms())))
        self._ack = first.seq
        desk.post.send(effects, self)
        log.info("session", extra={"node": hello.node, "session": session, "calls": hello.calls})
        await self._take(batch.frames[1:])

    async def _take(self, batch: Any) -> None:
        for frame in batch:
            self._one(frame)
        while len(self._waiting) > WINDOW:
            self._room.clear()
            await self._room.wait()
        if self._fault is not None:
            raise self._fault

    def _one(self, frame: pb.MediaFrame) -> None:
        waiting = _Waiting(frame.seq)
        self._waiting.append(waiting)
        try:
            work = self._ask(frame)
        except RouterError as error:
            self._refused(frame, error)
            self._done(waiting)
            return
        asyncio.ensure_future(work).add_done_callback(lambda done: self._answered(frame, waiting, done))

    def _ask(self, frame: pb.MediaFrame) -> Awaitable[list[Effect]]:
        kind = frame.WhichOneof("body")
        ask = _ASK.get(kind or "")
        if ask is None:
            raise BadInput("body", f"a session does not take {kind}" if kind else "unknown or missing")
        return ask(self, frame, self.desk.clock.now_ms())

    def _answered(self, frame: pb.MediaFrame, waiting: _Waiting, done: asyncio.Future[list[Effect]]) -> None:
        error = None if done.cancelled() else done.exception()
        if isinstance(error, StoreAway) or done.cancelled():
            self._fail(error if isinstance(error, StoreAway) else StoreAway("closing"))
            return
        if isinstance(error, RouterError):
            self._refused(frame, error)
        elif error is not None:
            log.error("frame failed", exc_info=error)
            self._fail(StoreAway("internal error"))
            return
        else:
            self._effects(done.result())
        self._done(waiting)

    def _effects(self, effects: list[Effect]) -> None:
        if effects:
            self.desk.post.send(effects, self)

    def _done(self, waiting: _Waiting) -> None:
        waiting.done = True
        while self._waiting and self._waiting[0].done:
            self._ack = self._waiting.popleft().seq
        if self._later is None and self._ack != self._acked:
            self._later = asyncio.get_running_loop().call_later(ACK_S, self._wake.set)
        self._room.set()

    def _refused(self, frame: pb.MediaFrame, error: RouterError) -> None:
        REFUSED.labels(error.code).inc()
        body = getattr(frame, frame.WhichOneof("body") or "heartbeat")
        call = body.enqueue.call if isinstance(body, pb.Assert | pb.Callback) else getattr(body, "call", "")
        reason = _WHY.get(error.code, common_pb2.REASON_BAD_MESSAGE)
        self.push(pb.RouterFrame(refused=pb.Refused(call=call, seq=frame.seq, reason=reason, detail=str(error))))


Ask = Callable[[Session, pb.MediaFrame, int], Awaitable[list[Effect]]]


def _enqueue(s: Session, f: pb.MediaFrame, now: int) -> Awaitable[list[Effect]]:
    what = frames.enqueue(validate.enqueue(f.enqueue))
    profile = f.enqueue.profile
    reason, text = s.desk.closed(what.queue, profile.called, profile.home.city, now)
    if not reason:
        return s.desk.store.enqueue(s.by, what, now)
    return _told(s.desk.store.enqueue(s.by, replace(what, closed=reason), now), text)


async def _told(work: Awaitable[list[Effect]], text: str) -> list[Effect]:
    """What a caller who is turned away may be told of an emergency closing."""
    return [
        replace(e, frame=replace(e.frame, closed=text)) if isinstance(e, ToNode) and isinstance(e.frame, TurnedAway) else e
        for e in await work
    ]


def _assert(s: Session, f: pb.MediaFrame, now: int) -> Awaitable[list[Effect]]:
    # "assert" is a word of Python's own, so the generated field is reached by name
    return s.desk.store.assert_(s.by, frames.assertion(validate.assertion(getattr(f, "assert"))), now)


def _settle(s: Session, f: pb.MediaFrame, now: int) -> Awaitable[list[Effect]]:
    w = validate.settle(f.settle)
    if w.WhichOneof("how") == "dialling_ms":
        return s.desk.store.dialling(s.by, w.call, w.version, w.offer, w.dialling_ms, w.trunk, now)
    if w.WhichOneof("how") == "answered_ms":
        return s.desk.store.settle_answered(s.by, w.call, w.version, w.offer, w.answered_ms, now)
    return s.desk.store.settle_failed(s.by, w.call, w.version, w.offer, frames.reason_name(w.failed), now)


def _callback(s: Session, f: pb.MediaFrame, now: int) -> Awaitable[list[Effect]]:
    asked = validate.callback(f.callback)
    if why := s.desk.destinations.refusal(asked.number):
        raise NumberNotAllowed(why)
    what = frames.enqueue(asked.enqueue)
    trunk = asked.enqueue.profile.trunk or "any"
    return s.desk.store.callback(s.by, what, asked.number, listed_as(asked.number, s.desk.country), trunk, now)


def _cancel(s: Session, f: pb.MediaFrame, now: int) -> Awaitable[list[Effect]]:
    validate.over(f.cancel)
    return s.desk.store.cancel(s.by, f.cancel.call, f.cancel.version, frames.reason_name(f.cancel.reason), now)


def _end(s: Session, f: pb.MediaFrame, now: int) -> Awaitable[list[Effect]]:
    validate.over(f.end)
    return s.desk.store.end(s.by, frames.end(f.end, now), now)


def _heartbeat(s: Session, f: pb.MediaFrame, now: int) -> Awaitable[list[Effect]]:
    return s.desk.store.heartbeat(s.by, f.heartbeat.draining, f.heartbeat.calls, now)


_ASK: dict[str, Ask] = {
    "enqueue": _enqueue,
    "assert": _assert,
    "settle": _settle,
    "callback": _callback,
    "cancel": _cancel,
    "end": _end,
    "heartbeat": _heartbeat,
}

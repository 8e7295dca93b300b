"""Routers in virtual time: frames as bytes in and out, verbs of the real store, timers; they stall, die, and hand letters on.

The store is the real one (memory or Redis); what router/rpc/session.py does with a frame is done here without asyncio, by the same
functions of router/frames.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tierline.routing.v1 import routing_pb2 as pb

from router import frames
from router.core.commands import From, Hello
from router.core.errors import RouterError
from router.core.events import ASKER, Effect, ToNode
from tests.contract.stores import World
from tests.properties.net import Net, Stream

TICK_MS = 200
NOBODY = From("", 0)
Run = Callable[[Callable[[], Any]], Any]  # has one verb of the store done


@dataclass
class Session:
    """A stream that has said hello, or not yet."""

    stream: Stream
    by: From = NOBODY


class Router:
    """One process. `letter(holder, node, frame)` hands a frame to another router of the centre."""

    def __init__(self, net: Net, world: World, run: Run, name: str) -> None:
        self.net, self.world, self.run, self.name = net, world, run, name
        self.address = (name, 2)
        self.others: dict[str, Router] = {}  # by holder
        self.alive, self.mute, self.stalled_until = True, False, 0
        self._kept: list[tuple[Stream, bytes]] = []  # came while it was stalled
        self._born()
        net.join(self.address, self)

    def _born(self) -> None:
        self.holder = f"{self.name}-{self.net.now}"
        self.sessions: dict[int, Session] = {}
        self.streams: dict[str, Session] = {}  # by node
        self._tick = self.net.now + TICK_MS

    # ---- faults --------------------------------------------------------------------------------------------------------
    @property
    def serves(self) -> bool:
        """It is there and not stopped."""
        return self.alive and self.net.now >= self.stalled_until

    def dies(self) -> None:
        """kill -9."""
        self.alive, self.mute = False, False
        self._kept.clear()
        for session in list(self.sessions.values()):
            session.stream.cut()

    def comes_back(self) -> None:
        """The process is started again."""
        if not self.alive:
            self.alive = True
            self._born()

    def stalls(self, ms: int) -> None:
        """SIGSTOP for so long."""
        self.stalled_until = self.net.now + ms

    def drop_all(self) -> None:
        """The store was away."""
        for session in list(self.sessions.values()):
            self._drop(session)

    def _drop(self, session: Session) -> None:
        """End a stream from here: what is still on its way is not read."""
        self.sessions.pop(session.stream.number, None)
        session.stream.cut()

    # ---- streams -------------------------------------------------------------------------------------------------------
    def message(self, stream: Stream, data: bytes) -> None:
        """From a node, in order."""
        if not self.alive:
            return
        self._kept.append((stream, data))
        self._wake()

    def _wake(self) -> None:
        """All that came, in its order, unless the process is stopped."""
        while self._kept and self.serves:
            self._read(*self._kept.pop(0))

    def _read(self, stream: Stream, data: bytes) -> None:
        message = pb.ToRouter.FromString(data)
        if message.frames[0].HasField("hello"):
            self.sessions[stream.number] = Session(stream)
        session = self.sessions.get(stream.number)
        if session is None:
            return  # of a stream that an earlier process held, or whose hello was refused
        out: list[pb.RouterFrame] = []
        for frame in message.frames:
            if stream.number in self.sessions:
                self._one(session, frame, out)
        self._answer(session, out, message.frames[-1].seq)

    def _answer(self, session: Session, out: list[pb.RouterFrame], ack: int = 0) -> None:
        if not self.mute:
            session.stream.answer(pb.ToMedia(frames=out, ack=ack).SerializeToString())

    def _one(self, session: Session, frame: pb.MediaFrame, out: list[pb.RouterFrame]) -> None:
        try:
            if frame.HasField("hello"):
                effects = self._hello(session, frame.hello)
            else:
                ask = _ASK[frame.WhichOneof("body") or ""]
                effects = self.run(lambda: ask(self.world.store, session.by, frame, self.net.now))
        except RouterError as error:
            self._refused(session, frame, error, out)
            return
        self.deliver(effects, session, out)

    def _refused(self, session: Session, frame: pb.MediaFrame, error: RouterError, out: list[pb.RouterFrame]) -> None:
        """UnknownNode and OldEpoch close the stream (router/rpc/errors.py), the others are told."""
        if frame.WhichOneof("body") in ("hello", "heartbeat"):
            self._drop(session)
            return
        body = getattr(frame, frame.WhichOneof("body") or "")
        call = body.enqueue.call if isinstance(body, pb.Assert) else body.call
        out.append(pb.RouterFrame(refused=pb.Refused(call=call, seq=frame.seq, detail=str(error))))

    def _hello(self, session: Session, h: pb.Hello) -> list[Effect]:
        what = Hello(h.node, h.uri, h.epoch, h.draining, h.calls, self.holder)
        number, effects = self.run(lambda: self.world.store.hello(what, self.net.now))
        session.by = From(h.node, number)
        old = self.streams.get(h.node)
        self.streams[h.node] = session
        if old is not None and old is not session:
            self._drop(old)
        return list(effects)

    def broken(self, stream: Stream) -> None:
        """A stream is over; frames of it that are still on their way may be read, as from a socket."""
        for node, session in list(self.streams.items()):
            if session.stream is stream:
                del self.streams[node]

    # ---- what the store says ---------------------------------------------------------------------------------------------
    def deliver(self, effects: Iterable[Effect], asker: Session | None = None, out: list[pb.RouterFrame] | None = None) -> None:
        """As router/dispatch.py does it."""
        for effect in effects:
            if isinstance(effect, ToNode):
                self._deliver(effect, asker, out)

    def _deliver(self, effect: ToNode, asker: Session | None, out: list[pb.RouterFrame] | None) -> None:
        frame = frames.to_wire(effect.frame)
        if effect.holder == ASKER and asker is not None and out is not None:
            out.append(frame)
        elif effect.holder in (ASKER, self.holder):
            self._local(effect.node, frame)
        elif effect.holder in self.others and not self.mute:
            to = self.others[effect.holder]
            letter = f"{effect.holder}\n{effect.node}\n".encode() + frame.SerializeToString()
            self.net.link.send(self.address, to.address, letter, "letter")

    def _local(self, node: str, frame: pb.RouterFrame) -> None:
        session = self.streams.get(node)
        if session is not None:
            self._answer(session, [frame])

    # ---- Node of tests/kit/link.py ---------------------------------------------------------------------------------------
    def receive(self, now: int, data: bytes, source: tuple[str, int], transport: str) -> None:
        """A datagram of a stream, or a letter."""
        if transport != "letter":
            self.net.arrived(self.address, data, transport)
        elif self.alive:
            holder, node, frame = data.split(b"\n", 2)
            if holder.decode() == self.holder:
                self._local(node.decode(), pb.RouterFrame.FromString(frame))

    def tick(self, now: int) -> None:
        """Serve the timers; first what came while it was stopped."""
        self._tick = now + TICK_MS
        if not self.serves:
            return
        self._wake()
        more = True
        while more:
            expired = self.run(lambda: self.world.store.expire(100, now))
            self.deliver(expired.effects)
            more = expired.more

    def deadline(self) -> int | None:
        """The next tick."""
        return self._tick if self.alive else None


def _settle(store: Any, by: From, f: pb.MediaFrame, now: int) -> Any:
    w = f.settle
    if w.WhichOneof("how") == "answered_ms":
        return store.settle_answered(by, w.call, w.version, w.offer, w.answered_ms, now)
    return store.settle_failed(by, w.call, w.version, w.offer, frames.reason_name(w.failed), now)


_ASK: dict[str, Callable[[Any, From, pb.MediaFrame, int], Any]] = {
    "enqueue": lambda s, by, f, now: s.enqueue(by, frames.enqueue(f.enqueue), now),
    "assert": lambda s, by, f, now: s.assert_(by, frames.assertion(getattr(f, "assert")), now),
    "settle": _settle,
    "cancel": lambda s, by, f, now: s.cancel(by, f.cancel.call, f.cancel.version, frames.reason_name(f.cancel.reason), now),
    "end": lambda s, by, f, now: s.end(by, frames.end(f.end, now), now),
    "heartbeat": lambda s, by, f, now: s.heartbeat(by, f.heartbeat.draining, f.heartbeat.calls, now),
}

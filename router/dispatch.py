"""Effects to media nodes: by a stream that this router holds, or through Redis to the router that holds it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from tierline.routing.v1 import routing_pb2 as pb

from router.core.events import ASKER, Effect, Offer, ToNode
from router.core.remote import ToCentre
from router.frames import to_wire
from router.metrics import OFFERS

log = logging.getLogger(__name__)


class Stream(Protocol):
    """The session of one media node."""

    def push(self, frame: pb.RouterFrame) -> None:
        """Send it, with what else goes out in this turn of the loop."""

    def drop(self, why: str) -> None:
        """End it; the node will open another one and assert its calls."""


class Abroad(Protocol):
    """The links to other centres (router/federation)."""

    def send(self, effect: ToCentre) -> None:
        """An effect for another centre."""

    def receive(self, payload: bytes) -> None:
        """What another router hands over because this one holds the links."""


class Dispatch:
    """`holder` is this router's id, new for each process; `publish(holder, payload)` reaches another router."""

    def __init__(self, holder: str, publish: Callable[[str, bytes], None]) -> None:
        self.holder = holder
        self._publish = publish
        self._streams: dict[str, Stream] = {}
        self.abroad: Abroad | None = None  # set where this centre speaks with others

    def attach(self, node: str, stream: Stream) -> None:
        """The node's frames go to `stream` from now on."""
        old = self._streams.get(node)
        self._streams[node] = stream
        if old is not None and old is not stream:
            old.drop("the node has a newer session")

    def detach(self, node: str, stream: Stream) -> None:
        """The stream is gone; harmless if a newer one took its place."""
        if self._streams.get(node) is stream:
            del self._streams[node]

    def drop_all(self) -> None:
        """The store was away: what it holds may be older than what the nodes know."""
        for stream in tuple(self._streams.values()):
            stream.drop("the store was away")

    @property
    def sessions(self) -> int:
        """Streams held here."""
        return len(self._streams)

    def send(self, effects: Iterable[Effect], asker: Stream | None = None) -> None:
        """Deliver all frames among the effects."""
        for effect in effects:
            if isinstance(effect, ToNode):
                self._send(effect, asker)
            elif isinstance(effect, ToCentre) and self.abroad is not None:
                self.abroad.send(effect)

    def _send(self, effect: ToNode, asker: Stream | None) -> None:
        if isinstance(effect.frame, Offer):
            OFFERS.inc()
        frame = to_wire(effect.frame)
        if effect.holder == ASKER and asker is not None:
            asker.push(frame)
        elif effect.holder in (ASKER, self.holder):
            self._local(effect.node, frame)
        else:
            self._publish(effect.holder, effect.node.encode() + b"\n" + frame.SerializeToString())

    def _local(self, node: str, frame: pb.RouterFrame) -> None:
        stream = self._streams.get(node)
        if stream is None:  # it is between two streams and will assert its calls
            log.info("no stream for a frame", extra={"node": node, "frame": frame.WhichOneof("body")})
            return
        stream.push(frame)

    def receive(self, payload: bytes) -> None:
        """A frame that another router handed over."""
        node, _, data = payload.partition(b"\n")
        if not node:
            if self.abroad is not None:
                self.abroad.receive(data)
            return
        self._local(node.decode(), pb.RouterFrame.FromString(data))

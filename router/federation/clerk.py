"""What frames of other centres do to our store, and what it answers them. The streams (client.py, server.py) call this."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tierline.federation.v1 import federation_pb2 as pb

from ops.clock import Clock
from router.core.errors import RouterError, StoreAway
from router.core.events import Effect
from router.core.remote import Held, Reservation
from router.federation import frames, gate, skew
from router.frames import reason_name
from router.store.overflow import Overflow

log = logging.getLogger(__name__)
Frame = pb.ToCentre | pb.FromCentre


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms we take calls of others."""

    share: int = 100
    penalty_ms: int = 0
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Ours:
    """Who we are to the others."""

    tenant: str
    centre: str
    realm: str = ""
    edge: str = ""
    province: str = ""
    epoch: int = 0
    nation: str = ""  # name of the national centre, whose word counts for everybody's
    realms: Mapping[str, str] = field(default_factory=dict)  # centre -> SIP domain of its seats

    def hello(self) -> pb.FromCentre:
        """The first frame of each stream."""
        said = pb.Hello(tenant=self.tenant, centre=self.centre, realm=self.realm, edge=self.edge, province=self.province)
        said.epoch = self.epoch
        return pb.FromCentre(hello=said)


class Clerk:
    """`post` delivers effects; `terms` are looked up at each use, because they change while running."""

    def __init__(
        self, store: Overflow, post: Callable[[Sequence[Effect]], None], clock: Clock, ours: Ours, terms: Callable[[], Terms]
    ) -> None:
        self.store = store
        self.clock = clock
        self.ours = ours
        self.terms = terms
        self.post = post
        self.complaints = gate.Complaints()

    async def reserve(self, home: str, place: pb.Place) -> Held:
        """An agent for a call of `home`, or why not. The answer's deadline is the home's own again."""
        terms, now = self.terms(), self.clock.now_ms()
        asked = Reservation(home, self.ours.centre, frames.place_wanted(place, now), terms.share, terms.paused)
        try:
            held, effects = await self.store.reserve(asked, now)
        except StoreAway:
            return Held(place.placement, refused="REASON_ROUTER_AWAY")
        self.post(effects)
        return replace(held, expires_ms=place.expires_ms)

    async def give_back(self, held: Held) -> None:
        """Nobody can be told that this agent is reserved."""
        if not held.refused:
            now = self.clock.now_ms()
            self.post(await self.store.released(held.placement, "REASON_LINK_LOST", "SIDE_SYSTEM", now, "", now))

    def uri(self, held: Held) -> str:
        """What the home's media node is to dial."""
        return f"sip:{held.seat}@{self.ours.realm};placement={held.placement}"

    async def report(self) -> pb.Report:
        """How busy we are; without its time."""
        terms = self.terms()
        loads = await self.store.loads(self.clock.now_ms())
        said = pb.Report(paused=terms.paused, share=terms.share, penalty_ms=terms.penalty_ms)
        said.skills.extend(frames.loads_of(loads))
        return said

    async def holding(self) -> list[pb.Holding]:
        """What we hold as home, by centre."""
        found = await self.store.placements(self.clock.now_ms())
        return [pb.Holding(home=self.ours.centre, ringing=a.ringing, talking=a.talking, centre=a.centre) for a in found]

    async def take(self, peer: str, frame: Frame) -> None:
        """A frame that asks for no answer. A store that is away takes in nothing: Holding tells it later."""
        kind = frame.WhichOneof("body") or ""
        verb = _VERBS.get(kind)
        if verb is None:
            log.info("frame not for us", extra={"peer": peer, "frame": kind})
            return
        try:
            by = gate.speaker(peer, self.ours.nation, frame) if peer else ""  # "": we ourselves
            self.post(await verb(self, by, getattr(frame, kind)))
        except gate.Refused as why:
            self.complaints.tell(peer, frame, why)
        except RouterError as error:
            log.warning("frame of another centre failed", extra={"peer": peer, "frame": kind, "why": str(error)})

    def _placed(self, by: str, f: pb.Placed) -> Awaitable[list[Effect]]:
        now = self.clock.now_ms()
        until = skew.deadline(f.expires_ms, 0, now)  # our own, that came back
        uri = gate.uri_of(f, self.ours.realms)
        return self.store.placed(by, f.placement, f.agent, f.seat, uri, until, now)

    def _no_place(self, by: str, f: pb.NoPlace) -> Awaitable[list[Effect]]:
        return self.store.no_place(f.placement, reason_name(f.reason), f.again_ms, self.clock.now_ms())

    def _confirm(self, by: str, f: pb.Confirm) -> Awaitable[list[Effect]]:
        now = self.clock.now_ms()
        return self.store.confirm(f.placement, skew.past(f.answered_ms, f.at_ms, now), by, now)

    def _release(self, by: str, f: pb.Release) -> Awaitable[list[Effect]]:
        now = self.clock.now_ms()
        ended = skew.past(f.ended_ms, f.at_ms, now)
        return self.store.released(f.placement, reason_name(f.reason), frames.side_name(f.side), ended, by, now)

    def _holding(self, by: str, f: pb.Holding) -> Awaitable[list[Effect]]:
        return self.store.held(by, tuple(f.ringing), tuple(f.talking), self.clock.now_ms())


_VERBS: dict[str, Callable[[Clerk, str, Any], Awaitable[list[Effect]]]] = {
    "placed": Clerk._placed,
    "no_place": Clerk._no_place,
    "confirm": Clerk._confirm,
    "release": Clerk._release,
    "holding": Clerk._holding,
}

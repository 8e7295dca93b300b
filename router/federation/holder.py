"""Keeps a centre's links to the others while this router holds the lease, and carries what goes over them.

One router of a centre holds all links (store verb hold_links: a lease in Redis, renewed each second). What another router's verb
has for a centre it publishes to the holder, as frames for media nodes go to the router with the node's stream (dispatch.py).

Holding heals what got lost: when a link opens all centres are told what we hold with them, twice, and every few seconds those are
told with whom we hold something or did lately.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping

from tierline.federation.v1 import federation_pb2 as pb

from router.core.errors import StoreAway
from router.core.placing import Refusal
from router.core.remote import ToCentre
from router.federation import frames
from router.federation.clerk import Clerk
from router.federation.client import Ears, Link
from router.federation.links import Links
from router.federation.pace import LOOK_S, Pace
from router.federation.server import NeighbourRole
from router.federation.tasks import Tasks
from router.federation.tls import Identity
from router.frames import reason_number

log = logging.getLogger(__name__)
RENEW_S, LEASE_MS = 1.0, 3_000
HOLDING_S = 5.0
LATELY = 12  # rounds of it that a centre is told that we hold nothing any more
LOST_S = 2.0  # a link that does not come back within this is lost
DIALOGS_S, DIALOGS = 0.1, 100


class Holder:
    """`targets`: link -> host:port. `role`: of our own service, if it answers neighbours."""

    def __init__(
        self, clerk: Clerk, links: Links, targets: Mapping[str, str], identity: Identity, role: NeighbourRole | None
    ) -> None:
        self.clerk = clerk
        self.links = links
        self.role = role
        self.id = ""  # of this router, as the lease knows it
        self.publish: Callable[[str, bytes], None] = lambda holder, payload: None
        self._targets, self._identity = targets, identity
        self._streams: dict[str, Link] = {}
        self._work: dict[str, asyncio.Task[None]] = {}
        self._closed: dict[str, asyncio.TimerHandle] = {}
        self._tasks = Tasks()
        self._ours, self._theirs = Pace(), Pace()
        self._lately: dict[str, int] = {}  # centre -> rounds left
        self._all = 0  # rounds in which all are told

    # ---- frames out
    def send(self, effect: ToCentre) -> None:
        """From a verb of this router."""
        if effect.holder in ("", self.id):
            self._out(frames.from_centre(effect))
        else:
            self.publish(effect.holder, frames.from_centre(effect).SerializeToString())

    def receive(self, payload: bytes) -> None:
        """From a verb of another router."""
        self._out(pb.FromCentre.FromString(payload))

    def _out(self, frame: pb.FromCentre) -> None:
        out = self.links.out(frame, self.clerk.clock.now_ms())
        if isinstance(out, Refusal):
            self._refused(frame, out)
        elif out[0] in self._streams:
            self._streams[out[0]].send(out[1])

    def _refused(self, frame: pb.FromCentre, why: Refusal) -> None:
        if frame.WhichOneof("body") == "place":
            said = pb.NoPlace(placement=frame.place.placement, reason=reason_number(why.reason), again_ms=why.again_ms)
            self._tasks.start(self.clerk.take("", pb.ToCentre(no_place=said)))

    # ---- frames in
    def _frame(self, peer: str, frame: pb.ToCentre) -> None:
        kind = frame.WhichOneof("body")
        if kind == "report":
            self.links.report(peer, frame.report, self.clerk.clock.now_ms())
        elif kind == "reserve":
            self._tasks.start(self._reserve(peer, frame.reserve))
        else:
            if kind == "placed":
                self.links.answered(peer, frame.placed.placement, True)
            elif kind == "no_place":
                self.links.answered(peer, frame.no_place.placement, False)
            self._tasks.start(self.clerk.take(peer, frame))

    async def _reserve(self, peer: str, asked: pb.Reserve) -> None:
        held = await self.clerk.reserve(asked.home, asked.place)
        if peer in self._streams:
            self._streams[peer].send(frames.reserved(held, asked.home, self.clerk.uri(held)))

    # ---- links
    def _opened(self, peer: str) -> None:
        self.links.opened(peer)
        lost = self._closed.pop(peer, None)
        if lost is not None:
            lost.cancel()
        if peer == self.links.nation:
            self._ours.anew()
            self._all = 2
        else:
            self._lately[peer] = LATELY
        self._tasks.start(_unless_away(self._tell_holding()))

    def _closed_(self, peer: str) -> None:
        self.links.closed(peer)
        self._closed[peer] = asyncio.get_running_loop().call_later(LOST_S, self._lost, peer)

    def _lost(self, peer: str) -> None:
        self._closed.pop(peer, None)
        if self.links.nation not in self.links.open:
            log.warning("link lost", extra={"peer": peer})
            self._tasks.start(_unless_away(self._tell_lost()))  # else the offers run out by their timers

    async def _tell_lost(self) -> None:
        self.clerk.post(await self.clerk.store.links_lost(sorted(self.links.open), self.clerk.clock.now_ms()))

    async def _tell_holding(self) -> None:
        if not self.links.open:
            return
        held = {said.centre: said for said in await self.clerk.holding()}
        if self._all > 0:
            self._all -= 1
            ringing = [p for said in held.values() for p in said.ringing]
            talking = [p for said in held.values() for p in said.talking]
            self._out(pb.FromCentre(holding=pb.Holding(home=self.clerk.ours.centre, ringing=ringing, talking=talking)))
        self._lately = {c: n - 1 for c, n in self._lately.items() if n > 0} | dict.fromkeys(held, LATELY)
        for centre in self._lately:
            said = held.get(centre) or pb.Holding(home=self.clerk.ours.centre, centre=centre)
            self._out(pb.FromCentre(holding=said))

    async def _report(self) -> None:
        """To the nation if we hold the link, to neighbours that listen here."""
        nation = self._streams.get(self.links.nation) if self.links.nation in self.links.open else None
        listened = self.role is not None and self.role.listened
        if nation is None and not listened:
            return
        report, now = await self.clerk.report(), self.clerk.clock.now_ms()
        if nation is not None and self._ours.due(report, now):
            nation.send(pb.FromCentre(report=_at(report, now)))
        if self.role is not None and listened and self._theirs.due(report, now):
            self.role.report(_at(report, now))

    async def _dialogs(self) -> None:
        more = DIALOGS
        while more == DIALOGS:
            more, effects = await self.clerk.store.dialogs(DIALOGS, self.clerk.clock.now_ms())
            self.clerk.post(effects)

    async def _lease(self) -> None:
        held = bool(self._targets) and await self.clerk.store.hold_links(self.id, LEASE_MS, self.clerk.clock.now_ms())
        if held and not self._work:
            ears = Ears(self.clerk.ours.hello, self._opened, self._closed_, self._frame)
            self._streams = {peer: Link(peer, at, self._identity, ears) for peer, at in self._targets.items()}
            self._work = {peer: asyncio.create_task(link.run(), name=f"link:{peer}") for peer, link in self._streams.items()}
        elif not held and self._work:
            await self._let_go()

    async def _let_go(self) -> None:
        """Another router has the lease."""
        tasks, self._work, self._streams = tuple(self._work.values()), {}, {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for timer in self._closed.values():
            timer.cancel()
        self._closed.clear()

    async def run(self) -> None:
        """Until cancelled."""
        rounds = ((RENEW_S, self._lease), (LOOK_S, self._report), (HOLDING_S, self._tell_holding), (DIALOGS_S, self._dialogs))
        try:
            async with asyncio.TaskGroup() as group:
                for every_s, work in rounds:
                    group.create_task(_again(every_s, work))
        finally:
            await self._let_go()


def _at(report: pb.Report, now_ms: int) -> pb.Report:
    said = pb.Report()
    said.CopyFrom(report)
    said.at_ms = now_ms
    return said


async def _unless_away(work: Awaitable[None]) -> None:
    with contextlib.suppress(StoreAway):  # told by the store itself; the next round tells the others
        await work


async def _again(every_s: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await _unless_away(work())
        await asyncio.sleep(every_s)

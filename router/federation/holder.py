"""Keeps a centre's links to the others while this router holds the lease.

One router of a centre holds all links (store verb hold_links: a lease in Redis, renewed each second). What another router's verb
has for a centre it publishes to the holder, as frames for media nodes go to the router with the node's stream (dispatch.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from tierline.federation.v1 import federation_pb2 as pb

from router.core.errors import StoreAway
from router.core.remote import ToCentre
from router.federation import frames
from router.federation.clerk import Clerk
from router.federation.client import Ears, Link
from router.federation.links import Links
from router.federation.pace import LOOK_S, Pace
from router.federation.server import NeighbourRole
from router.federation.tasks import Tasks
from router.federation.tls import Identity
from router.federation.traffic import Traffic

log = logging.getLogger(__name__)
RENEW_S, LEASE_MS = 1.0, 3_000
HOLDING_S = 5.0
LOST_S = 2.0  # a link that does not come back within this is lost
DIALOGS_S, DIALOGS = 0.1, 100
QUIET_MS = 60_000  # so long after the last guest the edge is still listened to


class Holder:
    """`id`: of this router, as the lease knows it; `targets`: link -> host:port; `role`: if our service answers neighbours."""

    def __init__(self, id_: str, clerk: Clerk, links: Links, targets: Mapping[str, str], identity: Identity) -> None:
        self.id = id_
        self.clerk = clerk
        self.role: NeighbourRole | None = None
        self._tasks = Tasks()
        self.traffic = Traffic(clerk, links, self._push, self._tasks.start)
        self._targets, self._identity = targets, identity
        self._streams: dict[str, Link] = {}
        self._work: dict[str, asyncio.Task[None]] = {}
        self._closed: dict[str, asyncio.TimerHandle] = {}
        self._ours, self._theirs = Pace(), Pace()
        self._lent_ms = clerk.clock.now_ms()  # when an agent of ours was last known, or could not be known, to be with a guest

    def send(self, effect: ToCentre, publish: Callable[[str, bytes], None]) -> None:
        """From a verb of this router."""
        if effect.holder in ("", self.id):
            self.traffic.send(effect)
        else:
            publish(effect.holder, frames.from_centre(effect).SerializeToString())

    def receive(self, payload: bytes) -> None:
        """From a verb of another router."""
        self.traffic.out(pb.FromCentre.FromString(payload))

    def _push(self, peer: str, frame: pb.FromCentre) -> None:
        if peer in self._streams:
            self._streams[peer].send(frame)

    # ---- links
    def _is_open(self, peer: str) -> None:
        self.traffic.opened(peer)
        lost = self._closed.pop(peer, None)
        if lost is not None:
            lost.cancel()
        if peer == self.traffic.links.nation:
            self._ours.anew()
        self._tasks.start(_unless_away(self.traffic.holding()))

    def _is_closed(self, peer: str) -> None:
        self.traffic.closed(peer)
        self._closed[peer] = asyncio.get_running_loop().call_later(LOST_S, self._lost, peer)

    def _lost(self, peer: str) -> None:
        del self._closed[peer]
        log.warning("link lost", extra={"peer": peer})
        self._tasks.start(_unless_away(self.traffic.lost()))

    # ---- rounds
    async def _report(self) -> None:
        """To the nation if we hold the link, to neighbours that listen here."""
        links = self.traffic.links
        listened = self.role is not None and self.role.listened
        if links.nation not in links.open and not listened:
            self._lent_ms = self.clerk.clock.now_ms()
            return
        report, now = await self.clerk.report(), self.clerk.clock.now_ms()
        if any(load.lent for load in report.skills):
            self._lent_ms = now
        if links.nation in links.open and self._ours.due(report, now):
            self._push(links.nation, pb.FromCentre(report=_at(report, now)))
        if self.role is not None and listened and self._theirs.due(report, now):
            self.role.report(_at(report, now))

    async def _dialogs(self) -> None:
        if self.clerk.clock.now_ms() > self._lent_ms + QUIET_MS:
            return
        more = DIALOGS
        while more == DIALOGS:
            more, effects = await self.clerk.store.dialogs(DIALOGS, self.clerk.clock.now_ms())
            self.clerk.post(effects)

    async def _lease(self) -> None:
        held = bool(self._targets) and await self.clerk.store.hold_links(self.id, LEASE_MS, self.clerk.clock.now_ms())
        if held and not self._work:
            ears = Ears(self.clerk.ours.hello, self._is_open, self._is_closed, self.traffic.frame)
            self._streams = {peer: Link(peer, at, self._identity, ears) for peer, at in self._targets.items()}
            self._work = {peer: asyncio.create_task(link.run(), name=f"link:{peer}") for peer, link in self._streams.items()}
        elif not held and self._work:
            await self._let_go()

    async def _let_go(self) -> None:
        """Another router has the lease, or we end."""
        tasks, self._work, self._streams = tuple(self._work.values()), {}, {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for timer in self._closed.values():
            timer.cancel()
        self._closed.clear()

    async def run(self) -> None:
        """Until cancelled."""
        rounds = (
            (RENEW_S, self._lease),
            (LOOK_S, self._report),
            (HOLDING_S, self.traffic.holding),
            (DIALOGS_S, self._dialogs),
        )
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


async def _again(every_s: float, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    while True:
        await _unless_away(work())
        await asyncio.sleep(every_s)

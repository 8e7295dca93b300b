"""What goes over a centre's links, both ways: the holder without its streams and timers, so that tests run it over their own link.

Holding heals what got lost: when a link opens all centres are told what we hold with them, a few times, and every few seconds
those are told with whom we hold something or did lately.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from tierline.federation.v1 import federation_pb2 as pb

from router.core.placing import Refusal
from router.core.remote import ToCentre
from router.federation import frames, gate, skew
from router.federation.clerk import Clerk
from router.federation.links import Links
from router.frames import reason_number

log = logging.getLogger(__name__)
ALL = 4  # rounds after an opening in which all are told: an end needs two of them with Times.unheld_ms between
LATELY = 12  # rounds of Holding in which a centre is told that we hold nothing any more
Work = Coroutine[Any, Any, None]


class Traffic:
    """`push(peer, frame)`: over that link; `start(work)`: runs it, in the order of starting up to its first wait."""

    def __init__(
        self, clerk: Clerk, links: Links, push: Callable[[str, pb.FromCentre], None], start: Callable[[Work], None]
    ) -> None:
        self.clerk = clerk
        self.links = links
        self._push, self._start = push, start
        self._lately: dict[str, int] = {}  # centre -> rounds left
        self._all = 0  # rounds in which all are told

    # ---- out
    def send(self, effect: ToCentre) -> None:
        """What a verb has for a centre."""
        self.out(frames.from_centre(effect))

    def out(self, frame: pb.FromCentre) -> None:
        """By the link it belongs on; a Place that nobody can be asked is answered at once."""
        now = self.clerk.clock.now_ms()
        out = self.links.out(frames.sent(frame, now), now)
        if not isinstance(out, Refusal):
            self._push(*out)
        elif frame.WhichOneof("body") == "place":
            said = pb.NoPlace(placement=frame.place.placement, reason=reason_number(out.reason), again_ms=out.again_ms)
            self._start(self.clerk.take("", pb.ToCentre(no_place=said)))

    # ---- in
    def frame(self, peer: str, frame: pb.ToCentre) -> None:
        """One that came over the link."""
        try:
            gate.sense(frame)
            gate.speaker(peer, self.links.nation, frame)
            self._take(peer, frame)
        except gate.Refused as why:
            self.clerk.complaints.tell(peer, frame, why)

    def _take(self, peer: str, frame: pb.ToCentre) -> None:
        kind = frame.WhichOneof("body")
        if kind == "welcome":
            _compare(peer, frame.welcome.now_ms, self.clerk.clock.now_ms())
        elif kind == "report":
            self.links.report(peer, frame.report, self.clerk.clock.now_ms())
        elif kind == "reserve":
            self._start(self._reserve(peer, frame.reserve))
        else:
            if kind in ("placed", "no_place"):
                self._answered(peer, getattr(frame, kind).placement, kind == "placed")
            self._start(self.clerk.take(peer, frame))

    def _answered(self, peer: str, placement: str, placed: bool) -> None:
        """A neighbour answers what it was asked and nothing else."""
        if peer != self.links.nation and self.links.asked(placement) != peer:
            raise gate.Refused("an answer to what was not asked")
        self.links.answered(peer, placement, placed)

    async def _reserve(self, peer: str, asked: pb.Reserve) -> None:
        held = await self.clerk.reserve(asked.home, asked.place)
        if peer in self.links.open:
            self._push(peer, frames.reserved(held, asked.home, self.clerk.uri(held)))
        else:
            await self.clerk.give_back(held)

    # ---- links
    def opened(self, peer: str) -> None:
        """The link is there."""
        self.links.opened(peer)
        if peer == self.links.nation:
            self._all = ALL
        else:
            self._lately[peer] = LATELY

    def closed(self, peer: str) -> None:
        """It is not; `lost` says when it does not come back."""
        self.links.closed(peer)

    async def lost(self) -> None:
        """A link did not come back in time. Raises StoreAway: then the offers run out by their timers."""
        if self.links.nation not in self.links.open:
            effects = await self.clerk.store.links_lost(sorted(self.links.open), self.clerk.clock.now_ms())
            self.clerk.post(effects)

    async def holding(self) -> None:
        """A round of telling what we hold. Raises StoreAway: then the next round does."""
        if not self.links.open:
            return
        held = {said.centre: said for said in await self.clerk.holding()}
        if self._all > 0:
            self._all -= 1
            self.out(pb.FromCentre(holding=_together(self.clerk.ours.centre, held)))
        self._lately = {c: n - 1 for c, n in self._lately.items() if n > 0} | dict.fromkeys(held, LATELY)
        for centre in self._lately:
            said = held.get(centre) or pb.Holding(home=self.clerk.ours.centre, centre=centre)
            self.out(pb.FromCentre(holding=said))


def _compare(peer: str, theirs_ms: int, now_ms: int) -> None:
    """Nothing hangs on it but what people read: times of two ledgers cannot be laid side by side."""
    if theirs_ms and abs(theirs_ms - now_ms) > skew.NOISE_MS:
        log.warning("clocks are apart: does NTP run at both?", extra={"peer": peer, "ahead_ms": theirs_ms - now_ms})


def _together(home: str, held: dict[str, pb.Holding]) -> pb.Holding:
    """For all centres."""
    said = pb.Holding(home=home)
    for one in held.values():
        said.ringing.extend(one.ringing)
        said.talking.extend(one.talking)
    return said

"""A centre's ways to the others, for the one of its routers that holds them: which frame goes by which link. No I/O, no clock.

Theory. There is a link to the national router and one to each neighbour. A Place goes to the nation; while the nation is away,
to the neighbour that core/placing.py chooses by the reports that neighbours send on these links. A frame about a placement goes
straight to the centre it is for if there is a link, else by the nation, else nowhere: what both hold is compared after the next
opening (Holding), so a lost frame delays and does no more.
"""

from __future__ import annotations

from collections.abc import Mapping

from tierline.federation.v1 import federation_pb2 as pb

from router.core.placing import Chooser, Refusal
from router.federation import frames

AWAY = Refusal("REASON_LINK_LOST", 2_000)
Out = tuple[str, pb.FromCentre]  # the link


class Links:
    """`nation`: name of the national centre, "" if there is none; `neighbours`: name -> home area."""

    def __init__(self, nation: str, neighbours: Mapping[str, str], ours: str) -> None:
        self.nation = nation
        self.ours = ours
        self.chooser = Chooser()
        self._neighbours = neighbours
        self._open: set[str] = set()
        self._asked: dict[str, str] = {}  # placement -> neighbour

    @property
    def names(self) -> list[str]:
        """All links there should be."""
        return [*([self.nation] if self.nation else []), *(n for n in self._neighbours if n != self.nation)]

    @property
    def open(self) -> frozenset[str]:
        """Those that are."""
        return frozenset(self._open)

    def reaches(self, centre: str) -> bool:
        """Whether a frame for that centre has a way."""
        return centre in self._open or self.nation in self._open

    def opened(self, peer: str) -> None:
        """The link is open."""
        self._open.add(peer)

    def closed(self, peer: str) -> None:
        """The link is gone."""
        self._open.discard(peer)
        self.chooser.gone(peer)

    def report(self, peer: str, said: pb.Report, now_ms: int) -> None:
        """A neighbour's load."""
        self.chooser.report(frames.report(peer, said, self._neighbours.get(peer, ""), now_ms))

    def out(self, frame: pb.FromCentre, now_ms: int) -> Out | Refusal:
        """The link for a frame of ours; a Refusal for a Place that nobody can be asked. Others without a way: AWAY."""
        kind = frame.WhichOneof("body")
        if kind == "place":
            return self._place(frame, now_ms)
        to = getattr(frame, kind or "release").centre
        if kind == "release":
            to = to or self._asked.get(frame.release.placement, "")
            self._forget(frame.release.placement)
        if to in self._open and to != self.nation:
            return to, frame
        return (self.nation, frame) if self.nation in self._open else AWAY

    def asked(self, placement: str) -> str:
        """The neighbour that was asked for it and has not answered; "" none."""
        return self._asked.get(placement, "")

    def answered(self, peer: str, placement: str, placed: bool) -> None:
        """A neighbour's answer to a Place."""
        self._asked.pop(placement, None)
        self.chooser.answered(peer, placement, placed)

    def _place(self, frame: pb.FromCentre, now_ms: int) -> Out | Refusal:
        if self.nation in self._open:
            return self.nation, frame
        if not self._open:
            return AWAY
        found = self.chooser.choose(frames.wish(self.ours, frame.place, now_ms), now_ms)
        if isinstance(found, Refusal):
            return found
        self._asked[frame.place.placement] = found.centre
        return found.centre, frame

    def _forget(self, placement: str) -> None:
        peer = self._asked.pop(placement, "")
        if peer:
            self.chooser.dropped(peer, placement)

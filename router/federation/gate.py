"""What other centres may say, and in whose name: one gate for both directions, the streams that they open and those that we open.

Theory. The name of who sent a frame is its certificate's (tls.py). The nation may speak for everybody, because it passes on what
it has checked by the same rule and stamps what names no sender (`by`). Everybody else speaks for itself alone: as the home of its
own calls, or as the centre whose own agent is reserved. The store then compares that name with the row of the placement, so a
centre that knows the placement of another one cannot confirm or end it. What is dialled is made of our own configuration
(uri_of): no centre can send our media nodes anywhere but to a seat of its own realm.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Mapping

from tierline.federation.v1 import federation_pb2 as pb

log = logging.getLogger(__name__)
Frame = pb.ToCentre | pb.FromCentre
PLACEMENT = re.compile(r"[A-Za-z0-9-]{1,64}\.p\d{1,20}")
SEAT = re.compile(r"[A-Za-z0-9._+*#-]{1,64}")
AGENT = re.compile(r"[^\s@;<>\"]{1,64}")
LARGEST = {"holding": 1 << 20, "report": 1 << 17}  # bytes
USUAL = 1 << 14
ONLY_NATION = "reserve"
TELL_EVERY = 1_000


class Refused(Exception):
    """A frame that its sender may not send, or that makes no sense."""


def speaker(peer: str, nation: str, frame: Frame) -> str:
    """In whose name a frame counts that came from `peer`; "": the nation's own word. Raises Refused."""
    kind = frame.WhichOneof("body") or ""
    body = getattr(frame, kind, None)
    passed_on = nation != "" and peer == nation
    if kind == ONLY_NATION and not passed_on:
        raise Refused("only the nation asks to reserve for others")
    if kind in ("confirm", "release"):
        return str(getattr(body, "by", "")) if passed_on else peer
    claimed = str(getattr(body, "home" if kind == "holding" else "centre", peer)) if kind in ("holding", "placed") else peer
    if claimed != peer and not passed_on:
        raise Refused("a centre speaks for another one")
    return claimed


def sense(frame: Frame) -> None:
    """Its size and its names. Raises Refused."""
    kind = frame.WhichOneof("body") or ""
    if frame.ByteSize() > LARGEST.get(kind, USUAL):
        raise Refused("too long")
    body = getattr(frame, kind, None)
    body = body.place if kind == ONLY_NATION and isinstance(body, pb.Reserve) else body
    placement = getattr(body, "placement", None)
    if placement is not None and not PLACEMENT.fullmatch(placement):
        raise Refused("no placement")
    if kind == "placed" and isinstance(body, pb.Placed) and not (SEAT.fullmatch(body.seat) and AGENT.fullmatch(body.agent)):
        raise Refused("no seat or no agent")


def uri_of(said: pb.Placed, realms: Mapping[str, str]) -> str:
    """What our media node is to dial: that seat in the realm that our configuration gives its centre. Raises Refused."""
    realm = realms.get(said.centre, "")
    if not realm:
        raise Refused("a centre without a realm in our configuration")
    return f"sip:{said.seat}@{realm};placement={said.placement}"


class Complaints:
    """Refused frames, told in the log: the first of each kind of each centre, then every thousandth."""

    def __init__(self) -> None:
        self._count: Counter[tuple[str, str]] = Counter()

    def tell(self, peer: str, frame: Frame, why: Refused) -> None:
        """One more."""
        kind = frame.WhichOneof("body") or ""
        self._count[peer, kind] += 1
        if self._count[peer, kind] % TELL_EVERY == 1:
            refused = self._count[peer, kind]
            log.warning("frame refused", extra={"peer": peer, "frame": kind, "why": str(why), "refused": refused})

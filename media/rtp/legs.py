"""What the client knows of its legs and calls in rtpengine, and the fields that go with their SDPs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from media.rtp import sdp
from media.rtp.api import RtpError
from media.rtp.bencode import Encodable, flat
from media.rtp.places import Place
from media.ua.api import Leg

BASE: dict[str, Encodable] = {"ICE": "remove", "replace": ["origin", "session-connection"]}
FLAGS = ["port latching", "strict source"]
FIXED = "asymmetric"  # nothing is learned, also where the address stays and rtpengine would not look at endpoint-learning
QUICK = "no redis update"
BOTH = ("PCMA", "PCMU")
CONVERT = flat({"codec": {"transcode": BOTH}})  # half as much work again for rtpengine: only where it is needed


def _fields(learned: bool, saved: bool) -> bytes:
    """What goes with an SDP. `learned`: the first packet tells where it comes from, and nothing else is taken after it.

    rtpengine's `heuristic` is not used, and `off` comes with `asymmetric`: docs/adr/0405-where-audio-goes.md.
    """
    flags = [*FLAGS, *(() if learned else (FIXED,)), *(() if saved else (QUICK,))]
    return flat(BASE | {"flags": flags, "endpoint-learning": ["immediate" if learned else "off"]})


# Each write of a call to Redis costs rtpengine half a millisecond: only the last command of a verb asks for it.
SAVE = {learned: _fields(learned, saved=True) for learned in (False, True)}
QUIET = {learned: _fields(learned, saved=False) for learned in (False, True)}


@dataclass(slots=True)
class OpenLeg:
    """What must be known of a leg to pair it again. `phone` is the phone's last SDP, None before its answer."""

    leg: Leg
    phone: sdp.Audio | None = None
    place: Place | None = None  # where its audio goes
    port: int = 0  # local port its phone sends to
    version: int = 0  # of the SDP the phone has from us
    told: bytes = b""  # that SDP
    partner: OpenLeg | None = None
    senders: set[str] = field(default_factory=set)  # whose audio was taken, as address:port
    signalled: Place | None = None  # `place` as it was before anything was learned
    holds: Leg | None = None  # who hears music because this one holds
    in_band: bool = False  # rtpengine listens for tones in the voice

    @property
    def tag(self) -> str:
        """Its name in rtpengine."""
        return self.leg.leg

    @property
    def dummy_tag(self) -> str:
        """Of the one it is with while it is parked."""
        return f"D-{self.leg.leg}"

    @property
    def learned(self) -> bool:
        """Whether rtpengine is still to learn where the audio comes from."""
        return self.place is not None and self.place.learned

    def take(self, phone: sdp.Audio, place: Place) -> None:
        """A new SDP of the phone. What was learned of the same place before holds."""
        self.phone = phone
        if place != self.signalled:
            self.place = self.signalled = place
            if not place.learned:
                self.senders.add(f"{place.address}:{place.port}")

    def fix(self, address: str, port: int) -> None:
        """It is known where the audio comes from."""
        self.place = Place(address, port)
        self.senders.add(f"{address}:{port}")

    def heard(self, last: tuple[str, int] | None) -> frozenset[str]:
        """Whose audio was taken; `last`: whom rtpengine has learned in the end."""
        known = last is not None and self.learned and self.place is not None and last[0] in self.place.expected
        return frozenset(self.senders | ({f"{last[0]}:{last[1]}"} if known and last else set()))

    def needed(self) -> sdp.Audio:
        """The phone's SDP; RtpError if it has not answered."""
        if self.phone is None:
            raise RtpError(f"leg {self.tag} has not answered yet")
        return self.phone

    def text(self, direction: str = "") -> bytes:
        """The phone's SDP for rtpengine."""
        phone, place = self.needed(), self.place
        assert place is not None
        return phone.text(place.address, place.port, direction)


@dataclass(slots=True)
class OpenCall:
    """A call and its legs."""

    legs: dict[Leg, OpenLeg] = field(default_factory=dict)
    recording: str = ""
    unsaved: asyncio.TimerHandle | None = None  # a pairing that Redis has not been told of
    looking: asyncio.TimerHandle | None = None  # the next look at where audio comes from

    def over(self) -> None:
        """Nothing is planned for it any more."""
        self.saved()
        if self.looking is not None:
            self.looking.cancel()
            self.looking = None

    def saved(self) -> None:
        """Redis knows, or need not know any more."""
        if self.unsaved is not None:
            self.unsaved.cancel()
            self.unsaved = None

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Turn:
    """`async with` the turn of a leg's call: contextlib's way costs three times as much."""

    __slots__ = ("known", "leg", "lock")

    def __init__(self, known: Callable[[Leg], OpenLeg], lock: asyncio.Lock, leg: Leg) -> None:
        self.known, self.lock, self.leg = known, lock, leg

    async def __aenter__(self) -> OpenLeg:
        await self.lock.acquire()
        try:
            return self.known(self.leg)  # only now: it may have been closed meanwhile
        except RtpError:
            self.lock.release()
            raise

    async def __aexit__(self, *_: object) -> None:
        self.lock.release()


def conversion(one: sdp.Audio, other: sdp.Audio) -> bytes:
    """The field that has rtpengine convert between two phones; nothing if both may send the same."""
    return b"" if set(one.codecs) == set(other.codecs) else CONVERT


def tags_of(offerer: str, answerer: str) -> dict[str, Encodable]:
    """The fields that name the two sides of an offer."""
    return {"from-tag": offerer, "to-tag": answerer}

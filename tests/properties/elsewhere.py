"""Other centres in a story: Hunan answers calls of ours when told to, Anhui wants our agents for calls of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ops import keys as shared
from router.core.remote import Confirmed, Held, Placements, PlaceWanted, Released, Reservation, ToCentre
from router.store.memory import MemoryStore
from tests.contract.stores import TENANT, World

HOME, THERE = "anhui", "hunan"
Do = Callable[..., Any]  # a verb's name and words: done by some router, its effects delivered; None: refused


class Elsewhere:
    """`asked`: our calls that want an agent there; `reserved`: those that have one; `guests`: Anhui's calls with our agents."""

    def __init__(self, world: World, do: Do) -> None:
        self.world, self.do = world, do
        self.asked: dict[str, PlaceWanted] = {}
        self.reserved: dict[str, str] = {}  # placement -> ringing or talking
        self.guests: dict[str, str] = {}  # the same, of Anhui
        self._count = 0

    def send(self, effect: ToCentre) -> None:
        """From a router of ours."""
        match effect.frame:
            case PlaceWanted() as wanted:
                self.asked[wanted.placement] = wanted
            case Confirmed(placement):
                assert self.reserved.get(placement), f"{placement} is confirmed and nobody is reserved"
                self.reserved[placement] = "talking"
            case Released(placement):
                for known in (self.asked, self.reserved, self.guests):
                    known.pop(placement, None)

    # ---- Hunan
    def answers(self, how: int) -> None:
        """The oldest of our asks: an agent, or nobody; an answer to an ask that is over comes too."""
        for placement in list(self.asked)[:1]:
            del self.asked[placement]
            now = self.world.now
            if how % 4 == 3:
                self.do("no_place", placement, "REASON_BUSY", 700, now)
                return
            self._count += 1
            self.reserved[placement] = "ringing"
            seat = f"9{self._count}"
            words = (THERE, placement, "li", seat, f"sip:{seat}@{THERE};placement={placement}", now + 6_000)
            self.do("placed", *words, now)

    def gives_up(self, which: int) -> None:
        """Its agent does not pick up, or its side of a talk ends."""
        for placement in list(self.reserved)[which % 3 :][:1]:
            del self.reserved[placement]
            now = self.world.now
            self.do("released", placement, "REASON_NO_ANSWER", "SIDE_AGENT", now, "", now)

    def agents(self) -> dict[str, str]:
        """Placements that agents there are taken by."""
        return dict(self.reserved)

    # ---- Anhui
    def guest_asks(self, which: int) -> None:
        """An agent of ours, for a call of Anhui."""
        self._count += 1
        now, placement = self.world.now, f"g{self._count}.p1"
        skill = ("one", "two", "one", "gold")[which % 4]
        wanted = PlaceWanted(placement, f"g{self._count}", "general", skill, 9, 10, now - 900, now + 5_000, b"p")
        held = self.do("reserve", Reservation(HOME, "hubei", wanted, 100), now)
        if isinstance(held, Held) and held.agent:
            self.guests[placement] = "ringing"

    def guest_goes_on(self, which: int, how: int) -> None:
        """Its seat answers, the talk begins, ends, or is given up; as told by Anhui or as our edge sees it."""
        for placement in list(self.guests)[which % 3 :][:1]:
            now = self.world.now
            what = ("confirm", "released", "up", "over", "held")[how % 5]
            if what == "confirm":
                self.do("confirm", placement, now, "", now)
            elif what == "released":
                del self.guests[placement]
                self.do("released", placement, "REASON_HANGUP", "SIDE_CALLER", now, "", now)
            elif what == "held":
                self.do("held", HOME, tuple(self.guests), (), now)
            else:
                self.sees(f"{what} {placement} {now} SIDE_AGENT")

    def sees(self, text: str) -> None:
        """A dialog at our edge."""
        if self.world.client is None:
            assert isinstance(self.world.store, MemoryStore)
            self.world.store.desk.dialogs.append(text)
        else:
            self.world.client.rpush(shared.dialogs(TENANT), text)
        now = self.world.now
        self.do("dialogs", 100, now)

    # ---- the end
    def tidy(self, named: Iterable[Placements]) -> None:
        """Nobody there has time, Anhui holds nothing any more. What we do not name as held (`named`) is over in Hunan: a Release
        may have been lost with its router. What talks there goes on until the caller hangs up."""
        now = self.world.now
        held = {one for centre in named for one in (*centre.ringing, *centre.talking)}
        self.reserved = {placement: state for placement, state in self.reserved.items() if placement in held}
        for placement in list(self.asked):
            del self.asked[placement]
            self.do("no_place", placement, "REASON_BUSY", 700, now)
        self.guests.clear()
        self.do("held", HOME, (), (), now)

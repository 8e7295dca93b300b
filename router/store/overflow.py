"""The verbs of a store for calls that are answered by another centre (router/core/remote.py has the theory)."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol

from router.core.events import Effect
from router.core.placing import SkillLoad
from router.core.remote import Held, Placements, Reservation

Effects = Awaitable[list[Effect]]


class Overflow(Protocol):
    """See store/base.py for what holds for all verbs."""

    def hold_links(self, holder: str, ttl_ms: int, now_ms: int) -> Awaitable[bool]:
        """Whether the router `holder` is the one that keeps the links to other centres, for the next `ttl_ms`."""

    def loads(self, now_ms: int) -> Awaitable[tuple[SkillLoad, ...]]:
        """How busy each skill is, by name of the skill."""

    # ---- at home
    def placed(self, by: str, placement: str, agent: str, seat: str, uri: str, expires_ms: int, now_ms: int) -> Effects:
        """The centre `by` has reserved an agent: the media node is told to ring it; or it is released, if nobody waits for it."""

    def no_place(self, placement: str, reason: str, again_ms: int, now_ms: int) -> Effects:
        """Nobody is free elsewhere; ask again in so long."""

    def links_lost(self, still: Sequence[str], now_ms: int) -> Effects:
        """No way to other centres but `still`: what rings there or is asked is taken back, what talks goes on."""

    def placements(self, now_ms: int) -> Awaitable[tuple[Placements, ...]]:
        """Placements that ring or talk elsewhere, by centre."""

    # ---- there
    def reserve(self, what: Reservation, now_ms: int) -> Awaitable[tuple[Held, list[Effect]]]:
        """An agent for another centre's call, or why not; a repeat gets the same answer."""

    def confirm(self, placement: str, answered_ms: int, by: str, now_ms: int) -> Effects:
        """The home centre bridged it: the agent talks. `by`: who says so; "": the nation, else no other than the home counts."""

    def held(self, home: str, ringing: Sequence[str], talking: Sequence[str], now_ms: int) -> Effects:
        """All that `home` holds with us: what talks is confirmed, what is not named (and not new) ends."""

    def dialogs(self, limit: int, now_ms: int) -> Awaitable[tuple[int, list[Effect]]]:
        """Take in what our edge saw of such calls' dialogs (ops/keys.dialogs); how many were there, at most `limit`."""

    # ---- both
    def released(self, placement: str, reason: str, side: str, ended_ms: int, by: str, now_ms: int) -> Effects:
        """The other centre gives the placement up. `by`: who says so; "": the nation or we, else only the other party counts."""

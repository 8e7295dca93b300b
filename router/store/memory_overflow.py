"""The memory store's verbs for calls that other centres answer; see store/overflow.py."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from router.core import overflow
from router.core.events import Effect
from router.core.placing import SkillLoad
from router.core.remote import Held, Placements, Reservation
from router.store.steps import Done, Steps, result


class MemoryOverflow(Steps):
    """See store/overflow.py."""

    def hold_links(self, holder: str, ttl_ms: int, now_ms: int) -> Awaitable[bool]:
        """The lease of the links."""
        return asyncio.ensure_future(result(self._step(None, now_ms, overflow.hold_links, holder, ttl_ms)))

    def loads(self, now_ms: int) -> Awaitable[tuple[SkillLoad, ...]]:
        """How busy each skill is."""
        return asyncio.ensure_future(result(self._step(None, now_ms, overflow.loads)))

    def placed(self, by: str, placement: str, agent: str, seat: str, uri: str, expires_ms: int, now_ms: int) -> Done:
        """Reserved elsewhere."""
        return self._verb(None, now_ms, overflow.placed, by, placement, agent, seat, uri, expires_ms)

    def no_place(self, placement: str, reason: str, again_ms: int, now_ms: int) -> Done:
        """Nobody elsewhere."""
        return self._verb(None, now_ms, overflow.no_place, placement, reason, again_ms)

    def links_lost(self, still: Sequence[str], now_ms: int) -> Done:
        """No way to others."""
        return self._verb(None, now_ms, overflow.links_lost, still)

    def placements(self, now_ms: int) -> Awaitable[tuple[Placements, ...]]:
        """What rings or talks elsewhere."""
        return asyncio.ensure_future(result(self._step(None, now_ms, overflow.placements)))

    def reserve(self, what: Reservation, now_ms: int) -> asyncio.Future[tuple[Held, list[Effect]]]:
        """An agent for another centre's call."""
        return self._step(None, now_ms, overflow.reserve, what)

    def confirm(self, placement: str, answered_ms: int, by: str, now_ms: int) -> Done:
        """The home bridged it."""
        return self._verb(None, now_ms, overflow.confirm, placement, answered_ms, by)

    def held(self, home: str, ringing: Sequence[str], talking: Sequence[str], now_ms: int) -> Done:
        """What a home holds with us."""
        return self._verb(None, now_ms, overflow.held, home, ringing, talking)

    def dialogs(self, limit: int, now_ms: int) -> asyncio.Future[tuple[int, list[Effect]]]:
        """What our edge saw."""
        return self._step(None, now_ms, overflow.dialogs, limit)

    def released(self, placement: str, reason: str, side: str, ended_ms: int, by: str, now_ms: int) -> Done:
        """Given up by the other centre."""
        return self._verb(None, now_ms, overflow.released, placement, reason, side, ended_ms, by)

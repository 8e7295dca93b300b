"""The Redis store's verbs for calls that other centres answer; see store/overflow.py."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from router.core.events import Effect
from router.core.placing import SkillLoad
from router.core.remote import Held, Placements, Reservation
from router.store import rows
from router.store.wire import Word

T = TypeVar("T")
Done = asyncio.Future[list[Effect]]


class RedisOverflow(ABC):
    """See store/overflow.py."""

    @abstractmethod
    def _timed(self, verb: str, asker: str, now_ms: int, words: tuple[Word, ...], decode: Callable[[Any], T]) -> asyncio.Future[T]:
        """Ask for a verb."""

    @abstractmethod
    def _verb(self, verb: str, asker: str, now_ms: int, *words: Word) -> Done:
        """Ask for a verb that answers effects."""

    def hold_links(self, holder: str, ttl_ms: int, now_ms: int) -> Awaitable[bool]:
        """The lease of the links."""
        return self._timed("hold_links", "", now_ms, (holder, ttl_ms), bool)

    def loads(self, now_ms: int) -> Awaitable[tuple[SkillLoad, ...]]:
        """How busy each skill is."""
        return self._timed("loads", "", now_ms, (), lambda r: tuple(SkillLoad(skill.decode(), *more) for skill, *more in r))

    def placed(self, by: str, placement: str, agent: str, seat: str, uri: str, expires_ms: int, now_ms: int) -> Done:
        """Reserved elsewhere."""
        return self._verb("placed", "", now_ms, by, placement, agent, seat, uri, expires_ms)

    def no_place(self, placement: str, reason: str, again_ms: int, now_ms: int) -> Done:
        """Nobody elsewhere."""
        return self._verb("no_place", "", now_ms, placement, reason, again_ms)

    def links_lost(self, still: Sequence[str], now_ms: int) -> Done:
        """No way to others."""
        return self._verb("links_lost", "", now_ms, *still)

    def placements(self, now_ms: int) -> Awaitable[tuple[Placements, ...]]:
        """What rings or talks elsewhere."""
        return self._timed("placements", "", now_ms, (), _placements)

    def reserve(self, what: Reservation, now_ms: int) -> Awaitable[tuple[Held, list[Effect]]]:
        """An agent for another centre's call."""
        w = what.wanted

        def decode(reply: Any) -> tuple[Held, list[Effect]]:
            agent, seat, expires, refused, effects = reply
            return Held(w.placement, rows.text(agent), rows.text(seat), expires, rows.text(refused)), rows.effects(effects)

        head = (what.home, what.centre, what.share, int(what.paused), w.placement, w.queue, w.skill, w.level)
        return self._timed("reserve", "", now_ms, (*head, w.priority, w.entered_ms, w.expires_ms, w.profile), decode)

    def confirm(self, placement: str, answered_ms: int, by: str, now_ms: int) -> Done:
        """The home bridged it."""
        return self._verb("confirm", "", now_ms, placement, answered_ms, by)

    def held(self, home: str, ringing: Sequence[str], talking: Sequence[str], now_ms: int) -> Done:
        """What a home holds with us."""
        return self._verb("held", "", now_ms, home, len(ringing), *ringing, *talking)

    def dialogs(self, limit: int, now_ms: int) -> Awaitable[tuple[int, list[Effect]]]:
        """What our edge saw."""
        return self._timed("dialogs", "", now_ms, (limit,), lambda r: (r[0], rows.effects(r[1])))

    def released(self, placement: str, reason: str, side: str, ended_ms: int, by: str, now_ms: int) -> Done:
        """Given up by the other centre."""
        return self._verb("released", "", now_ms, placement, reason, side, ended_ms, by)


def _placements(reply: Any) -> tuple[Placements, ...]:
    found: dict[str, tuple[list[str], list[str]]] = {}
    for centre, placement, talks in reply:
        found.setdefault(rows.text(centre), ([], []))[talks].append(rows.text(placement))
    return tuple(Placements(centre, tuple(a), tuple(b)) for centre, (a, b) in sorted(found.items()))

"""Writes the trail (ledger/trail.py). What was done while SQL is away is written later: work goes on without the database."""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from sqlalchemy.exc import SQLAlchemyError

from console.ledger.database import away
from console.ledger.trail import VERBS, Act, Trail
from console.live.views import Json
from ops.clock import Clock
from ops.ids import uuid7

log = logging.getLogger(__name__)
WAITING = 10_000  # acts that wait for SQL; more are in the log only
LISTENING_MS = 600_000  # a player asks for a recording in parts: within so long they are one listening


class Acts:
    """The trail as handlers write it."""

    def __init__(self, trail: Trail, clock: Clock) -> None:
        self.trail, self.clock = trail, clock
        self.waiting: deque[Act] = deque(maxlen=WAITING)
        self._heard: dict[tuple[str, str], int] = {}

    def made(self, who: str, role: str, address: str, verb: str, subject: str, before: Json | None, after: Json | None) -> Act:
        """An act of now."""
        assert verb in VERBS, verb
        now = self.clock.now_ms()
        return Act(uuid7(now), now, who, role, address, verb, subject, before or {}, after or {})

    async def must(self, act: Act) -> None:
        """Keep it, or raise SQLAlchemyError: what would leave no trace is not done."""
        await asyncio.to_thread(self.trail.add, act)

    async def add(self, act: Act) -> None:
        """Keep what was done; while SQL is away, later."""
        try:
            await self.must(act)
        except SQLAlchemyError as error:
            if not away(error):
                raise
            log.warning("the trail waits for the database", extra={"who": act.who, "verb": act.verb, "subject": act.subject})
            self.waiting.append(act)

    async def retry(self) -> None:
        """Write what waits. Raises SQLAlchemyError."""
        while self.waiting:
            await self.must(self.waiting[0])
            self.waiting.popleft()

    def new_listening(self, session: str, recording: str) -> bool:
        """Whether this is more than the next part of a recording that the session listens to."""
        now = self.clock.now_ms()
        self._heard = {key: at for key, at in self._heard.items() if now - at < LISTENING_MS}
        new = (session, recording) not in self._heard
        self._heard[session, recording] = now
        return new

    def forget_listening(self, session: str, recording: str) -> None:
        """It was not begun after all."""
        self._heard.pop((session, recording), None)

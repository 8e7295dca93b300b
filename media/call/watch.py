"""Whether anybody is still at the other end of a leg: who has sent no audio for a while is asked inside the dialog.

    silent for `silence_ms` -> a session refresh -> an answer of any kind: asked again later, after twice the time
                                                 -> 408, 481 or none: the leg is over, lost (media/ua)

Silence alone ends nothing: phones that are muted, hold, or do not send in pauses answer the question (docs/adr/0507).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from media.rtp.api import Audio, RtpError
from media.ua import api as ua
from ops.clock import Clock

log = logging.getLogger(__name__)
TICK_S = 1.0
MOST_PAUSE_MS = 600_000  # between two questions to a phone that stays silent


@dataclass(frozen=True, slots=True)
class Pace:
    """When to ask, and how long to wait for an answer (0: as long as a SIP transaction lasts, 32 s)."""

    silence_ms: int
    patience_ms: int = 0


DRAINING = Pace(3_000, 4_000)  # nobody waits for an hour for a caller who is not there


@dataclass(slots=True)
class _Watched:
    """A leg: when its phone was last heard, when to look again, how often it was asked in this silence."""

    heard_ms: int
    look_ms: int
    asked: int = 0


class Watch:
    """Which legs are to be looked at, and which of these are to be asked. No I/O; times are UTC ms."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self._legs: dict[ua.Leg, _Watched] = {}

    def due(self, now: int, legs: Iterable[ua.Leg]) -> list[ua.Leg]:
        """The legs of all that are up which may have been silent for long enough."""
        known, silence = self._legs, self.pace.silence_ms
        self._legs = {leg: known.get(leg) or _Watched(now, now + silence) for leg in legs}
        due = [leg for leg, watched in self._legs.items() if watched.look_ms <= now]
        for leg in due:
            self._legs[leg].look_ms = now + silence  # if nothing comes of the look
        return due

    def heard(self, now: int, leg: ua.Leg, last_packet_ms: int) -> bool:
        """What a look has shown; True: ask whether anybody is there."""
        watched = self._legs.get(leg)
        if watched is None:
            return False
        watched.heard_ms = max(watched.heard_ms, last_packet_ms)
        if now - watched.heard_ms < self.pace.silence_ms:
            watched.asked, watched.look_ms = 0, watched.heard_ms + self.pace.silence_ms
            return False
        watched.asked += 1
        watched.look_ms = now + min(self.pace.silence_ms << watched.asked, MOST_PAUSE_MS)
        return True

    def hurry(self, now: int, pace: Pace) -> None:
        """Another pace from now on; every leg is looked at anew."""
        self.pace = pace
        for watched in self._legs.values():
            watched.asked, watched.look_ms = 0, now


class Watcher:
    """The shell: looks into rtpengine, asks by SIP. `legs`: those that are up now."""

    def __init__(self, pace: Pace, legs: Callable[[], Iterable[ua.Leg]], audio: Audio, phones: ua.UserAgent, clock: Clock) -> None:
        self._watch, self._legs, self._audio, self._phones, self._clock = Watch(pace), legs, audio, phones, clock

    async def run(self) -> None:
        """For ever. Without a silence to wait for only while draining."""
        while True:
            await asyncio.sleep(TICK_S)
            if self._watch.pace.silence_ms:
                await self.look()

    async def look(self) -> None:
        """Look at the legs that are due. While rtpengine is away nobody is suspected."""
        for leg in self._watch.due(self._clock.now_ms(), self._legs()):
            try:
                seen = await self._audio.look(leg)
            except RtpError as error:
                log.debug("a leg could not be looked at", extra={"call": leg.call, "leg": leg.leg, "why": str(error)})
                continue
            if self._watch.heard(self._clock.now_ms(), leg, seen.last_packet_ms):
                log.debug("silent: is anybody there?", extra={"call": leg.call, "leg": leg.leg})
                self._phones.do(ua.Refresh(leg, self._watch.pace.patience_ms))

    def hurry(self) -> None:
        """Draining: who is not there any more shall not keep the node."""
        self._watch.hurry(self._clock.now_ms(), DRAINING)

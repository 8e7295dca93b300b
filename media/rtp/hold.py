"""Music for whom the other side holds: rtpengine as the call logic uses it, with that (rtp.api.Audio)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from media.rtp import digits
from media.rtp.api import RtpError
from media.rtp.client import RtpEngine
from media.rtp.ng import NgClient
from media.rtp.places import places_of
from media.ua.api import Leg
from ops.centre import CentreConfig
from ops.clock import SystemClock
from ops.ports import LOOPBACK

FOR_EVER = 10_000  # rounds of the music
LISTEN_S = 0.6  # a phone that holds and plays music of its own sends in this time
FEW = 10  # packets that are no music


class HoldingEngine(RtpEngine):
    """A phone that holds (sendonly, inactive) parts the two; the other one hears music, unless the phone sends some of its own."""

    async def reoffer(self, leg: Leg, sdp: bytes, music: Path | None = None) -> bytes:
        """As RtpEngine; `music`: what the other side hears while this one holds."""
        answer = await super().reoffer(leg, sdp)
        direction = self._known(leg).needed().direction
        if direction in ("sendrecv", "recvonly"):
            await self._resume(leg)
        elif music is not None and direction == "inactive":
            await self._hold(leg, music)
        elif music is not None:
            self._spawn(self._hold_if_silent(leg, music))
        return answer

    async def answered(self, leg: Leg, sdp: bytes) -> None:
        """As RtpEngine: a phone that held and answers our offer may be back."""
        await super().answered(leg, sdp)
        if self._known(leg).needed().direction in ("sendrecv", "recvonly"):
            await self._resume(leg)

    async def _hold_if_silent(self, leg: Leg, music: Path) -> None:
        with contextlib.suppress(RtpError):  # the call or its audio is over meanwhile
            before = (await self.look(leg)).packets
            await asyncio.sleep(LISTEN_S)
            sent = (await self.look(leg)).packets - before
            if sent < FEW and self._known(leg).needed().direction == "sendonly":
                await self._hold(leg, music)

    async def _hold(self, leg: Leg, music: Path) -> None:
        one = self._known(leg)
        if one.partner is None:
            return
        one.holds = one.partner.leg
        await self.park(one.holds)
        await self.play(one.holds, music, FOR_EVER)

    async def _resume(self, leg: Leg) -> None:
        """Pair the two again, if nothing else has become of them."""
        one = self._known(leg)
        other, one.holds = one.holds, None
        if other is not None and one.partner is None and self._known(other).partner is None:
            await self.stop(other)
            await self.pair(leg, other)


@contextlib.asynccontextmanager
async def connect(config: CentreConfig, index: int) -> AsyncIterator[HoldingEngine]:
    """The rtpengine of media node `index`, key presses included, for as long as the context lasts."""
    ng = NgClient(LOOPBACK, config.ports.ng + index)
    await ng.open()
    engine = HoldingEngine(ng, config.media.rtp_address, places_of(config), SystemClock())
    engine.open()
    listener = await digits.listen(LOOPBACK, config.ports.dtmf + index, engine.digit)
    try:
        yield engine
    finally:
        listener.close()
        engine.close_tap()
        ng.close()

"""rtpengine verbs of one call, one after the other in the order they were asked for; each tells the call how it went.

A verb whose failure changes nothing for the call (stop, park, close) is counted and that is all.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from media.call import commands as do
from media.call import events as on
from media.call.leg import CALLER
from media.rtp.api import Audio, BadSdp, RtpError
from media.ua.api import Leg
from ops.ids import CallId

log = logging.getLogger(__name__)
Tell = Callable[[on.Event], None]
Counted = Callable[[str], None]


async def _open_caller(audio: Audio, call: CallId, verb: do.OpenCaller) -> on.Event:
    leg = Leg(call, CALLER)
    return on.CallerOpened(await (audio.open_inbound(leg, verb.sdp) if verb.sdp else audio.open_outbound(leg)))


async def _open_seat(audio: Audio, call: CallId, verb: do.OpenSeat) -> on.Event:
    return on.SeatOpened(verb.leg, await audio.open_outbound(Leg(call, verb.leg)))


async def _take_answer(audio: Audio, call: CallId, verb: do.TakeAnswer) -> on.Event:
    await audio.answered(Leg(call, verb.leg), verb.sdp)
    return on.AnswerTaken(verb.leg)


async def _take_offer(audio: Audio, call: CallId, verb: do.TakeOffer) -> on.Event:
    return on.OfferTaken(verb.leg, await audio.reoffer(Leg(call, verb.leg), verb.sdp, verb.music))


async def _make_offer(audio: Audio, call: CallId, verb: do.MakeOffer) -> on.Event:
    return on.OfferTaken(verb.leg, await audio.offer(Leg(call, verb.leg)))


async def _connect(audio: Audio, call: CallId, verb: do.Connect) -> on.Event:
    await audio.connect(Leg(call, verb.to), Leg(call, verb.leg), verb.sdp, verb.recorded)
    return on.Paired(verb.leg)


async def _park(audio: Audio, call: CallId, verb: do.Park) -> None:
    await audio.park(Leg(call, CALLER))


async def _play(audio: Audio, call: CallId, verb: do.Play) -> on.Event:
    return on.PlayStarted(verb.op, await audio.play(Leg(call, verb.leg), verb.file, verb.repeat))


async def _stop(audio: Audio, call: CallId, verb: do.StopPlay) -> None:
    await audio.stop(Leg(call, verb.leg))


async def _record(audio: Audio, call: CallId, verb: do.Record) -> None:
    await audio.record(Leg(call, CALLER), verb.name)


async def _stop_record(audio: Audio, call: CallId, verb: do.StopRecord) -> None:
    await audio.stop_record(Leg(call, CALLER))


async def _close_seat(audio: Audio, call: CallId, verb: do.CloseSeat) -> None:
    await audio.close(Leg(call, verb.leg))


async def _close_call(audio: Audio, call: CallId, verb: do.CloseCall) -> on.Event:
    return on.AudioClosed(await audio.close_call(Leg(call, CALLER)))


RUN: dict[type, Callable[[Audio, CallId, Any], Awaitable[on.Event | None]]] = {
    do.OpenCaller: _open_caller,
    do.OpenSeat: _open_seat,
    do.TakeAnswer: _take_answer,
    do.TakeOffer: _take_offer,
    do.MakeOffer: _make_offer,
    do.Connect: _connect,
    do.Park: _park,
    do.Play: _play,
    do.StopPlay: _stop,
    do.Record: _record,
    do.StopRecord: _stop_record,
    do.CloseSeat: _close_seat,
    do.CloseCall: _close_call,
}
FAILED: dict[type, Callable[[Any, bool], on.Event]] = {
    do.OpenCaller: lambda verb, bad: on.CallerOpenFailed(bad),
    do.OpenSeat: lambda verb, bad: on.SeatOpenFailed(verb.leg),
    do.TakeAnswer: lambda verb, bad: on.AnswerRefused(verb.leg, bad),
    do.TakeOffer: lambda verb, bad: on.OfferRefused(verb.leg, bad),
    do.MakeOffer: lambda verb, bad: on.OfferRefused(verb.leg, bad),
    do.Connect: lambda verb, bad: on.AnswerRefused(verb.leg, bad),
    do.Play: lambda verb, bad: on.PlayFailed(verb.op),
    do.Record: lambda verb, bad: on.RecordFailed(verb.name),
    do.CloseCall: lambda verb, bad: on.AudioClosed(),
}


class Lane:
    """The verbs of one call. `tell` gets the events; `counted` the name of each verb that failed."""

    def __init__(self, audio: Audio, call: CallId, tell: Tell, counted: Counted) -> None:
        self._audio, self._call, self._tell, self._counted = audio, call, tell, counted
        self._waiting: deque[do.Verb] = deque()
        self._task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    def put(self, verb: do.Verb) -> None:
        """Do this after what was asked before."""
        self._waiting.append(verb)
        if self._task is None:
            self._task = self._loop.create_task(self._work())

    async def _work(self) -> None:
        try:
            while self._waiting:
                event = await self._one(self._waiting.popleft())
                if event is not None:
                    self._tell(event)
        finally:
            self._task = None

    async def _one(self, verb: do.Verb) -> on.Event | None:
        try:
            return await RUN[type(verb)](self._audio, self._call, verb)
        except RtpError as error:
            name, failed = type(verb).__name__, FAILED.get(type(verb))
            log.warning("rtpengine verb failed", extra={"call": self._call, "verb": name, "why": str(error)})
            self._counted(name)
            return failed(verb, isinstance(error, BadSdp)) if failed else None

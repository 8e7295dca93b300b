"""The call's frames and events as tierline/routing/v1 has them. Nothing else knows both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tierline.common.v1 import common_pb2 as common
from tierline.routing.v1 import routing_pb2 as pb

from media.call import events as on
from media.call.frames import Assert, Callback, Cancel, End, Enqueue, Frame, Held, Home, Profile, Settle


def _profile(profile: Profile) -> pb.CallProfile:
    home = profile.home
    return pb.CallProfile(
        calling=profile.calling,
        called=profile.called,
        trunk=profile.trunk,
        home=common.HomeArea(country=home.country, province=home.province, city=home.city, carrier=home.carrier),
        language=profile.language,
        menu_path=profile.menu_path,
        arrived_ms=profile.arrived_ms,
        vip=profile.vip,
        callback=profile.callback,
    )


def _enqueue(frame: Enqueue) -> pb.Enqueue:
    return pb.Enqueue(
        call=frame.call,
        version=frame.version,
        queue=frame.queue,
        priority=frame.priority,
        entered_ms=frame.entered_ms,
        profile=_profile(frame.profile),
    )


_HELD = {
    Held.WAITING: pb.Assert.STATE_WAITING,
    Held.RINGING: pb.Assert.STATE_RINGING,
    Held.TALKING: pb.Assert.STATE_TALKING,
}


def _assert(frame: Assert) -> dict[str, Any]:
    told = pb.Assert(
        state=_HELD[frame.state],
        enqueue=_enqueue(frame.enqueue),
        offer=frame.offer,
        agent=frame.agent,
        since_ms=frame.since_ms,
    )
    return {"assert": told}


def _settle(frame: Settle) -> dict[str, Any]:
    told = pb.Settle(call=frame.call, version=frame.version, offer=frame.offer)
    if frame.failed:
        told.failed = frame.failed
    elif frame.dialling_ms:
        told.dialling_ms, told.trunk = frame.dialling_ms, frame.trunk
    else:
        told.answered_ms = frame.answered_ms
    return {"settle": told}


def _callback(frame: Callback) -> dict[str, Any]:
    return {"callback": pb.Callback(enqueue=_enqueue(frame.enqueue), number=frame.number)}


def _cancel(frame: Cancel) -> dict[str, Any]:
    return {"cancel": pb.Cancel(call=frame.call, version=frame.version, reason=frame.reason)}


def _end(frame: End) -> dict[str, Any]:
    how = frame.outcome
    outcome = common.Outcome(result=how.result, reason=how.reason, side=how.side, sip_status=how.sip_status)
    return {"end": pb.End(call=frame.call, version=frame.version, outcome=outcome, ended_ms=frame.ended_ms)}


_OUT: dict[type, Callable[[Any], dict[str, Any]]] = {
    Enqueue: lambda frame: {"enqueue": _enqueue(frame)},
    Assert: _assert,
    Settle: _settle,
    Callback: _callback,
    Cancel: _cancel,
    End: _end,
}


def to_router(seq: int, frame: Frame) -> pb.MediaFrame:
    """A frame with its number."""
    return pb.MediaFrame(seq=seq, **_OUT[type(frame)](frame))


def _back(told: pb.ToCallBack) -> on.CallBack:
    who = told.profile
    home = Home(who.home.country, who.home.province, who.home.city, who.home.carrier)
    profile = Profile(who.calling, who.called, who.trunk, home, who.language, tuple(who.menu_path), who.arrived_ms, who.vip, True)
    return on.CallBack(told.number, told.version, told.queue, told.priority, told.entered_ms, profile, told.tries)


def from_router(frame: pb.RouterFrame, ahead_ms: int, sent: Callable[[int], Frame | None]) -> tuple[str, on.FromRouter] | None:
    """(call, event) of a frame; None for one that is not about a call.

    ahead_ms: how far the router's clock is ahead of ours. sent: our frame of a number, to tell what was refused.
    """
    what = frame.WhichOneof("body")
    if what == "queued":
        return frame.queued.call, on.Queued(frame.queued.position, frame.queued.expected_ms)
    if what == "offer":
        offer = frame.offer
        head = (offer.offer, offer.agent, offer.seat, offer.expires_ms - ahead_ms, offer.centre, offer.uri)
        return offer.call, on.Offered(*head, _back(offer.callback) if offer.HasField("callback") else None)
    if what == "withdraw":
        return frame.withdraw.call, on.Withdrawn(frame.withdraw.offer, frame.withdraw.reason)
    if what == "refused":
        refused = sent(frame.refused.seq)
        kind = type(refused).__name__.lower() if refused else ""
        return frame.refused.call, on.Refused(kind, frame.refused.reason, frame.refused.detail)
    if what == "turned_away":
        return frame.turned_away.call, on.TurnedAway(frame.turned_away.queue, frame.turned_away.reason)
    if what == "release":
        return frame.release.call, on.Released(frame.release.reason)
    return None

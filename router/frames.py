"""Between the protobuf frames of routing.proto and the events and commands of router/core."""

from __future__ import annotations

from collections.abc import Callable

from tierline.agents.v1 import agents_pb2
from tierline.common.v1 import common_pb2
from tierline.routing.v1 import routing_pb2 as pb

from router.core.commands import Assert, End, Enqueue
from router.core.events import AgentSeen, CallSeen, Frame, Offer, Queued, Release, TurnedAway, Withdraw
from router.core.home import Home, city_key, customer_key

_REASON = dict(common_pb2.Reason.items())
_REASON_NAME: dict[int, str] = {number: name for name, number in _REASON.items()}
_SIDE_NAME: dict[int, str] = {number: name for name, number in common_pb2.Side.items()}
_STATE = {"wait": pb.Assert.STATE_WAITING, "ring": pb.Assert.STATE_RINGING, "talk": pb.Assert.STATE_TALKING}
ASSERTED = {number: name for name, number in _STATE.items()}


def reason_name(number: int) -> str:
    """REASON_HANGUP for 1; an unknown number is REASON_UNSPECIFIED."""
    return _REASON_NAME.get(number, "REASON_UNSPECIFIED")


def reason_number(name: str) -> common_pb2.Reason.ValueType:
    """The other way."""
    return _REASON[name]


def _queued(f: Queued) -> pb.RouterFrame:
    return pb.RouterFrame(queued=pb.Queued(call=f.call, position=f.position, waiting=f.waiting, expected_ms=f.expected_ms))


def _offer(f: Offer) -> pb.RouterFrame:
    frame = pb.RouterFrame(offer=pb.Offer(call=f.call, offer=f.offer, agent=f.agent, seat=f.seat, expires_ms=f.expires_ms))
    if f.centre:
        frame.offer.centre, frame.offer.uri = f.centre, f.uri
    if (back := f.callback) is not None:
        known = pb.ToCallBack(number=back.number, version=back.version, queue=back.queue, priority=back.priority)
        known.entered_ms, known.tries = back.entered_ms, back.tries
        known.profile.ParseFromString(back.profile)
        frame.offer.callback.CopyFrom(known)
    return frame


def _withdraw(f: Withdraw) -> pb.RouterFrame:
    return pb.RouterFrame(withdraw=pb.Withdraw(call=f.call, offer=f.offer, reason=_REASON[f.reason]))


def _release(f: Release) -> pb.RouterFrame:
    return pb.RouterFrame(release=pb.Release(call=f.call, reason=_REASON[f.reason]))


def _turned_away(f: TurnedAway) -> pb.RouterFrame:
    return pb.RouterFrame(turned_away=pb.TurnedAway(call=f.call, queue=f.queue, reason=_REASON[f.reason], closed=f.closed))


_MAKE: dict[type, Callable[..., pb.RouterFrame]] = {
    Queued: _queued,
    Offer: _offer,
    Withdraw: _withdraw,
    Release: _release,
    TurnedAway: _turned_away,
}


def to_wire(frame: Frame) -> pb.RouterFrame:
    """A frame for a media node."""
    return _MAKE[type(frame)](frame)


def enqueue(f: pb.Enqueue) -> Enqueue:
    """As asked."""
    if not f.HasField("profile"):
        return Enqueue(f.call, f.version, f.queue, f.priority, f.entered_ms, agent=f.agent)
    p = f.profile
    head = (f.call, f.version, f.queue, f.priority, f.entered_ms, p.SerializeToString())
    return Enqueue(*head, city_key(p.home.city), customer_key(p.calling), f.agent, p.vip)


def assertion(f: pb.Assert) -> Assert:
    """As asked; validated before."""
    return Assert(ASSERTED[f.state], enqueue(f.enqueue), f.offer, f.agent, f.since_ms)


def end(f: pb.End, now_ms: int) -> End:
    """As asked; without a time it is now."""
    side = _SIDE_NAME.get(f.outcome.side, "SIDE_UNSPECIFIED")
    return End(f.call, f.version, reason_name(f.outcome.reason), side, f.ended_ms or now_ms)


def home(h: Home) -> common_pb2.HomeArea:
    """For the edge's answer."""
    return common_pb2.HomeArea(country=h.country, province=h.province, city=h.city, carrier=h.carrier)


def call_view(c: CallSeen) -> agents_pb2.CallView:
    """For the console; a call that left or was lost is ended for it."""
    state = "ended" if c.state in ("left", "lost") else c.state
    view = agents_pb2.CallView(call=c.call, state=state, queue=c.queue, agent=c.agent, priority=c.priority)
    view.entered_ms, view.answered_ms = c.entered_ms, c.answered_ms
    view.profile.ParseFromString(c.profile)
    return view


def agent_view(a: AgentSeen) -> agents_pb2.AgentView:
    """For the console."""
    view = agents_pb2.AgentView(agent=a.agent, seat=a.seat, reason=a.reason, since_ms=a.since_ms, next=a.next)
    view.state = agents_pb2.AgentState.Value(f"AGENT_STATE_{a.state.upper()}")
    view.after_call_until_ms, view.version = a.until_ms, a.version
    view.skills.extend(agents_pb2.SkillLevel(skill=skill, level=level) for skill, level in a.skills)
    if a.call is not None:
        view.call.CopyFrom(call_view(a.call))
    return view

"""From the INVITE to the ACK: audio first, then 200, then the menu. Nobody hears anything before the ACK."""

from __future__ import annotations

from media.call import commands as do
from media.call import events as on
from media.call import menu, outcome
from media.call.call import Call, State
from media.call.closing import finish
from media.call.leg import Phase
from media.ua import api as ua

MOST_DIGITS = 32  # kept for the menu when pressed before it


def on_invited(call: Call, event: on.Invited, now: int) -> State:
    """A caller: open the audio."""
    call.out.append(do.OpenCaller(event.sdp))
    return State.OPENING


def on_opened(call: Call, event: on.CallerOpened, now: int) -> State:
    """The audio is open: answer."""
    if not call.caller.move("answer"):
        return State.OPENING
    who = call.person
    call.caller.sdp, call.answered = event.sdp, True
    call.phone(ua.Answer(call.name(call.caller.id), event.sdp))
    where = {"country": who.home.country, "province": who.home.province, "city": who.home.city, "carrier": who.home.carrier}
    home = {key: value for key, value in where.items() if value}
    told = {"calling": who.calling, "called": who.called, "trunk": who.trunk, "home": home, "routed": who.routed}
    call.write(now, "call_started", {"node": call.house.node, **told})
    return State.OPENING


def on_open_failed(call: Call, event: on.CallerOpenFailed, now: int) -> State:
    """No audio, no call: 488 if it is their SDP, else 503 so that the edge tries another node."""
    return finish(call, now, outcome.BAD_SDP if event.bad_sdp else outcome.NO_AUDIO)


def on_confirmed(call: Call, event: on.CallerConfirmed, now: int) -> State:
    """The ACK: into the menu, once the answer to an offer of ours is in place."""
    if call.late_offer:
        if not event.sdp:
            return finish(call, now, outcome.BAD_SDP)
        call.caller.begin(event.sdp)
        call.out.append(do.TakeAnswer(call.caller.id, event.sdp))
        return State.OPENING
    return menu.begin(call, now)


def on_answer_taken(call: Call, event: on.AnswerTaken, now: int) -> State:
    """The caller's answer to our offer is in place."""
    return menu.begin(call, now)


def on_answer_refused(call: Call, event: on.AnswerRefused, now: int) -> State:
    """The caller's answer cannot be used."""
    return finish(call, now, outcome.BAD_SDP if event.bad_sdp else outcome.NO_AUDIO)


def on_digit(call: Call, event: on.CallerDigit, now: int) -> State:
    """Ahead of the menu: kept for it."""
    call.digits = (call.digits + event.digit)[:MOST_DIGITS]
    return State.OPENING


def on_gone(call: Call, event: on.CallerGone, now: int) -> State:
    """CANCEL, or gone before the ACK."""
    unanswered = call.caller.phase is Phase.ASKED
    call.caller.move("over")
    if unanswered:
        return finish(call, now, outcome.CANCELLED)
    return finish(call, now, outcome.caller_left(waited=False, talked=False, lost=event.lost))

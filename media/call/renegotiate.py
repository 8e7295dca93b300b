"""New offers of either phone within its dialog: hold, retrieve, refresh. The same in every state; nobody is re-invited by us.

rtpengine keeps the pairing and answers in the direction that the phone left open (RFC 3264 §8.4). While the caller holds nothing is
played, and the menu waits: it goes on where it was when the caller is back. A caller whom the agent's phone holds hears music
(media/rtp/hold.py).
"""

from __future__ import annotations

from media.call import commands as do
from media.call import events as on
from media.call import player
from media.call.call import Call, Playing, State
from media.call.closing import tear_down
from media.call.leg import CALLER, LegState, Phase, holds
from media.ua import api as ua

NOT_ACCEPTABLE = 488
OUR_FAULT = 500


def _accept(call: Call, leg: LegState, sdp: bytes) -> None:
    leg.sdp = sdp
    call.phone(ua.AcceptOffer(call.name(leg.id), sdp))


def _reject(call: Call, leg: LegState, status: int) -> None:
    call.phone(ua.RejectOffer(call.name(leg.id), status))


def on_reoffered(call: Call, event: on.Reoffered, now: int) -> State:
    """Let rtpengine answer it, or make the offer that the phone asks for; a phone that is not connected gets 488."""
    leg = call.legs[event.leg]
    if leg.phase is not Phase.UP:
        _reject(call, leg, NOT_ACCEPTABLE)
        return call.state
    if not event.sdp:
        call.out.append(do.MakeOffer(leg.id))
        return call.state
    state = _listen(call, leg, event.sdp)
    music = call.sounds.music() if call.state is State.TALKING and leg is not call.caller else ()
    call.out.append(do.TakeOffer(leg.id, event.sdp, music[0] if music else None))
    return state


def on_offer_taken(call: Call, event: on.OfferTaken, now: int) -> State:
    """Answer it."""
    leg = call.legs[event.leg]
    _accept(call, leg, event.sdp)
    _settle(call, leg, leg.holds)
    return call.state


def on_offer_refused(call: Call, event: on.OfferRefused, now: int) -> State:
    """The conversation goes on as it was: 488 for what cannot be used, 500 when it is our trouble."""
    leg = call.legs[event.leg]
    _reject(call, leg, NOT_ACCEPTABLE if event.bad_sdp else OUR_FAULT)
    _settle(call, leg, leg.held)
    return call.state


def on_reanswered(call: Call, event: on.Reanswered, now: int) -> State:
    """The answer to an offer that was asked of us."""
    leg = call.legs[event.leg]
    if not event.sdp or leg.phase is not Phase.UP:
        return call.state
    state = _listen(call, leg, event.sdp)
    call.out.append(do.TakeAnswer(leg.id, event.sdp))
    return state


def on_answer_taken(call: Call, event: on.AnswerTaken, now: int) -> State:
    """The answer is in place."""
    leg = call.legs[event.leg]
    _settle(call, leg, leg.holds)
    return call.state


# ---- hold -------------------------------------------------------------------------------------------------------
def _listen(call: Call, leg: LegState, sdp: bytes) -> State:
    """What a phone says of hold. Last words to a caller who does not hear them are no use."""
    quiet, leg.holds = leg.quiet, holds(sdp)
    if leg.id == CALLER and leg.quiet and not quiet:
        if call.playing is Playing.FAREWELL:
            return tear_down(call)
        player.pause(call)
        call.key_ms = call.key_ms if on.MenuTimeout in call.timers else 0
        call.disarm(on.MenuTimeout)
    return call.state


def _settle(call: Call, leg: LegState, held: bool) -> None:
    """That is in place, or refused: what waited for a caller who held goes on."""
    quiet, leg.held, leg.holds = leg.quiet, held, held
    if leg.id == CALLER and quiet and not leg.quiet:
        player.resume(call)
        if call.state is State.MENU and call.key_ms:
            call.arm(on.MenuTimeout(), call.key_ms)

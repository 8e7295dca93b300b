"""New offers of either phone within its dialog: hold, retrieve, refresh. The same in every state; nobody is re-invited by us.

rtpengine keeps the pairing and answers in the direction that the phone left open (RFC 3264 §8.4).
"""

from __future__ import annotations

from media.call import commands as do
from media.call import events as on
from media.call.call import Call, State
from media.call.leg import LegState, Phase
from media.ua import api as ua

NOT_ACCEPTABLE = 488
OUR_FAULT = 500


def _accept(call: Call, leg: LegState, sdp: bytes) -> None:
    leg.sdp = sdp
    call.phone(ua.AcceptOffer(call.name(leg.id), sdp))


def _reject(call: Call, leg: LegState, status: int) -> None:
    call.phone(ua.RejectOffer(call.name(leg.id), status))


def on_reoffered(call: Call, event: on.Reoffered, now: int) -> State:
    """Let rtpengine answer it. A phone that asks for our offer gets the one it had; one that is not connected gets 488."""
    leg = call.legs[event.leg]
    if leg.phase is not Phase.UP:
        _reject(call, leg, NOT_ACCEPTABLE)
    elif event.sdp:
        call.out.append(do.TakeOffer(leg.id, event.sdp))
    else:
        _accept(call, leg, leg.sdp)
    return call.state


def on_offer_taken(call: Call, event: on.OfferTaken, now: int) -> State:
    """Answer it."""
    _accept(call, call.legs[event.leg], event.sdp)
    return call.state


def on_offer_refused(call: Call, event: on.OfferRefused, now: int) -> State:
    """The conversation goes on as it was: 488 for what cannot be used, 500 when it is our trouble."""
    _reject(call, call.legs[event.leg], NOT_ACCEPTABLE if event.bad_sdp else OUR_FAULT)
    return call.state


def on_reanswered(call: Call, event: on.Reanswered, now: int) -> State:
    """The answer to an offer that was asked of us."""
    if event.sdp:
        call.out.append(do.TakeAnswer(event.leg, event.sdp))
    return call.state

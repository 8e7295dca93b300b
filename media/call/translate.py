"""The user agent's events as the call's: which leg it is decides what it means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from media.call import events as on
from media.call.call import Call, State
from media.call.leg import CALLER
from media.ua import api as ua


def _answered(call: Call, event: ua.Answered) -> on.Event:
    return on.SeatAnswered(event.leg.leg, event.sdp)


def _progress(call: Call, event: ua.Progress) -> on.Event:
    return on.SeatProgress(event.leg.leg, event.status)


def _failed(call: Call, event: ua.Failed) -> on.Event:
    return on.SeatFailed(event.leg.leg, event.status)


def _confirmed(call: Call, event: ua.Confirmed) -> on.Event:
    """The first ACK of the caller opens the call; every other one ends an exchange of offers."""
    if event.leg.leg == CALLER and call.state is State.OPENING:
        return on.CallerConfirmed(event.sdp)
    return on.Reanswered(event.leg.leg, event.sdp)


def _ended(call: Call, event: ua.Ended) -> on.Event:
    """Neither they nor we ended it: it is lost."""
    lost = event.lost or not event.remote
    if event.leg.leg == CALLER:
        return on.CallerGone(event.cancelled, lost, event.reason)
    return on.SeatGone(event.leg.leg, lost, event.reason)


def _reoffer(call: Call, event: ua.Reoffer) -> on.Event:
    return on.Reoffered(event.leg.leg, event.sdp)


def _info(call: Call, event: ua.Info) -> on.Event | None:
    return on.CallerDigit(event.digit) if event.digit and event.leg.leg == CALLER else None


_HOW: dict[type, Callable[[Call, Any], on.Event | None]] = {
    ua.Answered: _answered,
    ua.Progress: _progress,
    ua.Failed: _failed,
    ua.Confirmed: _confirmed,
    ua.Ended: _ended,
    ua.Reoffer: _reoffer,
    ua.Info: _info,
    ua.Reanswered: lambda call, event: None,  # we never offer anew ourselves
}


def from_phone(call: Call, event: ua.Event) -> on.Event | None:
    """What an event of one of the call's phones means to the call; None if nothing."""
    return _HOW[type(event)](call, event)

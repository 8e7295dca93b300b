"""A call in the queue as a state machine.

Theory. A call is *waiting* (in exactly one line), *offered* (to exactly one agent, with an expiry) or *talking* (to exactly one
agent); before it is *unknown* and afterwards it is over. Over has three kinds, because they differ in what may follow: *left*
(the caller left the line, or was turned away by the queue, and may enter again from the menu), *lost* (its media node vanished;
if the node comes back it says so and the call lives on) and *ended* (final). Over calls are kept for a while so that late
messages find them and do no harm.

The node counts a version per call. A message with a version that is not above the known one is a repeat and changes nothing;
`end` is the exception, it is true whenever it comes. `wait`, `ring` and `talk` are re-assertions after a reconnect: the node's
truth, which wins over any state but *ended*. A talk cannot become a
ring again. Who is to be *called back* waits in the same line without a media node; `back` brings such a call back to waiting when
its seat or its customer was not reached. `enqueue` is for the line the call is in (or for a call in none), `move` for another line.

Lua gets this table rendered as its own (store/scripts.py), so there is one source.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType

from router.core.errors import NotAllowed


class CallState(StrEnum):
    """Where a call is."""

    UNKNOWN = "unknown"
    WAITING = "waiting"
    OFFERED = "offered"
    TALKING = "talking"
    LEFT = "left"
    LOST = "lost"
    ENDED = "ended"


class CallEvent(StrEnum):
    """What happens to a call."""

    ENQUEUE = "enqueue"
    MOVE = "move"
    OFFER = "offer"
    ANSWERED = "answered"
    FAILED = "failed"  # the seat did not take it: back to the head of the line
    WITHDRAWN = "withdrawn"  # the agent went away: back to the head of the line
    CALLER_LEFT = "caller_left"
    CANCEL = "cancel"
    END = "end"
    LOSE = "lose"  # its node vanished
    AWAY = "away"  # its queue does not take it (any more)
    WAIT = "wait"
    RING = "ring"
    TALK = "talk"
    CALL_BACK = "call_back"  # the caller hangs up and keeps the place
    BACK = "back"  # a callback came to nothing


_S, _E = CallState, CallEvent
_COMING = {_E.ENQUEUE: _S.WAITING, _E.MOVE: _S.WAITING, _E.WAIT: _S.WAITING, _E.RING: _S.OFFERED, _E.TALK: _S.TALKING}
CALL: MappingProxyType[CallState, dict[CallEvent, CallState]] = MappingProxyType(
    {
        _S.UNKNOWN: {**_COMING, _E.CANCEL: _S.LEFT, _E.END: _S.ENDED, _E.CALL_BACK: _S.WAITING},
        _S.WAITING: {
            **_COMING,
            _E.OFFER: _S.OFFERED,
            _E.CANCEL: _S.LEFT,
            _E.AWAY: _S.LEFT,
            _E.END: _S.ENDED,
            _E.LOSE: _S.LOST,
            _E.CALL_BACK: _S.WAITING,
            _E.BACK: _S.WAITING,
        },
        _S.OFFERED: {
            **_COMING,
            _E.ENQUEUE: _S.OFFERED,
            _E.WAIT: _S.OFFERED,
            _E.ANSWERED: _S.TALKING,
            _E.FAILED: _S.WAITING,
            _E.WITHDRAWN: _S.WAITING,
            _E.CALL_BACK: _S.WAITING,
            _E.BACK: _S.WAITING,
            _E.CALLER_LEFT: _S.LEFT,
            _E.CANCEL: _S.LEFT,
            _E.END: _S.ENDED,
            _E.LOSE: _S.LOST,
        },
        _S.TALKING: {
            _E.ENQUEUE: _S.WAITING,
            _E.MOVE: _S.WAITING,
            _E.WAIT: _S.WAITING,
            _E.TALK: _S.TALKING,
            _E.BACK: _S.WAITING,
            _E.END: _S.ENDED,
            _E.LOSE: _S.LOST,
        },
        _S.LEFT: {**_COMING, _E.CANCEL: _S.LEFT, _E.END: _S.ENDED, _E.CALL_BACK: _S.WAITING},
        _S.LOST: {**_COMING, _E.CANCEL: _S.LEFT, _E.END: _S.ENDED, _E.CALL_BACK: _S.WAITING},
        _S.ENDED: {_E.CANCEL: _S.ENDED, _E.END: _S.ENDED},
    }
)
LIVE = frozenset({_S.WAITING, _S.OFFERED, _S.TALKING})


def step(state: CallState, event: CallEvent) -> CallState:
    """Where `event` leads from `state`. Raises NotAllowed when the table does not have it."""
    to = CALL[state].get(event)
    if to is None:
        raise NotAllowed(state, event)
    return to

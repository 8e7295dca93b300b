"""The agent as a state machine.

Theory. An agent is in exactly one state. Two parties move it: the agent through the console (login, move, logout, ready,
not_ready, end_after_call) and the router through calls (all other events). While a call talks, what the agent asks for is a
*wish* kept in `next`; the table then names the same state, and REST leads to what was wished. REST is no state: it stands for
"ready, unless the agent wished otherwise", and for logged_out when the store lost the seat (a wiped Redis).

`offered` is not yet a call: logout and a login from another seat take the offer back at once (AGENT_GONE), because nobody will
answer there. `ring` and `talk` are a media node's re-assertion: what really happens at the seat wins over what we believed,
except that a seat of somebody who logged out does not go on ringing.

Lua gets this table rendered as its own (store/scripts.py), so there is one source.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType

from router.core.errors import NotAllowed


class AgentState(StrEnum):
    """Where an agent is; the names of agents.proto in lower case."""

    LOGGED_OUT = "logged_out"
    NOT_READY = "not_ready"
    READY = "ready"
    OFFERED = "offered"
    TALKING = "talking"
    AFTER_CALL = "after_call"


class AgentEvent(StrEnum):
    """What happens to an agent."""

    LOGIN = "login"  # from the seat it has, or the first one
    MOVE = "move"  # login from another seat
    LOGOUT = "logout"
    READY = "ready"
    NOT_READY = "not_ready"
    END_AFTER_CALL = "end_after_call"
    OFFER = "offer"  # matched with a call
    ANSWERED = "answered"  # the seat answered and is bridged
    FAILED = "failed"  # the seat did not answer, was busy or unreachable
    LATE = "late"  # the offer failed through our fault: a short pause, so that the next one does not follow at once
    WITHDRAWN = "withdrawn"  # the caller left, or the call went elsewhere
    ENDED = "ended"  # the talk is over, after-call work follows
    RELEASED = "released"  # the talk is over, the queue has no after-call work
    OVER = "over"  # the time for after-call work is up
    RING = "ring"  # re-asserted: a call rings there
    TALK = "talk"  # re-asserted or answered late: it talks


REST = "rest"

_S, _E = AgentState, AgentEvent
AGENT: MappingProxyType[AgentState, dict[AgentEvent, str]] = MappingProxyType(
    {
        _S.LOGGED_OUT: {
            _E.LOGIN: _S.NOT_READY,
            _E.MOVE: _S.NOT_READY,
            _E.LOGOUT: _S.LOGGED_OUT,
            _E.TALK: _S.TALKING,
        },
        _S.NOT_READY: {
            _E.LOGIN: _S.NOT_READY,
            _E.MOVE: _S.NOT_READY,
            _E.LOGOUT: _S.LOGGED_OUT,
            _E.READY: _S.READY,
            _E.NOT_READY: _S.NOT_READY,
            _E.RING: _S.OFFERED,
            _E.TALK: _S.TALKING,
        },
        _S.READY: {
            _E.LOGIN: _S.READY,
            _E.MOVE: _S.NOT_READY,
            _E.LOGOUT: _S.LOGGED_OUT,
            _E.READY: _S.READY,
            _E.NOT_READY: _S.NOT_READY,
            _E.OFFER: _S.OFFERED,
            _E.RING: _S.OFFERED,
            _E.TALK: _S.TALKING,
        },
        _S.OFFERED: {
            _E.LOGIN: _S.OFFERED,
            _E.MOVE: _S.NOT_READY,
            _E.LOGOUT: _S.LOGGED_OUT,
            _E.READY: _S.OFFERED,
            _E.NOT_READY: _S.OFFERED,
            _E.ANSWERED: _S.TALKING,
            _E.FAILED: _S.NOT_READY,
            _E.LATE: _S.AFTER_CALL,
            _E.WITHDRAWN: REST,
            _E.TALK: _S.TALKING,
        },
        _S.TALKING: {
            _E.LOGIN: _S.TALKING,
            _E.MOVE: _S.TALKING,
            _E.LOGOUT: _S.TALKING,
            _E.READY: _S.TALKING,
            _E.NOT_READY: _S.TALKING,
            _E.ENDED: _S.AFTER_CALL,
            _E.RELEASED: REST,
            _E.TALK: _S.TALKING,
        },
        _S.AFTER_CALL: {
            _E.LOGIN: _S.AFTER_CALL,
            _E.MOVE: _S.AFTER_CALL,
            _E.LOGOUT: _S.LOGGED_OUT,
            _E.READY: _S.READY,
            _E.NOT_READY: _S.NOT_READY,
            _E.END_AFTER_CALL: REST,
            _E.OVER: REST,
            _E.RING: _S.OFFERED,
            _E.TALK: _S.TALKING,
        },
    }
)


def step(state: AgentState, event: AgentEvent) -> str:
    """Where `event` leads from `state`: a state or REST. Raises NotAllowed when the table does not have it."""
    to = AGENT[state].get(event)
    if to is None:
        raise NotAllowed(state, event)
    return to

"""How offers and talks end and calls go away. One source with the second half of Lua's include/calls.lua."""

from __future__ import annotations

from router.core import call as calls
from router.core import callback, expect
from router.core.agent import AgentEvent, AgentState
from router.core.call import LIVE, CallEvent, CallState
from router.core.desk import Agent, Call, Desk
from router.core.events import TurnedAway, Withdraw
from router.core.lines import flow, step_out
from router.core.match import LATE, SEAT_FAULT
from router.core.moves import agent_event, place
from router.core.placement import gone, guest_out

STAYED = ("", "REASON_UNSPECIFIED", "REASON_NODE_LOST")  # left a line without having lost patience


def close_offer(d: Desk, c: Call, event: AgentEvent | None, why: str, tell: bool) -> None:
    """The offer is over; `event` is what that means for the agent, `why` the reason told to ledger and node."""
    d.due.remove(f"o:{c.id}")
    a = d.agents.get(c.agent)
    d.call_fact(c, "offer_failed", {"queue": c.queue, "offer": c.offer, "reason": why}, c.agent)
    if tell:
        d.emit(c.node, Withdraw(c.id, c.offer, why))
    if c.callback:
        callback.put_down(d, c)
    c.last_offer, c.last_agent, c.offer, c.agent, c.expires = c.offer, c.agent, "", "", 0
    if event and a and a.call == c.id and a.state is AgentState.OFFERED:
        agent_event(d, a, event, SEAT_FAULT[why] if event is AgentEvent.FAILED else LATE if event is AgentEvent.LATE else "")
        if event is AgentEvent.LATE:
            a.call = a.offer = ""
            rest(d, a, d.times.pause_ms)


def failure(why: str) -> AgentEvent:
    """What a failed offer means for its agent, by whose fault it was."""
    if why == "REASON_ANSWERED_ELSEWHERE":
        return AgentEvent.WITHDRAWN
    return AgentEvent.FAILED if why in SEAT_FAULT else AgentEvent.LATE


def rest(d: Desk, a: Agent, ms: int) -> None:
    """An agent in after-call work is ready again after so long, or sooner by hand."""
    a.until = d.now + ms
    d.due.add(f"a:{a.id}", a.until)


def release_agent(d: Desk, c: Call, ended_ms: int, side: str) -> None:
    """The talk is over for the agent."""
    if c.remote is not None:
        gone(d, c, "REASON_HANGUP", False, ended_ms, side)
    d.talking[c.queue] = d.talking.get(c.queue, 0) - 1
    body = {"queue": c.queue, "talk_ms": max(0, ended_ms - c.answered), "side": side}
    d.call_fact(c, "agent_released", body, c.agent)
    a = d.agents.get(c.agent)
    if not a or a.call != c.id or a.state is not AgentState.TALKING:
        return
    after_ms = d.queues[c.queue].after_ms if c.queue in d.queues else 0
    if after_ms == 0:
        agent_event(d, a, AgentEvent.RELEASED)
        return
    agent_event(d, a, AgentEvent.ENDED)
    rest(d, a, after_ms)


def leave_fact(d: Desk, c: Call, why: str) -> None:
    """It waits no more."""
    waited = max(0, d.now - c.entered)
    expect.waited(flow(d, c.queue), waited, why not in STAYED)
    d.call_fact(c, "left_queue", {"queue": c.queue, "reason": why, "waited_ms": waited})


def detach(d: Desk, c: Call, why: str | None = None, offer_why: str = "", tell: bool = False) -> None:
    """Take a live call out of a line or an offer. `why` goes to the ledger; `offer_why` (and `tell`) close an offer."""
    left = c.state in (CallState.WAITING, CallState.OFFERED)
    if left and c.remote is not None:
        gone(d, c, offer_why or "REASON_CALLER_LEFT", tell)
    if c.state is CallState.WAITING:
        step_out(d, c)
    elif c.state is CallState.OFFERED:
        close_offer(d, c, AgentEvent.WITHDRAWN, offer_why, tell)
    if why is not None and left:
        leave_fact(d, c, why)


def over(d: Desk, c: Call, state: CallState) -> None:
    """Into one of the states that are over."""
    if c.remote is not None:
        gone(d, c, "REASON_CALLER_LEFT", tell=True)
    if c.guest is not None:
        guest_out(d, c)
    c.state = state
    d.keep(c)


def turn_away(d: Desk, c: Call, why: str) -> None:
    """The queue takes a waiting call in no line not (any more). The row remembers why, so that a repeat is told the same."""
    c.away = why
    over(d, c, calls.step(c.state, CallEvent.AWAY))
    d.call_fact(c, "turned_away", {"queue": c.queue, "reason": why, "waited_ms": max(0, d.now - c.entered)})
    tell_away(d, c)


def tell_away(d: Desk, c: Call) -> None:
    """To the call's node."""
    d.emit(c.node, TurnedAway(c.id, c.queue, c.away))


def put_back(d: Desk, c: Call, why: str, side: str) -> str:
    """A callback that is offered, or whose customer is being called: the agent is free of it, it waits in no line. Its offer."""
    offer, dialling = c.offer, c.state is CallState.TALKING
    if dialling:
        release_agent(d, c, d.now, side)
        c.offer, c.agent, c.answered, c.dialling = "", "", 0, 0
        callback.put_down(d, c)
    else:
        close_offer(d, c, AgentEvent.WITHDRAWN, why, tell=False)
    c.state = calls.step(c.state, CallEvent.BACK)
    return offer


def not_reached(d: Desk, c: Call, why: str, side: str = "SIDE_CALLER") -> None:
    """A customer did not answer, or something of ours failed: again after a while, or given up."""
    c.tries += c.state is CallState.OFFERED  # nobody was called: counted all the same, or it would never end
    offer = put_back(d, c, why, side)
    if not callback.failed(d, c, offer, why, d.times.callback_every_ms):
        d.due.add(f"w:{c.id}", d.now + d.times.callback_every_ms)


def _wait_on(d: Desk, c: Call) -> None:
    """A callback whose node vanished; if the phone may still ring for that node it waits for as long as after any try."""
    if c.state is CallState.WAITING:
        callback.put_down(d, c)
    elif c.state is CallState.TALKING:
        not_reached(d, c, "REASON_NODE_LOST", "SIDE_SYSTEM")
    else:
        put_back(d, c, "REASON_NODE_LOST", "SIDE_SYSTEM")
        place(d, c)


def lose(d: Desk, c: Call) -> None:
    """The call's node vanished: its end is ours to tell."""
    if callback.pending(c):
        _wait_on(d, c)
        return
    answered = c.state is CallState.TALKING
    talk = max(0, d.now - c.answered) if answered else 0
    to = calls.step(c.state, CallEvent.LOSE)
    detach(d, c, "REASON_NODE_LOST", "REASON_NODE_LOST")
    if answered:
        release_agent(d, c, d.now, "SIDE_SYSTEM")
    over(d, c, to)
    result = "RESULT_ANSWERED" if answered else "RESULT_FAILED"
    outcome = {"result": result, "reason": "REASON_NODE_LOST", "side": "SIDE_SYSTEM"}
    d.call_fact(c, "call_ended", {"outcome": outcome, "talk_ms": talk})


def lose_calls(d: Desk, node: str, session: int | None = None) -> None:
    """All calls of a node, or only those that its session has not spoken of. The waiting ones first, so that agents who become
    free of the others are not offered calls that are lost as well."""
    held = [c for c in d.calls.values() if c.node == node and c.state in LIVE and (session is None or c.sess != session)]
    held.sort(key=lambda c: (c.state is not CallState.WAITING, c.id))
    for c in held:
        lose(d, c)

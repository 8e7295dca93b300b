"""Callbacks: a call that keeps its place in the line while the caller has hung up. One source with Lua's include/callback.lua.

Such a call waits without a media node. When its turn comes the least loaded node is told to make it: it rings the agent's seat,
then calls the customer (`dialling`: the agent talks to us, not yet to the customer). Whatever fails before the customer answers
brings it back to waiting with its old time; after some tries it is given up. Nothing in between depends on one node or router.
"""

from __future__ import annotations

from router.core import call as calls
from router.core.call import LIVE, CallEvent, CallState
from router.core.desk import Call, Desk
from router.core.errors import TooManyCallbacks
from router.core.events import CallBack

DAY_MS = 86_400_000
BLACKLISTED = "REASON_BLACKLISTED"


def pending(c: Call) -> bool:
    """Whether its customer is still to be reached."""
    in_line = c.state in (CallState.WAITING, CallState.OFFERED)
    return bool(c.callback) and (in_line or (c.state is CallState.TALKING and bool(c.dialling)))


def words(c: Call) -> CallBack | None:
    """What the node that makes the call must know; None if it has the caller on the line."""
    if not c.callback:
        return None
    return CallBack(c.callback, c.ver, c.queue, c.prio, c.entered, c.tries, c.profile)


def count(d: Desk, c: Call, number: str) -> None:
    """One more callback of its number (in the one form that all ways to write it have) today. Raises TooManyCallbacks."""
    day = d.now // DAY_MS
    before = d.calls.get(d.back_to.get(number, ""))
    if before is not None and before.id != c.id and before.callback and before.state in LIVE:
        raise TooManyCallbacks("one to this number is open")
    if d.back_day != day:
        d.back_day, d.back_count = day, {}
    if d.back_count.get(number, 0) >= d.times.callback_number_day or d.back_count.get("", 0) >= d.times.callback_day:
        raise TooManyCallbacks("there were enough today")
    d.back_to[number] = c.id
    for counted in (number, ""):
        d.back_count[counted] = d.back_count.get(counted, 0) + 1


def take_up(d: Desk, c: Call) -> None:
    """The node with the least load makes the call; without one the offer runs out and the agent is none the worse. The edge lets it
    dial this number and no other."""
    d.outside[c.id] = f"{c.callback} {c.trunk}"
    fit = (n for n in d.nodes.values() if not n.draining and not n.lost and n.holder and n.seen >= d.now - d.times.lost_ms)
    n = min(fit, key=lambda n: (n.calls + n.routed, n.id), default=None)
    if n is not None:
        n.routed += 1
        c.node, c.sess = n.id, n.sess


def put_down(d: Desk, c: Call) -> None:
    """No node holds it, so none may dial."""
    d.outside.pop(c.id, None)
    c.node, c.sess = "", 0
    d.keep(c)


def barred(d: Desk, c: Call) -> bool:
    """A waiting callback in no line whose number came onto the blacklist is given up; whether it was."""
    if not c.callback or not any(key in d.black and (d.black[key] == 0 or d.black[key] > d.now) for key in c.listed.split(" ")):
        return False
    c.tries = d.times.callback_tries
    return failed(d, c, "", BLACKLISTED, 0)


def failed(d: Desk, c: Call, offer: str, why: str, after_ms: int) -> bool:
    """A waiting callback in no line was not made; whether that was the last try, and it is over."""
    over = c.tries >= d.times.callback_tries
    body = {"queue": c.queue, "offer": offer, "reason": why, "tries": c.tries, "again_ms": 0 if over else d.now + after_ms}
    d.call_fact(c, "callback_failed", body)
    if over:
        c.state = calls.step(c.state, CallEvent.END)
        outcome = {"result": "RESULT_REFUSED" if why == BLACKLISTED else "RESULT_ABANDONED", "reason": why, "side": "SIDE_SYSTEM"}
        d.call_fact(c, "left_queue", {"queue": c.queue, "reason": why, "waited_ms": max(0, d.now - c.entered)})
        d.call_fact(c, "call_ended", {"outcome": outcome})
    d.keep(c)
    return over

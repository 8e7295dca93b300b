"""What media nodes say of themselves, timers, rules and routes. See store/base.py."""

from __future__ import annotations

from collections.abc import Callable

from router.core import call as calls
from router.core.agent import AgentEvent, AgentState
from router.core.call import CallEvent, CallState
from router.core.commands import From, Hello, RouteAsk
from router.core.desk import Desk, Node
from router.core.enter import repeat_offer
from router.core.errors import NoMediaNode, OldEpoch, UnknownNode
from router.core.events import Decision, Expired
from router.core.leave import close_offer, leave_fact, lose_calls, turn_away
from router.core.lines import seek_place, step_out
from router.core.moves import again, agent_event, place
from router.core.overflow import guest_due, remote_due
from router.core.placement import gone, wants_place
from router.core.refile import sync_config as sync_config  # a verb like the others


def hello(d: Desk, what: Hello) -> int:
    """A node's session begins; its number. A newer epoch: the process before is gone, and its calls."""
    d.need_rules()
    n = d.nodes.get(what.node) or Node(what.node)
    known = n.epoch
    if what.epoch < known:
        raise OldEpoch(str(known))
    d.nodes[what.node] = n
    n.sess = d.newer(n.sess)
    n.uri, n.epoch, n.draining, n.calls, n.holder = what.uri, what.epoch, what.draining, what.calls, what.holder
    n.seen, n.routed, n.lost = d.now, 0, False
    d.due.add(f"n:{n.id}", d.now + d.times.lost_ms)
    d.due.add(f"s:{n.id}", d.now + d.times.lost_ms)
    if 0 < known < what.epoch:
        lose_calls(d, n.id)
    else:
        _tell_callbacks(d, n.id)
    return n.sess


def _tell_callbacks(d: Desk, node: str) -> None:
    """Offers of callbacks that a node is to make: it cannot speak of what it never heard of. Those it knows are no news."""
    for c in sorted(d.calls.values(), key=lambda c: c.id):
        if c.node == node and c.state is CallState.OFFERED and c.callback:
            repeat_offer(d, c)


def heartbeat(d: Desk, by: From, draining: bool, held: int) -> None:
    """A node lives."""
    n = d.nodes.get(by.node)
    if n is None or n.lost or n.sess != by.session:
        raise UnknownNode(by.node)
    n.draining, n.calls, n.seen, n.routed = draining, held, d.now, 0
    d.due.add(f"n:{n.id}", d.now + d.times.lost_ms)


def expire(d: Desk, limit: int) -> Expired:
    """Serve timers. If nobody did for longer than the gap there was an outage: nodes and seats could not speak meanwhile, so what
    they are waited for gets its time anew."""
    d.need_rules()
    outage = d.now - d.tick > d.times.gap_ms
    d.tick = d.now
    if outage:
        _second_chance(d)
    due = d.due.upto(d.now)[:limit]
    counts = dict.fromkeys(_SERVE, 0)
    for member in due:
        if d.due.remove(member):
            counts[member[0]] += _SERVE[member[0]](d, member[2:])
    effects, (following, _) = tuple(d.done()), next(iter(d.due), (0, ""))
    return Expired(effects, counts["o"], counts["a"], counts["n"], len(due) >= limit, int(following))


def _second_chance(d: Desk) -> None:
    for member in d.due.upto(d.now + d.times.lost_ms):
        again = d.now + (d.times.grace_ms if member[0] == "o" else d.times.lost_ms)
        if member[0] in _SPEECH and again > d.due.score(member):
            d.due.add(member, again)


def _offer_due(d: Desk, call: str) -> int:
    c = d.call(call)
    if c is None or c.state is not CallState.OFFERED:
        return 0
    if c.guest is not None:
        guest_due(d, c)
        return 1
    to = calls.step(c.state, CallEvent.FAILED)
    close_offer(d, c, AgentEvent.LATE, "REASON_EXPIRED", tell=True)  # its node did not speak in time: not the agent's fault
    c.state = to
    place(d, c)
    return 1


def _after_call_due(d: Desk, agent: str) -> int:
    a = d.agents.get(agent)
    if a is None or a.state is not AgentState.AFTER_CALL:
        return 0
    agent_event(d, a, AgentEvent.OVER)
    return 1


def _node_due(d: Desk, node: str) -> int:
    n = d.nodes[node]
    n.lost, n.holder = True, ""
    d.due.remove(f"s:{node}")
    lose_calls(d, node)
    return 1


def _sweep_due(d: Desk, node: str) -> int:
    lose_calls(d, node, d.nodes[node].sess)
    return 0


def _wait_due(d: Desk, call: str) -> int:
    c = d.call(call)
    if c is None or c.state is not CallState.WAITING:
        return 0
    longest = d.queues[c.queue].max_wait_ms
    if longest and not c.callback and d.now >= c.entered + longest:
        step_out(d, c)
        leave_fact(d, c, WAITED)
        turn_away(d, c, WAITED)
    else:
        again(d, c)
    return 0


def _place_due(d: Desk, call: str) -> int:
    c = d.call(call)
    if c is None:
        return 0
    if c.state is not CallState.WAITING or not wants_place(c):
        remote_due(d, c)
    elif not seek_place(d, c, d.plan.queues[c.queue]):  # the rules have changed
        gone(d, c, "REASON_EXPIRED")
    return 0


WAITED = "REASON_WAITED_TOO_LONG"
_SPEECH = "ons"  # timers that wait for a word of somebody
_SERVE: dict[str, Callable[[Desk, str], int]] = {
    "o": _offer_due,
    "a": _after_call_due,
    "n": _node_due,
    "s": _sweep_due,
    "w": _wait_due,
    "p": _place_due,
}


def route(d: Desk, ask: RouteAsk) -> Decision:
    """Refused if the caller is on the blacklist, else the media node with the least load."""
    d.need_rules()
    refused = ask.refused or ("REASON_BLACKLISTED" if _listed(d, ask.listed_as) else "")
    n = None if refused else _least_loaded(d)
    if n is None and not refused:
        raise NoMediaNode("no media node takes calls")
    home = {k: v for k, v in zip(("country", "province", "city", "carrier"), ask.home, strict=True) if v}
    body = {"trunk": ask.trunk, "calling": ask.calling, "called": ask.called, "diversion": ask.diversion}
    body_ = body | {"home": home or None, "node": n.id if n else "", "refused": refused}
    d.fact("routed", f"{ask.call}:r:{d.now}:0", d.now, body_, ask.call)
    if n is None:
        return Decision(refused=refused)
    n.routed += 1
    return Decision(n.id, n.uri, vip=next((d.vip[key] for key in ask.listed_as if key in d.vip), 0))


def _listed(d: Desk, keys: tuple[str, ...]) -> bool:
    return any(key in d.black and (d.black[key] == 0 or d.black[key] > d.now) for key in keys)


def _least_loaded(d: Desk) -> Node | None:
    fit = (n for n in d.nodes.values() if not n.draining and not n.lost and n.seen >= d.now - d.times.lost_ms)
    return min(fit, key=lambda n: (n.calls + n.routed, n.id), default=None)

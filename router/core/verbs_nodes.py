"""What media nodes say of themselves, timers, rules and routes. See store/base.py."""

from __future__ import annotations

from router.core import call as calls
from router.core.agent import AgentEvent, AgentState
from router.core.call import CallEvent, CallState
from router.core.commands import From, Hello, RouteAsk, Rules
from router.core.desk import Desk, Node
from router.core.errors import NoMediaNode, OldEpoch, UnknownNode
from router.core.events import Decision, Expired
from router.core.leave import close_offer, lose_calls
from router.core.moves import agent_event, first_free, line_out, line_up, place, seek


def hello(d: Desk, what: Hello) -> int:
    """A node's session begins; its number. A newer epoch: the process before is gone, and its calls."""
    d.need_rules()
    n = d.nodes.get(what.node) or Node(what.node)
    known = n.epoch
    if what.epoch < known:
        raise OldEpoch(str(known))
    d.nodes[what.node] = n
    n.sess += 1
    n.uri, n.epoch, n.draining, n.calls, n.holder = what.uri, what.epoch, what.draining, what.calls, what.holder
    n.seen, n.routed, n.lost = d.now, 0, False
    d.due.add(f"n:{n.id}", d.now + d.times.lost_ms)
    d.due.add(f"s:{n.id}", d.now + d.times.lost_ms)
    if 0 < known < what.epoch:
        lose_calls(d, n.id)
    return n.sess


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
    counts = {"o": 0, "a": 0, "n": 0, "s": 0}
    for member in due:
        if d.due.remove(member):
            counts[member[0]] += _SERVE[member[0]](d, member[2:])
    return Expired(tuple(d.done()), counts["o"], counts["a"], counts["n"], len(due) >= limit)


def _second_chance(d: Desk) -> None:
    for at, member in list(d.due):
        again = d.now + (d.times.grace_ms if member[0] == "o" else d.times.lost_ms)
        if member[0] != "a" and at <= d.now + d.times.lost_ms and again > at:
            d.due.add(member, again)


def _offer_due(d: Desk, call: str) -> int:
    c = d.call(call)
    if c is None or c.state is not CallState.OFFERED:
        return 0
    to = calls.step(c.state, CallEvent.FAILED)
    close_offer(d, c, AgentEvent.FAILED, "REASON_EXPIRED", tell=True)
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


_SERVE = {"o": _offer_due, "a": _after_call_due, "n": _node_due, "s": _sweep_due}


def sync_config(d: Desk, rules: Rules) -> None:
    """A version of the rules comes into force. A queue that is gone takes no new calls; those waiting in it are still answered."""
    if d.generation >= 0 and _older(d, rules):
        return
    if rules.book.sha256 not in ("", d.book.sha256):
        _rules_changed(d, rules)
    same, d.generation, d.digest, d.book = d.digest == rules.digest, rules.generation, rules.digest, rules.book
    if same:
        return
    d.closed = set(d.queues) - {q.id for q in rules.queues}
    d.queues |= {q.id: q for q in rules.queues}
    d.black = dict(rules.blacklist)
    d.serving = {}
    for queue in (*(q.id for q in rules.queues), *sorted(d.closed)):
        d.serving.setdefault(d.queues[queue].skill, []).append(queue)
    for agent, skills in rules.skills:
        _reskill(d, agent, skills)
    for skill in sorted(d.serving):
        _match_all(d, skill)


def _older(d: Desk, rules: Rules) -> bool:
    """What is in force stays: it is the same, or newer, or another book of the same version."""
    had, new = d.book.sha256, rules.book.sha256
    if (had and not new) or (had and new and d.generation == rules.generation and had != new):
        return True
    return (bool(had) == bool(new) and d.generation > rules.generation) or (d.digest == rules.digest and had == new)


def _rules_changed(d: Desk, rules: Rules) -> None:
    book = rules.book
    body = {"version": rules.generation, "who": book.who, "why": book.why, "sha256": book.sha256}
    d.fact("rules_changed", f"rules:{d.tenant}:{rules.generation}:{book.sha256[:12]}", d.now, body)


def _reskill(d: Desk, agent: str, skills: tuple[tuple[str, int], ...]) -> None:
    """Who is logged in has changed skills at once; who is not gets them with the next login."""
    a = d.agents.get(agent)
    if a is None or a.state is AgentState.LOGGED_OUT or a.skills == skills:
        return
    lined = a.lined
    if lined:
        line_out(d, a)
    a.skills, a.ver = skills, a.ver + 1
    if lined:
        line_up(d, a)


def _match_all(d: Desk, skill: str) -> None:
    a = first_free(d, skill)
    while a is not None:
        line_out(d, a)
        seek(d, a)
        a = first_free(d, skill) if a.state is AgentState.OFFERED else None


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
    return Decision(n.id, n.uri)


def _listed(d: Desk, keys: tuple[str, ...]) -> bool:
    return any(key in d.black and (d.black[key] == 0 or d.black[key] > d.now) for key in keys)


def _least_loaded(d: Desk) -> Node | None:
    fit = (n for n in d.nodes.values() if not n.draining and not n.lost and n.seen >= d.now - d.times.lost_ms)
    return min(fit, key=lambda n: (n.calls + n.routed, n.id), default=None)

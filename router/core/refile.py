"""New rules while calls wait. One source with Lua's sync_config.lua.

Theory. Where an agent or a call stands follows from the rules, so a change of rules moves them, in the step that changes the rules:
first every agent concerned leaves its pools, by the rules it lined up under; then every call concerned is placed anew (another
stage, score, skill, limit: whatever the rules say now); then the agents take calls or line up again. No call is left in a line that
nobody reads, no agent in a pool that nobody asks. Concerned are only agents of skills that are laid out otherwise, or with another
city, weight or skill, and calls of queues whose rule is another one; a change of the blacklist moves nobody.
"""

from __future__ import annotations

from router.core.agent import AgentState
from router.core.commands import QueueRule, Rules
from router.core.desk import Agent, Call, Desk
from router.core.lines import score, step_out
from router.core.moves import place, seek
from router.core.plan import ANY, Plan, compiled
from router.core.pools import line_out
from router.core.verbs_agents import reskill


def sync_config(d: Desk, rules: Rules) -> None:
    """A version of the rules comes into force. A queue that is gone takes no new calls; those waiting in it are still answered."""
    if d.generation >= 0 and _older(d, rules):
        return
    if rules.book.sha256 not in ("", d.book.sha256):
        _rules_changed(d, rules)
    same, d.generation, d.digest, d.book = d.digest == rules.digest, rules.generation, rules.digest, rules.book
    if same:
        return
    there = {q.id for q in rules.queues}
    gone = [q for _, q in sorted(d.queues.items()) if q.id not in there]
    _refile(d, rules, compiled(rules, gone), gone)


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


def _refile(d: Desk, rules: Rules, plan: Plan, gone: list[QueueRule]) -> None:
    skilled = [(d.agents[agent], skills) for agent, skills in rules.skills if agent in d.agents]
    changed = [(a, skills) for a, skills in skilled if a.state is not AgentState.LOGGED_OUT and a.skills != skills]
    agents = _agents(d, plan, [a for a, _ in changed])
    for a in agents:
        line_out(d, a)
    calls = _calls(d, plan)
    for c in calls:
        step_out(d, c)
    d.plan, d.queues, d.closed = plan, {q.id: q for q in (*rules.queues, *gone)}, {q.id for q in gone}
    d.black, d.vip = dict(rules.blacklist), dict(rules.vip)
    for a, skills in changed:
        reskill(d, a, skills)
        a.ver += 1
    for c in sorted(calls, key=lambda c: (score(d, c), c.id)):
        place(d, c)
    for a in agents:
        if a.state is AgentState.READY and not a.lined:
            seek(d, a)


def _agents(d: Desk, plan: Plan, changed: list[Agent]) -> list[Agent]:
    """Ready agents that must stand elsewhere, the longest idle first."""
    old, found = d.plan, {a.id for a in changed}
    for skill in {*old.layouts, *plan.layouts}:
        was = old.layout(skill)
        if was != plan.layout(skill):
            for band in was.bands:
                found |= {agent for _, agent in d.pools.get(f"{was.orders[0]}:{skill}:{band}:{ANY}", ())}
    for agent in {*old.cities, *plan.cities, *old.weights, *plan.weights}:
        if old.cities.get(agent) != plan.cities.get(agent) or old.weights.get(agent) != plan.weights.get(agent):
            found.add(agent)
    rows = (d.agents[agent] for agent in found if agent in d.agents)
    return sorted((a for a in rows if a.lined), key=lambda a: (a.idle, a.id))


def _calls(d: Desk, plan: Plan) -> list[Call]:
    """Waiting calls that may have to stand elsewhere."""
    old, found = d.plan, []
    all_of = old.worth_ms != plan.worth_ms
    towns = old.seated != plan.seated
    for queue, line in d.wait.items():
        was, now = old.queues[queue], plan.queues[queue]
        if all_of or was != now or (towns and any(r.by_city for r in (*was.rungs, *was.vip_rungs))):
            found += [d.calls[call] for _, call in line]
    return found

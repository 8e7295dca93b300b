"""New rules while calls wait. One source with Lua's sync_config.lua.

Theory. Where an agent or a call stands follows from the rules, so a change of rules moves them, in the step that changes the
rules: no call is left in a line that nobody reads, no agent in a pool that nobody asks. Concerned are only

- agents with another city, weight or skill: they leave their pools, and take a call or line up when all else is done;
- agents of skills that are laid out otherwise (orders, bands, cities): they may take the same calls as before and merely stand
  in other pools, so nothing is looked for them;
- waiting calls of queues whose rule is another one: they leave their lines and are placed anew, the first in line first (another
  stage, score, skill, limit: whatever the rules say now).

A change of the blacklist, of VIPs or of opening hours moves nobody.
"""

from __future__ import annotations

from router.core.agent import AgentState
from router.core.commands import QueueRule, Rules
from router.core.desk import Agent, Call, Desk
from router.core.lines import score, step_out
from router.core.moves import place, seek
from router.core.plan import ANY, Plan, compiled
from router.core.pools import line_out, line_up
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
    new = _skills(d, rules)
    changed = _changed(d, plan, set(new))
    for a in changed:
        line_out(d, a)
    skills = {s for s in {*d.plan.layouts, *plan.layouts} if d.plan.layout(s) != plan.layout(s)}
    moved = _moved(d, skills)
    for a in moved:
        line_out(d, a, skills)
    calls = _calls(d, plan)
    for c in calls:
        step_out(d, c)
    _take(d, rules, plan, gone, new)
    for a in moved:
        line_up(d, a, skills)
    for c in sorted(calls, key=lambda c: (score(d, c), c.id)):
        place(d, c)
    for a in changed:
        if a.state is AgentState.READY:
            seek(d, a)


def _take(d: Desk, rules: Rules, plan: Plan, gone: list[QueueRule], new: dict[str, tuple[tuple[str, int], ...]]) -> None:
    d.plan, d.queues, d.closed = plan, {q.id: q for q in (*rules.queues, *gone)}, {q.id for q in gone}
    d.black, d.vip = dict(rules.blacklist), dict(rules.vip)
    for agent in new:
        reskill(d, d.agents[agent], new[agent])
        d.agents[agent].ver = d.newer(d.agents[agent].ver)


def _skills(d: Desk, rules: Rules) -> dict[str, tuple[tuple[str, int], ...]]:
    """Agents with other skills than before. Who is logged out gets them with the next login."""
    there = ((d.agents[agent], skills) for agent, skills in rules.skills if agent in d.agents)
    return {a.id: skills for a, skills in there if a.state is not AgentState.LOGGED_OUT and a.skills != skills}


def _changed(d: Desk, plan: Plan, found: set[str]) -> list[Agent]:
    """Ready agents who may take other calls than before, or by another weight, the longest idle first."""
    old = d.plan
    for agent in {*old.cities, *plan.cities, *old.weights, *plan.weights}:
        if old.cities.get(agent) != plan.cities.get(agent) or old.weights.get(agent) != plan.weights.get(agent):
            found.add(agent)
    rows = (d.agents[agent] for agent in found if agent in d.agents)
    return sorted((a for a in rows if a.lined), key=lambda a: (a.idle, a.id))


def _moved(d: Desk, skills: set[str]) -> list[Agent]:
    """Ready agents who may take the same calls as before, but stand otherwise."""
    found: set[str] = set()
    for skill in skills:
        was = d.plan.layout(skill)
        for band in was.bands:
            found |= {agent for _, agent in d.pools.get(f"{was.orders[0]}:{skill}:{band}:{ANY}", ())}
    return [d.agents[agent] for agent in sorted(found)]


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

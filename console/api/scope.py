"""Whom somebody may act on. Deny by default: what is not allowed here is not allowed.

A supervisor leads the agents of the own city; one without a city leads all agents of the centre. An administrator may act on
everybody. Nobody but an administrator acts on supervisors and administrators.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from console.ledger.people import User
from ops.centre import Agent
from ops.rulebook import RuleBook


def leads(who: User, people: Mapping[str, Agent], other: Agent) -> bool:
    """Whether `who` may act on `other`."""
    if who.role == "administrator":
        return True
    me = people.get(who.id)
    if who.role != "supervisor" or me is None or me.role != "supervisor" or other.role != "agent":
        return False
    return not me.city or me.city == other.city


def led(who: User, people: Mapping[str, Agent]) -> list[str]:
    """Everybody `who` may act on."""
    return [agent.id for agent in people.values() if leads(who, people, agent)]


def overreach(who: User, old: RuleBook, new: RuleBook) -> Iterator[Agent]:
    """People whom a change of the rules concerns and on whom `who` may not act.

    A centre that has no administrator yet gets its first ones from supervisors of the whole centre.
    """
    before = {agent.id: agent for agent in old.agent}
    after = {agent.id: agent for agent in new.agent}
    me = before.get(who.id)
    first = me is not None and me.role == "supervisor" and not me.city
    if who.role == "administrator" or (first and all(agent.role != "administrator" for agent in old.agent)):
        return
    for name in {**before, **after}:
        changed = before.get(name) != after.get(name)
        rows: Iterable[Agent] = (row for row in (before.get(name), after.get(name)) if row is not None)
        yield from [row for row in rows if changed and not leads(who, before, row)][:1]

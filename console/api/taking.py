"""A new version of the rules reaches everything that the console shows and lets people do."""

from __future__ import annotations

import logging

from console.api.agent import leave, view
from console.api.context import Context
from console.live.router import Refused, RouterAway, RouterFault
from console.live.views import agent_json
from ops import rulebook
from ops.centre import Agent
from ops.rulebook import RuleBook

log = logging.getLogger(__name__)


def _working(book: RuleBook) -> dict[str, Agent]:
    return {agent.id: agent for agent in book.agent if agent.role == "agent"}


async def take(ctx: Context, old: RuleBook, new: RuleBook) -> None:
    """Names and logins; who is no agent any more stops work, who has another seat moves there."""
    config = rulebook.into(new, ctx.config)
    ctx.take(config)
    ctx.sessions.config = config
    await ctx.sessions.load()
    await ctx.newcomers.forget({agent.seat for agent in old.agent if agent.seat} - {agent.seat for agent in new.agent})
    ctx.hub.take(config)
    before, after = _working(old), _working(new)
    for gone in before.keys() - after.keys():
        await leave(ctx, gone)
    for agent in after.values():
        if agent.id in before and before[agent.id].seat != agent.seat:
            await _move(ctx, agent)


async def _move(ctx: Context, agent: Agent) -> None:
    """Somebody at work sits at another seat now. With no router there: from the next log-in on."""
    try:
        if (await view(ctx, agent.id))["state"] != "logged_out":
            got = await ctx.routers.login(agent.id, agent.seat, agent.skills)
            ctx.hub.learn(agent_json(got, ctx.hub.names))
    except (RouterAway, RouterFault, Refused) as error:
        log.warning("a new seat waits for the next log-in", extra={"agent": agent.id, "why": str(error)[:200]})

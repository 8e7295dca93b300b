"""The agent's own verbs: start work, ready, not ready, end after-call work."""

from __future__ import annotations

import logging

from aiohttp import web
from tierline.agents.v1 import agents_pb2 as pb

from console.api.context import AGENT, Call, Context, Route
from console.api.errors import BadRequest
from console.api.fields import Text
from console.live.router import Refused, RouterAway, RouterFault, UnknownAgent
from console.live.views import Json, agent_json, logged_out_json

log = logging.getLogger(__name__)
PAGE_CLOSED = "page_closed"  # as the router knows it, beside the reasons of the rules
REASON = Text("reason", "id of a configured not-ready reason", longest=64)


async def view(ctx: Context, agent: str) -> Json:
    """The agent as the router has it. Raises RouterAway."""
    try:
        row = agent_json(await ctx.routers.agent(agent), ctx.hub.names)
    except UnknownAgent:
        configured = ctx.agents.get(agent)
        return logged_out_json(agent, ctx.hub.names.get(agent, agent), configured.seat if configured else "")
    ctx.hub.learn(row)
    return row


def tell(ctx: Context, got: pb.AgentView) -> web.Response:
    """A verb's answer: to every page that watches, and as the reply."""
    row = agent_json(got, ctx.hub.names)
    ctx.hub.learn(row)
    return web.json_response({"agent": row, "now_ms": ctx.hub.now_ms()})


async def start(ctx: Context, agent: str) -> None:
    """Have the agent at work; who is already stays as he is (a second browser). Raises RouterAway, Refused."""
    ctx.leaving.discard(agent)
    now = await view(ctx, agent)
    if now["state"] == "logged_out":
        configured = ctx.agents[agent]
        got = await ctx.routers.login(agent, configured.seat, configured.skills)
        ctx.hub.learn(agent_json(got, ctx.hub.names))


async def leave(ctx: Context, agent: str) -> None:
    """Stop work. With no router there, app.py tries again until it is done or the agent is back."""
    ctx.leaving.add(agent)
    try:
        ctx.hub.learn(agent_json(await ctx.routers.logout(agent), ctx.hub.names))
    except (UnknownAgent, Refused):
        pass  # was not at work
    except (RouterAway, RouterFault) as error:
        log.warning("log-out waits for a router", extra={"agent": agent, "why": str(error)[:200]})
        return
    ctx.leaving.discard(agent)


async def page_closed(ctx: Context, agent: str) -> None:
    """The agent's page has been closed for a while. In a call: looked at again after it; ready: not any more. Raises RouterAway."""
    row = await view(ctx, agent)
    if row["state"] == "ready":
        row = agent_json(await ctx.routers.not_ready(agent, PAGE_CLOSED), ctx.hub.names)
        ctx.hub.learn(row)
        log.info("page closed: not ready", extra={"agent": agent})
    if row["state"] in ("not_ready", "logged_out"):
        ctx.presence.settled(agent)


def reason_of(call: Call) -> str:
    """The reason of a body; it must be a configured one."""
    reason = str(call.fields["reason"])
    if reason not in call.ctx.reasons:
        raise BadRequest("bad_field", f"reason must be one of {', '.join(call.ctx.reasons)}", "reason")
    return reason


async def show(call: Call) -> web.StreamResponse:
    """The own state and current call."""
    return web.json_response({"agent": await view(call.ctx, call.user.id), "now_ms": call.ctx.hub.now_ms()})


async def begin(call: Call) -> web.StreamResponse:
    """Start work, after a log-out by a supervisor or when no router was there at log-in."""
    await start(call.ctx, call.user.id)
    return await show(call)


async def ready(call: Call) -> web.StreamResponse:
    """Take calls; during a call: after it."""
    return tell(call.ctx, await call.ctx.routers.ready(call.user.id))


async def not_ready(call: Call) -> web.StreamResponse:
    """Take no calls; during a call: after it."""
    return tell(call.ctx, await call.ctx.routers.not_ready(call.user.id, reason_of(call)))


async def end_after_call(call: Call) -> web.StreamResponse:
    """After-call work is done."""
    return tell(call.ctx, await call.ctx.routers.end_after_call(call.user.id))


_ERRORS = (409, 503)
ROUTES = (
    Route("GET", "/api/agent", AGENT, show, "The own state and current call", reply="AgentNow", errors=(503,)),
    Route("POST", "/api/agent/start", AGENT, begin, "Start work", reply="AgentNow", errors=_ERRORS),
    Route("POST", "/api/agent/ready", AGENT, ready, "Take calls; during a call: after it", reply="AgentNow", errors=_ERRORS),
    Route("POST", "/api/agent/not-ready", AGENT, not_ready, "Take no calls", body=(REASON,), reply="AgentNow", errors=_ERRORS),
    Route("POST", "/api/agent/end-after-call", AGENT, end_after_call, "End after-call work", reply="AgentNow", errors=_ERRORS),
)

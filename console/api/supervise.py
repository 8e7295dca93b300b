"""What a supervisor sees and may do: the board, not-ready and log-out of an agent, the audit."""

from __future__ import annotations

import asyncio

from aiohttp import web

from console.api.agent import REASON, reason_of, tell
from console.api.context import SUPERVISOR, Call, Route
from console.api.errors import BadRequest, NotFound
from console.api.fields import Text, Whole
from console.ledger.audit import audit
from console.live.views import agent_json, queue_json
from ops.supervise.files import Folder, read, running

_AGENT = Text("agent", "id of the agent", longest=64)
_HOUR_MS = 3_600_000
_MONTH_MS = 31 * 24 * _HOUR_MS
FINDINGS = 500  # calls an answer names


def _agent(call: Call) -> str:
    agent = str(call.fields["agent"])
    configured = call.ctx.agents.get(agent)
    if configured is None or configured.role != "agent":
        raise NotFound("unknown_agent", "there is no such agent", "agent")
    return agent


async def board(call: Call) -> web.StreamResponse:
    """All queues and all agents that are known to the router."""
    got = await call.ctx.routers.board()
    agents = [agent_json(view, call.ctx.hub.names) for view in got.agents]
    return web.json_response({"queues": [queue_json(q) for q in got.queues], "agents": agents, "now_ms": got.now_ms})


async def health(call: Call) -> web.StreamResponse:
    """What runs in this centre, as its supervisor noted it; without one (each service a unit of systemd) nothing is known."""
    folder = Folder(call.ctx.config.state)
    supervised = running(folder) is not None
    noted = read(folder.supervisor).get("children", []) if supervised else []
    names = ("name", "state", "restarts", "since_s")
    return web.json_response({"supervised": supervised, "services": [{name: one[name] for name in names} for one in noted]})


async def force_not_ready(call: Call) -> web.StreamResponse:
    """Take an agent out; during a call: after it."""
    reason = reason_of(call)
    return tell(call.ctx, await call.ctx.routers.not_ready(_agent(call), reason))


async def force_logout(call: Call) -> web.StreamResponse:
    """Log an agent out; during a call: after it."""
    return tell(call.ctx, await call.ctx.routers.logout(_agent(call)))


async def show_audit(call: Call) -> web.StreamResponse:
    """Edge, router, media and recordings against each other."""
    ctx, now = call.ctx, call.ctx.clock.now_ms()
    to_ms = call.fields.get("to", now + 1)
    from_ms = call.fields.get("from", to_ms - 24 * _HOUR_MS)
    if not 0 <= to_ms - from_ms <= _MONTH_MS:
        raise BadRequest("bad_field", "from must be before to, at most 31 days", "from")
    span, tenant = (from_ms, to_ms), ctx.config.centre.tenant
    report = await asyncio.to_thread(audit, ctx.database, tenant, span, ctx.policy, now, ctx.config.vault)
    bad = await asyncio.to_thread(ctx.queries.bad_facts)
    findings = [{"call": f.call, "at_ms": f.at_ms, "codes": list(f.codes)} for f in report.findings[:FINDINGS]]
    counts = {"calls": report.calls, "open": report.open, "unexplained": report.unexplained, "bad_facts": bad}
    return web.json_response({"from_ms": from_ms, "to_ms": to_ms, **counts, "by_code": report.by_code, "findings": findings})


_SPAN = (
    Whole("from", "first moment, UTC ms; a day before `to` unless told", required=False),
    Whole("to", "end, UTC ms, not included; now unless told", required=False),
)
_ERRORS = (404, 409, 503)
ROUTES = (
    Route("GET", "/api/board", SUPERVISOR, board, "Queues and seats", reply="Board", errors=(503,)),
    Route("GET", "/api/health", SUPERVISOR, health, "Services of the centre and how often each was restarted", reply="Health"),
    Route(
        "POST",
        "/api/agents/{agent}/not-ready",
        SUPERVISOR,
        force_not_ready,
        "Make an agent not ready",
        body=(REASON,),
        parts=(_AGENT,),
        reply="AgentNow",
        errors=_ERRORS,
    ),
    Route(
        "POST",
        "/api/agents/{agent}/logout",
        SUPERVISOR,
        force_logout,
        "Log an agent out",
        parts=(_AGENT,),
        reply="AgentNow",
        errors=_ERRORS,
    ),
    Route("GET", "/api/audit", SUPERVISOR, show_audit, "Differences between edge, router, media", query=_SPAN, reply="Audit"),
)

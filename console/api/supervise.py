"""What a supervisor sees and may do: the board, not-ready and log-out of an agent, the audit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import asdict

from aiohttp import web
from tierline.agents.v1 import agents_pb2 as pb

from console.api.agent import REASON, reason_of, tell, view
from console.api.context import SUPERVISOR, Call, Route
from console.api.errors import BadRequest, Forbidden, NotFound
from console.api.fields import Text, Whole
from console.api.scope import leads, led
from console.ledger.audit import audit
from console.ledger.trail import VERBS, ActSearch
from console.live.views import Json, agent_json, queue_json
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
    if not leads(call.user, call.ctx.agents, configured):
        raise Forbidden("scope", "this agent belongs to another city")
    return agent


async def _forced(call: Call, verb: str, agent: str, act: Awaitable[pb.AgentView], before: Json) -> web.Response:
    """Do it, and put it into the trail with what it changed."""
    got = await act
    after = agent_json(got, call.ctx.hub.names)
    await call.note(verb, agent, _state(before), _state(after))
    return tell(call.ctx, got)


def _state(row: Json) -> Json:
    return {name: row[name] for name in ("state", "reason", "next") if row[name]}


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
    reason, agent = reason_of(call), _agent(call)
    before = await view(call.ctx, agent)
    return await _forced(call, "force_not_ready", agent, call.ctx.routers.not_ready(agent, reason), before)


async def force_logout(call: Call) -> web.StreamResponse:
    """Log an agent out; during a call: after it."""
    agent = _agent(call)
    before = await view(call.ctx, agent)
    return await _forced(call, "force_logout", agent, call.ctx.routers.logout(agent), before)


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


async def trail(call: Call) -> web.StreamResponse:
    """What people did, newest first: a supervisor sees the own acts and those on agents they lead, an administrator all."""
    fields, ctx, limit = call.fields, call.ctx, call.fields.get("limit", 50)
    before = None
    if cursor := fields.get("before"):
        at, _, one = str(cursor).partition(".")
        before = int(at), one
    everything = call.user.role == "administrator"
    search = ActSearch(
        from_ms=fields.get("from", 0),
        to_ms=fields.get("to", 0),
        who=fields.get("who", ""),
        verb=fields.get("verb", ""),
        subject=fields.get("subject", ""),
        seen_by="" if everything else call.user.id,
        subjects=() if everything else led(call.user, ctx.agents),
        before=before,
    )
    acts = await asyncio.to_thread(ctx.acts.trail.find, search, limit + 1)
    page = acts[:limit]
    after = f"{page[-1].at_ms}.{page[-1].id}" if len(acts) > limit else ""
    return web.json_response({"acts": [asdict(act) for act in page], "next": after})


_TRAIL = (
    Whole("from", "first moment, UTC ms", required=False),
    Whole("to", "end, UTC ms, not included", required=False),
    Text("who", "login of who did it", required=False, longest=64),
    Text("verb", "what was done", required=False, choices=VERBS),
    Text("subject", "agent, login, call or version it was done to", required=False, longest=64),
    Whole("limit", "acts a page", required=False, least=1, most=500),
    Text("before", "`next` of the page before", required=False, longest=100, pattern=r"[0-9]{1,16}\..+"),
)
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
    Route("GET", "/api/trail", SUPERVISOR, trail, "What people did", query=_TRAIL, reply="Trail"),
    Route("GET", "/api/audit", SUPERVISOR, show_audit, "Differences between edge, router, media", query=_SPAN, reply="Audit"),
)

"""/api/live: a WebSocket that pushes the own agent to agents and the board to supervisors.

Server to browser, each a JSON object with `type`: `agent` {agent, now_ms}; `board` {queues, agents, full, now_ms} where rows
replace the known ones; `calls` {}: the call list has news; `router` {up}; `rules` {}: names of queues, reasons or seats may have
changed, ask /api/me again; `beat` {now_ms}: at least every BEAT_S, so that a page which hears nothing knows that what it
shows is old. Closed with 4401 when the session is over or has other rights, with 4408 when the same person has opened too many.
"""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import WSCloseCode, web

from console.api.agent import view
from console.api.context import ANY, Call, Context, Route
from console.api.guard import COOKIE
from console.live.hub import Watcher
from console.live.router import RouterAway, RouterFault
from console.live.views import Json

SESSION_OVER = 4401
TOO_MANY = 4408
BEAT_S = 4.0  # something is sent at least so often, and the session is looked at
PING_S = 10.0  # a browser that does not answer within half of it is gone
CALLS_S = 1.0  # news of the call list at most so often
SOCKETS: web.AppKey[dict[str, list[web.WebSocketResponse]]] = web.AppKey("sockets", dict)  # by user, oldest first
CLOSING: web.AppKey[set[asyncio.Task[bool]]] = web.AppKey("closing", set)


async def live(call: Call) -> web.StreamResponse:
    """Push until the browser goes or the session ends."""
    ctx, role = call.ctx, call.user.role
    socket = web.WebSocketResponse(heartbeat=PING_S, max_msg_size=4096)
    await socket.prepare(call.request)
    watcher = Watcher(agent=call.user.id if role == "agent" else "")
    gauge = ctx.metrics.watchers.labels(role)
    _enter(call, socket)
    gauge.inc()
    if watcher.agent:
        ctx.presence.came(watcher.agent)
    sender = asyncio.create_task(_push(ctx, call, socket, watcher))
    try:
        with ctx.sessions.watch(call.session, watcher.wake):
            async for _ in socket:  # nothing is expected; reading answers pings and sees the end
                pass
    finally:
        ctx.hub.leave(watcher)
        if watcher.agent:
            ctx.presence.went(watcher.agent, ctx.clock.mono_ms())
        _leave(call, socket)
        gauge.dec()
        sender.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await sender
    return socket


def _enter(call: Call, socket: web.WebSocketResponse) -> None:
    """One more of this person's; when they are too many the oldest has to go: it may be one that the network has lost."""
    app, closing = call.request.app, call.request.app[CLOSING]
    mine = app[SOCKETS].setdefault(call.user.id, [])
    mine.append(socket)
    while len(mine) > call.ctx.config.console.sockets_per_user:
        task = asyncio.create_task(mine.pop(0).close(code=TOO_MANY, message=b"too many"))
        closing.add(task)
        task.add_done_callback(closing.discard)


def _leave(call: Call, socket: web.WebSocketResponse) -> None:
    sockets = call.request.app[SOCKETS]
    mine = sockets.get(call.user.id, [])
    if socket in mine:
        mine.remove(socket)
    if not mine:
        sockets.pop(call.user.id, None)


async def _push(ctx: Context, call: Call, socket: web.WebSocketResponse, watcher: Watcher) -> None:
    ctx.hub.watch(watcher)
    await socket.send_json({"type": "router", "up": ctx.routers.up})
    if watcher.agent:
        await _first(ctx, socket, watcher)
    loop, full, calls_at, sent_at = asyncio.get_running_loop(), True, 0.0, 0.0
    while await _awake(ctx, call, watcher):
        for message in _news(ctx, watcher, full):
            full = full and message["type"] != "board"
            await socket.send_json(message)
            sent_at = loop.time()
        if loop.time() - sent_at >= BEAT_S / 2:
            await socket.send_json({"type": "beat", "now_ms": ctx.hub.now_ms()})
            sent_at = loop.time()
        if watcher.calls and loop.time() - calls_at >= CALLS_S:
            watcher.calls, calls_at = False, loop.time()
            await socket.send_json({"type": "calls"})
    await socket.close(code=SESSION_OVER, message=b"session over")


async def _awake(ctx: Context, call: Call, watcher: Watcher) -> bool:
    """Wait for news or for the time to look at the session; False: it is over, or other rights hold now."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CALLS_S if watcher.calls else BEAT_S):
            await watcher.wake.wait()
    watcher.wake.clear()
    found = await ctx.sessions.find(call.request.cookies.get(COOKIE, ""))
    return found is not None and found[0].role == call.user.role and not found[0].must_change


async def _first(ctx: Context, socket: web.WebSocketResponse, watcher: Watcher) -> None:
    with contextlib.suppress(RouterAway, RouterFault):  # the page is told by `router`
        row = await view(ctx, watcher.agent)
        await socket.send_json({"type": "agent", "agent": row, "now_ms": ctx.hub.now_ms()})


def _news(ctx: Context, watcher: Watcher, full: bool) -> list[Json]:
    """What changed since the last time, taken."""
    agents, queues, router, rules = watcher.agents, watcher.queues, watcher.router, watcher.rules
    watcher.agents, watcher.queues, watcher.router, watcher.rules = set(), False, False, False
    told: list[Json] = [{"type": "router", "up": ctx.routers.up}] if router else []
    told += [{"type": "rules"}] if rules else []
    if watcher.agent:
        rows = [ctx.hub.agents[name] for name in agents if name in ctx.hub.agents]
        return told + [{"type": "agent", "agent": row, "now_ms": ctx.hub.now_ms()} for row in rows]
    if not (agents or queues):
        return told
    board = ctx.hub.board(None if full else agents)
    return [*told, {"type": "board", "full": full, **(board if queues or full else board | {"queues": []})}]


async def hang_up(app: web.Application) -> None:
    """At the end of the process: tell the pages to come back."""
    for socket in [socket for mine in app[SOCKETS].values() for socket in mine]:
        await socket.close(code=WSCloseCode.GOING_AWAY, message=b"restart")


ROUTES = (Route("GET", "/api/live", ANY, live, "WebSocket: pushes changes", errors=(426,), produces=""),)

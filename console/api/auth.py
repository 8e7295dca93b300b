"""Log-in, log-out, and what the page must know of the centre."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from console.api.agent import leave, start
from console.api.context import ANY, PUBLIC, Call, Context, Route
from console.api.errors import NotLoggedIn, TooMany
from console.api.fields import Text
from console.api.guard import COOKIE
from console.ledger.people import User
from console.live.router import Refused, RouterAway, RouterFault

_USER = Text("user", "id of the user", longest=64)
_PASSWORD = Text("password", "the user's password", longest=256)


async def login(call: Call) -> web.StreamResponse:
    """Check the password, open a session; an agent starts work at the router, if one is there."""
    user = await checked(call, str(call.fields["user"]), call.fields["password"])
    if user is None:
        raise NotLoggedIn("wrong_login", "user or password is wrong")
    return await _enter(call, user)


async def checked(call: Call, name: str, password: str) -> User | None:
    """The user if the password is right. Raises TooMany after too many wrong ones, Busy when too many are being checked."""
    ctx, address = call.ctx, call.client.address
    wait = ctx.throttle.begin(name, address, ctx.clock.now_ms())
    if wait:
        ctx.metrics.logins.labels("throttled").inc()
        seconds = str(-(-wait // 1000))
        raise TooMany("throttled", f"too many wrong tries; wait {seconds} s", headers={"Retry-After": seconds})
    try:
        user = await ctx.sessions.verify(name, password)
    except BaseException:
        ctx.throttle.given_up(name, address)
        raise
    if user is None:
        ctx.throttle.failed(name, address, ctx.clock.now_ms())
    else:
        ctx.throttle.succeeded(name, address)
    ctx.metrics.logins.labels("wrong" if user is None else "ok").inc()
    return user


async def _enter(call: Call, user: User) -> web.StreamResponse:
    ctx = call.ctx
    cookie, session = await ctx.sessions.open(user)
    answer = {"user": user_json(user), "expires_ms": session.expires_ms, "router": await _begin_work(ctx, user)}
    response = web.json_response(answer)
    age = ctx.config.console.session_hours * 3600
    response.set_cookie(COOKIE, cookie, max_age=age, httponly=True, samesite="Strict", secure=call.client.secure, path="/")
    return response


async def _begin_work(ctx: Context, user: User) -> bool:
    """Whether the router knows about the log-in; the page offers to try again if not."""
    if user.role != "agent":
        return ctx.routers.up
    try:
        await start(ctx, user.id)
    except (RouterAway, RouterFault, Refused):
        return False
    return True


async def logout(call: Call) -> web.StreamResponse:
    """End the session; an agent stops work (during a call: after it)."""
    await call.ctx.sessions.close(call.session)
    if call.user.role == "agent":
        await leave(call.ctx, call.user.id)
    response = web.json_response({"ok": True})
    response.del_cookie(COOKIE, path="/")
    return response


async def me(call: Call) -> web.StreamResponse:
    """Who is logged in, and the names of queues, reasons and (for a supervisor) seats."""
    config = call.ctx.config
    answer: dict[str, Any] = {
        "user": user_json(call.user),
        "expires_ms": call.session.expires_ms,
        "now_ms": call.ctx.hub.now_ms(),
        "centre": {"name": config.centre.name, "tier": config.centre.tier, "languages": list(config.centre.languages)},
        "queues": [
            {"id": queue.id, "skill": queue.skill, "zh": queue.zh or queue.id, "en": queue.en or queue.id} for queue in config.queue
        ],
        "reasons": [{"id": reason.id, "zh": reason.zh, "en": reason.en} for reason in config.not_ready],
        "seats": [],
    }
    if call.user.role == "supervisor":
        seats = [agent for agent in config.agent if agent.role == "agent"]
        answer["seats"] = [{"agent": agent.id, "name": agent.name, "seat": agent.seat} for agent in seats]
    return web.json_response(answer)


def user_json(user: User) -> dict[str, str]:
    """A user without the password."""
    return {"id": user.id, "name": user.name, "role": user.role, "seat": user.seat}


ROUTES = (
    Route("POST", "/api/login", PUBLIC, login, "Log in", body=(_USER, _PASSWORD), reply="Login", errors=(401, 429)),
    Route("POST", "/api/logout", ANY, logout, "Log out; an agent stops work", reply="Ok"),
    Route("GET", "/api/me", ANY, me, "Who is logged in, and the names of the centre", reply="Me"),
)

"""Log-in, log-out, and what the page must know of the centre."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from console.api.agent import leave, start
from console.api.context import ANY, PUBLIC, ROLES, SUPERVISOR, Call, Context, Route
from console.api.errors import BadRequest, NotLoggedIn, TooMany
from console.api.fields import Text
from console.api.guard import COOKIE
from console.ledger.people import User
from console.live.router import Refused, RouterAway, RouterFault
from ops import provision

SHORTEST, DISTINCT = 10, 5  # of a password that somebody chooses: characters, different ones
_USER = Text("user", "id of the user", longest=64)
_PASSWORD = Text("password", "the user's password", longest=256)


async def login(call: Call) -> web.StreamResponse:
    """Check the password, open a session; an agent starts work at the router, if one is there."""
    user = await checked(call, str(call.fields["user"]), call.fields["password"])
    if user is None:
        await _failed(call, str(call.fields["user"]))
        raise NotLoggedIn("wrong_login", "user or password is wrong")
    return await _enter(call, user)


async def _failed(call: Call, tried: str) -> None:
    """Into the trail. A name that nobody has is not kept: people type their password into the wrong field."""
    acts, name = call.ctx.acts, tried if tried in call.ctx.sessions.users else ""
    await acts.add(acts.made(name, "", call.client.address, "login_failed", name, None, None))


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
    opened = await ctx.sessions.open(user)
    if opened is None:
        raise NotLoggedIn("wrong_login", "user or password is wrong")
    cookie, session = opened
    await ctx.acts.add(ctx.acts.made(user.id, user.role, call.client.address, "login", user.id, None, None))
    answer = {"user": user_json(user), "expires_ms": session.expires_ms, "router": await _begin_work(ctx, user)}
    response = web.json_response(answer)
    age = ctx.config.console.session_hours * 3600
    response.set_cookie(COOKIE, cookie, max_age=age, httponly=True, samesite="Strict", secure=call.client.secure, path="/")
    return response


async def _begin_work(ctx: Context, user: User) -> bool:
    """Whether the router knows about the log-in; the page offers to try again if not."""
    if user.role != "agent" or user.must_change:
        return ctx.routers.up
    try:
        await start(ctx, user.id)
    except (RouterAway, RouterFault, Refused):
        return False
    return True


async def logout(call: Call) -> web.StreamResponse:
    """End the session; an agent stops work (during a call: after it)."""
    await call.ctx.sessions.close(call.session)
    await call.note("logout", call.user.id)
    if call.user.role == "agent":
        await leave(call.ctx, call.user.id)
    response = web.json_response({"ok": True})
    response.del_cookie(COOKIE, path="/")
    return response


async def choose(call: Call) -> web.StreamResponse:
    """Choose another password: the other sessions of this person end. An agent who had to do so starts work."""
    ctx, user, new = call.ctx, call.user, str(call.fields["password"])
    if await checked(call, user.id, call.fields["old"]) is None:
        raise BadRequest("wrong_password", "this is not your password", "old")
    if why := weak(new, user, str(call.fields["old"])):
        raise BadRequest("weak_password", why, "password")
    await call.note("password_changed", user.id, first=True)
    await ctx.sessions.choose(call.session, new)
    provision.forget_user(ctx.config.state / "credentials.json", user.id)
    changed = ctx.sessions.users[user.id]
    return web.json_response({"user": user_json(changed), "router": await _begin_work(ctx, changed)})


def weak(password: str, user: User, old: str) -> str:
    """Why a password will not do; "" it will. Length is what counts: rules about kinds of characters make people write it down."""
    if password == old:
        return "choose another one than before"
    if len(set(password)) < DISTINCT:
        return f"use at least {DISTINCT} different characters"
    bare = password.lower()
    for known in (user.id.lower(), user.name.lower()):
        if known and len(bare.replace(known, "")) < len(bare) / 2:
            return "choose one that is not made of your name"
    return ""


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
    if call.user.role in ROLES[SUPERVISOR]:
        seats = [agent for agent in config.agent if agent.role == "agent"]
        answer["seats"] = [{"agent": agent.id, "name": agent.name, "seat": agent.seat} for agent in seats]
    return web.json_response(answer)


def user_json(user: User) -> dict[str, Any]:
    """A user without the password."""
    return {"id": user.id, "name": user.name, "role": user.role, "seat": user.seat, "must_change": user.must_change}


_OLD = Text("old", "the password until now", longest=256)
_NEW = Text("password", "the new password", least=SHORTEST, longest=256)
ROUTES = (
    Route("POST", "/api/login", PUBLIC, login, "Log in", body=(_USER, _PASSWORD), reply="Login", errors=(401, 429)),
    Route("POST", "/api/logout", ANY, logout, "Log out; an agent stops work", reply="Ok", before_change=True),
    Route(
        "POST",
        "/api/password",
        ANY,
        choose,
        "Choose another password",
        body=(_OLD, _NEW),
        reply="Chosen",
        errors=(429,),
        before_change=True,
    ),
    Route("GET", "/api/me", ANY, me, "Who is logged in, and the names of the centre", reply="Me", before_change=True),
)

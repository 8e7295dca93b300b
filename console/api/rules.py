"""The rule book for supervisors: see, check, change, close at once, take from and give to files, history."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from aiohttp import web

from console.api.agent import leave
from console.api.context import SUPERVISOR, Call, Context, Route
from console.api.errors import BadRequest, Conflict, Forbidden, NotFound
from console.api.fields import Table, Text, Whole
from console.api.newcomers import First
from console.api.scope import leads, overreach
from console.ledger.people import User
from console.ledger.rulebooks import Entry
from console.live.router import RouterAway, RouterFault
from console.live.rules import Stale
from console.live.views import STATES, Json
from ops import agents_csv, hours, menu, rulebook
from ops.centre import Branch, Queue
from ops.config import ConfigError
from ops.rule_changes import Change, diff, warnings
from ops.rulebook import RuleBook

LONGEST = 4_000_000


# ---- shown
async def show(call: Call) -> web.StreamResponse:
    """The newest version, whether it is in force, and who is open now."""
    rules, now = call.ctx.rules, call.ctx.clock.now_ms()
    head = {"version": rules.book.version, "sha256": rules.sha256, "in_force": rules.told.in_force, "why_not": rules.told.why}
    body = {"book": rulebook.plain(rules.book, True), "openings": openings(rules.book, now), "now_ms": now}
    return web.json_response(head | body)


def openings(book: RuleBook, now_ms: int) -> list[Json]:
    """Queues and branches: open, shut by their calendar, or closed; `until_ms` is when their calendar changes that, 0 never."""
    calendars = {calendar.id: calendar for calendar in book.calendar}

    def one(kind: str, item: Queue | Branch) -> Json:
        calendar = calendars.get(item.calendar)
        now = hours.opening(calendar, now_ms) if calendar else hours.Opening(True, 0)
        state = "emergency" if item.closed else "open" if now.open else "closed"
        return {"kind": kind, "id": item.id, "state": state, "until_ms": now.until_ms, "closed": item.closed}

    return [one("queue", queue) for queue in book.queue] + [one("branch", branch) for branch in book.branch]


async def show_openings(call: Call) -> web.StreamResponse:
    """Who is open now."""
    rules, now = call.ctx.rules, call.ctx.clock.now_ms()
    return web.json_response({"openings": openings(rules.book, now), "now_ms": now})


async def history(call: Call) -> web.StreamResponse:
    """Versions, newest first, a page at a time."""
    limit, before = call.fields.get("limit", 50), call.fields.get("before", 0)
    found = await asyncio.to_thread(call.ctx.rules.books.entries, limit + 1, before)
    page = [_entry(entry) for entry in found[:limit]]
    return web.json_response({"versions": page, "next": page[-1]["version"] if len(found) > limit else 0})


def _entry(entry: Entry) -> Json:
    return asdict(entry)


async def _book(ctx: Context, version: int, field: str = "version") -> RuleBook:
    if version == ctx.rules.book.version:
        return ctx.rules.book
    book = await asyncio.to_thread(ctx.rules.books.book, version)
    if book is None:
        raise NotFound("unknown_version", f"there is no version {version}", field)
    return book


async def show_version(call: Call) -> web.StreamResponse:
    """One version, and what it changed against the one before or another one."""
    book = await _book(call.ctx, call.fields["version"])
    against = call.fields.get("against", max(1, book.version - 1))
    changes = diff(await _book(call.ctx, against, "against"), book)
    return web.json_response({"version": book.version, "against": against, "book": rulebook.plain(book, True), **_changes(changes)})


def _changes(changes: tuple[Change, ...]) -> Json:
    return {"changes": [asdict(change) for change in changes]}


async def export_toml(call: Call) -> web.StreamResponse:
    """A version as a file for people, that `check`, `apply` and `import` take."""
    return await _file(call, rulebook.to_toml, "toml")


async def export_json(call: Call) -> web.StreamResponse:
    """The same for programs."""
    return await _file(call, rulebook.to_json, "json")


async def _file(call: Call, write: Callable[[RuleBook], str], kind: str) -> web.StreamResponse:
    book = await _book(call.ctx, call.fields.get("version", call.ctx.rules.book.version))
    await call.note("rules_exported", str(book.version))
    name = f"{call.ctx.config.centre.name}-rules-{book.version}.{kind}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return web.Response(text=write(book), content_type=f"application/{kind}", headers=headers)


# ---- changed
def _given(call: Call) -> RuleBook:
    """The rules of a body: as an object, or as the text of a file. Raises ConfigError with path or line of every mistake."""
    fields = call.fields
    if ("book" in fields) == ("text" in fields):
        raise BadRequest("missing_field", "want book or text", "book")
    if "book" in fields:
        return rulebook.from_data({name: value for name, value in fields["book"].items() if name not in rulebook.HEAD})
    path = Path(fields.get("file", "rules.toml"))
    if path.suffix == ".csv":
        return agents_csv.merged(call.ctx.rules.book, fields["text"], path)
    return rulebook.reads(fields["text"], path)


async def _menu_stays(ctx: Context, new: RuleBook) -> None:
    """Raises ConfigError if a queue is removed that the published menu leads to: its callers would all be turned away."""
    removed = {queue.id for queue in ctx.rules.book.queue} - {queue.id for queue in new.queue}
    found = await asyncio.to_thread(lambda: tuple(menu.bereft(ctx.config.prompts, removed))) if removed else ()
    if found:
        raise ConfigError(tuple(text for _, text in found), tuple(("queue", text) for _, text in found))


async def _now(ctx: Context) -> tuple[dict[str, int], set[str]]:
    """Calls in line by queue, and agents at work; nothing while no router answers."""
    try:
        board = await ctx.routers.board()
    except (RouterAway, RouterFault):
        return {}, set()
    at_work = {agent.agent for agent in board.agents if STATES.get(agent.state) != "logged_out"}
    return {queue.queue: queue.waiting for queue in board.queues}, at_work


async def _warnings(ctx: Context, new: RuleBook) -> list[Json]:
    return [asdict(warning) for warning in warnings(ctx.rules.book, new, *await _now(ctx))]


async def check(call: Call) -> web.StreamResponse:
    """What these rules would change and what to know before, without changing anything."""
    new = await asyncio.to_thread(_given, call)
    within(call.user, call.ctx.rules.book, new)
    await _menu_stays(call.ctx, new)
    changes = _changes(diff(call.ctx.rules.book, new))
    return web.json_response({"version": call.ctx.rules.book.version, **changes, "warnings": await _warnings(call.ctx, new)})


async def change(call: Call) -> web.StreamResponse:
    """Make these rules the next version and bring it into force."""
    return await _make(call, await asyncio.to_thread(_given, call), call.fields["base"], call.fields["why"])


async def _make(call: Call, new: RuleBook, base: int, why: str) -> web.StreamResponse:
    ctx, old = call.ctx, call.ctx.rules.book
    if base == old.version and rulebook.same_rules(old, new):
        raise BadRequest("no_change", f"version {base} says the same", "book")
    within(call.user, old, new)
    await _menu_stays(ctx, new)
    told = await _warnings(ctx, new)
    try:
        made = await ctx.rules.change(base, new, call.user.id, why)
    except Stale as error:
        raise await _stale(ctx, base, error.newest) from error
    await call.note("rules_changed", str(made.version), {"version": old.version}, {"version": made.version, "why": why})
    first = await ctx.newcomers.welcome(ctx.config)
    state = {"version": made.version, "in_force": ctx.rules.told.in_force, "why_not": ctx.rules.told.why}
    return web.json_response({**state, **_changes(diff(old, made)), "warnings": told, "passwords": _passwords(first)})


def within(who: User, old: RuleBook, new: RuleBook) -> None:
    """Raises Forbidden if a change concerns people whom `who` does not lead."""
    for agent in overreach(who, old, new):
        raise Forbidden("scope", f"{agent.id}: an administrator changes supervisors and administrators, and agents of other cities")


async def _stale(ctx: Context, base: int, newest: RuleBook) -> Conflict:
    """Somebody was quicker: what they changed since."""
    known = await asyncio.to_thread(ctx.rules.books.book, base)
    changes = _changes(diff(known, newest)) if known is not None else {}
    who = f" by {newest.who}" if newest.who else ""
    text = f"version {newest.version}{who} is newer than {base}; look at its changes and make yours on it"
    return Conflict("stale", text, "base", None, version=newest.version, **changes)


def _passwords(first: list[First]) -> list[Json]:
    return [asdict(one) for one in first]


async def close(call: Call) -> web.StreamResponse:
    """Emergency closing of a queue or branch, or its end: the next version, at once. Somebody else's change meanwhile is kept."""
    kind, name, closed = call.fields["kind"], call.fields["id"], call.fields.get("closed", "")
    why = call.fields.get("why", f"{'close' if closed else 'open'} {kind} {name}" + (f": {closed}" if closed else ""))
    for _ in range(5):
        book = call.ctx.rules.book
        try:
            return await _make(call, _closed(book, kind, name, closed), book.version, why)
        except Conflict:
            continue
    raise Conflict("stale", "the rules change too quickly; try again", "id")


def _closed(book: RuleBook, kind: str, name: str, closed: str) -> RuleBook:
    rows: tuple[Any, ...] = getattr(book, kind)
    if all(row.id != name for row in rows):
        raise NotFound(f"unknown_{kind}", f"there is no {kind} {name}", "id")
    data = rulebook.plain(book)
    data[kind] = [rulebook.plain(replace(row, closed=closed) if row.id == name else row) for row in rows]
    return rulebook.from_data(data)


async def new_passwords(call: Call) -> web.StreamResponse:
    """Other first passwords for somebody who lost them; shown once."""
    ctx, user = call.ctx, call.ctx.agents.get(call.fields["agent"])
    if user is None:
        raise NotFound("unknown_agent", "there is no such login", "agent")
    if not leads(call.user, ctx.agents, user):
        raise Forbidden("scope", "an administrator resets passwords of supervisors, administrators and agents of other cities")
    await call.note("password_reset", user.id, first=True)
    first = await ctx.newcomers.anew(ctx.config, user.id)
    if user.role == "agent":
        await leave(ctx, user.id)
    return web.json_response({"passwords": _passwords([first])})


_VERSION = Whole("version", "which version", least=1)
_ONE = Whole("version", "which version; the newest unless told", required=False, least=1)
_BOOK = (
    Table("book", "the rules; version, who, why and at_ms in it are not looked at", "RuleBook", required=False),
    Text("text", "the rules as the text of a file, in place of book", required=False, longest=LONGEST),
    Text(
        "file",
        "its name, for messages; .json, .toml, or .csv: agents to add or change",
        required=False,
        longest=200,
        pattern=r"[^/]+\.(json|toml|csv)",
    ),
)
_WHY = Text("why", "why, for the history", longest=300)
_PAGE = (
    Whole("limit", "versions a page", required=False, least=1, most=500),
    Whole("before", "`next` of the page before", required=False),
)
_CLOSING = (
    Text("kind", "what to close", choices=("queue", "branch")),
    Text("id", "its id", longest=64),
    Text("closed", "the reason shown; left out: it is opened again", required=False, longest=200),
    Text("why", "why, for the history", required=False, longest=300),
)
_CHANGED = (409,)
ROUTES = (
    Route("GET", "/api/rules", SUPERVISOR, show, "The newest version of the rules", reply="Rules"),
    Route("GET", "/api/openings", SUPERVISOR, show_openings, "Which queues and branches are open", reply="Openings"),
    Route("POST", "/api/rules/check", SUPERVISOR, check, "Check rules", body=_BOOK, reply="RulesChecked", longest=LONGEST),
    Route(
        "POST",
        "/api/rules",
        SUPERVISOR,
        change,
        "Make the next version",
        body=(Whole("base", "the version it is based on"), _WHY, *_BOOK),
        reply="RulesMade",
        errors=_CHANGED,
        longest=LONGEST,
    ),
    Route(
        "POST",
        "/api/rules/closing",
        SUPERVISOR,
        close,
        "Close a queue or branch at once",
        body=_CLOSING,
        reply="RulesMade",
        errors=(404, 409),
    ),
    Route(
        "GET", "/api/rules.toml", SUPERVISOR, export_toml, "As a file", query=(_ONE,), errors=(404,), produces="application/toml"
    ),
    Route("GET", "/api/rules.json", SUPERVISOR, export_json, "As JSON", query=(_ONE,), errors=(404,), reply="RuleBook"),
    Route("GET", "/api/rules/versions", SUPERVISOR, history, "Versions, newest first", query=_PAGE, reply="RuleVersions"),
    Route(
        "GET",
        "/api/rules/versions/{version}",
        SUPERVISOR,
        show_version,
        "One version and what it changed",
        query=(Whole("against", "the version to compare with; the one before unless told", required=False, least=1),),
        parts=(_VERSION,),
        reply="RuleVersion",
        errors=(404,),
    ),
    Route(
        "POST",
        "/api/people/{agent}/passwords",
        SUPERVISOR,
        new_passwords,
        "Other first passwords",
        parts=(Text("agent", "id of the login", longest=64),),
        reply="Passwords",
        errors=(404,),
    ),
)

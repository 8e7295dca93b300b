"""Who may use which route: every route with every role, compared with one table. What is not in the table fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from console.api import pages
from console.api.scope import leads, overreach
from console.api.server import ROUTES, make
from console.ledger.people import User
from ops.centre import Agent
from ops.rulebook import RuleBook
from tests.console import desk as desk_module
from tests.console.desk import AGENTS, PASSWORDS, Desk, centre
from tests.kit.redis_server import RedisServer

EVERYBODY, LOGGED_IN, AGENT_ONLY = "- new agent supervisor administrator", "new agent supervisor administrator", "agent"
PERSONAL, LEADERS = "agent supervisor administrator", "supervisor administrator"
MAY = {
    "GET /metrics": EVERYBODY,
    "GET /healthz": EVERYBODY,
    "GET /api/openapi.json": EVERYBODY,
    "POST /api/login": EVERYBODY,
    "POST /api/logout": LOGGED_IN,
    "POST /api/password": LOGGED_IN,
    "GET /api/me": LOGGED_IN,
    "GET /api/live": PERSONAL,
    "GET /api/agent": AGENT_ONLY,
    "POST /api/agent/start": AGENT_ONLY,
    "POST /api/agent/ready": AGENT_ONLY,
    "POST /api/agent/not-ready": AGENT_ONLY,
    "POST /api/agent/end-after-call": AGENT_ONLY,
    "GET /api/board": LEADERS,
    "GET /api/health": LEADERS,
    "POST /api/agents/{agent}/not-ready": LEADERS,
    "POST /api/agents/{agent}/logout": LEADERS,
    "GET /api/trail": LEADERS,
    "GET /api/audit": LEADERS,
    "GET /api/calls": LEADERS,
    "GET /api/calls.csv": LEADERS,
    "GET /api/calls/{call}": LEADERS,
    "GET /api/calls/{call}/recordings/{number}": LEADERS,
    "GET /api/rules": LEADERS,
    "GET /api/openings": LEADERS,
    "POST /api/rules": LEADERS,
    "POST /api/rules/check": LEADERS,
    "POST /api/rules/closing": LEADERS,
    "GET /api/rules.toml": LEADERS,
    "GET /api/rules.json": LEADERS,
    "GET /api/rules/versions": LEADERS,
    "GET /api/rules/versions/{version}": LEADERS,
    "POST /api/people/{agent}/passwords": LEADERS,
}
PEOPLE = (
    replace(AGENTS[0], city="成都市"),
    replace(AGENTS[1], city="绵阳市"),
    Agent("boss", "张敏", "supervisor"),
    Agent("lead", "周洋", "supervisor", city="成都市"),
    Agent("root", "陈晨", "administrator"),
)


@pytest.fixture
async def staffed(tmp_path: Path, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    """A console with two cities, a supervisor of one of them, one of all, and an administrator."""
    redis.Redis(port=redis_server.port).flushall()
    monkeypatch.setattr(desk_module, "PASSWORDS", PASSWORDS | {"lead": "secret-lead", "root": "secret-root"})
    made = await Desk(replace(centre(tmp_path / "state", redis_server.port), agent=PEOPLE)).start()
    yield made
    await made.stop()


def test_every_route_is_in_the_table() -> None:
    """A new route needs a line here; so does nothing else."""
    assert {f"{route.method} {route.path}" for route in ROUTES} == MAY.keys()


async def test_every_route_with_every_role(staffed: Desk) -> None:
    """Each route lets in whom the table names and nobody else: 401 without a session, 403 for another role or a first password."""
    people = staffed.app.ctx.sessions
    browsers = {
        role: await staffed.browser(user) for role, user in (("agent", "a1"), ("supervisor", "boss"), ("administrator", "root"))
    }
    browsers |= {"-": await staffed.browser(), "new": await staffed.browser("a2")}
    people.users["a2"] = replace(people.users["a2"], must_change=True)
    wrong = []
    for route in sorted(ROUTES, key=lambda route: route.path == "/api/logout"):
        path = route.path.replace("{agent}", "a1").replace("{call}", "x").replace("{number}", "1").replace("{version}", "1")
        if route.path == "/api/people/{agent}/passwords":
            path = "/api/people/nobody/passwords"
        for role, browser in browsers.items():
            # An empty body: whoever is let in gets a 400 or 404 rather than a change.
            status, _ = await browser.call(route.method, path)
            denied = 401 if role == "-" else 403
            told = route.path == "/api/login" or status not in (401, 403)
            if told != (role in MAY[f"{route.method} {route.path}"].split()) or (not told and status != denied):
                wrong.append((route.method, route.path, role, status))
    assert wrong == []


async def test_what_is_served_is_known(staffed: Desk) -> None:
    """Besides the routes only files of the page are served, by GET: no path and no method comes in by itself."""
    served = {
        (route.method, route.resource.canonical) for route in make(staffed.app.ctx).router.routes() if route.resource is not None
    }
    known = {(route.method, route.path) for route in ROUTES} | {("HEAD", route.path) for route in ROUTES if route.method == "GET"}
    assert served - known == {("GET", "/"), ("HEAD", "/"), ("GET", "/{name}"), ("HEAD", "/{name}")}
    stranger = await staffed.browser()
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        assert (await stranger.call(method, "/api/rules"))[0] == 405
    for name in (
        "/..%2f..%2fapp.py",
        "/js/%2e%2e/%2e%2e/app.py",
        "/%00",
        "/js/main.js/",
        "//etc/passwd",
        "/css/../index.html%00.js",
    ):
        assert (await stranger.call("GET", name))[0] in (400, 404), name
    assert all(path.is_relative_to(pages.WEB) for path in pages.files().values())


def test_scope() -> None:
    """A supervisor leads agents of the own city or, without one, of the centre; never supervisors; an administrator leads all."""
    people = {agent.id: agent for agent in PEOPLE}

    def led(who: str) -> list[str]:
        user = User(who, who, people[who].role)
        return [other.id for other in PEOPLE if leads(user, people, other)]

    assert led("boss") == ["a1", "a2"] and led("lead") == ["a1"] and led("a1") == []
    assert led("root") == ["a1", "a2", "boss", "lead", "root"]
    assert not leads(User("gone", "gone", "supervisor"), people, PEOPLE[0])
    assert not leads(User("a1", "a1", "supervisor"), people, PEOPLE[1])  # the rules say agent


def test_overreach() -> None:
    """A change of the rules may concern the people one leads; supervisors and administrators are changed by administrators."""
    old = RuleBook(1, agent=PEOPLE)

    def told(who: str, *agents: Agent, book: RuleBook = old) -> list[str]:
        role = next(agent.role for agent in book.agent if agent.id == who)
        return [agent.id for agent in overreach(User(who, who, role), book, replace(book, agent=agents))]

    a1, a2, boss, lead, root = PEOPLE
    moved, promoted, new = replace(a1, city="绵阳市"), replace(lead, city=""), Agent("n", "新", "administrator")
    assert told("lead", replace(a1, name="王"), a2, boss, lead, root) == []
    assert told("lead", moved, a2, boss, lead, root) == ["a1"]
    assert told("lead", a1, boss, lead, root) == ["a2"]
    assert told("lead", a1, a2, boss, promoted, root) == ["lead"]
    assert told("boss", moved, boss, lead, root) == []
    assert told("boss", a1, a2, boss, lead, root, new) == ["n"]
    assert told("boss", replace(a1, role="supervisor"), a2, boss, lead, root) == ["a1"]
    assert told("root", a1, new) == []
    first = replace(old, agent=(a1, a2, boss, lead))  # no administrator yet
    assert told("boss", a1, a2, boss, lead, root, book=first) == []
    assert told("lead", a1, a2, boss, lead, root, book=first) == ["root"]


async def test_scope_of_a_supervisor(staffed: Desk) -> None:
    """A city's supervisor forces and resets agents of that city only, and changes nobody else; an administrator does."""
    await staffed.browser("a1")
    await staffed.browser("a2")
    lead, boss, root = await staffed.browser("lead"), await staffed.browser("boss"), await staffed.browser("root")
    for path, body in (
        ("/api/agents/a2/logout", None),
        ("/api/agents/a2/not-ready", {"reason": "meal"}),
        ("/api/people/a2/passwords", None),
        ("/api/people/boss/passwords", None),
        ("/api/people/root/passwords", None),
    ):
        status, got = await lead.call("POST", path, body)
        assert (status, got["error"]["code"]) == (403, "scope"), path
    assert (await boss.call("POST", "/api/people/lead/passwords"))[0] == 403
    assert (await boss.call("POST", "/api/people/boss/passwords"))[0] == 403
    assert (await lead.post("/api/agents/a1/not-ready", {"reason": "meal"}))["agent"]["reason"] == "meal"
    assert len((await lead.post("/api/people/a1/passwords"))["passwords"]) == 1
    book = (await lead.get("/api/rules"))["book"]
    mine = book | {"agent": [row | {"role": "administrator"} if row["id"] == "lead" else row for row in book["agent"]]}
    for path in ("/api/rules/check", "/api/rules"):
        asked: dict[str, object] = {"book": mine} if path.endswith("check") else {"book": mine, "base": 1, "why": "try"}
        assert (await lead.call("POST", path, asked))[0] == 403
    assert len((await root.post("/api/people/boss/passwords"))["passwords"]) == 1


async def test_scope_of_the_trail(staffed: Desk) -> None:
    """A supervisor's trail has the own acts and those on the agents they lead; an administrator's has all."""
    for user in ("a1", "a2", "boss", "root"):
        await staffed.browser(user)
    lead, root = await staffed.browser("lead"), await staffed.browser("root")
    assert {act["who"] for act in (await lead.get("/api/trail"))["acts"]} == {"a1", "lead"}
    assert {act["who"] for act in (await root.get("/api/trail"))["acts"]} == {"a1", "a2", "boss", "lead", "root"}

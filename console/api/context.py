"""What the handlers work with, and one route's description. Routes are made once and serve requests and the OpenAPI document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from console.api.acts import Acts
from console.api.errors import BadRequest
from console.api.fields import Field, check
from console.api.newcomers import Newcomers
from console.api.proxies import Client, Proxies
from console.api.sessions import Sessions
from console.api.throttle import Throttle
from console.ledger.audit import Policy
from console.ledger.database import Database
from console.ledger.people import Session, User
from console.ledger.queries import Queries
from console.live.hub import Hub
from console.live.presence import Presence
from console.live.router import Routers
from console.live.rules import Rules
from console.live.views import Json
from console.metrics import Metrics
from ops import text_file
from ops.centre import Agent, CentreConfig
from ops.clock import Clock


@dataclass(slots=True)
class Context:
    """Everything a handler needs; made in app.py."""

    config: CentreConfig
    clock: Clock
    metrics: Metrics
    database: Database
    queries: Queries
    sessions: Sessions
    routers: Routers
    hub: Hub
    rules: Rules
    newcomers: Newcomers
    acts: Acts
    leaving: set[str] = field(default_factory=set)  # agents whose log-out waits for a router
    throttle: Throttle = field(default_factory=Throttle)
    agents: dict[str, Agent] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    policy: Policy = field(default_factory=Policy)
    proxies: Proxies = field(default_factory=Proxies)
    presence: Presence = field(default_factory=Presence)

    def __post_init__(self) -> None:
        self.take(self.config)

    def take(self, config: CentreConfig) -> None:
        """Work by these rules from now on."""
        self.config = config
        self.proxies = Proxies.of(config.console)
        self.agents = {agent.id: agent for agent in self.config.agent}
        self.reasons = tuple(reason.id for reason in self.config.not_ready)
        unrecorded = frozenset(queue.id for queue in self.config.queue if not queue.record)
        self.policy = Policy(self.config.media.record, unrecorded)


@dataclass(frozen=True, slots=True)
class Call:
    """One request: who asks, and the checked fields of body, query and path."""

    ctx: Context
    request: web.Request
    fields: dict[str, Any]
    who: tuple[User, Session] | None

    @property
    def client(self) -> Client:
        """Who asks: the browser, not the proxy before us."""
        headers, proxies = self.request.headers, self.ctx.proxies
        proto = headers.get("X-Forwarded-Proto", "")
        return proxies.client(self.request.remote or "", self.request.secure, headers.getall(proxies.header, []), proto)

    @property
    def user(self) -> User:
        """Who asks, on routes with a role."""
        assert self.who is not None, "the guard lets nobody else in"
        return self.who[0]

    @property
    def session(self) -> Session:
        """The log-in it is asked with."""
        assert self.who is not None, "the guard lets nobody else in"
        return self.who[1]

    async def note(
        self, verb: str, subject: str = "", before: Json | None = None, after: Json | None = None, first: bool = False
    ) -> None:
        """Put what is done here into the trail; `first`: before it is done, and not at all if that fails (SQLAlchemyError)."""
        who, role = (self.user.id, self.user.role) if self.who is not None else ("", "")
        act = self.ctx.acts.made(who, role, self.client.address, verb, subject, before, after)
        await (self.ctx.acts.must(act) if first else self.ctx.acts.add(act))


Handler = Callable[[Call], Awaitable[web.StreamResponse]]
PUBLIC, ANY, AGENT, SUPERVISOR = "public", "any", "agent", "supervisor"
ROLES = {  # who may use a route; a role that is not named may not
    ANY: frozenset(["agent", "supervisor", "administrator"]),
    AGENT: frozenset(["agent"]),
    SUPERVISOR: frozenset(["supervisor", "administrator"]),
}


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path. `reply`: name of a schema in openapi.py, "" for no JSON."""

    method: str
    path: str
    role: str  # public, any, agent, supervisor
    handler: Handler
    told: str
    body: tuple[Field, ...] = ()
    query: tuple[Field, ...] = ()
    parts: tuple[Field, ...] = ()  # of the path
    reply: str = ""
    errors: tuple[int, ...] = ()
    produces: str = "application/json"
    longest: int = 65_536  # bytes of a body
    before_change: bool = False  # also for those who must choose another password first

    async def take(self, request: web.Request) -> dict[str, Any]:
        """The checked fields of a request. Raises BadRequest naming the field."""
        fields = check(dict(request.match_info), self.parts) if self.parts else {}
        fields |= check(dict(request.query), self.query)
        if self.body:
            fields |= check(await _json(request, self.longest), self.body)
        return fields


async def _json(request: web.Request, longest: int) -> object:
    try:
        return text_file.from_json(await request.clone(client_max_size=longest).read())
    except (ValueError, RecursionError) as error:
        raise BadRequest("bad_json", f"the body is not JSON: {str(error)[:100]}") from error

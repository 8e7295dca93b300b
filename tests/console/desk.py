"""A console of the tests' own, and clients for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
from argon2 import PasswordHasher
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from console.app import App
from console.metrics import Metrics
from ops import keys, redis_access
from ops.centre import Agent, Centre, CentreConfig, Console, NotReadyReason, Ports, Queue
from ops.clock import Clock
from ops.facts import Fact, encode
from ops.inner import CONSOLE, target
from tests.console.fake_router import FakeRouter
from tests.kit.ports import free_block, free_port

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORDS = {"a1": "secret-a1", "a2": "secret-a2", "boss": "secret-boss"}
QUEUES = (Queue("bills", "bills", "账单查询", "Bills"), Queue("faults", "faults", "故障报修", "Faults"))
REASONS = (NotReadyReason("break", "小休", "Break"), NotReadyReason("meal", "用餐", "Meal"))
AGENTS = (
    Agent("a1", "王芳", "agent", "8001", {"bills": 1, "faults": 2}),
    Agent("a2", "李雷", "agent", "8002", {"bills": 1}),
    Agent("boss", "张敏", "supervisor"),
)


def centre(state: Path, redis_port: int, database: str = "", routers: int = 1) -> CentreConfig:
    """A small centre on free ports, with its credentials file."""
    state.mkdir(parents=True, exist_ok=True)
    users = [{"id": user, "name": user, "role": "", "password": text} for user, text in PASSWORDS.items()]
    (state / "credentials.json").write_text(json.dumps({"users": users, "seats": []}))
    config = CentreConfig(Centre("sichuan"), queue=QUEUES, agent=AGENTS, not_ready=REASONS, state=state)
    router = replace(config.router, instances=routers, ready_needs_phone=False)
    own = Console(database=database, change_first_passwords=False)
    config = replace(config, router=router, console=own)
    return replace(config, ports=Ports(redis=redis_port, console=free_port(), router=free_block(routers)))


async def write(redis: Redis, *facts: Fact, tenant: str = "main") -> None:
    """Put facts on the stream."""
    pipe = redis.pipeline(transaction=False)
    for fact in facts:
        pipe.xadd(keys.facts(tenant), {keys.FACTS_FIELD: encode(fact)})
    await pipe.execute()


class Browser:
    """An HTTP client with a cookie jar: what a browser would send."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), headers={"X-Tierline": "1"})

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        """Status and JSON of one request."""
        async with self.http.request(method, self.url + path, json=body, **more) as response:
            text = await response.text()
            return response.status, json.loads(text) if response.content_type == "application/json" else text

    async def get(self, path: str) -> Any:
        """JSON of a GET that must succeed."""
        status, got = await self.call("GET", path)
        assert status == 200, got
        return got

    async def post(self, path: str, body: Any = None) -> Any:
        """JSON of a POST that must succeed."""
        status, got = await self.call("POST", path, body)
        assert status == 200, got
        return got

    async def login(self, user: str) -> Any:
        """Log in with the first password."""
        return await self.post("/api/login", {"user": user, "password": PASSWORDS[user]})

    @asynccontextmanager
    async def live(self) -> AsyncIterator[Live]:
        """The live connection."""
        async with self.http.ws_connect(self.url + "/api/live", headers={"Origin": self.url}) as socket:
            yield Live(socket)

    async def close(self) -> None:
        """Close connections."""
        await self.http.close()


class Live:
    """Messages of a live connection."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.seen: list[dict[str, Any]] = []

    async def until(self, want: Any, seconds: float = 3.0) -> dict[str, Any]:
        """The next message that `want(message)` holds for."""
        async with asyncio.timeout(seconds):
            while True:
                message: dict[str, Any] = await self.socket.receive_json()
                self.seen.append(message)
                if want(message):
                    return message


class Desk:
    """Console, router stand-in and Redis together."""

    def __init__(self, config: CentreConfig, clock: Clock | None = None) -> None:
        self.config = config
        self.router = FakeRouter(tuple(queue.id for queue in config.queue))
        self.app = App(config, clock=clock, metrics=Metrics(CollectorRegistry()), passwords=CHEAP)
        self.url = f"http://127.0.0.1:{config.ports.console}"
        self.redis = Redis.from_url(redis_access.url(config, redis_access.CONSOLE))
        self.browsers: list[Browser] = []

    async def start(self, router: bool = True) -> Desk:
        """Start router stand-in and console."""
        if router:
            await self.router.start(target(self.config.routers[0], CONSOLE))
        await self.app.start()
        return self

    async def browser(self, user: str = "") -> Browser:
        """A new browser, logged in if a user is told."""
        made = Browser(self.url)
        self.browsers.append(made)
        if user:
            await made.login(user)
        return made

    async def fact(self, *facts: Fact) -> None:
        """Put facts on the stream."""
        await write(self.redis, *facts, tenant=self.config.centre.tenant)

    async def stop(self) -> None:
        """End everything."""
        for browser in self.browsers:
            await browser.close()
        await self.app.stop()
        await self.router.stop()
        await self.redis.aclose()

"""The console's HTTP API, as the pages of agents and supervisors use it."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import aiohttp

Json = dict[str, Any]
HEADERS = {"X-Tierline": "demo"}  # what the API wants of programs that change something


class ApiError(Exception):
    """The console refused or is away; the text has path, status and its words."""


class Desk:
    """One person's session at the console. Use as an async context manager."""

    def __init__(self, base: str, user: str, password: str) -> None:
        self.base, self.user, self._password = base.rstrip("/"), user, password
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Desk:
        jar = aiohttp.CookieJar(unsafe=True)  # the console may be a bare address
        self._http = aiohttp.ClientSession(cookie_jar=jar, headers=HEADERS, timeout=aiohttp.ClientTimeout(total=15))
        try:
            await self.post("/api/login", user=self.user, password=self._password)
        except BaseException:
            await self._http.close()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._http is not None
        await self._http.close()

    async def get(self, path: str, **query: str | int) -> Json:
        """A JSON answer. Raises ApiError."""
        return await self._ask("GET", path, params={name: str(value) for name, value in query.items()})

    async def post(self, path: str, **fields: object) -> Json:
        """A JSON answer to a change. Raises ApiError."""
        return await self._ask("POST", path, json=fields)

    async def fetch(self, path: str) -> bytes:
        """A file. Raises ApiError."""
        assert self._http is not None
        async with self._http.get(self.base + path) as answer:
            data = await answer.read()
            if answer.status != 200:
                raise ApiError(f"{path}: {answer.status} {data[:200].decode('utf-8', 'replace')}")
            return data

    async def _ask(self, method: str, path: str, **rest: Any) -> Json:
        assert self._http is not None
        try:
            async with self._http.request(method, self.base + path, **rest) as answer:
                if answer.status != 200:
                    raise ApiError(f"{self.user} {method} {path}: {answer.status} {(await answer.text())[:300]}")
                data: Json = await answer.json()
                return data
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ApiError(f"{self.user} {method} {path}: {error!r}") from error

    async def ready(self) -> None:
        """Take calls."""
        await self.post("/api/agent/ready")

    async def not_ready(self, reason: str) -> None:
        """Take no calls; during a call: after it."""
        await self.post("/api/agent/not-ready", reason=reason)

    async def agent(self) -> Json:
        """The own state."""
        row: Json = (await self.get("/api/agent"))["agent"]
        return row

    async def calls_since(self, from_ms: int) -> list[Json]:
        """All rows of the ledger for calls that came since then (supervisor)."""
        rows: list[Json] = []
        before: dict[str, str] = {}
        while True:
            page = await self.get("/api/calls", limit=200, **{"from": from_ms}, **before)
            rows += page["calls"]
            if not page["next"]:
                return rows
            before = {"before": page["next"]}

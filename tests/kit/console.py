"""A person at the console, without the browser: the same HTTP API the page uses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.kit.centre import Centre
from tests.kit.wait import until_async

Json = dict[str, Any]


class Person:
    """A logged-in agent or supervisor."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def get(self, path: str, **query: str) -> Json:
        """GET an /api path; AssertionError unless 200."""
        async with self._session.get(path, params=query) as answer:
            got: Json = await answer.json()
            assert answer.status == 200, f"{path}: {answer.status} {got}"
            return got

    async def known(self, path: str) -> Json | None:
        """GET an /api path of what the router knows; None while no router answers (503): it may be starting."""
        async with self._session.get(path) as answer:
            got: Json = await answer.json()
            assert answer.status in (200, 503), f"{path}: {answer.status} {got}"
            return got if answer.status == 200 else None

    async def post(self, path: str, **body: object) -> Json:
        """POST to an /api path; AssertionError unless 200."""
        async with self._session.post(path, json=body) as answer:
            got: Json = await answer.json()
            assert answer.status == 200, f"{path}: {answer.status} {got}"
            return got

    async def refused(self, path: str, **body: object) -> str:
        """POST to an /api path that must be refused; the code of the error."""
        async with self._session.post(path, json=body) as answer:
            got: Json = await answer.json()
            assert answer.status == 409, f"{path}: {answer.status} {got}"
            return str(got["error"]["code"])

    async def recording(self, call: str, number: int = 1) -> bytes:
        """The WAV of a recording as the player gets it."""
        async with self._session.get(f"/api/calls/{call}/recordings/{number}") as answer:
            assert answer.status == 200, f"recording {number} of {call}: {answer.status}"
            return await answer.read()

    async def ready(self) -> None:
        """Take calls."""
        await self.post("/api/agent/ready")

    async def now(self) -> Json:
        """The own state and call."""
        got: Json = (await self.get("/api/agent"))["agent"]
        return got

    async def state_is(self, state: str, within: float = 8) -> Json:
        """Return the agent when its state is `state`."""
        seen: list[Json] = []

        async def there() -> bool:
            if (got := await self.known("/api/agent")) is not None:
                seen.append(got["agent"])
            return bool(seen) and bool(seen[-1]["state"] == state)

        await until_async(there, within, f"the agent is {state}", 0.1)
        return seen[-1]

    async def waiting_are(self, count: int, within: float = 8) -> None:
        """Return when so many callers wait in all queues, as the supervisor's board shows it."""

        async def there() -> bool:
            board = await self.known("/api/board")
            return board is not None and sum(int(queue["waiting"]) for queue in board["queues"]) == count

        await until_async(there, within, f"{count} callers wait", 0.1)

    async def call_row(self, number: str, within: float = 8, **want: object) -> Json:
        """The ledger's row of the newest call from `number`, once it is closed and has the fields wanted."""
        seen: list[Json] = [{}]

        async def there() -> bool:
            rows = (await self.get("/api/calls", number=number))["calls"]
            seen.append(rows[0] if rows else {})
            return bool(rows) and rows[0]["result"] != "" and all(rows[0].get(name) == value for name, value in want.items())

        try:
            await until_async(there, within, f"the call of {number} is closed in the ledger", 0.1)
        except AssertionError as error:
            raise AssertionError(f"{error}; wanted {want}, last seen {seen[-1]}") from error
        return seen[-1]


@asynccontextmanager
async def login(centre: Centre, user: str) -> AsyncIterator[Person]:
    """Log in with the first password; agents are logged out at the end, so that the next test finds them so."""
    jar = aiohttp.CookieJar(unsafe=True)
    headers = {"X-Tierline": "1"}
    async with aiohttp.ClientSession(centre.endpoints["console"], cookie_jar=jar, headers=headers) as session:
        person = Person(session)
        await person.post("/api/login", user=user, password=centre.password(user))
        try:
            yield person
        finally:
            async with session.post("/api/logout", json={}) as answer:
                await answer.read()

"""A laptop that slept: the page's connection says nothing for long and then is back, on a real console and real routers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from console.app import App
from console.metrics import Metrics
from tests.console.desk import CHEAP, Browser, Live
from tests.kit.ports import free_port
from tests.kit.wait import until_async
from tests.races.kit import NOT_READY, WANG, Console, House, Node

BEAT_S = 0.2  # the console pings a page so often in this test; in service every 20 s
PLAIN = web.WebSocketResponse
PASSWORD = "first-of-wang"


@pytest.fixture
async def app(house: House, console: Console, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[App]:
    """A console in this process, at the house's routers, with one agent."""
    monkeypatch.setattr(web, "WebSocketResponse", lambda **how: PLAIN(**(how | {"heartbeat": BEAT_S})))
    users = [{"id": WANG.id, "password": PASSWORD}]
    (house.config.state / "credentials.json").write_text(json.dumps({"users": users, "seats": []}))
    ports = replace(house.config.ports, console=free_port())
    own = replace(house.config.console, change_first_passwords=False)
    config = replace(house.config, ports=ports, console=own)
    made = App(config, metrics=Metrics(CollectorRegistry()), passwords=CHEAP)
    await made.start()
    yield made
    await made.stop()


class Laptop:
    """A page that can fall asleep: it neither reads nor answers pings then. Its cookie survives."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.page = Browser(f"http://127.0.0.1:{app.config.ports.console}")
        self.socket: aiohttp.ClientWebSocketResponse | None = None

    async def wake(self) -> dict[str, Any]:
        """Connect, as the page does after its connection broke; the first it is told of its agent."""
        self.socket = await self.page.http.ws_connect(
            self.page.url + "/api/live", headers={"Origin": self.page.url}, autoping=False
        )
        return (await self.hears(lambda agent: True))["agent"]  # type: ignore[no-any-return]  # JSON

    async def hears(self, want: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next message about the agent that is as wanted."""
        assert self.socket is not None
        return await Live(_Answering(self.socket)).until(  # type: ignore[arg-type]  # as much of a socket as is needed
            lambda m: m["type"] == "agent" and want(m["agent"])
        )

    async def sleep(self) -> None:
        """Say nothing until the console has given the page up."""
        await until_async(lambda: not self.app.hub.watchers, 5, "the console gives the silent page up")


class _Answering:
    """A socket that answers pings while somebody reads it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def receive_json(self) -> Any:
        while (message := await self.socket.receive()).type is aiohttp.WSMsgType.PING:
            await self.socket.pong(message.data)
        return message.json()


async def test_a_laptop_that_slept(house: House, app: App, node: Node, console: Console) -> None:
    """Asleep through a call that nobody answered: no double login, no ghost; awake, one click brings the next call, once."""
    laptop = Laptop(app)
    await laptop.page.post("/api/login", {"user": WANG.id, "password": PASSWORD})
    assert (await laptop.wake())["state"] == "not_ready"
    await laptop.page.post("/api/agent/ready")
    missed = await node.offered(await node.queue_up("plain"))
    await laptop.sleep()
    await node.fail(missed)
    await node.hang_up(missed.call)
    known = await console.see(WANG.id)
    assert (known.state, known.reason) == (NOT_READY, "no_answer")
    awake = await laptop.wake()
    assert (awake["state"], awake["reason"], awake["version"]) == ("not_ready", "no_answer", known.version)
    assert (await laptop.page.post("/api/agent/start"))["agent"]["version"] == known.version, "no second login"
    assert len(node.offers()) == 1, "nothing rings that is gone"
    await laptop.page.post("/api/agent/ready")
    call = await node.queue_up("plain")
    offer = await node.offered(call)
    told = await laptop.hears(lambda agent: agent["state"] == "offered")
    assert told["agent"]["call"]["call"] == call
    await laptop.sleep()
    await node.answer(offer)
    awake = await laptop.wake()
    assert (awake["state"], awake["call"]["call"]) == ("talking", call), "the talk at the desk phone went on without the page"
    assert len(node.offers()) == 2
    await node.hang_up(call)
    await laptop.hears(lambda agent: agent["state"] == "ready")
    await laptop.page.close()

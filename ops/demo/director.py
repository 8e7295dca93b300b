"""Lets the busy hour happen in order, then asks the console what it knows of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

from ops.clock import SystemClock
from ops.demo import check, script, sounds
from ops.demo.check import Heard, Verdict
from ops.demo.desk import ApiError, Desk
from ops.demo.show import Show
from ops.demo.stage import Stage, StageError

SUPERVISOR = "zhao"
AGENTS = {"1001": "wang", "1002": "li", "1003": "zhang", "1004": "liu", "1005": "chen", "1006": "yang"}
BILLING, FIELD, NOBODY = ("wang", "li", "chen"), ("zhang", "liu"), "yang"
SETTLED_S = 60.0
Json = dict[str, Any]
Condition = Callable[[], bool | Awaitable[bool]]


class Director:
    """One performance. `results`: what the callers' phones told, by the call's name."""

    def __init__(self, stage: Stage, show: Show) -> None:
        self.stage, self.show = stage, show
        self.agents: dict[str, Desk] = {}
        self.results: dict[str, Json] = {}
        self.since_ms = SystemClock().now_ms()
        self.supervisor: Desk | None = None
        show.total = len(script.CALLS)

    def desk(self, user: str) -> Desk:
        """A session that is not opened yet."""
        return Desk(self.stage.endpoints["console"], user, self.stage.password("users", "id", user))

    async def perform(self) -> tuple[list[Verdict], dict[str, Heard], Json]:
        """All of it: verdicts, how recordings compare (by call id), the console's audit. Raises StageError, ApiError."""
        async with contextlib.AsyncExitStack() as open_desks:
            await self._prepare()
            for agent in AGENTS.values():
                self.agents[agent] = await open_desks.enter_async_context(self.desk(agent))
            self.supervisor = await open_desks.enter_async_context(self.desk(SUPERVISOR))
            self.show.line(f"   logged in: {', '.join((*self.agents, SUPERVISOR))}")
            watcher = asyncio.create_task(self._watch(self.supervisor))
            try:
                await self._play()
            finally:
                watcher.cancel()
                await asyncio.gather(watcher, return_exceptions=True)
            return await self._examine(self.supervisor)

    async def _prepare(self) -> None:
        """Sounds, then phones."""
        self.show.line("-- making what callers and agents say")
        makers = [(sounds.caller, call.calling) for call in script.CALLS] + [(sounds.agent, seat) for seat in AGENTS]
        await asyncio.gather(*(asyncio.to_thread(make, self.stage.folder, who) for make, who in makers))
        self.show.line("-- registering seats")
        for seat, transport in zip(script.BARESIP, ("udp", "tcp"), strict=True):
            await self.stage.baresip(seat, transport)
            self.show.line(f"   {seat} baresip over {transport.upper()}")
        for seat in (*script.SIMULATED, script.RING_ONLY):
            await self.stage.simulated(seat)
            self.show.line(f"   {seat} simulated{' (nobody will pick up)' if seat == script.RING_ONLY else ''}")

    async def _play(self) -> None:
        """The scenes. Callers give up before anybody is ready; then all at once; at last a seat where nobody picks up."""
        for agent in (*BILLING, NOBODY):
            await self.agents[agent].not_ready("break")
        await self._ready(FIELD)
        gone = {call.name for call in script.OPENING.calls if call.want == script.GONE}
        opening = asyncio.create_task(self._scene(script.OPENING))
        field = asyncio.create_task(self._scene(script.FIELD))
        try:
            await self._until(lambda: gone <= self.results.keys(), 60, "callers give up", opening, field)
            self.show.line(f"   {', '.join(BILLING)} get ready")
            await self._ready(BILLING)
            rush = asyncio.create_task(self._scene(script.RUSH))
            await asyncio.gather(opening, field, rush)
        finally:
            for scene in (opening, field):
                scene.cancel()
        await self._nobody_picks_up()

    async def _nobody_picks_up(self) -> None:
        """Only the forgotten seat is ready, until the router has given up on it."""
        for agent in FIELD:
            await self.agents[agent].not_ready("training")
        await self._all(FIELD, "not_ready")
        await self._ready((NOBODY,))
        scene = asyncio.create_task(self._scene(script.NO_ANSWER))
        try:
            await self._until(lambda: self._is(NOBODY, "not_ready"), 60, f"{NOBODY} is taken out for not answering", scene)
            await self._ready(FIELD)
            await scene
        finally:
            scene.cancel()

    async def _scene(self, scene: script.Scene) -> None:
        self.show.scene(scene.title)
        about = {call.name: call.about for call in scene.calls}
        async for result in self.stage.play(scene):
            self.results[result["name"]] = result
            self.show.result(result["name"], about[result["name"]], result)

    async def _ready(self, agents: Iterable[str]) -> None:
        for agent in agents:
            await self.agents[agent].ready()

    async def _is(self, agent: str, state: str) -> bool:
        return bool((await self.agents[agent].agent())["state"] == state)

    async def _all(self, agents: Iterable[str], state: str) -> None:
        for agent in agents:
            await self._until(partial(self._is, agent, state), 40, f"{agent} is {state}")

    async def _until(
        self, holds: Callable[[], bool | Awaitable[bool]], seconds: float, what: str, *tasks: asyncio.Task[None]
    ) -> None:
        """Wait for a condition while `tasks` go on; one of them failing fails this. Raises StageError."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while True:
            got = holds()
            if got if isinstance(got, bool) else await got:
                return
            for task in tasks:
                if task.done() and task.exception() is not None:
                    task.result()
            if loop.time() > end:
                raise StageError(f"not within {seconds:.0f} s: {what}")
            await asyncio.sleep(0.2)

    async def _watch(self, supervisor: Desk) -> None:
        """The board, as the supervisor sees it."""
        while True:
            try:
                self.show.board(await supervisor.get("/api/board"))
            except ApiError as error:
                self.show.line(f"   board: {error}")
            await asyncio.sleep(0.5)

    async def _examine(self, supervisor: Desk) -> tuple[list[Verdict], dict[str, Heard], Json]:
        """Ledger, recordings and audit, once nothing is open any more."""
        self.show.line("-- checking ledger, recordings and audit")
        rows = await self._rows(supervisor)
        details = {row["id"]: await supervisor.get(f"/api/calls/{row['id']}") for row in rows}
        verdicts = check.judge(script.CALLS, rows, self.results, details)
        heard, audit = await asyncio.gather(self._listen(supervisor, verdicts), self._audit(supervisor))
        return verdicts, heard, audit

    async def _rows(self, supervisor: Desk) -> list[Json]:
        """The ledger's rows, once all calls of the script are over and conversations have their recording, or SETTLED_S."""
        loop = asyncio.get_running_loop()
        end = loop.time() + SETTLED_S
        while True:
            rows = await supervisor.calls_since(self.since_ms)
            over = [row for row in rows if row["result"] and (row["result"] != script.ANSWERED or row["recording"])]
            if len(over) >= len(script.CALLS) or loop.time() > end:
                return rows
            await asyncio.sleep(0.5)

    async def _audit(self, supervisor: Desk) -> Json:
        """The console judges a call some seconds after its last fact."""
        loop = asyncio.get_running_loop()
        end = loop.time() + SETTLED_S
        while True:
            audit = await supervisor.get("/api/audit", **{"from": self.since_ms})
            if not audit["open"] or loop.time() > end:
                return audit
            await asyncio.sleep(1)

    async def _listen(self, supervisor: Desk, verdicts: list[Verdict]) -> dict[str, Heard]:
        """Fetch each recording and compare both channels with what was spoken."""
        seats = {agent: seat for seat, agent in AGENTS.items()}
        callers = [sounds.caller(self.stage.folder, call.calling) for call in script.CALLS]
        spoken = check.sounds([*callers, *(sounds.agent(self.stage.folder, seat) for seat in AGENTS)])
        heard: dict[str, Heard] = {}
        for verdict in verdicts:
            row = verdict.row
            if row is not None and row["recording"] == "filed" and row["agent"] in seats:
                data = await supervisor.fetch(f"/api/calls/{row['id']}/recordings/1")
                names = f"caller-{verdict.call.calling}", f"seat-{seats[row['agent']]}"
                heard[row["id"]] = await asyncio.to_thread(check.listen, data, *names, spoken)
        return heard

"""`tierline demo overflow`: the nation and three provinces on this machine, real calls, and the proof of who answered whom."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from ops.clock import SystemClock
from ops.country import Country
from ops.demo import check, overflow_check, sounds
from ops.demo.desk import ApiError, Desk
from ops.demo.overflow_check import Evidence, Finding, Pop, Summary
from ops.demo.overflow_script import ACTS, AGENTS, HUBEI, NATION, PROVINCES, SUPERVISORS, VISITS, ZH, ZH_CALL, Act
from ops.demo.script import Scene
from ops.demo.show import pad, table
from ops.demo.stage import Stage, StageError
from ops.numbers import mask
from ops.supervise import commands, country, files
from ops.supervise.services import ROOT

EXAMPLE = ROOT / "examples" / "country.toml"
LOOK_S = 0.3
READY_S, SETTLED_S = 30.0, 60.0
Json = dict[str, Any]


def chinese() -> bool:
    """Whether the terminal's user reads Chinese, by the locale."""
    return next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "").startswith("zh")


class Words:
    """Lines for people in one of two languages."""

    def __init__(self, zh: bool) -> None:
        self.zh = zh

    def __call__(self, zh: str, en: str) -> None:
        """Say one."""
        print(zh if self.zh else en, flush=True)

    def place(self, centre: str) -> str:
        """A centre's name."""
        return ZH.get(centre, centre) if self.zh else centre.title()

    def call(self, name: str) -> str:
        """What a call is called."""
        return " ".join(ZH_CALL.get(word, word) for word in name.split()) if self.zh else name


class Conductor:
    """One performance: `perform` once."""

    def __init__(self, found: Country, folder: Path, say: Words) -> None:
        self.say, self.base = say, found.base
        self.stages = {
            name: Stage(found.base / name, folder, files.read(files.Folder(found.base / name).endpoints)) for name in PROVINCES
        }
        self.folder = folder
        self.desks: dict[str, Desk] = {}
        self._sessions = contextlib.AsyncExitStack()
        self.seen = Evidence()
        self.since_ms = SystemClock().now_ms()

    def _desk(self, centre: str, user: str) -> Desk:
        stage = self.stages[centre]
        return Desk(stage.endpoints["console"], user, stage.password("users", "id", user))

    async def perform(self) -> list[Finding]:
        """All acts, then what the ledgers say. Raises StageError, ApiError."""
        await self._prepare()
        await self._log_in(*PROVINCES)
        watcher = asyncio.create_task(self._watch())
        try:
            for act in ACTS:
                await self._act(act)
        finally:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
        return await self._examine()

    async def _prepare(self) -> None:
        self.say("-- 准备声音,注册座席话机", "-- making what people say, registering seats")
        makers = [(sounds.caller, visit.call.calling) for visit in VISITS] + [(sounds.agent, seat) for _, seat in AGENTS.values()]
        await asyncio.gather(*(asyncio.to_thread(make, self.folder, who) for make, who in makers))
        await asyncio.gather(*(self.stages[centre].simulated(seat) for centre, seat in AGENTS.values()))

    # ---- acts
    async def _act(self, act: Act) -> None:
        self.say(f"-- {act.zh}", f"-- {act.en}")
        steps: dict[str, Callable[[], Awaitable[None]]] = {
            "log_out": self._log_out,
            "nation_gone": self._nation_gone,
            "log_in": partial(self._log_in, HUBEI),
        }
        if act.before:
            await steps[act.before]()
        for user in self.desks:
            await self._until_free(user)
        centres = sorted({visit.centre for visit in act.visits})
        await asyncio.gather(*(self._scene(act, centre) for centre in centres))

    async def _scene(self, act: Act, centre: str) -> None:
        calls = tuple(visit.call for visit in act.visits if visit.centre == centre)
        async for result in self.stages[centre].play(Scene(f"{act.name} {centre}", act.en, calls)):
            self.seen.phones[result["name"]] = result
            name, place, who = pad(self.say.call(result["name"]), 15), self.say.place(centre), mask(result["from"])
            talked = result["result"] == "talked"
            zh, en = ("通话完毕", "talked, hung up") if talked else (result["result"], result["result"])
            self.say(f"   {name}{who} 打入{place}: {zh}", f"   {name}{who} called {place}: {en} {result['error']}".rstrip())

    async def _log_out(self) -> None:
        """The agents of Hubei go home."""
        for user in [user for user, (centre, _) in AGENTS.items() if centre == HUBEI]:
            await self._until_free(user)
            await self.desks.pop(user).post("/api/logout")

    async def _log_in(self, *centres: str) -> None:
        """The agents of these centres come to work."""
        for user, centre in [(user, centre) for user, (centre, _) in AGENTS.items() if centre in centres]:
            self.desks[user] = await self._sessions.enter_async_context(self._desk(centre, user))
            await self.desks[user].ready()

    async def _nation_gone(self) -> None:
        await asyncio.to_thread(partial(commands.stop, files.Folder(self.base / NATION), drain_s=0, aloud=False))

    async def _until_free(self, user: str) -> None:
        """After-call work of an earlier act is over."""
        loop = asyncio.get_running_loop()
        end = loop.time() + READY_S
        while (state := (await self.desks[user].agent())["state"]) != "ready":
            if loop.time() > end:
                raise StageError(f"{user} is {state}, not ready, for {READY_S:.0f} s")
            await asyncio.sleep(LOOK_S)

    async def _watch(self) -> None:
        """Each agent's screen, as the page shows it."""
        while True:
            for user, desk in tuple(self.desks.items()):
                try:
                    row = await desk.agent()
                except ApiError:
                    continue  # logged out between two looks; a console that is away fails the acts
                if row["call"] and row["state"] in ("offered", "talking"):
                    self._saw(user, row["call"])
            await asyncio.sleep(LOOK_S)

    def _saw(self, user: str, call: Json) -> None:
        pops = self.seen.pops.setdefault(call["call"], [])
        if user not in [pop.user for pop in pops]:
            pops.append(Pop(user, call))
            who, home = f"{mask(call['calling'])}", f"{call['home']['province']}{call['home']['city']}"
            where, path = self.say.place(AGENTS[user][0]), "/".join(call["menu_path"])
            self.say(
                f"      {where}座席 {user} 屏幕弹出: {who} {home},按键 {path}",
                f"      screen of {user} in {where}: {who} {home}, pressed {path}",
            )

    # ---- afterwards
    async def _examine(self) -> list[Finding]:
        self.say("-- 核对各省流水和录音", "-- checking ledgers and recordings")
        for centre in PROVINCES:
            async with self._desk(centre, SUPERVISORS[centre]) as boss:
                self.seen.rows[centre] = await self._rows(boss, centre)
                await self._listen(boss, centre)
        return overflow_check.judge(VISITS, self.seen)

    async def _rows(self, boss: Desk, centre: str) -> list[Json]:
        """Rows of the callers that came here, once each is over and has its recording."""
        numbers = {visit.call.calling[-11:] for visit in VISITS if visit.centre == centre}
        loop = asyncio.get_running_loop()
        end = loop.time() + SETTLED_S
        while True:
            rows = [row for row in await boss.calls_since(self.since_ms) if row["calling"][-11:] in numbers]
            if sum(bool(row["result"] and row["recording"]) for row in rows) >= len(numbers) or loop.time() > end:
                return rows
            await asyncio.sleep(0.5)

    async def _listen(self, boss: Desk, centre: str) -> None:
        """Each recording at home against what was said on both sides, wherever the agent sat."""
        callers = [sounds.caller(self.folder, visit.call.calling) for visit in VISITS]
        spoken = check.sounds([*callers, *(sounds.agent(self.folder, seat) for _, seat in AGENTS.values())])
        for row in self.seen.rows[centre]:
            user, _ = overflow_check.agent_of(row)
            if row["recording"] == "filed" and user in AGENTS:
                data = await boss.fetch(f"/api/calls/{row['id']}/recordings/1")
                names = f"caller-{row['calling'][-11:]}", f"seat-{AGENTS[user][1]}"
                self.seen.heard[row["id"]] = await asyncio.to_thread(check.listen, data, *names, spoken)

    async def close(self) -> None:
        """End every phone and session."""
        await self._sessions.aclose()
        for stage in self.stages.values():
            await stage.close()


def run(args: argparse.Namespace) -> int:
    """Start, play, tell, end; 0 when all held. Raises CommandError and what the parts raise."""
    base = (args.state or Path("var") / "overflow").absolute()
    say = Words(chinese() if args.language is None else args.language == "zh")
    say("启动全国中心和湖北、湖南、广东三省", "starting the nation and the provinces Hubei, Hunan, Guangdong")
    found = country.opened(EXAMPLE, base, auto_ports=True)
    try:
        status = commands.all_up(found, aloud=False)
        if status:
            raise StageError(f"not all centres are up; logs are in {base}/*/log")
        summary = asyncio.run(_perform(found, base, say))
    except asyncio.CancelledError:
        return 128 + signal.SIGTERM
    finally:
        say("停止全部中心", "stopping all centres")
        for name in found.members:
            commands.stop(files.Folder(base / name), drain_s=1, aloud=False)
    _conclude(summary, say)
    print(json.dumps(asdict(summary)), flush=True)
    return 0 if summary.held else 1


async def _perform(found: Country, base: Path, say: Words) -> Summary:
    folder = base / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    loop, me = asyncio.get_running_loop(), asyncio.current_task()
    assert me is not None
    for signum in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(signum, me.cancel)
    conductor = Conductor(found, folder, say)
    try:
        findings = await conductor.perform()
        _report(findings, conductor.seen, say)
        return overflow_check.summarise(findings, conductor.seen)
    finally:
        await conductor.close()


def _report(findings: list[Finding], seen: Evidence, say: Words) -> None:
    head = ("call", "came to", "answered in", "agent", "waited", "screen pop", "caller's words", "agent's words")
    zh = ("来电", "来电省", "接听省", "座席", "等候", "来电弹屏", "客户声音", "座席声音")
    print("\n" + "\n".join(table(zh if say.zh else head, [_row(one, seen, say) for one in findings])))
    for one in findings:
        for text in one.wrong:
            print(f"  {'不符' if say.zh else 'NOT AS IT SHOULD BE'}: {say.call(one.visit.call.name)}: {text}")
    print()


def _conclude(summary: Summary, say: Words) -> None:
    """What it all showed, in a sentence."""
    if summary.held:
        say(
            f"结论: {summary.calls} 通来电全部接通,本省接听 {summary.at_home} 通,外省接听 {summary.elsewhere} 通;"
            "来电资料随到,双方声音录全",
            f"all {summary.calls} calls were answered, {summary.at_home} at home and {summary.elsewhere} by another province; "
            "their data arrived, and both voices are in the recordings",
        )
    else:
        say("结论: 有不符之处,见上表", "not all came true: see below the table")


def _row(one: Finding, seen: Evidence, say: Words) -> tuple[str, ...]:
    row = one.row
    if row is None:
        return (say.call(one.visit.call.name), say.place(one.visit.centre), *[""] * 6)
    heard = seen.heard.get(row["id"])
    likeness = (f"{heard.caller:.0%}", f"{heard.agent:.0%}") if heard else ("", "")
    where = (say.place(one.visit.centre), say.place(one.at), one.user)
    return (say.call(one.visit.call.name), *where, f"{row['waited_ms'] / 1000:.1f} s", "✓" if one.popped else "-", *likeness)

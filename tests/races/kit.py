"""What the races need: two routers on one Redis as processes, media nodes that beat, and short ways to say what a call does."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import redis
from tierline.agents.v1 import agents_pb2
from tierline.common.v1 import common_pb2
from tierline.routing.v1 import routing_pb2 as pb

from ops import facts as facts_
from ops import keys
from ops.centre import Agent, CentreConfig, Queue
from ops.facts import Fact
from tests.kit.redis_server import RedisServer
from tests.kit.wait import until_async
from tests.router import kit
from tests.router.kit import call_id, now_ms, router_process, settle, wait_for_router, words

SIX = tuple(f"q{n}" for n in range(1, 7))
BROKEN = (grpc.RpcError, grpc.aio.UsageError, asyncio.InvalidStateError)
READY, NOT_READY = agents_pb2.AGENT_STATE_READY, agents_pb2.AGENT_STATE_NOT_READY
OFFERED, TALKING = agents_pb2.AGENT_STATE_OFFERED, agents_pb2.AGENT_STATE_TALKING
AFTER_CALL, LOGGED_OUT = agents_pb2.AGENT_STATE_AFTER_CALL, agents_pb2.AGENT_STATE_LOGGED_OUT
BEAT_S = 0.5
WANG = Agent("wang", "王芳", "agent", "8001", {"plain": 1})  # who has a login at the console


@dataclass
class House:
    """A running pair of routers. `third` is the address of one more that is configured and not started."""

    config: CentreConfig
    server: RedisServer
    routers: tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where they listen."""
        return self.config.routers

    def facts(self, *calls: str) -> list[Fact]:
        """Facts about these calls, in order, each id once, as the ledger counts them."""
        wanted = set(calls)
        entries: Any = redis.Redis(port=self.server.port).xrange(keys.facts("main"))
        every = [facts_.decode(fields[keys.FACTS_FIELD.encode()]) for _, fields in entries]
        return list({f.id: f for f in every if f.call in wanted}.values())

    def kinds(self, *calls: str) -> dict[str, list[str]]:
        """Kinds of each call's own facts, in order. Reads the whole stream: once a test, or nodes fall silent meanwhile."""
        found: dict[str, list[str]] = {call: [] for call in calls}
        for fact in self.facts(*calls):
            if fact.kind != "agent_changed":
                found[fact.call].append(fact.kind)
        return found


def config(redis_port: int, folder: Path) -> CentreConfig:
    """Six queues with a second of after-call work, `brief` with a short ring, `plain` with neither."""
    made = kit.centre(redis_port, folder / "centre.json", routers=3)
    six = tuple(Queue(queue, queue, after_call_s=1, ring_s=20) for queue in SIX)
    more = (Queue("brief", "brief", after_call_s=0, ring_s=1), Queue("plain", "plain", after_call_s=0, ring_s=20))
    return replace(made, router=replace(made.router, node_lost_s=3), queue=(*six, *more), agent=(WANG,))


@contextmanager
def house(folder: Path) -> Iterator[House]:
    """Redis and two routers, in service."""
    with ExitStack() as stack:
        server = stack.enter_context(RedisServer(folder / "redis"))
        made = config(server.port, folder)
        first, second = (stack.enter_context(router_process(made, folder, n)) for n in (0, 1))
        for address in made.routers[:2]:
            wait_for_router(address)
        yield House(made, server, (first, second))


class Node(kit.MediaNode):
    """A media node that beats, remembers what it holds, and ends it when the test is over."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.versions: dict[str, int] = {}
        self._beats: asyncio.Task[None] | None = None
        self._quiet = asyncio.Event()
        self._welcome = False
        self._pen = asyncio.Lock()  # grpc takes one write at a time

    async def send(self, **body: Any) -> None:
        await self.send_all(body)

    async def send_all(self, *bodies: dict[str, Any]) -> None:
        """Several frames in one message."""
        async with self._pen:
            await self.stream.write(pb.ToRouter(frames=[self.frame(**body) for body in bodies]))

    async def open(self, address: str) -> Node:
        self.address, self._welcome = address, False
        await super().open(address)
        self._welcome = True
        if self._beats is None:
            self._beats = asyncio.create_task(self._beat())
        return self

    async def _beat(self) -> None:
        while not self._quiet.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEAT_S):
                    await self._quiet.wait()
            with contextlib.suppress(*BROKEN):
                if self._welcome and self.code is None:  # not between two streams
                    await self.send(heartbeat=pb.Heartbeat(calls=len(self.versions)))

    async def silence(self) -> None:
        """Beat no more. The task is not cancelled: a cancelled write ends the stream."""
        self._quiet.set()
        if self._beats is not None:
            await self._beats

    def stop_reading(self) -> None:
        """Deaf from now on: what the router writes piles up."""
        for task in self._tasks:
            task.cancel()

    async def stop(self) -> None:
        """End every call and go."""
        await self.silence()
        if self.versions:
            await until_async(self._ended, 10, f"{self.name} ends its calls")
        await self.close()

    async def _ended(self) -> bool:
        """Said and stored. A stream that broke (a machine with other work may stall Redis) is opened again."""
        if self.code is not None:
            await self.reopen(self.address)
        with contextlib.suppress(*BROKEN):
            await self.send_all(*({"end": self.end(call)} for call in self.versions))
            await until_async(lambda: self.acked == self.seq or self.code is not None, 5, "an answer")
        return self.acked == self.seq and self.code is None

    def version(self, call: str) -> int:
        """The next of this call."""
        self.versions[call] = self.versions.get(call, 0) + 1
        return self.versions[call]

    def words(self, queue: str, call: str = "", entered: int = 0) -> pb.Enqueue:
        """An Enqueue of a new call, or of one that goes elsewhere."""
        call = call or call_id()
        return words(call, queue, self.version(call), entered)

    async def queue_up(self, queue: str, call: str = "", entered: int = 0) -> str:
        """A call enters a line; its id."""
        asked = self.words(queue, call, entered)
        await self.say(enqueue=asked)
        return asked.call

    def offers(self, *calls: str) -> list[pb.Offer]:
        """All offers so far, or those of some calls, in their order."""
        return [f.offer for f in self.frames if f.HasField("offer") and (not calls or f.offer.call in calls)]

    async def offered(self, call: str, times: int = 1) -> pb.Offer:
        """The call's n-th offer."""
        await until_async(lambda: len(self.offers(call)) >= times, 8, f"offer {times} for {call}")
        return self.offers(call)[times - 1]

    async def answer(self, offer: pb.Offer) -> None:
        """The agent picks up."""
        await self.say(settle=self.answered(offer))

    def answered(self, offer: pb.Offer) -> pb.Settle:
        """The words for it."""
        return settle(offer, self.version(offer.call))

    def failed(self, offer: pb.Offer, reason: common_pb2.Reason.ValueType) -> pb.Settle:
        """The words for a seat that does not take it."""
        return pb.Settle(call=offer.call, version=self.version(offer.call), offer=offer.offer, failed=reason)

    async def fail(self, offer: pb.Offer, reason: common_pb2.Reason.ValueType = common_pb2.REASON_NO_ANSWER) -> None:
        """The seat does not take it."""
        await self.say(settle=self.failed(offer, reason))

    async def talk(self, queue: str) -> pb.Offer:
        """A call that is answered at once: somebody must be ready."""
        offer = await self.offered(await self.queue_up(queue))
        await self.answer(offer)
        return offer

    def end(self, call: str) -> pb.End:
        """The words for a hang-up by the caller."""
        return kit.end(call, self.version(call))

    def cancel(self, call: str) -> pb.Cancel:
        """The words for a caller who leaves the line."""
        return pb.Cancel(call=call, version=self.version(call), reason=common_pb2.REASON_CALLER_LEFT)

    async def hang_up(self, call: str) -> None:
        """The caller goes."""
        await self.say(end=self.end(call))

    async def together(self, *bodies: dict[str, Any]) -> None:
        """Several frames in one message; returns when all are acknowledged."""
        await self.send_all(*bodies)
        await self.all_acked()

    def assertion(self, enqueue: pb.Enqueue, offer: pb.Offer | None = None, talks: bool = False) -> dict[str, Any]:
        """The frame that says what became of a call: it waits, or the offer rings, or talks."""
        if offer is None:
            return {"assert": pb.Assert(state=pb.Assert.STATE_WAITING, enqueue=enqueue)}
        state = pb.Assert.STATE_TALKING if talks else pb.Assert.STATE_RINGING
        held = pb.Assert(state=state, enqueue=enqueue, offer=offer.offer, agent=offer.agent, since_ms=now_ms())
        return {"assert": held}

    async def reopen(self, address: str, seconds: float = 10) -> None:
        """A stream again, tried until a router welcomes us."""

        async def again() -> bool:
            await self.close()
            await self.open(address)
            return self.code is None

        await until_async(again, seconds, f"a stream to {address}", 0.1)


class Console(kit.Console):
    """What agents ask, in few words."""

    async def login(self, agent: str, *skills: str, seat: str = "") -> None:
        """At work, not ready; several skills are all of level 1."""
        levels = [agents_pb2.SkillLevel(skill=skill, level=1) for skill in skills]
        await self.agents.Login(agents_pb2.LoginRequest(agent=agent, seat=seat or f"8-{agent}", skills=levels))

    async def click_ready(self, agent: str) -> agents_pb2.AgentView:
        """The button."""
        return await self.agents.SetReady(agents_pb2.AgentRequest(agent=agent))

    async def work(self, agent: str, *skills: str) -> None:
        """At work and ready."""
        await self.login(agent, *skills)
        await self.click_ready(agent)

    async def not_ready(self, agent: str, reason: str = "lunch") -> agents_pb2.AgentView:
        """The other button."""
        return await self.agents.SetNotReady(agents_pb2.NotReadyRequest(agent=agent, reason=reason))

    async def logout(self, agent: str) -> agents_pb2.AgentView:
        """Home."""
        return await self.agents.Logout(agents_pb2.AgentRequest(agent=agent))

    async def state(self, agent: str) -> agents_pb2.AgentState.ValueType:
        """Where the agent is."""
        return (await self.see(agent)).state

    async def until_state(self, agent: str, state: agents_pb2.AgentState.ValueType, seconds: float = 6) -> agents_pb2.AgentView:
        """Return when it is there."""

        async def there() -> bool:
            return await self.state(agent) == state

        await until_async(there, seconds, f"{agent} is {agents_pb2.AgentState.Name(state)}")
        return await self.see(agent)

    async def board(self) -> agents_pb2.Board:
        """All of it."""
        return await self.agents.GetBoard(agents_pb2.BoardRequest())

    async def everybody_home(self) -> None:
        """Log all agents out; then nobody may be left anywhere: no caller in a line, no talk in a counter, no agent at work."""
        for view in (await self.board()).agents:
            if view.state != LOGGED_OUT:
                await self.logout(view.agent)

        async def clean() -> bool:
            board = await self.board()
            return all(q.waiting == q.ready == q.talking == 0 for q in board.queues) and all(
                a.state == LOGGED_OUT for a in board.agents
            )

        await until_async(clean, 8, "nothing is left behind")

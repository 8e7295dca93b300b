"""A media node as a process among its real neighbours (the router is the test's own, over real gRPC)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from media.ua import api as ua
from ops import facts, keys
from ops.centre import CentreConfig
from ops.clock import SystemClock
from ops.ids import CallId, LegId
from ops.inner import MEDIA, target
from tests.kit.redis_server import RedisServer
from tests.kit.wait import until_async
from tests.media.call.node import SDP, Child, Phone, centre, prompts
from tests.media.rpc.fake_router import FakeRouter

pytestmark = pytest.mark.real
CALL = CallId("0199aaaa-0000-7000-8000-000000000001")
CALLER = ua.Leg(CALL, LegId("x"))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with prompts."""
    folder = tmp_path_factory.mktemp("node")
    prompts(folder)
    return folder


@dataclass
class House:
    """Everything around the node."""

    config: CentreConfig
    node: Child
    router: FakeRouter
    carrier: Phone
    edge: Phone
    redis: redis.Redis

    async def press(self, key: str) -> None:
        """A key by INFO, once the call has begun."""
        await self.till("the ACK is through", lambda: "call_started" in self.kinds())
        self.carrier.endpoint.do(ua.SendInfo(CALLER, "application/dtmf-relay", f"Signal={key}\r\nDuration=100\r\n".encode()))

    def call(self, sdp: bytes = SDP % 30000) -> None:
        """A caller."""
        uri = f"sip:95588@127.0.0.1:{self.config.ports.media_sip}"
        # The node's Contact names the edge; as an edge would, have what follows in the dialog sent to the node.
        edge = ("Record-Route", f"<sip:127.0.0.1:{self.config.ports.media_sip};lr>")
        headers = (("X-Tierline-Call", CALL), ("X-Tierline-Trunk", "carrier-a"), ("X-Tierline-Routed", "router"), edge)
        self.carrier.endpoint.do(ua.Invite(CALLER, uri, "13812345678", sdp, headers=headers))

    async def till(self, what: str, holds: object) -> None:
        """Wait."""
        await until_async(holds, 10, what)  # type: ignore[arg-type]

    def facts(self) -> list[facts.Fact]:
        """Facts in Redis."""
        entries = self.redis.xrange(keys.facts("main"))
        return [facts.decode(fields[b"f"]) for _, fields in entries]  # type: ignore[union-attr,index]

    def kinds(self) -> list[str]:
        """What happened."""
        return [fact.kind for fact in self.facts()]

    async def queue(self) -> None:
        """The caller gets an answer and presses 0."""
        self.call()
        await self.till("an answer", lambda: self.carrier.last(ua.Answered) is not None)
        await self.press("0")
        await self.till("an Enqueue", lambda: "enqueue" in self.router.kinds())

    async def talk(self) -> None:
        """An agent takes the call."""
        expires = SystemClock().now_ms() + 20_000 - self.ahead
        self.router.say(offer={"call": CALL, "offer": "o1", "agent": "alice", "seat": "8001", "expires_ms": expires})
        await self.till("the seat's INVITE", lambda: self.edge.last(ua.IncomingCall) is not None)
        ringing = self.edge.last(ua.IncomingCall)
        assert isinstance(ringing, ua.IncomingCall)
        assert (ringing.called, ringing.calling) == ("8001", "13812345678")
        self.edge.endpoint.do(ua.Ring(ringing.leg))
        self.edge.endpoint.do(ua.Answer(ringing.leg, SDP % 30002))
        await self.till("a Settle", lambda: "settle" in self.router.kinds())

    ahead = 0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own."""
    with RedisServer(tmp_path / "redis") as made:
        yield made


@pytest.fixture
async def house(published: Path, server: RedisServer) -> AsyncIterator[House]:
    """A node in service."""
    (published / "unsent-m1.facts").unlink(missing_ok=True)
    for log in published.glob("*.log"):
        log.unlink()
    async with AsyncExitStack() as stack:  # nothing stays, also if something does not start
        config = centre(published, server.port)
        router = await FakeRouter(address=target(config.routers[0], MEDIA)).start()
        stack.push_async_callback(router.stop)
        stack.callback(Child(published, "-m", "media.rtp.daemon").stop)
        node = Child(published, "-m", "media")
        stack.callback(node.stop)
        edge = Phone(config.ports.sip)  # a node hears nobody else: carrier and seat both speak through it
        await edge.endpoint.start()
        stack.push_async_callback(edge.endpoint.close)
        made = House(config, node, router, edge, edge, redis.Redis(port=server.port))
        await until_async(lambda: router.kinds() == ["hello"], 60, "hello")
        made.ahead = SystemClock().now_ms()  # the fake router's Welcome says it is 1970
        yield made
        code = await asyncio.to_thread(node.stop)
    assert code == 0, node.log.read_text()


async def test_a_call_on_real_parts(house: House) -> None:
    """INVITE, menu, queue, seat, talk, BYE: everything real but router and edge; facts and lease are in Redis."""
    await house.queue()
    assert house.redis.get(keys.call_owner("main", CALL)) == f"1 {house.config.media_uris['m1']}".encode()
    await house.talk()
    house.carrier.endpoint.do(ua.Hangup(CALLER))
    await house.till(
        "the seat is hung up", lambda: any(event.leg != CALLER for event in house.edge.heard if isinstance(event, ua.Ended))
    )
    await house.till("an End", lambda: "end" in house.router.kinds())
    # nobody sent audio: the recording is empty, and that is told
    want = ["call_started", "menu_chosen", "call_ended", "recording_failed"]
    await house.till("all facts", lambda: len(house.kinds()) >= len(want))
    assert house.kinds() == want
    assert house.redis.exists(keys.call_owner("main", CALL)) == 0


async def test_sigterm_waits_for_the_talk(house: House) -> None:
    """A draining node refuses new calls with 503, goes on with the talk, and ends when that is over."""
    await house.queue()
    await house.talk()
    house.node.process.terminate()
    await house.till("the router hears of it", lambda: any(f.heartbeat.draining for f in house.router.heard))
    other = ua.Leg(CallId("0199aaaa-0000-7000-8000-000000000002"), LegId("x"))
    uri = f"sip:95588@127.0.0.1:{house.config.ports.media_sip}"
    house.carrier.endpoint.do(ua.Invite(other, uri, "13812345678", SDP % 30004))
    await house.till("a refusal", lambda: house.carrier.last(ua.Failed) is not None)
    refused = house.carrier.last(ua.Failed)
    assert isinstance(refused, ua.Failed)
    assert refused.status == 503
    assert house.node.process.poll() is None
    house.carrier.endpoint.do(ua.Hangup(CALLER))
    await house.till("the node ends", lambda: house.node.process.poll() == 0)
    assert "call_ended" in house.kinds()


@pytest.mark.parametrize("held", [b"a=sendonly\r\n", b"a=inactive\r\n", b"c=IN IP4 0.0.0.0\r\n"])
async def test_a_caller_who_holds_in_the_menu_stays(house: House, held: bytes) -> None:
    """Held from the start, and again in the middle: a wrong key is taken, nothing fails, and after resuming the menu goes on."""
    house.call(SDP % 30000 + held)
    await house.till("an answer", lambda: house.carrier.last(ua.Answered) is not None)
    await house.press("7")
    await house.till("the wrong key is told", lambda: house.kinds().count("digits") == 1)
    for sdp in (SDP % 30000, SDP % 30000 + held):
        answered = len([one for one in house.carrier.heard if isinstance(one, ua.Reanswered)])
        house.carrier.endpoint.do(ua.Reinvite(CALLER, sdp))
        await house.till("200", lambda n=answered: len([o for o in house.carrier.heard if isinstance(o, ua.Reanswered)]) > n)
        got = house.carrier.last(ua.Reanswered)
        assert isinstance(got, ua.Reanswered) and got.status == 200
    await house.press("7")
    await house.till("the second wrong key is told", lambda: house.kinds().count("digits") == 2)
    house.carrier.endpoint.do(ua.Reinvite(CALLER, SDP % 30000))
    await house.press("0")
    await house.till("an Enqueue", lambda: "enqueue" in house.router.kinds())
    assert house.carrier.last(ua.Ended) is None
    house.carrier.endpoint.do(ua.Hangup(CALLER))
    await house.till("an End", lambda: "end" in house.router.kinds())


async def test_a_caller_who_vanishes_keeps_nothing(house: House) -> None:
    """A waiting caller whose gateway dies without BYE: stopping the node asks, hears nothing, and ends in seconds, not in an hour;
    the end is the network's, not the caller's."""
    await house.queue()
    await house.carrier.endpoint.close()
    house.node.process.terminate()
    await until_async(lambda: house.node.process.poll() == 0, 25, "the node ends")
    (end,) = [fact.body["outcome"] for fact in house.facts() if fact.kind == "call_ended"]
    assert (end["result"], end["reason"], end["side"]) == ("RESULT_ABANDONED", "REASON_VANISHED", "SIDE_CARRIER")


async def test_the_router_is_away_while_a_caller_waits(house: House) -> None:
    """The caller waits on; the router that comes back is told of the call as it was, and its offer is rung."""
    await house.queue()
    before = next(f.enqueue for f in house.router.heard if f.HasField("enqueue"))
    await house.router.stop()
    await house.router.start()
    await house.till("an Assert", lambda: "assert" in house.router.kinds())
    told = next(getattr(f, "assert") for f in house.router.heard if f.WhichOneof("body") == "assert")
    assert told.enqueue == before
    house.ahead = SystemClock().now_ms()
    await house.talk()
    house.carrier.endpoint.do(ua.Hangup(CALLER))
    await house.till("an End", lambda: "end" in house.router.kinds())

"""The stream to the router over real gRPC: it comes back, and tells what is so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

import pytest
from tierline.common.v1.common_pb2 import Reason

from media.call import events as on
from media.call import outcome
from media.call.frames import Assert, Cancel, End, Enqueue, Held, Home, Profile, Settle
from media.rpc.session import Myself, Session
from ops.clock import SystemClock
from tests.kit.ports import free_port
from tests.kit.wait import until_async
from tests.media.rpc.fake_router import FakeRouter

PROFILE = Profile("13812345678", "4001234", "t1", Home("CN", "广东"), "zh", ("agent",), 1, 2)


def enqueue(call: str, version: int = 1) -> Enqueue:
    """A caller who wants an agent."""
    return Enqueue(call, version, "general", -1, 1000 + int(call[1:]), PROFILE)


class Calls:
    """What the session thinks are calls."""

    def __init__(self) -> None:
        self.draining = False
        self.now: list[Assert] = []
        self.got: list[tuple[str, on.FromRouter]] = []

    def held(self) -> Iterable[Assert]:
        return self.now

    def on_router(self, call: str, event: on.FromRouter) -> None:
        self.got.append((call, event))

    def __len__(self) -> int:
        return len(self.now)


class Way:
    """A session and the calls behind it."""

    def __init__(self, *ports: int) -> None:
        self.calls = Calls()
        self.session = Session([f"127.0.0.1:{port}" for port in ports], Myself("main", "m1", "sip:127.0.0.1:1", 7), SystemClock())
        self.session.calls = self.calls
        self.task = asyncio.create_task(self.session.run())

    async def up(self) -> None:
        """Until a router has said Welcome."""
        await until_async(lambda: self.session.up, 10, "a session")

    async def close(self) -> None:
        """End it."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
async def router() -> AsyncIterator[FakeRouter]:
    """A router that listens."""
    made = await FakeRouter(free_port()).start()
    yield made
    await made.stop()


@pytest.fixture
async def way(router: FakeRouter) -> AsyncIterator[Way]:
    """A session that is up."""
    made = Way(router.port)
    await made.up()
    yield made
    await made.close()


async def test_hello_comes_first(router: FakeRouter, way: Way) -> None:
    """Name, address and epoch of the node are the first frame, number 1."""
    hello = router.heard[0]
    assert (hello.seq, hello.hello.node, hello.hello.uri, hello.hello.epoch) == (1, "m1", "sip:127.0.0.1:1", 7)


async def test_frames_of_one_turn_are_one_message(router: FakeRouter, way: Way) -> None:
    """What is sent in one turn of the loop arrives in order, with what waited before it."""
    way.session.send(End("c9", 3, outcome.MENU_END, 5))
    way.session.send(enqueue("c1"))
    way.session.send(enqueue("c2"))
    await until_async(lambda: len(router.kinds()) == 4, 5, "frames")
    assert router.kinds() == ["hello", "end", "enqueue", "enqueue"]
    assert router.heard[-1].enqueue.profile.home.province == "广东"
    assert router.heard[-1].enqueue.profile.vip == 2


async def test_what_nobody_waits_for_goes_after_a_moment(router: FakeRouter, way: Way) -> None:
    """An End alone is held back, not kept."""
    way.session.send(End("c9", 3, outcome.MENU_END, 5))
    await until_async(lambda: "end" in router.kinds(), 5, "the End")
    await asyncio.wait_for(way.session.paid(), 5)
    assert way.session.owed == 0


async def test_an_end_goes_at_once_while_a_caller_waits(router: FakeRouter, way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody waits for the agent that it frees; when the last one in line was offered, an End waits for company again."""
    monkeypatch.setattr("media.rpc.session.PATIENCE_S", 3600)
    way.session.send(enqueue("c1"))
    way.session.send(enqueue("c2"))
    way.session.send(Settle("c2", 2, "o2", failed=Reason.REASON_BUSY))
    way.session.send(Cancel("c1", 2, Reason.REASON_CALLER_LEFT))
    way.session.send(End("c8", 3, outcome.MENU_END, 5))
    await until_async(lambda: "end" in router.kinds(), 5, "the End")
    router.say(offer={"call": "c2", "offer": "o3", "agent": "a", "seat": "8001", "expires_ms": 1})
    await until_async(lambda: bool(way.calls.got), 5, "the offer")
    way.session.send(End("c9", 3, outcome.MENU_END, 5))
    await asyncio.sleep(0.05)  # that it does not come is what is to be seen
    assert router.kinds().count("end") == 1
    way.session.send(enqueue("c3"))
    await until_async(lambda: router.kinds().count("end") == 2, 5, "both together")


async def test_frames_reach_the_call(router: FakeRouter, way: Way) -> None:
    """Each kind of frame becomes the call's event; times are by our clock."""
    router.say(queued={"call": "c1", "position": 2, "expected_ms": 90_000})
    router.say(offer={"call": "c1", "offer": "o1", "agent": "alice", "seat": "8001", "expires_ms": 20_000})
    away = {"centre": "hunan", "uri": "sip:8009@hunan.tierline;placement=c1.p1"}
    router.say(offer={"call": "c1", "offer": "c1.p1", "agent": "bob", "seat": "8009", "expires_ms": 20_000} | away)
    router.say(turned_away={"call": "c1", "queue": "general", "reason": Reason.REASON_QUEUE_FULL})
    router.say(withdraw={"call": "c1", "offer": "o1", "reason": Reason.REASON_EXPIRED})
    router.say(release={"call": "c1", "reason": Reason.REASON_NODE_LOST})
    await until_async(lambda: len(way.calls.got) == 6, 5, "events")
    queued, offered, elsewhere, turned, withdrawn, released = [event for _, event in way.calls.got]
    assert [type(one) for one in (withdrawn, released)] == [on.Withdrawn, on.Released]
    assert queued == on.Queued(2, 90_000)
    assert turned == on.TurnedAway("general", Reason.REASON_QUEUE_FULL)
    assert isinstance(offered, on.Offered) and isinstance(elsewhere, on.Offered)
    assert (offered.centre, elsewhere.centre, elsewhere.uri) == ("", away["centre"], away["uri"])
    # the fake router says it is 1970: an offer that runs out 20 s later there does so 20 s from now here
    assert abs(offered.expires_ms - SystemClock().now_ms() - 20_000) < 5_000


async def test_a_refused_frame_is_told_by_its_kind(router: FakeRouter, way: Way) -> None:
    """Refused names a number; the call hears what it was."""
    router.mute = True
    way.session.send(enqueue("c1"))
    await until_async(lambda: "enqueue" in router.kinds(), 5, "the frame")
    router.say(refused={"call": "c1", "seq": router.heard[-1].seq, "reason": Reason.REASON_UNKNOWN_QUEUE, "detail": "no such"})
    await until_async(lambda: way.calls.got != [], 5, "the refusal")
    assert way.calls.got == [("c1", on.Refused("enqueue", Reason.REASON_UNKNOWN_QUEUE, "no such"))]


async def test_after_a_reconnect_calls_are_asserted_in_order(router: FakeRouter, way: Way) -> None:
    """Ten callers wait when the router dies; the one that comes back hears of all ten, the longest waiting first."""
    frames = [enqueue(f"c{n}") for n in range(10)]
    way.calls.now = [Assert(Held.WAITING, frame) for frame in frames]
    await router.stop()
    await until_async(lambda: not way.session.up, 5, "the end is noticed")
    for frame in frames:
        way.session.send(frame)
    await router.start()
    await until_async(lambda: len(router.kinds()) == 11, 10, "all are asserted")
    assert router.kinds() == ["hello"] + ["assert"] * 10
    assert [getattr(frame, "assert").enqueue.call for frame in router.heard[1:]] == [f"c{n}" for n in range(10)]


async def test_what_was_not_acknowledged_is_told_again(router: FakeRouter, way: Way) -> None:
    """Failed offers, cancels and ends come again; enqueues do not; an answered offer only if its talk is over."""
    router.mute = True
    way.session.send(enqueue("c1"))
    way.session.send(Settle("c1", 2, "o1", failed=Reason.REASON_BUSY))
    way.session.send(Settle("c2", 2, "o2", answered_ms=9))
    way.session.send(Settle("c3", 2, "o3", answered_ms=9))
    way.session.send(Cancel("c4", 2, Reason.REASON_CALLER_LEFT))
    way.session.send(End("c3", 3, outcome.MENU_END, 5))
    await until_async(lambda: "end" in router.kinds(), 5, "all arrived")
    way.calls.now = [Assert(Held.TALKING, enqueue("c2"), "o2", "alice", 9)]
    router.mute = False
    router.hang_up()
    await until_async(lambda: len(router.streams) == 2 and len(router.kinds()) == 6, 10, "told again")
    assert router.kinds() == ["hello", "settle", "settle", "cancel", "end", "assert"]
    assert [frame.seq for frame in router.heard[:6]] == [1, 2, 3, 4, 5, 6]
    assert [frame.settle.call for frame in router.heard[1:3]] == ["c1", "c3"]
    await asyncio.wait_for(way.session.paid(), 5)


async def test_what_was_acknowledged_is_not_told_again(router: FakeRouter, way: Way) -> None:
    """A new stream begins with hello alone when nothing is owed and nothing is held."""
    way.session.send(Cancel("c4", 2, Reason.REASON_CALLER_LEFT))
    await asyncio.wait_for(way.session.paid(), 5)
    router.hang_up()
    await until_async(lambda: len(router.streams) == 2 and router.kinds() != [], 10, "a new stream")
    assert router.kinds() == ["hello"]


async def test_another_router_takes_over() -> None:
    """When one router is away the next one of the list is asked."""
    second = await FakeRouter(free_port()).start()
    way = Way(free_port(), second.port)
    try:
        await way.up()
        assert second.kinds() == ["hello"]
    finally:
        await way.close()
        await second.stop()


async def test_heartbeats_tell_of_the_drain(router: FakeRouter, way: Way) -> None:
    """The router hears at once that no more calls shall come."""
    way.calls.draining = True
    way.session.beat()
    await until_async(lambda: any(f.heartbeat.draining for f in router.heard), 5, "draining is told")


async def test_a_silent_router_is_left(router: FakeRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that is open but says nothing is given up, and a new one tried."""
    monkeypatch.setattr("media.rpc.session.SILENCE_MS", 50)
    monkeypatch.setattr("media.rpc.session.HEARTBEAT_S", 0.1)
    router.mute = True
    way = Way(router.port)
    try:
        await until_async(lambda: len(router.streams) >= 2, 10, "a second stream")
    finally:
        await way.close()


async def test_a_proxy_of_the_machine_is_not_asked(router: FakeRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    """http_proxy in the environment is for the world outside: the session goes straight to the router."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    way = Way(router.port)
    try:
        await way.up()
    finally:
        await way.close()

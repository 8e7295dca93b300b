"""The router over gRPC, with the store in memory: contract of the streams, validation, codes."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from tierline.agents.v1 import agents_pb2
from tierline.common.v1 import common_pb2
from tierline.routing.v1 import routing_pb2 as pb
from tierline.routing.v1 import routing_pb2_grpc

from ops import inner
from ops.clock import SystemClock
from router import app
from router.rules import times_of
from router.store.memory import MemoryStore
from tests.router.kit import NODES, Console, MediaNode, call_id, centre, end, now_ms, settle, words


async def code_of(work: object) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await work  # type: ignore[misc]  # a call of a stub
    return caught.value.code(), caught.value.details() or ""


async def test_a_call_from_enqueue_to_the_next_one(node: MediaNode, console: Console) -> None:
    """Offered to the ready agent, answered, ended, after-call work over by the timer, ready again."""
    await console.ready("a1", seat="801")
    call = call_id()
    await node.enqueue(call)
    offer = (await node.expect("offer", call)).offer
    assert (offer.agent, offer.seat) == ("a1", "801")
    await node.say(settle=settle(offer))
    view = await console.see("a1")
    assert (view.state, view.call.call, view.call.state) == (agents_pb2.AGENT_STATE_TALKING, call, "talking")
    assert list(view.call.profile.menu_path) == ["root", "sales"]
    await node.say(end=end(call))
    assert (await console.see("a1")).state == agents_pb2.AGENT_STATE_AFTER_CALL
    second = call_id()
    await node.enqueue(second)
    await node.expect("offer", second)


async def test_hello_must_be_first(address: str) -> None:
    """A stream that begins otherwise, or with a wrong hello, is closed with the field's name."""
    for frame, text in (
        (pb.MediaFrame(seq=1, heartbeat=pb.Heartbeat()), "hello: must be the first frame"),
        (pb.MediaFrame(seq=1, hello=pb.Hello(node="m 1", uri="sip:x", epoch=1)), "node: want 1 to 64"),
        (pb.MediaFrame(seq=1, hello=pb.Hello(node="m1", uri="sip:10.0.0.9:5200", epoch=1)), "uri: want sip:127.0.0.1:5200"),
        (pb.MediaFrame(seq=1, hello=pb.Hello(node="m1", uri=NODES["m1"])), "epoch: not a time"),
        (pb.MediaFrame(seq=1, hello=pb.Hello(tenant="other", node="m1", uri="sip:x", epoch=1)), "tenant: this centre"),
    ):
        async with grpc.aio.insecure_channel(address) as channel:
            stream = routing_pb2_grpc.RoutingStub(channel).Session()
            await stream.write(pb.ToRouter(frames=[frame]))
            code, detail = await code_of(stream.read())
            assert code is grpc.StatusCode.INVALID_ARGUMENT and detail.startswith(text)


async def test_an_older_process_of_a_node_is_refused(address: str, node: MediaNode) -> None:
    """An epoch before the known one closes the new stream and leaves the old one alone."""
    old = MediaNode()
    old.epoch = node.epoch - 1
    await old.open(address)
    assert old.code is grpc.StatusCode.FAILED_PRECONDITION
    await old.close()
    await node.enqueue(call_id())


async def test_bad_frames_are_refused_one_by_one(node: MediaNode) -> None:
    """Each bad frame is answered Refused with its number, reason and field; the good ones around it take effect; all are acked."""
    good, other = call_id(), call_id()
    bad = [
        node.frame(enqueue=words("no-uuid")),
        node.frame(enqueue=words(other, queue="nix")),
        node.frame(enqueue=words(other, version=0)),
        node.frame(enqueue=pb.Enqueue(call=other, version=1, queue="sales", priority=100, entered_ms=1)),
        node.frame(enqueue=pb.Enqueue(call=other, version=1, queue="sales", entered_ms=0)),
        node.frame(settle=pb.Settle(call=other, version=1, offer="x")),
        node.frame(settle=pb.Settle(call=other, version=1, offer="x", answered_ms=now_ms())),
        node.frame(),
        node.frame(hello=pb.Hello(node="m1")),
    ]
    await node.stream.write(pb.ToRouter(frames=[*bad, node.frame(enqueue=words(good))]))
    await node.all_acked()
    await node.expect("queued", good)
    refused = [f.refused for f in node.frames if f.HasField("refused")]
    assert sorted(r.seq for r in refused) == [f.seq for f in bad]
    texts = {r.seq: (r.reason, r.detail) for r in refused}
    assert texts[bad[0].seq] == (common_pb2.REASON_BAD_MESSAGE, "call: not a UUID")
    assert texts[bad[1].seq] == (common_pb2.REASON_UNKNOWN_QUEUE, "nix")
    assert texts[bad[3].seq][1] == "priority: want -1 to 99"
    assert texts[bad[7].seq][1] == "body: unknown or missing"
    assert {r.call for r in refused if r.reason == common_pb2.REASON_UNKNOWN_QUEUE} == {other}


async def test_refusals_name_their_call(node: MediaNode) -> None:
    """Whatever frame is refused, the answer names the call it was about: the node tells by that whose frame it was."""
    call = call_id()
    entered = pb.Enqueue(call=call, version=1, queue="nix", entered_ms=now_ms())
    asserted = pb.Assert(enqueue=entered, state=pb.Assert.STATE_WAITING)
    bad = [
        node.frame(enqueue=entered),
        node.frame(callback=pb.Callback(enqueue=entered, number="13812345678")),
        node.frame(**{"assert": asserted}),
        node.frame(settle=pb.Settle(call=call, version=1, offer="x", answered_ms=now_ms())),
    ]
    await node.stream.write(pb.ToRouter(frames=bad))
    await node.all_acked()
    assert {f.refused.seq: f.refused.call for f in node.frames if f.HasField("refused")} == {f.seq: call for f in bad}


@pytest.mark.parametrize("number", ["110", "120", "+88216123456789", "+1900555000", "12345", "95588"])
async def test_a_number_that_may_not_be_dialled(node: MediaNode, number: str) -> None:
    """Whatever a media node offers its callers, the router takes no callback to it, names why, and the call stays in line."""
    call = call_id()
    await node.enqueue(call)
    await node.say(callback=pb.Callback(enqueue=words(call, version=2), number=number))
    (refused,) = [f.refused for f in node.frames if f.HasField("refused")]
    assert (refused.call, refused.reason) == (call, common_pb2.REASON_NUMBER_NOT_ALLOWED)


async def test_one_number_fifty_times(node: MediaNode) -> None:
    """Fifty callers with one number, written in several ways: one callback, the others are refused by name."""
    for n in range(50):
        number = ("13812345678", "+8613812345678", "013812345678", "008613812345678")[n % 4]
        await node.send(callback=pb.Callback(enqueue=words(call_id()), number=number))
    await node.all_acked()
    refused = [f.refused.reason for f in node.frames if f.HasField("refused")]
    assert refused == [common_pb2.REASON_TOO_MANY_CALLBACKS] * 49


async def test_a_batch_is_handled_as_if_sent_one_by_one(node: MediaNode, console: Console) -> None:
    """Enqueue, Cancel and Enqueue again of one call in one message end with one place in line."""
    call = call_id()
    cancel = pb.Cancel(call=call, version=2, reason=common_pb2.REASON_HANGUP)
    batch = [node.frame(enqueue=words(call)), node.frame(cancel=cancel), node.frame(enqueue=words(call, version=3))]
    await node.stream.write(pb.ToRouter(frames=batch))
    await node.all_acked()
    board = await console.agents.GetBoard(agents_pb2.BoardRequest(queues=["sales"]))
    assert [(q.queue, q.waiting) for q in board.queues] == [("sales", 1)]


async def test_every_frame_twice_and_late(node: MediaNode, console: Console) -> None:
    """Duplicates within and across messages, and frames after the end, change nothing."""
    await console.ready("a1", skill="tech")
    call = call_id()
    twice = words(call, "tech")
    await node.say(enqueue=twice)
    await node.say(enqueue=twice)
    offer = (await node.expect("offer", call)).offer
    for _ in range(2):
        await node.say(settle=settle(offer))
    for _ in range(2):
        await node.say(end=end(call))
    await node.say(enqueue=twice)
    await node.say(settle=pb.Settle(call=call, version=2, offer=offer.offer, failed=common_pb2.REASON_BUSY))
    assert (await console.see("a1")).state == agents_pb2.AGENT_STATE_READY
    assert len(node.got("offer", call)) == 1
    assert not [f for f in node.frames if f.HasField("refused")]


async def test_two_streams_of_one_node(address: str, node: MediaNode, console: Console) -> None:
    """The newer stream takes the node over; the older is closed with UNAVAILABLE; the pending offer is told again."""
    await console.ready("a1")
    call = call_id()
    await node.enqueue(call)
    first = (await node.expect("offer", call)).offer
    again = MediaNode()
    again.epoch = node.epoch
    await again.open(address)
    await again.say(**{"assert": pb.Assert(state=pb.Assert.STATE_WAITING, enqueue=words(call))})
    assert (await again.expect("offer", call)).offer == first
    await until_closed(node)
    assert node.code is grpc.StatusCode.UNAVAILABLE
    await again.close()


async def until_closed(node: MediaNode) -> None:
    async with asyncio.timeout(5):
        while node.code is None:
            await asyncio.sleep(0.01)


async def test_withdraw_reaches_the_node(node: MediaNode, console: Console) -> None:
    """The agent logs out while the seat rings: the node hears it."""
    await console.ready("a1")
    call = call_id()
    await node.enqueue(call)
    offer = (await node.expect("offer", call)).offer
    await console.agents.Logout(agents_pb2.AgentRequest(agent="a1"))
    withdraw = (await node.expect("withdraw", call)).withdraw
    assert (withdraw.offer, withdraw.reason) == (offer.offer, common_pb2.REASON_AGENT_GONE)


async def test_an_offer_runs_out_by_itself(node: MediaNode, console: Console) -> None:
    """The node never settles: after ring time and grace it is told to stop; the agent is not to blame and gets the call again."""
    await console.ready("a1")
    call = call_id()
    await node.enqueue(call)
    first = (await node.expect("offer", call)).offer
    node.frames.clear()
    withdraw = (await node.expect("withdraw", call, 8)).withdraw
    assert (withdraw.offer, withdraw.reason) == (first.offer, common_pb2.REASON_EXPIRED)
    again = (await node.expect("offer", call)).offer
    assert (again.agent, again.offer != first.offer) == ("a1", True)


async def test_route_call(node: MediaNode, console: Console) -> None:
    """To the live node with the caller's home area; refused by name for blacklist, number and trunk."""
    ask = pb.RouteCallRequest(call=call_id(), trunk="t1", called="12345", calling="+8613812345678", diversion="10086")
    reply = await console.routing.RouteCall(ask)
    assert (reply.media.node, reply.media.uri) == ("m1", NODES["m1"])
    assert (reply.home.country, reply.home.province, reply.home.carrier) == ("CN", "江苏省", "中国移动")
    for change, status, reason in (
        ({"calling": "013800000001"}, 603, common_pb2.REASON_BLACKLISTED),
        ({"calling": "13712345678"}, 603, common_pb2.REASON_BLACKLISTED),
        ({"called": "10000"}, 404, common_pb2.REASON_UNKNOWN_NUMBER),
        ({"trunk": "t9"}, 403, common_pb2.REASON_UNKNOWN_TRUNK),
    ):
        other = pb.RouteCallRequest()
        other.CopyFrom(ask)
        for field, value in change.items():
            setattr(other, field, value)
        refuse = (await console.routing.RouteCall(other)).refuse
        assert (refuse.sip_status, refuse.reason) == (status, reason)


async def test_route_call_names_wrong_fields(console: Console) -> None:
    """INVALID_ARGUMENT with the field; no node to send to is UNAVAILABLE, so that the edge falls back."""
    good = {"call": call_id(), "trunk": "t1", "called": "12345", "calling": "13812345678"}
    for field, value, text in (
        ("call", "x", "call: not a UUID"),
        ("trunk", "", "trunk: want 1 to 64"),
        ("calling", "a b", "calling: not the user part"),
        ("tenant", "other", "tenant: this centre serves main"),
    ):
        code, detail = await code_of(console.routing.RouteCall(pb.RouteCallRequest(**(good | {field: value}))))
        assert code is grpc.StatusCode.INVALID_ARGUMENT and detail.startswith(text)
    code, _ = await code_of(console.routing.RouteCall(pb.RouteCallRequest(**good)))
    assert code is grpc.StatusCode.UNAVAILABLE


async def test_agents_errors(console: Console) -> None:
    """Unknown agents, verbs that the state does not take, wrong fields: each with its code and words."""
    agents = console.agents
    assert await code_of(agents.SetReady(agents_pb2.AgentRequest(agent="zz"))) == (
        grpc.StatusCode.NOT_FOUND,
        "agent: unknown zz",
    )
    await console.ready("a1")
    assert await code_of(agents.EndAfterCall(agents_pb2.AgentRequest(agent="a1"))) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "ready does not take end_after_call",
    )
    twice = [agents_pb2.SkillLevel(skill="sales", level=1)] * 2
    for request, text in (
        (agents_pb2.LoginRequest(agent="a 2", seat="801"), "agent: want 1 to 64"),
        (agents_pb2.LoginRequest(agent="a2"), "seat: want 1 to 64"),
        (agents_pb2.LoginRequest(agent="a2", seat="1", skills=twice), "skills: sales twice"),
        (agents_pb2.LoginRequest(agent="a2", seat="1", skills=[agents_pb2.SkillLevel(skill="s")]), "skills: level of s"),
    ):
        code, detail = await code_of(agents.Login(request))
        assert code is grpc.StatusCode.INVALID_ARGUMENT and detail.startswith(text)
    code, detail = await code_of(agents.SetNotReady(agents_pb2.NotReadyRequest(agent="a1", reason="golf")))
    assert (code, detail) == (grpc.StatusCode.INVALID_ARGUMENT, "reason: want one of lunch")


async def test_ready_needs_a_phone() -> None:
    """An agent whose seat has no registered phone stays not ready and hears why; with a phone, or in a call, Ready is taken."""
    without = {"801"}

    async def missing(seat: str, now: int) -> bool:
        return seat in without

    config = centre()
    store = MemoryStore("main", "r1", times_of(config))
    router = await app.start(config, store, SystemClock(), "r1", [app.Place("127.0.0.1:0")], missing=missing)
    console, node = Console(f"127.0.0.1:{router.port}"), await MediaNode().open(f"127.0.0.1:{router.port}")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await console.ready("a1", seat="801")
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert dict(caught.value.trailing_metadata() or ())[inner.ERROR] == "PHONE"
    assert (caught.value.details() or "").startswith("seat 801 has no registered phone")
    assert (await console.see("a1")).state == agents_pb2.AGENT_STATE_NOT_READY
    without.clear()
    assert (await console.ready("a1", seat="801")).state == agents_pb2.AGENT_STATE_READY
    call = call_id()
    await node.enqueue(call)
    await node.say(settle=settle((await node.expect("offer", call)).offer))
    without.add("801")
    await console.agents.SetNotReady(agents_pb2.NotReadyRequest(agent="a1", reason="lunch"))
    assert (await console.agents.SetReady(agents_pb2.AgentRequest(agent="a1"))).next == ""
    await node.close()
    await console.close()
    await router.close()


async def test_the_console_may_tell_that_a_page_is_closed(console: Console) -> None:
    """Beside the reasons of the rules there is one that the console gives by itself."""
    await console.ready("a1")
    view = await console.agents.SetNotReady(agents_pb2.NotReadyRequest(agent="a1", reason="page_closed"))
    assert (view.state, view.reason) == (agents_pb2.AGENT_STATE_NOT_READY, "page_closed")


async def test_board(node: MediaNode, console: Console) -> None:
    """Queues and agents, all or some."""
    await console.ready("a1")
    await console.ready("a2", skill="tech")
    await node.enqueue(call_id())
    board = await console.agents.GetBoard(agents_pb2.BoardRequest())
    assert [(q.queue, q.waiting, q.ready) for q in board.queues] == [("sales", 0, 0), ("tech", 0, 1)]
    assert [a.agent for a in board.agents] == ["a1", "a2"]
    some = await console.agents.GetBoard(agents_pb2.BoardRequest(queues=["tech"], agents=["a2"]))
    assert ([q.queue for q in some.queues], [a.agent for a in some.agents]) == (["tech"], ["a2"])

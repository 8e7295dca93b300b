"""Every kind of fact, whoever writes it, is the proto3 JSON of ledger.v1.Fact."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from tierline.ledger.v1 import ledger_pb2

from ops import facts
from ops.facts import KINDS, BadFact, Fact
from router.core.commands import Assert, End, RouteAsk
from tests.contract.stores import START, World

ROUTERS = {
    "routed",
    "enqueued",
    "offered",
    "offer_failed",
    "bridged",
    "left_queue",
    "agent_changed",
    "agent_released",
    "call_ended",
}
HOME = {"country": "CN", "province": "江苏省", "city": "南京市"}
# One of each kind as its writer makes it: every field set, in the spelling that docs and readers use.
SAMPLES: dict[str, dict[str, Any]] = {
    "edge_invite": {
        "edge": "edge1",
        "trunk": "t1",
        "calling": "1",
        "called": "2",
        "source_address": "127.0.0.2",
        "sip_call_id": "x",
    },
    "edge_outcome": {"edge": "edge1", "sip_status": 200, "sip_reason": "OK", "routed_by": "fallback:timeout"},
    "routed": {"trunk": "t1", "calling": "1", "called": "2", "diversion": "3", "home": HOME, "node": "m1"},
    "call_started": {"node": "m1", "calling": "1", "called": "2", "trunk": "t1", "home": HOME, "routed": True},
    "menu_chosen": {"menu": "root", "item": "sales", "language": "zh"},
    "enqueued": {"queue": "sales", "priority": 10, "entered_ms": START},
    "offered": {"queue": "sales", "offer": "o", "seat": "801", "waited_ms": 5},
    "offer_failed": {"queue": "sales", "offer": "o", "reason": "REASON_NO_ANSWER"},
    "bridged": {"queue": "sales", "offer": "o", "waited_ms": 5, "bridged_ms": START},
    "left_queue": {"queue": "sales", "reason": "REASON_HANGUP", "waited_ms": 5},
    "call_ended": {
        "outcome": {"result": "RESULT_ANSWERED", "reason": "REASON_HANGUP", "side": "SIDE_CALLER", "sip_status": 200},
        "talk_ms": 5,
        "language": "zh",
        "menu_path": ["root"],
    },
    "recorded": {"path": "a/b.wav", "sha256": "0", "duration_ms": 5, "talk_ms": 5, "bytes": 5, "started_ms": START},
    "recording_failed": {"reason": "REASON_DISK_FULL", "detail": "x", "talk_ms": 5},
    "agent_changed": {"state": "ready", "previous": "not_ready", "reason": "lunch", "seat": "801"},
    "digits": {"menu": "root", "what": "wrong", "tries": 2},
    "agent_released": {"queue": "sales", "talk_ms": 5, "side": "SIDE_AGENT"},
    "turned_away": {"queue": "sales", "reason": "REASON_QUEUE_FULL", "waited_ms": 5},
    "widened": {"queue": "sales", "rung": 1, "ring": "centre", "waited_ms": 5},
    "placed": {"queue": "sales", "offer": "o", "home": "hubei", "centre": "hunan", "seat": "801", "waited_ms": 5},
    "place_failed": {"queue": "sales", "reason": "REASON_LINK_LOST", "centre": "hunan"},
    "callback_asked": {"queue": "sales"},
    "callback_dialled": {"queue": "sales", "offer": "o", "trunk": "t1", "tries": 1},
    "callback_failed": {"queue": "sales", "offer": "o", "reason": "REASON_NO_ANSWER", "tries": 1, "again_ms": START},
    "rules_changed": {"version": 2, "who": "zhao", "why": "night", "sha256": "0"},
}


def parsed(text: str) -> ledger_pb2.Fact:
    """Through protobuf's own reader, which takes no unknown field and no wrong type."""
    return json_format.Parse(text, ledger_pb2.Fact())


def test_the_kinds_are_those_of_the_proto() -> None:
    """ops.facts, the samples here and the oneof name the same kinds."""
    oneof = {field.name for field in ledger_pb2.Fact.DESCRIPTOR.oneofs_by_name["body"].fields}
    assert oneof == KINDS == set(SAMPLES)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_through_ops_facts(kind: str) -> None:
    """What ops.facts writes parses as the proto's JSON with all its fields, and reads back the same."""
    fact = Fact("c1:r:1:1", START, "main", "router:r1", kind, SAMPLES[kind], "c1", "a1")
    message = parsed(facts.encode(fact))
    assert (message.id, message.at_ms, message.WhichOneof("body")) == ("c1:r:1:1", START, kind)
    body = getattr(message, kind)
    assert {field.name for field, _ in body.ListFields()} == set(SAMPLES[kind])
    assert facts.decode(facts.encode(fact)) == fact


async def everything(world: World) -> None:
    """One of each thing that a router writes facts of."""
    home = ("CN", "江苏省", "南京市", "中国移动")
    await world.store.route(RouteAsk("c0", "t1", "13800000001", "12345", "10086", home, ("=+8613800000001",)), world.now)
    await world.store.route(RouteAsk("c1", "t1", "", "12345", "", ("", "", "", ""), ()), world.now)
    await world.agent("a1")
    offer = await world.offer("c1")
    world.clock.advance(1_500)
    await world.failed(offer, "REASON_BUSY")
    await world.store.not_ready("a1", "lunch", world.now)
    await world.agent("a2")
    await world.store.settle_answered(world.node, "c1", 8, _last_offer(world), world.now, world.now)
    await world.store.end(world.node, End("c1", 9, "REASON_HANGUP", "SIDE_AGENT", world.now + 700), world.now)
    await world.enqueue("c2", "tech", priority=0)
    await world.store.cancel(world.node, "c2", 9, "REASON_CANCELLED", world.now)
    await world.enqueue("c3", "tech")
    await world.expire(11_000, beat=False)


def _last_offer(world: World) -> str:
    return str([f for f in world.facts() if f.kind == "offered"][-1].body["offer"])


async def test_each_kind_of_the_router(world: World) -> None:
    """All that Lua and the memory store write parses as the proto's JSON, each id once, no default spelt out."""
    await everything(world)
    written = world.facts()
    assert {f.kind for f in written} == ROUTERS
    assert len({f.id for f in written}) == len(written)
    for fact, text in zip(written, world.texts(), strict=True):
        message = parsed(text)
        assert {field.name for field, _ in getattr(message, fact.kind).ListFields()} == set(fact.body), fact
        assert message.source == "router:r1" and message.tenant == "main"


async def test_names_that_json_must_quote(world: World) -> None:
    """Letters beyond ASCII and quotes in names come through both writers unharmed."""
    await world.agent("王小明", seat="801")
    words = world.words("c1", "tech")
    await world.asserted(Assert("talk", words, 'an "offer" \\ of/any kind', "王小明", START))
    (bridged,) = (message for message in map(parsed, world.texts()) if message.HasField("bridged"))
    assert (bridged.agent, bridged.bridged.offer) == ("王小明", 'an "offer" \\ of/any kind')


@given(st.text() | st.binary())
def test_garbage_is_no_fact(data: str | bytes) -> None:
    """Whatever stands on the stream, decode answers a fact or BadFact."""
    try:
        assert isinstance(facts.decode(data), Fact)
    except BadFact:
        return

"""Nodes, re-assertion, timers, rules and routes, the same in both stores."""

from __future__ import annotations

import pytest

from router.core.commands import Assert, End, QueueRule, RouteAsk, Rules
from router.core.errors import ConfigMissing, NoMediaNode, OldEpoch, UnknownNode, UnknownQueue
from router.core.events import Decision, Effect, Offer, Queued, Release, ToNode, Withdraw
from router.core.policy import call_score
from tests.contract.stores import QUEUES, RULES, START, World, frames_of, offer_in


async def lose(world: World) -> tuple[Effect, ...]:
    """Silence of the node for longer than it may be silent, with the timers served meanwhile."""
    return await world.expire(11_000, beat=False)


async def test_a_silent_node_loses_its_calls(world: World) -> None:
    """Waiting, ringing and talking calls of it end with facts that say so, and their agents are free."""
    await world.agent("a1", tech=1)
    await world.agent("a2", sales=1)
    await world.answered(await world.offer("c1", "tech"))
    await world.offer("c2")
    await world.enqueue("c3")
    before = len(world.facts())
    assert frames_of(await lose(world)) == []
    kinds = world.kinds(before)
    assert (kinds.count("call_ended"), kinds.count("left_queue"), kinds.count("agent_released")) == (3, 2, 1)
    assert all(f.body["outcome"]["reason"] == "REASON_NODE_LOST" for f in world.facts() if f.kind == "call_ended")
    assert [(await world.see(a)).state for a in ("a1", "a2")] == ["ready", "ready"]
    assert (world.raw().wait, world.raw().talking) == ({}, {})
    assert kinds.count("offered") == 0


async def test_a_lost_node_must_say_hello_again(world: World) -> None:
    """Its heartbeats are refused; after hello its assertions revive the calls with their old time."""
    await world.enqueue("c1")
    await lose(world)
    with pytest.raises(UnknownNode):
        await world.store.heartbeat(world.node, False, 1, world.now)
    world.node = await world.hello("m1")
    words = world.words("c1", entered=START, version=1)
    assert frames_of(await world.asserted(Assert("wait", words))) == [Queued("c1", 1, 1)]
    assert world.raw().wait["sales"][0][1] == call_score(10, START, 120_000)


async def test_heartbeats_keep_a_node(world: World) -> None:
    """With a beat every now and then nothing is lost."""
    await world.enqueue("c1")
    for _ in range(5):
        await world.expire(8_000, beat=False)
        await world.store.heartbeat(world.node, False, 1, world.now)
    assert await world.place("c1") == ("waiting", "sales")


async def test_a_newer_process_of_the_node(world: World) -> None:
    """A newer epoch means that the old process is gone with its calls; an older one is refused."""
    await world.enqueue("c1")
    await world.hello("m1", epoch=START + 5)
    assert await world.place("c1") == ("", "")
    with pytest.raises(OldEpoch):
        await world.hello("m1", epoch=START)


async def test_an_older_session_is_not_heard(world: World) -> None:
    """A stream that was replaced can neither beat nor assert."""
    old = world.node
    world.node = await world.hello("m1")
    with pytest.raises(UnknownNode):
        await world.store.heartbeat(old, False, 0, world.now)
    assert await world.store.assert_(old, Assert("wait", world.words("c1")), world.now) == []
    assert await world.place("c1") == ("", "")


async def test_calls_that_are_not_asserted_are_swept(world: World) -> None:
    """After a reconnect the node names what it holds; what it does not name is lost some seconds later."""
    await world.enqueue("c1")
    await world.enqueue("c2", entered=START + 1)
    world.node = await world.hello("m1")
    await world.asserted(Assert("wait", world.words("c2", version=1)))
    await world.expire(11_000)
    assert (await world.place("c1"), await world.place("c2")) == (("", ""), ("waiting", "sales"))


async def test_a_pending_offer_is_told_again(world: World) -> None:
    """The node did not get the offer before its stream broke: it says "waiting" and is told the same offer."""
    await world.agent("a1")
    offer = await world.offer("c1")
    world.node = await world.hello("m1")
    assert frames_of(await world.asserted(Assert("wait", world.words("c1", version=1)))) == [offer]


async def test_the_store_was_wiped(world: World) -> None:
    """Waiting keeps the order of entering; ringing and talking come back with their agents, who may log in into them."""
    await world.agent("a1")
    offer = await world.offer("c1")
    await world.answered(offer)
    await world.wipe_and_return()
    for call, at in (("c3", 3), ("c2", 2)):
        await world.asserted(Assert("wait", world.words(call, entered=START + at, version=1)))
    await world.asserted(Assert("talk", world.words("c1", entered=START, version=1), offer.offer, "a1", START))
    ringing = Assert("ring", world.words("c4", entered=START + 9, version=1), f"c4.{START + 9}.7", "a2", START + 9)
    await world.asserted(ringing)
    assert [m for m, _ in world.raw().wait["sales"]] == ["c2", "c3"]
    assert (await world.place("c1"), await world.place("c4")) == (("talking", "a1"), ("offered", "a2"))
    seen = await world.agent("a1", ready=False)
    assert (seen.state, seen.seat) == ("talking", "8a1")
    await world.store.end(world.node, End("c1", 9, "REASON_HANGUP", "SIDE_CALLER", world.now), world.now)
    assert (await world.see("a1")).state == "after_call"


async def test_facts_said_again_keep_their_ids(world: World) -> None:
    """What is asserted after a wipe writes enqueued, offered and bridged under the ids they had: the ledger counts them once."""
    await world.agent("a1")
    offer = await world.offer("c1")
    world.clock.advance(2_000)
    await world.answered(offer)
    first = {f.kind: f.id for f in world.facts() if f.call == "c1" and f.kind != "agent_changed"}
    await world.wipe_and_return()
    words = world.words("c1", entered=START, version=1)
    await world.asserted(Assert("ring", words, offer.offer, "a1", START))
    await world.asserted(Assert("talk", words, offer.offer, "a1", START + 2_000))
    again = {f.kind: f.id for f in world.facts() if f.call == "c1" and f.kind != "agent_changed"}
    assert again == first


async def test_a_seat_unknown_after_a_wipe_ends_logged_out(world: World) -> None:
    """Nobody logged in again: after the talk and its after-call work the agent is logged out, not ready for calls to nowhere."""
    await world.asserted(Assert("talk", world.words("c1", "tech"), "o", "a1", START))
    await world.store.end(world.node, End("c1", 9, "REASON_HANGUP", "SIDE_CALLER", world.now), world.now)
    assert (await world.see("a1")).state == "logged_out"


async def test_a_talk_wins_over_a_stale_offer(world: World) -> None:
    """Our books ring the call elsewhere; the node says that it talks: that offer is withdrawn."""
    await world.agent("a1")
    offer = await world.offer("c1")
    await world.agent("a2", tech=1)
    effects = await world.asserted(Assert("talk", world.words("c1", version=1), "other", "a2", START))
    assert frames_of(effects) == [Withdraw("c1", offer.offer, "REASON_AGENT_GONE")]
    assert (await world.see("a1")).state == "ready"
    assert await world.place("c1") == ("talking", "a2")


async def test_a_talk_wins_over_a_stale_talk(world: World) -> None:
    """The agent talks to another call by our books: the newest word counts and the other is lost, counters exact."""
    await world.agent("a1")
    await world.answered(await world.offer("c1"))
    await world.asserted(Assert("talk", world.words("c2", "tech"), "o", "a1", START))
    assert (await world.place("c2"), await world.place("c1")) == (("talking", "a1"), ("", ""))
    assert world.raw().talking == {"tech": 1}


async def test_ringing_for_somebody_who_is_gone(world: World) -> None:
    """The agent logged out while the node was away: the ringing is stopped and the call waits."""
    await world.agent("a1")
    offer = await world.offer("c1")
    await world.store.logout("a1", world.now)
    effects = await world.asserted(Assert("ring", world.words("c1", version=1), offer.offer, "a1", START))
    assert frames_of(effects) == [Withdraw("c1", offer.offer, "REASON_EXPIRED"), Queued("c1", 1, 1)]


async def test_ringing_an_offer_that_was_replaced(world: World) -> None:
    """The node rings an old offer while we have a new one out: it is told to stop and what to ring."""
    await world.agent("a1")
    first = await world.offer("c1")
    await world.agent("a2")
    second = offer_in(await world.store.logout("a1", world.now))
    effects = await world.asserted(Assert("ring", world.words("c1", version=1), first.offer, "a1", START))
    assert frames_of(effects) == [Withdraw("c1", first.offer, "REASON_EXPIRED"), second]


async def test_asserting_an_ended_call(world: World) -> None:
    """End is final: the node is told to let go."""
    await world.store.end(world.node, End("c1", 5, "REASON_HANGUP", "SIDE_CALLER", world.now), world.now)
    assert frames_of(await world.asserted(Assert("wait", world.words("c1")))) == [Release("c1", "REASON_UNSPECIFIED")]


async def test_an_outage_gives_everybody_their_time_anew(world: World) -> None:
    """No router served for a while: on return neither nodes nor offers are given up before they had a chance to speak."""
    await world.agent("a1")
    await world.offer("c1")
    await world.enqueue("c2", "tech")
    world.clock.advance(60_000)
    assert (await world.store.expire(100, world.now)).effects == ()
    assert (await world.place("c1"), await world.place("c2")) == (("offered", "a1"), ("waiting", "tech"))
    await world.store.heartbeat(world.node, False, 2, world.now)
    assert isinstance(frames_of(await world.expire(4_000))[0], Withdraw)


async def test_timers_in_portions(world: World) -> None:
    """`expire` serves at most its limit and says that there is more."""
    for n in range(5):
        await world.agent(f"a{n}", tech=1)
        await world.offer(f"c{n}", "tech")
    await world.expire(17_000)
    world.clock.advance(1_000)
    got = [await world.store.expire(2, world.now) for _ in range(3)]
    assert [(e.offers, e.more) for e in got] == [(2, True), (2, True), (1, False)]


async def test_frames_go_to_whoever_holds_the_stream(world: World) -> None:
    """An offer caused by an agent, or by another node's call, names the router that holds the node's stream."""
    await world.enqueue("c1")
    (effect,) = [e for e in await world.agent_effects("a1") if isinstance(e, ToNode)]
    assert (effect.node, effect.holder) == ("m1", "r1-x")


async def test_the_newest_rules_win(world: World) -> None:
    """An older generation changes nothing; a queue that is gone takes no new calls, those in it are answered."""
    await world.enqueue("c1", "tech")
    new = Rules(5, "five", QUEUES[:2], ())
    await world.store.sync_config(new, world.now)
    await world.store.sync_config(RULES, world.now)
    with pytest.raises(UnknownQueue):
        await world.enqueue("c2", "tech")
    assert frames_of(await world.enqueue("c1", "tech", version=3)) == [Queued("c1", 1, 1)]
    assert offer_in(await world.agent_effects("a1", tech=1)).call == "c1"


async def test_a_change_of_skill_matches_at_once(world: World) -> None:
    """A queue that gets the skill of a ready agent is served in the step that changes it."""
    await world.agent("a1", sales=1)
    await world.enqueue("c1", "tech")
    changed = QueueRule("tech", "sales", 10, 15_000, 0)
    effects = await world.store.sync_config(Rules(2, "two", (*QUEUES[:2], changed), ()), world.now)
    assert offer_in(effects).agent == "a1"
    assert isinstance(frames_of(effects)[0], Offer)


async def test_no_rules_yet(world: World) -> None:
    """A store that was emptied asks for its rules and refuses no queue as unknown meanwhile."""
    world.wipe()
    with pytest.raises(ConfigMissing):
        await world.enqueue("c1")


def ask(*keys: str, refused: str = "") -> RouteAsk:
    return RouteAsk("c1", "t1", "13800000001", "12345", "", ("CN", "江苏省", "南京市", ""), keys, refused)


async def test_routes(world: World) -> None:
    """The least loaded node that takes calls; those sent since its last beat count."""
    await world.hello("m2", calls=1)
    await world.hello("m3", draining=True)
    got = [(await world.store.route(ask(), world.now)).node for _ in range(4)]
    assert got == ["m1", "m1", "m2", "m1"]
    fact = world.facts()[-1]
    assert (fact.kind, fact.body["node"], fact.body["home"]) == (
        "routed",
        "m1",
        {"country": "CN", "province": "江苏省", "city": "南京市"},
    )


async def test_no_node_takes_calls(world: World) -> None:
    """All draining or silent: an error that makes the edge fall back, and no fact."""
    await world.hello("m1", draining=True)
    with pytest.raises(NoMediaNode):
        await world.store.route(ask(), world.now)
    await world.hello("m1")
    world.clock.advance(10_001)
    with pytest.raises(NoMediaNode):
        await world.store.route(ask(), world.now)
    assert world.facts() == []


@pytest.mark.parametrize(
    ("keys", "after", "refused"),
    [
        (("=+8613800000001",), 0, True),
        (("=+8613900000001", "^1370", "^13700"), 0, True),
        (("=+8613800000002",), 59_999, True),
        (("=+8613800000002",), 60_000, False),
        (("=+8613800000003", "^138"), 0, False),
    ],
)
async def test_blacklist(world: World, keys: tuple[str, ...], after: int, refused: bool) -> None:
    """Exact numbers, prefixes and expiry [N3]."""
    world.clock.advance(after)
    world.node = await world.hello("m1")
    got = await world.store.route(ask(*keys), world.now)
    want = Decision(refused="REASON_BLACKLISTED") if refused else Decision("m1", "sip:m1:5200")
    assert got == want
    assert world.facts()[-1].body.get("refused") == ("REASON_BLACKLISTED" if refused else None)


async def test_a_refusal_known_before_is_a_fact_too(world: World) -> None:
    """Unknown trunk and number are refused without a node, with their fact."""
    got = await world.store.route(ask(refused="REASON_UNKNOWN_TRUNK"), world.now)
    assert got == Decision(refused="REASON_UNKNOWN_TRUNK")
    assert world.facts()[-1].body["refused"] == "REASON_UNKNOWN_TRUNK"

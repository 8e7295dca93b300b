"""The verbs of calls, the same in both stores."""

from __future__ import annotations

import pytest

from router.core.commands import Assert, End
from router.core.errors import NotAllowed, OfferClosed, UnknownCall, UnknownQueue
from router.core.events import Offer, Queued, Withdraw
from router.core.policy import call_score
from tests.contract.stores import START, TIMES, World, frames_of, offer_in


def end(call: str, version: int = 99, at: int = START, side: str = "SIDE_CALLER") -> End:
    return End(call, version, "REASON_HANGUP", side, at)


async def test_a_free_agent_is_offered_in_the_same_step(world: World) -> None:
    """Enqueue with somebody ready answers the offer, no place in a line, and writes enqueued, offered, agent_changed."""
    await world.agent("a1", seat="801")
    before = len(world.facts())
    (offer,) = frames_of(await world.enqueue("c1"))
    assert isinstance(offer, Offer)
    assert (offer.call, offer.agent, offer.seat, offer.expires_ms) == ("c1", "a1", "801", START + 20_000)
    assert world.kinds(before) == ["enqueued", "offered", "agent_changed"]


async def test_who_is_offered(world: World) -> None:
    """The best level first, among equals the longest idle."""
    await world.agent("a1", sales=2)
    world.clock.advance(1)
    await world.agent("a2", sales=1)
    world.clock.advance(1)
    await world.agent("a3", sales=1)
    got = [(await world.offer(f"c{n}")).agent for n in range(3)]
    assert got == ["a2", "a3", "a1"]


async def test_which_call_is_taken(world: World) -> None:
    """Priority first (over queues of one skill), then the time of entering, then the id."""
    await world.enqueue("c1", entered=START + 5)
    await world.enqueue("c3", entered=START + 3)
    await world.enqueue("c2", entered=START + 3)
    await world.enqueue("c4", "vip", entered=START + 9)
    await world.enqueue("c5", priority=99, entered=START + 9)
    got = []
    for n in range(5):
        got.append(offer_in(await world.agent_effects(f"a{n}")).call)
    assert got == ["c5", "c4", "c2", "c3", "c1"]


async def test_places_in_line_and_repeats(world: World) -> None:
    """Each Enqueue, repeats too, is answered with the place; the time of entering stays, facts are not doubled."""
    await world.enqueue("c1")
    assert frames_of(await world.enqueue("c2", entered=START + 1)) == [Queued("c2", 2, 2)]
    before = len(world.facts())
    assert frames_of(await world.enqueue("c2", version=1)) == [Queued("c2", 2, 2)]
    assert frames_of(await world.enqueue("c2", version=7, entered=START + 50)) == [Queued("c2", 2, 2)]
    assert world.raw().wait["sales"][1][1] == call_score(10, START + 1, 120_000)
    assert len(world.facts()) == before


async def test_a_new_priority_changes_the_place(world: World) -> None:
    """A repeat with a higher version and another priority moves the call within its line, without leaving it."""
    await world.enqueue("c1")
    await world.enqueue("c2", entered=START + 1)
    assert frames_of(await world.enqueue("c2", priority=90, entered=START + 1)) == [Queued("c2", 1, 2)]
    assert "left_queue" not in world.kinds()


async def test_to_another_line(world: World) -> None:
    """A higher version for another queue leaves the first with a fact and enters the second."""
    await world.enqueue("c1")
    before = len(world.facts())
    assert frames_of(await world.enqueue("c1", "tech")) == [Queued("c1", 1, 1)]
    assert world.kinds(before) == ["left_queue", "enqueued"]
    assert await world.place("c1") == ("waiting", "tech")


@pytest.mark.parametrize(
    ("reason", "set_to"),
    [
        ("REASON_NO_ANSWER", "no_answer"),
        ("REASON_BUSY", "busy"),
        ("REASON_UNREACHABLE", "unreachable"),
    ],
)
async def test_the_seat_does_not_take_it(world: World, reason: str, set_to: str) -> None:
    """The agent is not ready for that reason and the call is back at the head of its line with its old time [R6]."""
    await world.agent("a1")
    offer = await world.offer("c1")
    await world.enqueue("c2", entered=START + 5)
    world.clock.advance(20_000)
    assert frames_of(await world.failed(offer, reason)) == []
    seen = await world.see("a1")
    assert (seen.state, seen.reason) == ("not_ready", set_to)
    assert [m for m, _ in world.raw().wait["sales"]] == ["c1", "c2"]
    fact = next(f for f in world.facts() if f.kind == "offer_failed")
    assert (fact.call, fact.agent, fact.body["reason"]) == ("c1", "a1", reason)
    assert offer_in(await world.store.ready("a1", world.now)).call == "c1"


@pytest.mark.parametrize("reason", ["REASON_OVERLOAD", "REASON_MEDIA_FAILED", "REASON_DRAIN", "REASON_UNSPECIFIED"])
async def test_we_failed_the_agent(world: World, reason: str) -> None:
    """An offer that failed through our fault: the call is back in line; the agent pauses for two seconds and then gets it again, so
    a fault that lasts is not tried without a break."""
    await world.agent("a1")
    offer = await world.offer("c1")
    assert frames_of(await world.failed(offer, reason)) == []
    seen = await world.see("a1")
    assert (seen.state, seen.reason, seen.call, seen.until_ms) == ("after_call", "platform", None, world.now + TIMES.pause_ms)
    assert await world.place("c1") == ("waiting", "sales")
    assert frames_of(await world.expire(TIMES.pause_ms - 1)) == []
    assert offer_in(await world.expire(1)).call == "c1"


async def test_the_pause_keeps_what_the_agent_wished(world: World) -> None:
    """An agent who asked for lunch meanwhile goes to lunch after the pause; one who clicks ready is ready at once."""
    await world.agent("a1")
    await world.agent("a2")
    first, second = await world.offer("c1"), await world.offer("c2")
    await world.store.not_ready(first.agent, "lunch", world.now)
    for offer in (first, second):
        await world.failed(offer, "REASON_OVERLOAD")
    assert offer_in(await world.store.ready(second.agent, world.now)).call == "c1"
    await world.expire(TIMES.pause_ms)
    assert ((await world.see(first.agent)).state, (await world.see(first.agent)).reason) == ("not_ready", "lunch")


async def test_no_answer_goes_on_to_the_next_agent(world: World) -> None:
    """With another agent free the call is offered again in the same step."""
    await world.agent("a1")
    offer = await world.offer("c1")
    await world.agent("a2")
    assert offer_in(await world.failed(offer, "REASON_NO_ANSWER")).agent == "a2"


async def test_the_caller_leaves_while_it_rings(world: World) -> None:
    """The agent is ready again with the old idle time, first in line; the call is gone."""
    await world.agent("a1")
    world.clock.advance(1_000)
    await world.agent("a2")
    offer = await world.offer("c1")
    world.clock.advance(5_000)
    await world.failed(offer, "REASON_CALLER_LEFT")
    assert [m for m, _ in world.raw().pools["skill:sales:9:*"]] == ["a1", "a2"]
    assert await world.place("c1") == ("", "")
    left = next(f for f in world.facts() if f.kind == "left_queue")
    assert left.body == {"queue": "sales", "reason": "REASON_CALLER_LEFT", "waited_ms": 5_000}


async def test_answered_and_ended(world: World) -> None:
    """Bridged with its waits, talk counted, released with its talk time and side."""
    await world.agent("a1")
    offer = await world.offer("c1")
    world.clock.advance(3_000)
    await world.answered(offer)
    assert world.raw().talking == {"sales": 1}
    bridged = next(f for f in world.facts() if f.kind == "bridged")
    assert bridged.body == {"queue": "sales", "offer": offer.offer, "waited_ms": 3_000, "bridged_ms": START + 3_000}
    world.clock.advance(60_000)
    await world.store.end(world.node, end("c1", at=world.now), world.now)
    released = next(f for f in world.facts() if f.kind == "agent_released")
    assert released.body == {"queue": "sales", "talk_ms": 60_000, "side": "SIDE_CALLER"}
    assert world.raw().talking == {}


async def test_an_offer_that_nobody_settles_runs_out(world: World) -> None:
    """Ring time and grace over and the media node said nothing: withdrawn, the call is back in line. That lateness is not the
    agent's, who pauses and is offered the call again before those behind it."""
    await world.agent("a1")
    offer = await world.offer("c1")
    await world.enqueue("c2", entered=START + 5)
    assert await world.expire(22_000) == ()
    assert frames_of(await world.expire(1_000)) == [Withdraw("c1", offer.offer, "REASON_EXPIRED")]
    assert ((await world.see("a1")).state, (await world.see("a1")).reason) == ("after_call", "platform")
    assert await world.place("c1") == ("waiting", "sales")
    assert offer_in(await world.expire(TIMES.pause_ms)).call == "c1"


async def test_a_late_answer_counts(world: World) -> None:
    """The seat answered while the offer ran out: they talk, so the books follow; the agent is ready after the call."""
    await world.agent("a1")
    offer = await world.offer("c1")
    await world.expire(24_000)
    assert await world.place("c1") == ("waiting", "sales")
    await world.answered(offer)
    assert await world.place("c1") == ("talking", "a1")
    assert (await world.see("a1")).next == ""


async def test_a_late_answer_wins_over_the_next_agent(world: World) -> None:
    """The call rings at another agent already: that offer is withdrawn and the agent is ready again."""
    await world.agent("a1")
    first = await world.offer("c1")
    await world.agent("a2")
    second = offer_in(await world.store.logout("a1", world.now))
    effects = await world.answered(first)
    assert frames_of(effects) == [Withdraw("c1", second.offer, "REASON_AGENT_GONE")]
    assert await world.place("c1") == ("talking", "a1")
    assert ((await world.see("a1")).next, (await world.see("a2")).state) == ("logged_out", "ready")


async def test_a_late_answer_takes_the_agent_from_the_next_call(world: World) -> None:
    """The agent has another call ringing by our books: that one goes back to its line."""
    await world.agent("a1")
    first = await world.offer("c1")
    await world.failed(first, "REASON_NO_ANSWER")
    await world.enqueue("c2", priority=99)
    second = offer_in(await world.store.ready("a1", world.now))
    assert second.call == "c2"
    effects = await world.answered(first)
    assert frames_of(effects) == [Withdraw("c2", second.offer, "REASON_AGENT_GONE")]
    assert (await world.place("c1"), await world.place("c2")) == (("talking", "a1"), ("waiting", "sales"))


async def test_an_answer_to_an_offer_long_gone(world: World) -> None:
    """An offer that is neither open nor the last one, or of no call at all, is refused by name."""
    await world.agent("a1")
    offer = await world.offer("c1")
    with pytest.raises(UnknownCall):
        await world.store.settle_answered(world.node, "c9", 1, offer.offer, world.now, world.now)
    with pytest.raises(OfferClosed):
        await world.store.settle_answered(world.node, "c1", 9, "another", world.now, world.now)
    assert await world.place("c1") == ("offered", "a1")
    await world.store.settle_failed(world.node, "c1", 9, "another", "REASON_BUSY", world.now)
    assert await world.place("c1") == ("offered", "a1")


async def test_an_offer_that_another_centre_outran(world: World) -> None:
    """The seat elsewhere was first but did not last: the agent here is as ready as before, and the caller's next."""
    await world.agent("a1")
    offer = await world.offer("c1")
    again = offer_in(await world.failed(offer, "REASON_ANSWERED_ELSEWHERE"))
    assert (again.call, again.agent) == ("c1", "a1")
    assert again.offer != offer.offer
    assert "not_ready" not in [fact.body.get("state") for fact in world.facts()[-4:]]


async def test_cancel_crosses_an_offer(world: World) -> None:
    """The caller pressed a key while the offer was on its way: withdrawn, agent ready; a late settle of it does no harm."""
    await world.agent("a1")
    offer = await world.offer("c1")
    effects = await world.store.cancel(world.node, "c1", 2, "REASON_HANGUP", world.now)
    assert frames_of(effects) == [Withdraw("c1", offer.offer, "REASON_CALLER_LEFT")]
    assert (await world.see("a1")).state == "ready"
    await world.store.settle_failed(world.node, "c1", 3, offer.offer, "REASON_CALLER_LEFT", world.now)
    assert world.kinds()[-3:] == ["offer_failed", "agent_changed", "left_queue"]
    assert offer_in(await world.enqueue("c1", version=4)).agent == "a1"


async def test_cancel_in_a_talk_is_refused(world: World) -> None:
    """A talk is not left by Cancel but ended by End."""
    await world.agent("a1")
    await world.answered(await world.offer("c1"))
    with pytest.raises(NotAllowed, match="talking does not take cancel"):
        await world.store.cancel(world.node, "c1", 9, "REASON_HANGUP", world.now)


async def test_end_in_every_state(world: World) -> None:
    """End frees whatever the call held, in line, ringing or unknown; what comes later of the call is a harmless repeat."""
    await world.store.end(world.node, end("c0"), world.now)
    assert frames_of(await world.enqueue("c0", version=1)) == []
    await world.enqueue("c1")
    await world.store.end(world.node, end("c1"), world.now)
    await world.agent("a1")
    offer = await world.offer("c2")
    await world.store.end(world.node, end("c2"), world.now)
    assert (await world.see("a1")).state == "ready"
    for call in ("c0", "c1", "c2"):
        assert await world.place(call) == ("", "")
        await world.store.end(world.node, end(call), world.now)
    await world.store.settle_failed(world.node, "c2", 5, offer.offer, "REASON_BUSY", world.now)
    assert (await world.see("a1")).state == "ready"
    left = [(f.call, f.body["reason"]) for f in world.facts() if f.kind == "left_queue"]
    assert left == [("c1", "REASON_HANGUP"), ("c2", "REASON_HANGUP")]


async def test_every_message_twice(world: World) -> None:
    """A stream that repeats each frame leaves the same books and facts as one that does not."""
    await world.agent("a1")
    words = world.words("c1")
    (offer,) = [f for f in frames_of(await world.store.enqueue(world.node, words, world.now)) if isinstance(f, Offer)]
    await world.store.enqueue(world.node, words, world.now)
    for _ in range(2):
        await world.store.settle_answered(world.node, "c1", 2, offer.offer, world.now, world.now)
    for _ in range(2):
        await world.store.end(world.node, end("c1", 3), world.now)
    await world.store.enqueue(world.node, words, world.now)
    want = ["agent_changed", "agent_changed", "enqueued", "offered", "agent_changed", "bridged", "agent_changed"]
    assert world.kinds() == [*want, "agent_released", "agent_changed"]


async def test_unknown_queue(world: World) -> None:
    """A queue that is not configured is refused by name, and nothing is left of the call."""
    with pytest.raises(UnknownQueue, match="nix"):
        await world.enqueue("c1", "nix")
    assert world.kinds() == []
    assert world.raw().wait == {}


async def test_back_to_the_line_from_a_talk(world: World) -> None:
    """An agent sends the caller back to a queue: the agent is free into after-call work, the call waits anew."""
    await world.agent("a1")
    await world.answered(await world.offer("c1"))
    assert frames_of(await world.enqueue("c1", "tech")) == [Queued("c1", 1, 1)]
    assert (await world.see("a1")).state == "after_call"
    assert (await world.place("c1"), world.raw().talking) == (("waiting", "tech"), {})


async def test_an_older_word_about_an_open_offer_changes_nothing(world: World) -> None:
    """The node has said something newer of the call: a refusal or a wish to leave from before that comes late is a repeat."""
    await world.agent("a1")
    offer = await world.offer("c1")
    await world.store.enqueue(world.node, world.words("c1", version=5, entered=world.now), world.now)
    facts = len(world.facts())
    await world.store.settle_failed(world.node, "c1", 4, offer.offer, "REASON_BUSY", world.now)
    await world.store.cancel(world.node, "c1", 5, "REASON_HANGUP", world.now)
    assert await world.place("c1") == ("offered", "a1")
    assert world.kinds(facts) == []


async def test_a_late_word_about_an_offer_does_not_outdate_the_line_that_the_caller_stands_in(world: World) -> None:
    """The caller left and came into a line again, of which we do not know yet; the node answers an old offer of ours then, and
    asserts the line with the version it had before: the caller waits there."""
    await world.agent("a1")
    offer = await world.offer("c1")
    await world.store.cancel(world.node, "c1", 2, "REASON_HANGUP", world.now)
    await world.store.settle_failed(world.node, "c1", 4, offer.offer, "REASON_NO_ANSWER", world.now)
    await world.asserted(Assert("wait", world.words("c1", "tech", version=3), "", "", 0))
    assert await world.place("c1") == ("waiting", "tech")

"""Callbacks in both stores: the place is kept, the agent comes first, what fails comes back, and nothing is lost with a node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from ops import keys as shared
from router.core.callback import DAY_MS
from router.core.commands import Assert, End, Stage
from router.core.errors import OfferClosed, TooManyCallbacks
from router.core.events import Effect, Offer
from router.core.remote import PlaceWanted, ToCentre
from router.store.memory import MemoryStore
from tests.contract.stores import QUEUES, RULES, TENANT, TIMES, World, frames_of, offer_in

NUMBER = "13812345678"
LISTED = ("=+8613812345678", "^138")


async def ask(world: World, call: str, queue: str = "sales", listed: tuple[str, ...] = LISTED) -> list[Effect]:
    """The caller of a waiting call wants to be called back."""
    words = replace(world.words(call, queue), profile=b"\x32\x02zh")
    return await world.store.callback(world.node, words, NUMBER, listed, "t1", world.now)


async def dial(world: World, offer: Offer) -> list[Effect]:
    """The agent has picked up."""
    version = world.version(offer.call)
    return await world.store.dialling(world.node, offer.call, version, offer.offer, world.now, "t1", world.now)


async def test_the_place_is_kept(world: World) -> None:
    """Callers are served in the order they came in, whether they hold the line or not."""
    for call in ("c1", "c2", "c3"):
        await world.enqueue(call)
        world.clock.advance(1_000)
    await ask(world, "c2")
    assert [call for call, _ in world.raw().wait["sales"]] == ["c1", "c2", "c3"]
    served = []
    for agent in ("a1", "a2", "a3"):
        offer = offer_in(await world.agent_effects(agent))
        served.append((offer.call, offer.callback is not None))
    assert served == [("c1", False), ("c2", True), ("c3", False)]


async def test_the_offer_tells_the_node_all(world: World) -> None:
    """A node that never saw the call gets number, version, line, time and profile; the fact tells the wish."""
    await world.enqueue("c1")
    entered = world.now
    await ask(world, "c1")
    world.clock.advance(5_000)
    offer = offer_in(await world.agent_effects("a1"))
    back = offer.callback
    assert back is not None
    assert (back.number, back.queue, back.priority, back.entered_ms, back.tries) == (NUMBER, "sales", 10, entered, 0)
    assert (back.version, back.profile) == (2, b"\x32\x02zh")
    assert "callback_asked" in world.kinds()


async def authorised(world: World, call: str = "c1") -> str | None:
    """What the edge would let this callback dial; None: nothing."""
    if world.client is None:
        assert isinstance(world.store, MemoryStore)
        return world.store.desk.outside.get(call)
    found = world.client.get(shared.outside(TENANT, call))
    assert found is None or 0 < world.client.pttl(shared.outside(TENANT, call)) <= QUEUES[0].ring_ms + TIMES.outside_ms
    return found.decode() if found is not None else None


async def test_the_edge_is_told_what_may_be_dialled(world: World) -> None:
    """Number and trunk stand there from the offer on for a short time; not before, nor when it came to nothing, nor in the talk."""
    await world.enqueue("c1")
    await ask(world, "c1")
    assert await authorised(world) is None
    offer = offer_in(await world.agent_effects("a1"))
    assert await authorised(world) == f"{NUMBER} t1"
    await world.failed(offer, "REASON_NO_ANSWER")
    assert await authorised(world) is None
    await world.agent("a2", ready=False)
    again = offer_in([*await world.store.ready("a2", world.now), *await world.expire(20_000)])
    await dial(world, again)
    assert await authorised(world) == f"{NUMBER} t1"
    await world.answered(again)
    assert await authorised(world) is None


async def test_boards_show_them(world: World) -> None:
    """In the line, at an agent, between two tries, reached: the board tells who is to be called back, and where."""

    async def seen() -> tuple[int, int, int]:
        queue = next(q for q in await world.store.queues() if q.queue == "sales")
        return queue.waiting, queue.callbacks, queue.resting

    for call in ("c1", "c2", "c3"):
        await world.enqueue(call)
    await ask(world, "c1")
    await ask(world, "c2", listed=("=+8613900000000",))
    assert await seen() == (3, 2, 0)
    offer = offer_in(await world.agent_effects("a1"))
    assert await seen() == (2, 1, 0)
    await dial(world, offer)
    await world.failed(offer, "REASON_BUSY")
    assert await seen() == (2, 1, 1)
    await world.enqueue("c2", "vip")
    assert await seen() == (1, 0, 1)
    await world.expire(20_000)
    await world.store.logout("a1", world.now)
    assert await seen() == (2, 1, 0)


async def test_a_wish_that_overtakes_the_line(world: World) -> None:
    """The router never heard the Enqueue (it died): the wish alone puts the call in its place; said twice it is one."""
    await ask(world, "c1")
    before = len(world.facts())
    await world.store.callback(world.node, world.words("c1", version=1), NUMBER, LISTED, "t1", world.now)
    assert world.kinds()[before:] == []
    assert await world.place("c1") == ("waiting", "sales")
    assert world.kinds() == ["enqueued", "callback_asked"]


async def test_a_wish_while_a_seat_rings(world: World) -> None:
    """The offer is taken back and made again as one of a callback; the agent is not blamed."""
    await world.agent("a1")
    first = await world.offer("c1")
    second = offer_in(await ask(world, "c1"))
    assert second.callback is not None
    assert second.offer != first.offer
    assert (await world.see("a1")).state == "offered"


async def test_reached(world: World) -> None:
    """Agent, then customer: the agent talks from picking up, the fact of the bridge comes with the customer, the end is an end."""
    await ask(world, "c1")
    offer = offer_in(await world.agent_effects("a1"))
    await dial(world, offer)
    assert (await world.see("a1")).state == "talking"
    assert "bridged" not in world.kinds()
    world.clock.advance(4_000)
    await world.answered(offer)
    assert world.kinds()[-1] == "bridged"
    world.clock.advance(9_000)
    await world.store.end(world.node, End("c1", world.version("c1"), "REASON_HANGUP", "SIDE_CALLER", world.now), world.now)
    released = world.facts()[-2].body if world.facts()[-1].kind == "agent_changed" else world.facts()[-1].body
    assert released["talk_ms"] == 9_000
    assert await world.place("c1") == ("", "")
    assert world.kinds().count("callback_failed") == 0


async def test_not_reached_is_tried_again_and_given_up(world: World) -> None:
    """The agent is free after its after-call work, the call comes back with its old place after a while, thrice, then its end
    is told."""
    await ask(world, "c1")
    offer = offer_in(await world.agent_effects("a1"))
    for tries in (1, 2, 3):
        await dial(world, offer)
        await world.failed(offer, "REASON_NO_ANSWER")
        fact = next(f for f in reversed(world.facts()) if f.kind == "callback_failed")
        assert (fact.body["reason"], fact.body["tries"]) == ("REASON_NO_ANSWER", tries)
        assert (await world.see("a1")).state == "after_call"
        assert fact.body.get("again_ms", 0) == (0 if tries == 3 else world.now + 20_000)
        if tries < 3:
            assert await world.place("c1") == ("", "")
            offer = offer_in(await world.expire(20_000))
            assert offer.callback is not None
            assert offer.callback.tries == tries
    assert world.facts()[-1].kind == "call_ended"
    assert world.facts()[-1].body["outcome"]["result"] == "RESULT_ABANDONED"
    assert world.kinds().count("call_ended") == 1
    assert await world.expire(60_000) is not None
    assert world.kinds().count("callback_dialled") == 3


async def test_a_seat_that_does_not_answer(world: World) -> None:
    """Costs the agent the readiness as always, and the customer nothing: the next agent has the call, no try is counted."""
    await ask(world, "c1")
    offer = offer_in(await world.agent_effects("a1"))
    await world.failed(offer, "REASON_NO_ANSWER")
    assert (await world.see("a1")).state == "not_ready"
    again = offer_in(await world.agent_effects("a2"))
    assert again.callback is not None
    assert again.callback.tries == 0


@pytest.mark.parametrize("dialled", [False, True])
async def test_the_node_that_makes_it_dies(world: World, dialled: bool) -> None:
    """Before the agent picked up the call is offered again by another node at once; after, when the customer's phone rings no more:
    with its old time."""
    entered = world.now
    await ask(world, "c1")
    offer = offer_in(await world.agent_effects("a1"))
    if dialled:
        await dial(world, offer)
    world.clock.advance(5_000)
    other = await world.hello("m2")
    effects: list[Effect] = []
    for _ in range(20 if not dialled else 40):
        world.clock.advance(1_000)
        await world.store.heartbeat(other, False, 0, world.now)
        effects += (await world.store.expire(100, world.now)).effects
    offers = [f for f in frames_of(effects) if isinstance(f, Offer)]
    assert len(offers) == 1
    back = offers[0].callback
    assert back is not None
    assert (back.entered_ms, back.tries) == (entered, int(dialled))
    assert "call_ended" not in world.kinds()


async def test_the_node_that_took_the_wish_dies(world: World) -> None:
    """Nothing of the call hangs on it."""
    await ask(world, "c1")
    await world.expire(15_000, beat=False)
    assert await world.place("c1") == ("waiting", "sales")
    world.node = await world.hello("m1")
    assert offer_in(await world.agent_effects("a1")).callback is not None


async def test_without_a_media_node(world: World) -> None:
    """An agent whose offer nobody could ring is not to blame: after a pause there is the next offer."""
    await ask(world, "c1")
    await world.expire(15_000, beat=False)
    assert frames_of(await world.agent_effects("a1")) == []
    assert (await world.see("a1")).state == "offered"
    await world.expire(24_000, beat=False)
    assert ((await world.see("a1")).state, (await world.see("a1")).reason) == ("after_call", "platform")
    await world.expire(2_000, beat=False)
    assert (await world.see("a1")).state == "offered"
    assert "not_ready" not in [f.body["state"] for f in world.facts() if f.kind == "agent_changed"][1:]


async def test_a_number_of_the_blacklist_is_not_called(world: World) -> None:
    """Given up at once, or when it came onto the list while it waited; who waits behind is served."""
    await ask(world, "c1", listed=("=+8613800000001",))
    assert world.facts()[-1].body["outcome"] == {
        "result": "RESULT_REFUSED",
        "reason": "REASON_BLACKLISTED",
        "side": "SIDE_SYSTEM",
    }
    await ask(world, "c2")
    await world.enqueue("c3")
    await world.store.sync_config(replace(RULES, generation=2, digest="two", blacklist=(("=+8613812345678", 0),)), world.now)
    assert offer_in(await world.agent_effects("a1")).call == "c3"
    assert await world.place("c2") == ("", "")


async def test_no_longest_wait_for_who_is_called_back(world: World) -> None:
    """Who does not hold the line is not turned away for having waited too long."""
    limited = tuple(replace(queue, max_wait_ms=5_000) for queue in RULES.queues)
    await world.store.sync_config(replace(RULES, generation=2, digest="two", queues=limited), world.now)
    await world.enqueue("c1")
    await world.enqueue("c2")
    await ask(world, "c1")
    await world.expire(20_000)
    assert (await world.place("c1"), await world.place("c2")) == (("waiting", "sales"), ("", ""))


@pytest.mark.parametrize("so_far", ["nothing", "asked", "ringing"])
async def test_never_placed_elsewhere(world: World, so_far: str) -> None:
    """A ladder that reaches the nation: what was asked for the caller, or rings there, is given back with the wish; no place is
    asked for any more, one that comes late is not taken; at home the ladder goes on, and the ledger tells the centre."""
    ladder = (Stage(0, "sales", 1), Stage(2_000, "sales", 2, "nation"))
    queues = (replace(RULES.queues[0], stages=ladder), *RULES.queues[1:])
    await world.store.sync_config(replace(RULES, generation=2, digest="two", queues=queues), world.now)
    await world.store.hold_links("r1-x", 60_000, world.now)
    await world.enqueue("c1")
    asked: tuple[str, ...] = ()
    if so_far != "nothing":
        asked = wanted_in(await world.expire(3_000))
        assert asked
    if so_far == "ringing":
        await world.store.placed("anhui", asked[0], "1", "8001", "sip:x", world.now + 20_000, world.now)
    effects = await ask(world, "c1")
    assert wanted_in(effects) == ()
    for placement in asked:
        late = await world.store.placed("anhui", placement, "1", "8001", "sip:x", world.now + 20_000, world.now)
        assert [f for f in frames_of(late) if isinstance(f, Offer)] == []
        assert (so_far == "ringing") or [e.centre for e in late if isinstance(e, ToCentre)] == ["anhui"], "given back"
    assert wanted_in(await world.expire(60_000)) == ()
    assert [m for m, _ in world.raw().due if m == "p:c1"] == []
    told = [f.body["ring"] for f in world.facts() if f.kind == "widened"]
    assert told == (["centre"] if so_far == "nothing" else ["nation"])
    await world.agent("a9", sales=2, ready=False)
    offer = offer_in(await world.store.ready("a9", world.now))
    assert (offer.callback is not None, offer.centre) == (True, "")


def wanted_in(effects: Sequence[Effect]) -> tuple[str, ...]:
    """Placements that are asked for."""
    return tuple(e.frame.placement for e in effects if isinstance(e, ToCentre) and isinstance(e.frame, PlaceWanted))


async def test_late_and_strange_words(world: World) -> None:
    """A node that lets the call go brings it back; an offer that is over is not dialled; a ringing node says so after a break."""
    await ask(world, "c1")
    offer = offer_in(await world.agent_effects("a1"))
    await world.store.end(world.node, End("c1", world.version("c1"), "REASON_DRAIN", "SIDE_SYSTEM", world.now), world.now)
    with pytest.raises(OfferClosed):
        await dial(world, offer)
    assert "call_ended" not in world.kinds()
    again = offer_in(await world.expire(20_000))
    await dial(world, again)
    await world.asserted(Assert("ring", world.words("c1"), again.offer, "a1", world.now))
    assert (await world.see("a1")).state == "talking"
    await world.answered(again)
    assert world.kinds()[-1] == "bridged"


async def test_the_customer_picks_up_while_no_router_is_there(world: World) -> None:
    """The node says after the break that it talks: the bridge is in the books, and the end is an end, not another try."""
    await ask(world, "c1")
    offer = offer_in(await world.agent_effects("a1"))
    await dial(world, offer)
    world.clock.advance(4_000)
    world.node = await world.hello("m1")
    await world.asserted(Assert("talk", world.words("c1"), offer.offer, "a1", world.now))
    assert world.kinds()[-1] == "bridged"
    await world.answered(offer)
    world.clock.advance(9_000)
    await world.store.end(world.node, End("c1", world.version("c1"), "REASON_HANGUP", "SIDE_CALLER", world.now), world.now)
    assert (await world.place("c1"), [m for m, _ in world.raw().due if m.endswith(":c1")]) == (("", ""), [])
    assert (world.kinds().count("bridged"), world.kinds().count("callback_failed")) == (1, 0)


async def test_a_conversation_elsewhere_ends_the_dialling(world: World) -> None:
    """A node that was thought lost talks with the customer, while another agent's phone waits for the same: one conversation is
    left, and its end is the end."""
    await ask(world, "c1")
    first = offer_in(await world.agent_effects("a1"))
    await dial(world, first)
    await world.store.not_ready("a1", "rest", world.now)
    await world.agent("a2")
    lost, world.node = world.node, await world.hello("m2")
    second = offer_in(await world.expire(40_000))
    other = world.node
    await dial(world, second)
    world.node = await world.hello(lost.node)
    await world.asserted(Assert("talk", world.words("c1"), first.offer, "a1", world.now))
    with pytest.raises(OfferClosed):
        await world.store.settle_answered(other, "c1", world.version("c1"), second.offer, world.now, world.now)
    await world.store.end(world.node, End("c1", world.version("c1"), "REASON_HANGUP", "SIDE_CALLER", world.now), world.now)
    assert await world.place("c1") == ("", "")
    await world.expire(30_000)
    assert world.kinds().count("bridged") == 1
    assert await world.place("c1") == ("", "")


async def test_an_offer_that_no_node_heard_of(world: World) -> None:
    """The router died with the offer on its way; the node has a new stream and says nothing of it: the agent is not blamed."""
    await ask(world, "c1")
    offer_in(await world.agent_effects("a1"))
    for _ in range(40):
        if world.kinds().count("offered") == 2:
            break
        world.node = await world.hello("m1")
        await world.expire(1_000)
    assert world.kinds().count("offered") == 2
    assert (await world.see("a1")).state == "offered"
    assert [f.body["state"] for f in world.facts() if f.kind == "agent_changed"].count("not_ready") == 1  # the log-in


async def test_a_new_stream_is_told_of_the_offer_again(world: World) -> None:
    """The router died with the offer on its way: the node hears it as soon as it is back, not when the offer has run out."""
    await ask(world, "c1")
    offer = offer_in(await world.agent_effects("a1"))
    world.node = await world.hello("m1")
    again = offer_in(world.effects)
    assert (again.call, again.offer, again.callback) == (offer.call, offer.offer, offer.callback)
    await dial(world, again)
    await world.hello("m1")
    assert world.effects == []  # the agent has picked up: nothing to tell
    assert world.kinds().count("offered") == 1


async def test_a_node_that_holds_a_waiting_one_is_lost(world: World) -> None:
    """Whoever said of a waiting callback that it has it: when that node is lost the call stands where it stood, and is no end's."""
    await ask(world, "c1")
    await world.asserted(Assert("wait", world.words("c1")))
    await world.expire(15_000, beat=False)
    assert await world.place("c1") == ("waiting", "sales")
    assert "call_ended" not in world.kinds()


async def test_turned_away_and_ended(world: World) -> None:
    """A call with a wish that its queue takes no more ends as any other."""
    await ask(world, "c1")
    await world.enqueue("c1", "vip")
    await world.store.enqueue(world.node, replace(world.words("c1", "sales"), closed="REASON_CLOSED"), world.now)
    await world.store.end(world.node, End("c1", world.version("c1"), "REASON_HANGUP", "SIDE_CALLER", world.now), world.now)
    assert await world.place("c1") == ("", "")


async def refused(world: World, call: str, listed: tuple[str, ...] = LISTED) -> str:
    """Why a callback is not taken; "" if it is."""
    try:
        await ask(world, call, listed=listed)
    except TooManyCallbacks as error:
        return str(error)
    return ""


async def test_one_open_callback_for_a_number(world: World) -> None:
    """However its number is written: another call with it gets none while the first is open, and stays where it was. When the first
    is over the next may ask."""
    for call in ("c1", "c2"):
        await world.enqueue(call)
    assert await refused(world, "c1") == ""
    facts = len(world.facts())
    assert "open" in await refused(world, "c2", ("=+8613812345678", "^0086"))
    assert (await world.place("c2"), world.kinds(facts)) == (("waiting", "sales"), [])
    assert await refused(world, "c2", ("=+8613900000000",)) == ""
    await world.enqueue("c3")
    offer = offer_in(await world.agent_effects("a1"))
    await dial(world, offer)
    await world.answered(offer)
    assert "open" in await refused(world, "c3")
    await world.store.end(world.node, End("c1", 99, "REASON_HANGUP", "SIDE_CALLER", world.now), world.now)
    assert await refused(world, "c3") == ""


async def test_a_day_has_so_many_callbacks(world: World) -> None:
    """A number gets its share of a day and the centre its own; the next day begins anew."""
    number, centre = TIMES.callback_number_day, TIMES.callback_day
    desk_day = world.now // DAY_MS * DAY_MS
    for n in range(number):
        await finished(world, f"c{n}", LISTED)
    assert "today" in await refused(world, "more")
    for n in range(centre - number):
        await finished(world, f"d{n}", (f"=+86139{n:08d}",))
    assert "today" in await refused(world, "most", ("=+8613700000000",))
    world.clock.advance(desk_day + DAY_MS - world.now)
    assert await refused(world, "next") == ""


async def finished(world: World, call: str, listed: tuple[str, ...]) -> None:
    """A callback that is over at once: its number stands in the blacklist."""
    assert await refused(world, call, (*listed, "^13700")) == "", call

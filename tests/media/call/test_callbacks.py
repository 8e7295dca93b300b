"""Callbacks in the call's table: the wish of who waits, the call to the customer step by step, and everything that fails."""

from __future__ import annotations

import pytest
from tierline.common.v1.common_pb2 import Reason

from media.call import commands as do
from media.call import events as on
from media.call.call import State, call_back
from media.call.frames import Callback, Cancel, End, Held, Home, Profile, Settle
from media.call.leg import CALLER
from media.ua import api as ua
from ops.ids import CallId, LegId
from tests.media.call.world import CALLER_SDP, SDP, SEAT_SDP, Sounds, World, house

B1 = LegId("b1")
LONG = on.Queued(4, 600_000)
PROFILE = Profile("13812345678", "4001234", "t1", Home("CN"), "en", ("bill",), 1_759_999_000_000, 2, True)


def waiting(calling: str = "13812345678", told: on.Queued = LONG, asserted: bool = True, trusted: str = "") -> World:
    """A caller who was told of a long wait in a queue with callbacks."""
    world = World(sounds=Sounds())
    rules = dict(world.call.house.queues)
    rules["general"] = type(rules["general"])(20_000, True, 300_000)
    object.__setattr__(world.call.house, "queues", rules)
    object.__setattr__(world.call.house, "trust_from", frozenset([trusted]))
    world.call.person = type(world.call.person)(calling, "4001234", "t1", Home("CN"), True, world.now, asserted=asserted)
    return world.queueing().feed(told).later(400)


def calling_back() -> World:
    """A node that was offered a callback of a call it never had."""
    world = World()
    back = on.CallBack("13812345678", 7, "general", 10, 1_759_999_500_000, PROFILE, 0)
    offered = on.Offered("o9", "alice", "8001", world.now + 20_000, callback=back)
    world.call = call_back(CallId("c1"), house(Sounds()), back)
    return world.feed(offered)


def dialling() -> World:
    """The agent has picked up, the customer's phone rings."""
    world = calling_back().feed(on.SeatOpened(B1, SEAT_SDP), on.SeatProgress(B1, 180), on.SeatAnswered(B1, SDP))
    return world.feed(on.AnswerTaken(B1), on.SeatOpened(CALLER, CALLER_SDP), on.SeatProgress(CALLER, 180))


def test_the_wish() -> None:
    """A key after the offer: the router hears number and place, the caller a confirmation; no end is told to router or ledger."""
    world = waiting()
    assert "press_1.au" in [file.name for file in world.call.rest]
    world.feed(on.CallerDigit("1"))
    wish = world.frames()[-1]
    assert isinstance(wish, Callback)
    assert (wish.number, wish.enqueue.queue, wish.enqueue.profile.callback) == ("13812345678", "general", True)
    assert wish.version > world.frames()[0].version  # type: ignore[union-attr]  # an Enqueue
    assert (world.state, world.files()[-1]) == (State.CLOSING, "noted.au")
    world.feed(on.PlayStarted(world.call.op, 3000)).later(3000)
    assert isinstance(world.sip()[-1], ua.Hangup)
    world.feed(on.CallerGone(), on.AudioClosed())
    assert world.call.done
    assert not [frame for frame in world.frames() if isinstance(frame, End)]
    assert world.facts("call_ended") == []
    assert world.call.held() is None


@pytest.mark.parametrize("calling", ["", "anonymous"])
def test_no_callback_without_a_number(calling: str) -> None:
    """Who withholds the number is not offered it, and the key has no meaning."""
    world = waiting(calling)
    assert "press_1.au" not in [file.name for file in world.call.rest]
    assert world.feed(on.CallerDigit("1")).state is State.QUEUEING


def test_no_callback_where_the_wait_is_short() -> None:
    """Neither offered nor taken, where the queue has no callbacks or the wait is below its limit."""
    for world in (World(sounds=Sounds()).queueing().feed(LONG).later(400), waiting(told=on.Queued(1, 299_000))):
        assert "press_1.au" not in [file.name for file in world.call.rest]
        assert world.feed(on.CallerDigit("1")).state is State.QUEUEING


@pytest.mark.parametrize(
    ("calling", "asserted", "trusted", "offered"),
    [
        ("13812345678", True, "", True),
        ("13812345678", False, "", False),
        ("13812345678", False, "t2", False),
        ("13812345678", False, "t1", True),
        ("110", True, "t1", False),
        ("+88216123456789", True, "t1", False),
        ("+1900555000", True, "t1", False),
        ("12345", True, "t1", False),
    ],
)
def test_whom_a_callback_is_offered(calling: str, asserted: bool, trusted: str, offered: bool) -> None:
    """Callers whose number their carrier asserts (or whose trunk is trusted for From) and that may be dialled; others hear nothing
    of it, and the key does nothing."""
    world = waiting(calling, asserted=asserted, trusted=trusted)
    assert ("press_1.au" in [file.name for file in world.call.rest]) is offered
    world.feed(on.CallerDigit("1"))
    assert isinstance(world.frames()[-1], Callback) is offered


def test_the_router_takes_no_callback() -> None:
    """One is open for the number: the caller hears that it is not possible and leaves the line, with the reason for the ledger."""
    world = waiting().feed(on.CallerDigit("1"))
    asked = world.frames()[-1]
    assert isinstance(asked, Callback)
    world.feed(on.Refused("callback", Reason.REASON_TOO_MANY_CALLBACKS))
    assert world.frames()[-1] == Cancel("c1", asked.version + 1, Reason.REASON_TOO_MANY_CALLBACKS)
    assert (world.state, world.files()[-1]) == (State.CLOSING, "unavailable.au")
    world.feed(on.CallerGone(), on.AudioClosed())
    assert world.call.done


def test_a_caller_who_has_hung_up_leaves_the_line_too() -> None:
    """The refusal comes after the call: the router is told that nobody waits."""
    world = waiting().feed(on.CallerDigit("1"), on.CallerGone(), on.AudioClosed())
    assert world.call.done
    world.feed(on.Refused("callback", Reason.REASON_NUMBER_NOT_ALLOWED))
    assert isinstance(world.frames()[-1], Cancel)


def test_a_callback_where_nobody_is_there() -> None:
    """No agent has logged in, so nobody knows how long it takes: the callback is offered."""
    assert "press_1.au" in [file.name for file in waiting(told=on.Queued(1, 0)).call.rest]


def test_the_caller_hangs_up_during_the_confirmation() -> None:
    """The wish stands."""
    world = waiting().feed(on.CallerDigit("1"), on.CallerGone(), on.AudioClosed())
    assert world.call.done
    assert isinstance(world.frames()[-1], Callback)


def test_the_way_to_the_conversation() -> None:
    """Seat, then customer by the edge with the service number shown, ring back for the agent, paired, settled, recorded."""
    world = dialling()
    seat, customer = (c for c in world.sip() if isinstance(c, ua.Invite))
    assert (seat.target, seat.caller) == ("sip:8001@tierline.local", "13812345678")
    assert (customer.target, customer.caller) == ("sip:13812345678@tierline.local", "4001234")
    assert ("X-Tierline-Dial", "t1") in customer.headers
    assert [c.leg for c in world.done if isinstance(c, do.Play)] == [B1]
    taken = world.frames()[-1]
    assert isinstance(taken, Settle)
    assert (taken.version, taken.dialling_ms, taken.trunk, taken.answered_ms) == (8, world.now, "t1", 0)
    held = world.call.held()
    assert held is not None
    assert (held.state, held.enqueue.entered_ms) == (Held.RINGING, 1_759_999_500_000)
    world.feed(on.SeatAnswered(CALLER, SDP))
    assert world.verbs(do.Connect) == [do.Connect(CALLER, SDP, True, B1)]
    world.feed(on.Paired(CALLER))
    assert world.state is State.TALKING
    assert world.frames()[-1] == Settle("c1", 9, "o9", answered_ms=world.now)
    assert world.call.talk is not None
    assert world.call.talk.ports == (31000, 31002)
    world.later(5000).feed(on.CallerGone(), on.SeatGone(B1), on.AudioClosed()).filed()
    assert world.call.done
    assert isinstance(world.frames()[-1], End)
    assert [fact.id for fact in world.facts("call_ended")] == ["c1:m:k7:1"]


FAILURES = [
    (calling_back, on.SeatOpenFailed(B1), Reason.REASON_MEDIA_FAILED),
    (calling_back, on.EndNow(Reason.REASON_DRAIN), Reason.REASON_DRAIN),
    (dialling, on.SeatFailed(CALLER, 486), Reason.REASON_BUSY),
    (dialling, on.SeatFailed(CALLER, 408), Reason.REASON_NO_ANSWER),
    (dialling, on.SeatFailed(CALLER, 503), Reason.REASON_UNREACHABLE),
    (dialling, on.SeatGone(B1), Reason.REASON_AGENT_GONE),
    (dialling, on.CallerGone(), Reason.REASON_HANGUP),
    (dialling, on.AnswerRefused(CALLER, True), Reason.REASON_MEDIA_FAILED),
]


@pytest.mark.parametrize(("so_far", "event", "reason"), FAILURES)
def test_what_fails_is_settled_and_never_ended(so_far: object, event: on.Event, reason: Reason.ValueType) -> None:
    """The router hears why and keeps the call; this node's part comes to its end without an End and without a fact of one."""
    assert callable(so_far)
    world: World = so_far().feed(event)
    last = world.frames()[-1]
    assert isinstance(last, Settle)
    assert (last.failed, world.state) == (reason, State.CLOSING)
    world.feed(on.SeatGone(B1), on.SeatFailed(CALLER, 487), on.CallerGone(), on.AudioClosed())
    assert world.call.done
    assert not [frame for frame in world.frames() if isinstance(frame, End)]
    assert world.facts("call_ended") == []


def test_nobody_answers_at_the_seat() -> None:
    """The seat rings out: settled as any seat's."""
    world = calling_back().feed(on.SeatOpened(B1, SEAT_SDP), on.SeatProgress(B1, 180)).later(20_001)
    assert world.frames()[-1] == Settle("c1", 8, "o9", failed=Reason.REASON_NO_ANSWER)


def test_the_router_has_other_plans() -> None:
    """A withdrawn offer, or a Settle that is refused: let go without another word."""
    world = calling_back().feed(on.SeatOpened(B1, SEAT_SDP), on.Withdrawn("o9", Reason.REASON_EXPIRED))
    assert (world.state, world.frames()) == (State.CLOSING, [])
    world = dialling()
    said = len(world.frames())
    world.feed(on.Refused("settle", Reason.REASON_EXPIRED))
    assert (world.state, len(world.frames())) == (State.CLOSING, said)


def test_the_router_forgot_that_the_agent_picked_up() -> None:
    """The offer is taken back while the customer's phone rings (its Redis forgot the Settle): agent and customer are let go, and
    another offer is no news."""
    world = dialling()
    said = len(world.frames())
    world.feed(on.Withdrawn("o8", Reason.REASON_EXPIRED))
    assert world.state is State.DIALLING
    world.feed(on.Withdrawn("o9", Reason.REASON_EXPIRED))
    assert (world.state, len(world.frames())) == (State.CLOSING, said)


@pytest.mark.parametrize("crossing", [[], [on.SeatProgress(CALLER, 180)], [on.SeatAnswered(CALLER, SDP)]])
def test_a_customer_who_is_not_called_any_more(crossing: list[on.Event]) -> None:
    """The agent hangs up while the customer's phone rings: it is let go, also if picked up just then; no reaper is needed."""
    world = dialling().feed(on.SeatGone(B1))
    assert isinstance(world.sip()[-1], ua.Hangup)
    world.feed(*crossing)
    assert isinstance(world.sip()[-1], ua.Hangup)
    world.feed(on.SeatFailed(CALLER, 487), on.AudioClosed())
    assert world.call.done
    assert not [command for command in world.done if isinstance(command, do.Strange)]


def test_the_ringing_ends_when_the_customer_picks_up() -> None:
    """The agent stops hearing ring-back before the two are connected: what plays to a leg would be heard over the customer."""
    world = dialling()
    assert world.files()[-1] == "ring_back.au"
    world.new()
    world.feed(on.SeatAnswered(CALLER, SDP))
    assert world.new() == [do.StopPlay(B1), do.Connect(CALLER, SDP, True, B1)]

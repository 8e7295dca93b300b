"""A seat of ours and one of another centre ring for the same caller: whoever picks up first has the call, nobody is left over."""

from __future__ import annotations

import pytest
from tierline.common.v1.common_pb2 import Reason, Result, Side

from media.call import commands as do
from media.call import events as on
from media.call.call import State
from media.call.frames import Assert, Held, Settle
from media.ua import api as ua
from ops.ids import LegId
from tests.media.call.world import SDP, SEAT_SDP, World

B1, B2, B3 = LegId("b1"), LegId("b2"), LegId("b3")


def settled(world: World) -> list[tuple[str, Reason.ValueType]]:
    """Offers and how they went, in the order the router hears of them; UNSPECIFIED is answered."""
    return [(frame.offer, frame.failed) for frame in world.frames() if isinstance(frame, Settle)]


def hung_up(world: World) -> list[tuple[str, str]]:
    """Legs that we hung up, with the Reason header."""
    return [(c.leg.leg, c.reason) for c in world.sip() if isinstance(c, ua.Hangup)]


def test_another_centres_seat_is_dialled_by_its_uri() -> None:
    """The offer's own URI goes to the edge, with the placement in it."""
    world = World().queueing()
    world.feed(world.away(), on.SeatOpened(B1, SEAT_SDP))
    (invite,) = [c for c in world.sip() if isinstance(c, ua.Invite)]
    assert (invite.target, invite.route) == ("sip:8009@hunan.tierline;placement=c1.p1", "sip:127.0.0.1:5060")
    assert world.state is State.RINGING


@pytest.mark.parametrize(("first", "second", "won", "lost"), [(B1, B2, "o1", "c1.p1"), (B2, B1, "c1.p1", "o1")])
def test_the_first_answer_wins(first: LegId, second: LegId, won: str, lost: str) -> None:
    """The other seat is cancelled as answered elsewhere at once; the router hears of the winner before it hears of the loser."""
    world = World().racing().feed(on.SeatAnswered(first, SDP))
    assert world.state is State.BRIDGING
    assert hung_up(world) == [(second, 'SIP;cause=200;text="Call completed elsewhere"')]
    assert settled(world) == []
    assert world.feed(on.Paired(first), on.SeatFailed(second, 487)).state is State.TALKING
    assert settled(world) == [(won, Reason.REASON_UNSPECIFIED), (lost, Reason.REASON_ANSWERED_ELSEWHERE)]


@pytest.mark.parametrize(("first", "second"), [(B1, B2), (B2, B1)])
def test_both_answer_at_once(first: LegId, second: LegId) -> None:
    """The second 200 crosses our CANCEL: it gets its BYE, one conversation is there, and all ends clean."""
    world = World().racing().feed(on.SeatAnswered(first, SDP), on.SeatAnswered(second, SDP), on.Paired(first))
    assert [leg for leg, _ in hung_up(world)] == [second, second]
    assert len(world.verbs(do.Connect)) == 1
    assert world.state is State.TALKING
    world.feed(on.SeatGone(second), on.CallerGone(), on.SeatGone(first), on.AudioClosed()).filed()
    assert world.call.done
    assert world.call.outcome is not None
    assert (world.call.outcome.result, world.call.outcome.side) == (Result.RESULT_ANSWERED, Side.SIDE_CALLER)


def test_the_agent_who_won_is_in_the_facts() -> None:
    """End and recording name the agent who talked, not the one who was too late."""
    world = World().racing().feed(on.SeatAnswered(B2, SDP), on.Paired(B2), on.CallerGone(), on.AudioClosed()).filed()
    assert [fact.agent for fact in world.facts() if fact.kind in ("call_ended", "recorded")] == ["bob", "bob"]


def test_one_fails_and_the_other_rings_on() -> None:
    """Busy at one place is settled for that offer alone; the caller still waits for the other one."""
    world = World().racing().feed(on.SeatFailed(B2, 486))
    assert world.state is State.RINGING
    assert settled(world) == [("c1.p1", Reason.REASON_BUSY)]
    assert world.feed(on.SeatAnswered(B1, SDP), on.Paired(B1)).state is State.TALKING


def test_an_edge_that_knows_no_placement() -> None:
    """403 of the other centre's edge is a seat that cannot be reached."""
    world = World().queueing()
    world.feed(world.away(), on.SeatOpened(B1, SEAT_SDP), on.SeatFailed(B1, 403))
    assert settled(world) == [("c1.p1", Reason.REASON_UNREACHABLE)]
    assert world.state is State.QUEUEING


def test_each_rings_for_its_own_time() -> None:
    """The seat with the shorter time is given up alone, at its time."""
    world = World().queueing()
    world.feed(world.offer(ring_ms=10_000), on.SeatOpened(B1, SEAT_SDP), on.SeatProgress(B1, 180))
    world.feed(world.away(ring_ms=15_000), on.SeatOpened(B2, SEAT_SDP), on.SeatProgress(B2, 180)).later(10_000)
    assert (world.state, settled(world)) == (State.RINGING, [("o1", Reason.REASON_NO_ANSWER)])
    world.later(5_000)
    assert (world.state, settled(world)[1:]) == (State.QUEUEING, [("c1.p1", Reason.REASON_NO_ANSWER)])


def test_a_withdrawal_names_its_offer() -> None:
    """Only the seat of the offer that is taken back stops ringing."""
    world = World().racing().feed(on.Withdrawn("o1", Reason.REASON_AGENT_GONE))
    assert [leg for leg, _ in hung_up(world)] == [B1]
    assert world.state is State.RINGING
    world.feed(on.Withdrawn("c1.p1", Reason.REASON_LINK_LOST))
    assert [leg for leg, _ in hung_up(world)] == [B1, B2]
    assert (world.state, settled(world)) == (State.QUEUEING, [])


def test_the_caller_leaves_both() -> None:
    """Both seats are cancelled and both agents given back untouched."""
    world = World().racing().feed(on.CallerGone())
    assert [leg for leg, _ in hung_up(world)] == [B1, B2]
    assert settled(world) == [("o1", Reason.REASON_CALLER_LEFT), ("c1.p1", Reason.REASON_CALLER_LEFT)]
    assert world.feed(on.SeatFailed(B1, 487), on.SeatFailed(B2, 487), on.AudioClosed()).state is State.ENDED


def test_nine_leaves_both() -> None:
    """Back to the menu from two ringing seats."""
    world = World().racing().feed(on.CallerDigit("9"))
    assert world.state is State.MENU
    assert [leg for leg, _ in hung_up(world)] == [B1, B2]


def test_the_winner_puts_down_at_once() -> None:
    """The agent declines after picking up: both are settled, the caller is back in the line, the next one may ring."""
    world = World().racing().feed(on.SeatAnswered(B1, SDP), on.SeatGone(B1))
    assert settled(world) == [("o1", Reason.REASON_BUSY), ("c1.p1", Reason.REASON_ANSWERED_ELSEWHERE)]
    assert world.state is State.QUEUEING
    assert world.feed(world.offer("o2"), on.SeatOpened(B3, SEAT_SDP)).state is State.RINGING


def test_a_second_placement_takes_the_place_of_the_first() -> None:
    """The router gave up the first other centre without our hearing of it: that seat is let go, ours rings on."""
    world = World().racing()
    world.feed(world.away("c1.p2"), on.SeatOpened(B3, SEAT_SDP))
    assert world.state is State.RACING
    assert [leg for leg, _ in hung_up(world)] == [B2]


def test_no_audio_gives_both_back() -> None:
    """rtpengine in trouble while another seat rings: both agents are given back, the caller is queued again."""
    world = World().ringing()
    world.feed(world.away(), on.SeatOpenFailed(B2))
    assert settled(world) == [("o1", Reason.REASON_CALLER_LEFT), ("c1.p1", Reason.REASON_CALLER_LEFT)]
    assert world.state is State.QUEUEING


def test_what_is_asserted() -> None:
    """A call that rings elsewhere only is told with its placement, of two rings the one at home, in talk the one that won."""
    world = World().queueing()
    world.feed(world.away(), on.SeatOpened(B1, SEAT_SDP))
    assert (held(world).state, held(world).offer) == (Held.RINGING, "c1.p1")
    world.feed(world.offer(), on.SeatOpened(B2, SEAT_SDP))
    assert (held(world).state, held(world).offer) == (Held.RINGING, "o1")
    world.feed(on.SeatAnswered(B1, SDP), on.Paired(B1))
    assert (held(world).state, held(world).offer, held(world).agent) == (Held.TALKING, "c1.p1", "bob")


def held(world: World) -> Assert:
    """What the router would be told."""
    told = world.call.held()
    assert told is not None
    return told


# ---- turned away ------------------------------------------------------------------------------------------------
def test_a_closed_queue() -> None:
    """What the flow has for it is said, then goodbye: refused by us, with the reason; the router need not be told to cancel."""
    world = World().queueing().feed(on.TurnedAway("general", Reason.REASON_CLOSED))
    assert world.state is State.MENU
    assert world.files()[-1] == "closed.zh.au"
    world.feed(on.PlayStarted(world.call.op, 500)).later(500)
    (end,) = world.facts("call_ended")
    assert end.body["outcome"] == {
        "result": "RESULT_REFUSED",
        "reason": "REASON_CLOSED",
        "side": "SIDE_SYSTEM",
        "sip_status": 200,
    }
    assert world.feed(on.CallerGone(), on.AudioClosed()).state is State.ENDED


def test_a_full_line_and_another_try() -> None:
    """Back in the menu; a caller who hangs up there was refused, one who chooses anew is as any other."""
    world = World().queueing().feed(on.TurnedAway("general", Reason.REASON_QUEUE_FULL), on.CallerGone())
    assert world.call.outcome is not None
    assert (world.call.outcome.result, world.call.outcome.reason) == (Result.RESULT_REFUSED, Reason.REASON_QUEUE_FULL)
    world = World().queueing().feed(on.TurnedAway("general", Reason.REASON_QUEUE_FULL), on.CallerDigit("1"), on.CallerGone())
    assert world.call.outcome is not None
    assert world.call.outcome.result == Result.RESULT_ABANDONED


def test_waited_too_long_while_it_rings() -> None:
    """No seat rings on for a caller whom the router has let go; the offers are the router's to close."""
    world = World().racing().feed(on.TurnedAway("general", Reason.REASON_WAITED_TOO_LONG))
    assert [leg for leg, _ in hung_up(world)] == [B1, B2]
    assert (world.state, settled(world)) == (State.MENU, [])


def test_turned_away_by_a_queue_that_was_left() -> None:
    """The caller went to another queue meanwhile: nothing happens. An agent who has picked up wins."""
    world = World().queueing().feed(on.TurnedAway("bills", Reason.REASON_CLOSED))
    assert world.state is State.QUEUEING
    world = World().bridging().feed(on.TurnedAway("general", Reason.REASON_WAITED_TOO_LONG), on.Paired(B1))
    assert world.state is State.TALKING


# ---- waiting ----------------------------------------------------------------------------------------------------
def test_the_expected_wait_is_told_in_minutes() -> None:
    """Rounded up, after the place; not while nobody knows it."""
    world = World().queueing().feed(on.Queued(3, 61_000)).later(400)
    world.feed(*(on.PlayStarted(world.call.op, 100) for _ in range(1))).later(100)
    for _ in range(3):
        world.feed(on.PlayStarted(world.call.op, 100)).later(100)
    assert world.files()[-5:] == ["transfer.au", "you_are.au", "3.au", "wait_2.au", "music.au"]
    other = World().queueing().feed(on.Queued(3)).later(400)
    for _ in range(4):
        other.feed(on.PlayStarted(other.call.op, 100)).later(100)
    assert not [name for name in other.files() if name.startswith("wait")]


def test_a_vip_is_told_to_the_router() -> None:
    """The edge's header becomes part of the profile; what is no number is no level."""
    for text, level in (("3", 3), ("", 0), ("-1", 0), ("x", 0)):
        world = World(vip=text).queueing()
        (enqueue,) = world.frames()
        assert not isinstance(enqueue, Settle)
        assert world.call.profile().vip == level

"""Promises of the call's table that the walks through it do not show."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tierline.common.v1.common_pb2 import Reason, Result, Side

from media.call import commands as do
from media.call import events as on
from media.call.call import State
from media.call.frames import Cancel, End, Settle
from media.call.ringing import BACKSTOP_MS, MOST_RING_MS
from media.ua import api as ua
from ops.ids import LegId
from tests.media.call.world import CALLER_SDP, SDP, SEAT_SDP, Sounds, World, caller_leg

B1, B2 = LegId("b1"), LegId("b2")


@pytest.mark.parametrize("why", [on.EndNow(Reason.REASON_DRAIN), on.Released(Reason.REASON_UNSPECIFIED), on.PromptOver()])
def test_a_call_that_we_end_before_answering_is_refused(why: on.Event) -> None:
    """Drain, the router's word or a defect of ours before the 200: the caller gets 503, never 200, and the outcome says so."""
    world = World().feed(World().invited, why)
    assert world.sip() == [ua.Reject(caller_leg(world), 503)]
    assert world.call.outcome is not None and world.call.outcome.sip_status == 503


def test_an_offer_that_cannot_be_used_is_refused_with_its_own_status() -> None:
    """488 stays 488: only a success is turned into a refusal."""
    world = World().feed(World().invited, on.CallerOpenFailed(bad_sdp=True))
    assert world.sip() == [ua.Reject(caller_leg(world), 488)]


def test_an_answered_call_ends_with_200() -> None:
    """A call that we answered and end ourselves keeps the status that the caller got."""
    world = World().menu().feed(on.EndNow(Reason.REASON_DRAIN))
    assert world.call.outcome is not None and world.call.outcome.sip_status == 200


def test_keys_before_the_menu_are_kept_up_to_a_limit() -> None:
    """What is pressed before the ACK counts in its order; a flood of keys costs no memory."""
    world = World().feed(World().invited, on.CallerOpened(CALLER_SDP), *[on.CallerDigit("7")] * 100)
    assert len(world.call.digits) == 32
    assert world.feed(on.CallerConfirmed(b"")).call.digits == ""


def test_a_late_offer_without_an_answer_is_refused() -> None:
    """The caller asked for our offer and sends an ACK without an answer: the call ends as a bad message of the carrier."""
    world = World(sdp=b"").feed(World(sdp=b"").invited, on.CallerOpened(CALLER_SDP), on.CallerConfirmed(b""))
    outcome = world.call.outcome
    assert outcome is not None and (outcome.reason, outcome.side) == (Reason.REASON_BAD_MESSAGE, Side.SIDE_CARRIER)


def test_the_position_is_asked_for_only_while_nobody_rings() -> None:
    """While a seat rings the caller is not told places; when it fails, the asking goes on."""
    world = World().ringing()
    assert on.PositionDue not in world.timers
    world.feed(on.SeatFailed(B1, 486))
    assert on.PositionDue in world.timers


def test_a_ring_is_bounded() -> None:
    """An offer that lasts for hours rings five minutes at the most, and the user agent gives up soon after the call does."""
    world = World().queueing().feed(World().offer(ring_ms=10_000_000), on.SeatOpened(B1, SEAT_SDP))
    at, _ = world.timers[on.RingOver]
    assert at - world.now == MOST_RING_MS
    world = World().queueing()
    world.feed(world.offer(ring_ms=20_000), on.SeatOpened(B1, SEAT_SDP))
    invite = world.sip()[-1]
    assert isinstance(invite, ua.Invite) and invite.timeout_ms == 20_000 + BACKSTOP_MS


def test_an_offer_that_has_run_out_on_its_way_rings_nobody() -> None:
    """It is the router's to take back: no seat is dialled, nothing is settled."""
    world = World().queueing()
    before = len(world.frames())
    world.feed(on.Offered("o1", "alice", "8001", world.now))
    assert world.state is State.QUEUEING and not world.verbs(do.OpenSeat) and len(world.frames()) == before


def test_a_withheld_caller_is_anonymous_to_the_seat() -> None:
    """No number: the seat's INVITE says anonymous, not an empty address."""
    world = World()
    world.call.person = type(world.call.person)("", "4001234", "t1", world.call.person.home, True, world.now)
    world.queueing().feed(world.offer(), on.SeatOpened(B1, SEAT_SDP))
    invite = world.sip()[-1]
    assert isinstance(invite, ua.Invite) and invite.caller == "anonymous"


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("start", ["menu", "queueing", "ringing", "racing", "bridging", "talking"])
def test_who_is_blamed_for_a_caller_who_leaves(start: str, lost: bool) -> None:
    """A caller who hangs up is the caller's doing; one whom the network lost is the carrier's, with a reason of its own."""
    world: World = getattr(World(), start)().feed(on.CallerGone(lost=lost))
    outcome = world.call.outcome
    assert outcome is not None
    blame = (Reason.REASON_VANISHED, Side.SIDE_CARRIER) if lost else (Reason.REASON_HANGUP, Side.SIDE_CALLER)
    assert (outcome.reason, outcome.side) == blame
    left = Result.RESULT_FAILED if lost else Result.RESULT_SELF_SERVED
    results = {"menu": left, "talking": Result.RESULT_ANSWERED}
    assert outcome.result == results.get(start, Result.RESULT_ABANDONED)


def test_nine_while_a_seat_rings_gives_the_agent_back_blameless() -> None:
    """Back to the menu from a ringing seat: the offer is settled as the caller's leaving, then the call leaves the line."""
    world = World().ringing().feed(on.CallerDigit("9"))
    settled = [frame for frame in world.frames() if isinstance(frame, Settle)]
    assert [frame.failed for frame in settled] == [Reason.REASON_CALLER_LEFT]
    assert isinstance(world.frames()[-1], Cancel) and world.state is State.MENU


def test_another_key_while_a_seat_rings_changes_nothing() -> None:
    """Only `9` leads back."""
    world = World().ringing()
    world.new()
    assert world.feed(on.CallerDigit("5")).new() == [] and world.state is State.RINGING


def test_the_routers_word_about_another_queue_is_not_heard() -> None:
    """A queue that the caller has left meanwhile turns nobody away."""
    world = World().queueing().feed(on.TurnedAway("bills", Reason.REASON_CLOSED))
    assert world.state is State.QUEUEING and not world.call.turned_away


def test_a_refused_cancel_or_settle_ends_no_waiting() -> None:
    """Only a refused place in the line ends the waiting; other frames that had no effect change nothing."""
    for frame in ("settle", "cancel", "end"):
        assert World().queueing().feed(on.Refused(frame, Reason.REASON_EXPIRED)).state is State.QUEUEING
    assert World().queueing().feed(on.Refused("enqueue", Reason.REASON_UNKNOWN_QUEUE)).state is State.CLOSING


@pytest.mark.parametrize("failures", [1, 2])
def test_audio_that_fails_is_tried_again(failures: int) -> None:
    """rtpengine's trouble with a seat costs the agent nothing and the caller two seconds; the third time in a row ends the call."""
    world = World().queueing()
    for number in range(failures):
        world.feed(world.offer(f"o{number}"), on.SeatOpenFailed(LegId(f"b{number + 1}"))).later(2_500)
        assert world.state is State.QUEUEING
    last = [frame for frame in world.frames() if isinstance(frame, Settle)]
    assert {frame.failed for frame in last} == {Reason.REASON_CALLER_LEFT}


def test_audio_that_never_works_ends_the_call() -> None:
    """Three failures in a row: no audio, and the router hears the end."""
    world = World().queueing()
    for number in range(3):
        world.feed(world.offer(f"o{number}"), on.SeatOpenFailed(LegId(f"b{number + 1}"))).later(2_500)
    assert world.call.outcome is not None and world.call.outcome.reason == Reason.REASON_MEDIA_FAILED
    assert isinstance(world.frames()[-1], End)


def test_what_never_ends_is_reaped() -> None:
    """A closing call whose phones and audio say nothing is over after 40 s, with its recording handed over."""
    world = World().talking().feed(on.EndNow(Reason.REASON_DRAIN))
    assert world.later(39_000).state is State.CLOSING
    assert world.later(2_000).state is State.ENDED and world.verbs(do.File)


def test_the_agent_hears_no_missed_call_when_another_was_first() -> None:
    """The seat that came second is cancelled with `Call completed elsewhere`; the winner is settled before the loser."""
    world = World().racing().feed(on.SeatAnswered(B1, SDP))
    hangups = [one for one in world.sip() if isinstance(one, ua.Hangup)]
    assert [(one.leg.leg, "cause=200" in one.reason) for one in hangups] == [(B2, True)]
    world.feed(on.Paired(B1))
    settled = [frame for frame in world.frames() if isinstance(frame, Settle)]
    assert [frame.failed for frame in settled] == [0, Reason.REASON_ANSWERED_ELSEWHERE]


RECORDED: dict[str, Callable[[], World]] = {
    "queue with recording": lambda: World().talking(),
    "queue without": lambda: (
        World().menu().feed(on.CallerDigit("1"), on.Offered("o1", "a", "8001", World().now + 9_000), on.SeatOpened(B1, SEAT_SDP))
        .feed(on.SeatAnswered(B1, SDP), on.Paired(B1))
    ),
    "house without": lambda: World(record=False).talking(),
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDED)
def test_only_what_is_to_be_recorded_is(name: str) -> None:
    """House and queue must both want it; the two are connected in the same way."""
    world = RECORDED[name]()
    recorded = name == "queue with recording"
    assert world.state is State.TALKING and bool(world.verbs(do.Record)) is recorded
    (connect,) = world.verbs(do.Connect)
    assert isinstance(connect, do.Connect) and connect.recorded is recorded


def test_a_hung_up_farewell_is_not_waited_for() -> None:
    """A caller who hangs up during the last words ends the call at once."""
    world = World(sounds=Sounds()).talking().feed(on.SeatGone(B1))
    assert world.state is State.CLOSING and world.files()[-1] == "closing.au"
    world.feed(on.CallerGone())
    assert world.verbs(do.CloseCall)

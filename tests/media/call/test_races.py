"""Events that cross, and what goes wrong: each ends or goes on in one way only."""

from __future__ import annotations

import pytest
from tierline.common.v1.common_pb2 import Reason, Result, Side

from media.call import commands as do
from media.call import events as on
from media.call.call import State
from media.call.frames import Assert, End, Enqueue, Held, Settle
from media.call.outcome import Outcome
from media.ua import api as ua
from ops.ids import CallId, LegId
from tests.media.call.world import CALLER_SDP, SDP, SEAT_SDP, World

B1, B2 = LegId("b1"), LegId("b2")


def outcome(world: World) -> Outcome:
    """The one outcome."""
    assert world.call.outcome is not None
    return world.call.outcome


def failed(world: World) -> list[Reason.ValueType]:
    """Reasons of failed offers told to the router."""
    return [frame.failed for frame in world.frames() if isinstance(frame, Settle) and frame.failed]


def hung_up(world: World) -> list[str]:
    """Legs we hung up, in order."""
    return [c.leg.leg for c in world.sip() if isinstance(c, ua.Hangup)]


# ---- the caller -------------------------------------------------------------------------------------------------
def test_cancel_before_the_answer() -> None:
    """CANCEL while the audio opens: abandoned by the caller; the audio that opens late is closed."""
    world = World().feed(World().invited, on.CallerGone(cancelled=True), on.CallerOpened(CALLER_SDP), on.AudioClosed())
    assert world.state is State.ENDED
    assert (outcome(world).result, outcome(world).reason) == (Result.RESULT_ABANDONED, Reason.REASON_CANCELLED)
    assert outcome(world).sip_status == 487
    assert not any(isinstance(c, ua.Answer | ua.Reject) for c in world.sip())


def test_no_ack() -> None:
    """A caller whose ACK never comes is the carrier's fault, and known as failed."""
    world = World().feed(World().invited, on.CallerOpened(CALLER_SDP), on.CallerGone(lost=True))
    assert (outcome(world).result, outcome(world).side) == (Result.RESULT_FAILED, Side.SIDE_CARRIER)


def test_leaving_while_queueing() -> None:
    """Abandoned, and the router hears End."""
    world = World().queueing().feed(on.CallerGone())
    assert outcome(world).result == Result.RESULT_ABANDONED
    assert isinstance(world.frames()[-1], End)


def test_leaving_while_it_rings() -> None:
    """The seat is cancelled, the offer settled as CALLER_LEFT, then End."""
    world = World().ringing().feed(on.CallerGone())
    assert failed(world) == [Reason.REASON_CALLER_LEFT]
    assert hung_up(world) == ["b1"]
    assert isinstance(world.frames()[-1], End)
    world.feed(on.SeatFailed(B1, 487), on.AudioClosed())
    assert world.state is State.ENDED


def test_agent_answers_as_the_caller_hangs_up() -> None:
    """The seat's 200 crosses our CANCEL: it is hung up again, there was no conversation."""
    world = World().ringing().feed(on.CallerGone(), on.SeatAnswered(B1, SDP))
    assert hung_up(world) == ["b1", "b1"]
    world.feed(on.SeatGone(B1), on.AudioClosed())
    assert world.state is State.ENDED
    assert outcome(world).result == Result.RESULT_ABANDONED
    assert len(world.facts("call_ended")) == 1


def test_caller_hangs_up_while_bridging() -> None:
    """Gone before the two heard each other: abandoned; the pairing that still comes is of no matter."""
    world = World().bridging().feed(on.CallerGone(), on.Paired(B1))
    assert outcome(world).result == Result.RESULT_ABANDONED
    assert failed(world) == [Reason.REASON_CALLER_LEFT]
    assert world.feed(on.SeatGone(B1), on.AudioClosed()).state is State.ENDED


def test_both_hang_up_at_once() -> None:
    """BYE and BYE cross: whoever was first is the one who hung up."""
    world = World().talking().feed(on.SeatGone(B1), on.CallerGone(), on.AudioClosed()).filed()
    assert outcome(world).side == Side.SIDE_AGENT
    assert world.call.done


def test_a_lost_caller_in_talk() -> None:
    """A dead session timer: answered, and the network is to blame."""
    world = World().talking().feed(on.CallerGone(lost=True))
    assert (outcome(world).result, outcome(world).side) == (Result.RESULT_ANSWERED, Side.SIDE_CARRIER)


# ---- offers -----------------------------------------------------------------------------------------------------
def test_an_offer_for_a_leaving_caller() -> None:
    """Settled as CALLER_LEFT, nobody is rung."""
    world = World().queueing().feed(on.CallerGone())
    world.feed(world.offer())
    assert failed(world) == [Reason.REASON_CALLER_LEFT]
    assert not world.verbs(do.OpenSeat)


def test_an_offer_after_going_back_to_the_menu() -> None:
    """Cancel and Offer cross: settled as CALLER_LEFT, the caller stays in the menu."""
    world = World().queueing().feed(on.CallerDigit("9"))
    world.feed(world.offer())
    assert failed(world) == [Reason.REASON_CALLER_LEFT]
    assert world.state is State.MENU


def test_the_same_offer_twice() -> None:
    """A repeat rings nobody twice."""
    world = World().ringing()
    world.feed(world.offer())
    assert len(world.verbs(do.OpenSeat)) == 1
    assert world.state is State.RINGING


def test_an_offer_given_up_by_9_comes_again_to_a_caller_who_is_back() -> None:
    """The router forgot our Settle: told again it takes the call out of the line, so the caller enters anew, with the old time."""
    world = World().ringing().feed(on.CallerDigit("9"), on.SeatFailed(B1, 487), on.CallerDigit("0"))
    before = [f for f in world.frames() if isinstance(f, Enqueue)][-1]
    world.feed(world.offer("o1"))
    *_, settle, again = world.frames()
    assert isinstance(settle, Settle) and isinstance(again, Enqueue)
    assert (settle.offer, settle.failed) == ("o1", Reason.REASON_CALLER_LEFT)
    assert (again.queue, again.entered_ms) == (before.queue, before.entered_ms)
    assert again.version > settle.version > before.version
    assert world.state is State.QUEUEING


def test_an_offer_that_we_settled_before() -> None:
    """A router that did not hear how it went is told again, the seat is left alone."""
    world = World().ringing().feed(on.SeatFailed(B1, 486))
    world.feed(world.offer())
    assert failed(world) == [Reason.REASON_BUSY, Reason.REASON_BUSY]
    assert world.state is State.QUEUEING


def test_another_offer_while_one_rings() -> None:
    """The router has given up the first without our hearing of it: the first seat is let go, the second is rung."""
    world = World().ringing()
    world.feed(world.offer("o2"))
    assert hung_up(world) == ["b1"]
    assert world.state is State.RINGING
    world.feed(on.SeatOpened(B2, SEAT_SDP), on.SeatFailed(B1, 487), on.SeatAnswered(B2, SDP))
    assert world.call.state is State.BRIDGING


def test_an_offer_that_has_run_out() -> None:
    """Nobody is rung for no time at all; the router takes it back by itself."""
    world = World().queueing()
    world.feed(world.offer(ring_ms=0))
    assert world.state is State.QUEUEING
    assert not world.verbs(do.OpenSeat)


def test_withdraw_while_it_rings() -> None:
    """The seat is cancelled, the caller waits on; there is nothing to settle."""
    world = World().ringing().feed(on.Withdrawn("o1", Reason.REASON_EXPIRED))
    assert world.state is State.QUEUEING
    assert hung_up(world) == ["b1"]
    assert failed(world) == []


def test_withdraw_of_another_offer() -> None:
    """A late withdraw of an old offer does not stop the new one."""
    world = World().ringing().feed(on.Withdrawn("o0", Reason.REASON_EXPIRED))
    assert world.state is State.RINGING


def test_withdraw_crosses_the_answer() -> None:
    """The agent has picked up: they are connected all the same and the router is told that it was answered."""
    world = World().bridging().feed(on.Withdrawn("o1", Reason.REASON_EXPIRED), on.Paired(B1))
    assert world.state is State.TALKING
    settle = world.frames()[-1]
    assert isinstance(settle, Settle)
    assert settle.answered_ms == world.now


def test_the_answer_crosses_the_withdraw() -> None:
    """The withdraw was handled first: the answer that comes then is hung up, nobody talks to nobody."""
    world = World().ringing().feed(on.Withdrawn("o1", Reason.REASON_EXPIRED), on.SeatAnswered(B1, SDP))
    assert hung_up(world) == ["b1", "b1"]
    assert world.state is State.QUEUEING


def test_withdraw_and_refusal_in_talk_are_answered_with_the_truth_once() -> None:
    """A router that is wrong about a conversation gets one Assert; a second time would be a quarrel."""
    world = World().talking().feed(on.Refused("settle", Reason.REASON_EXPIRED), on.Withdrawn("o1", Reason.REASON_EXPIRED))
    told = [frame for frame in world.frames() if isinstance(frame, Assert)]
    assert [(one.state, one.offer, one.agent) for one in told] == [(Held.TALKING, "o1", "alice")]


def test_an_offer_in_talk_is_answered_with_the_truth() -> None:
    """A second agent for a caller who talks: the router is told who has the call."""
    world = World().talking()
    world.feed(world.offer("o2"))
    assert isinstance(world.frames()[-1], Assert)
    assert world.state is State.TALKING


# ---- the seat ---------------------------------------------------------------------------------------------------
FAILURES = [
    (486, False, Reason.REASON_BUSY), (600, True, Reason.REASON_BUSY), (603, True, Reason.REASON_DECLINED),
    (404, False, Reason.REASON_NOT_REGISTERED), (480, False, Reason.REASON_DECLINED), (408, False, Reason.REASON_UNREACHABLE),
    (302, False, Reason.REASON_DECLINED), (503, True, Reason.REASON_UNREACHABLE), (486, True, Reason.REASON_BUSY),
    (500, False, Reason.REASON_OVERLOAD), (503, False, Reason.REASON_OVERLOAD), (504, False, Reason.REASON_OVERLOAD),
    (408, True, Reason.REASON_OVERLOAD),
]  # fmt: skip


@pytest.mark.parametrize(("status", "rang", "reason"), FAILURES)
def test_how_a_seat_fails(status: int, rang: bool, reason: Reason.ValueType) -> None:
    """Each final status is told to the router as one of its reasons, and the caller waits on with the old entry."""
    world = World().queueing()
    world.feed(world.offer(), on.SeatOpened(B1, SEAT_SDP))
    if rang:
        world.feed(on.SeatProgress(B1, 180))
    world.feed(on.SeatFailed(B1, status))
    assert failed(world) == [reason]
    assert world.state is State.QUEUEING
    assert do.CloseSeat(B1) in world.done
    assert hung_up(world) == []


RUNG = [
    (20_000, 0, Reason.REASON_NO_ANSWER),
    (20_000, 10_000, Reason.REASON_NO_ANSWER),
    (20_000, 10_001, Reason.REASON_OVERLOAD),  # the phone was told late
    (9_000, 0, Reason.REASON_OVERLOAD),  # the offer came late
    (20_000, None, Reason.REASON_OVERLOAD),  # nothing was heard of it: the edge tells of a silent phone much earlier
]


@pytest.mark.parametrize(("ring_ms", "alerts_after", "reason"), RUNG)
def test_the_ring_time_is_over(ring_ms: int, alerts_after: int | None, reason: Reason.ValueType) -> None:
    """CANCEL and a Settle; the agent missed it only if the phone alerted for half of the queue's ring time, else we were late."""
    world = World().queueing()
    world.feed(world.offer(ring_ms=ring_ms), on.SeatOpened(B1, SEAT_SDP))
    if alerts_after is not None:
        world.later(alerts_after).feed(on.SeatProgress(B1, 180), on.SeatProgress(B1, 180))
    world.later(ring_ms - (alerts_after or 0))
    assert failed(world) == [reason]
    assert hung_up(world) == ["b1"]
    assert world.state is State.QUEUEING


def test_the_edge_gives_up_a_phone_that_has_rung_long_enough() -> None:
    """408 or 487 after half of the ring time: the agent did not answer."""
    world = World().ringing().later(10_000).feed(on.SeatFailed(B1, 408))
    assert failed(world) == [Reason.REASON_NO_ANSWER]


def test_the_next_agent_after_no_answer() -> None:
    """The second seat is a leg of its own and can be talked to."""
    world = World().ringing().later(20_000).feed(on.SeatFailed(B1, 487))
    world.feed(world.offer("o2"), on.SeatOpened(B2, SEAT_SDP), on.SeatAnswered(B2, SDP), on.Paired(B2))
    assert world.state is State.TALKING
    assert world.close(seats=2).filed().call.done


def test_a_seat_answers_after_its_time() -> None:
    """The 200 that crosses our CANCEL: hung up once more, the caller waits on."""
    world = World().ringing().later(20_000).feed(on.SeatAnswered(B1, SDP))
    assert hung_up(world) == ["b1", "b1"]
    assert world.state is State.QUEUEING


def test_an_agent_who_picks_up_and_puts_down() -> None:
    """Gone before the pairing: declined, the caller waits on with music."""
    world = World().bridging().feed(on.SeatGone(B1))
    assert failed(world) == [Reason.REASON_BUSY]
    assert world.state is State.QUEUEING
    assert world.files()[-1] == "music.au"


def test_a_seat_with_an_sdp_of_no_use() -> None:
    """The phone cannot talk to us: unreachable, hung up."""
    world = World().bridging().feed(on.AnswerRefused(B1, bad_sdp=True))
    assert failed(world) == [Reason.REASON_UNREACHABLE]
    assert hung_up(world) == ["b1"]


# ---- rtpengine --------------------------------------------------------------------------------------------------
def test_no_audio_for_a_new_call() -> None:
    """503 so that the edge tries another node; the fact cannot be mistaken for that node's."""
    world = World().feed(World().invited, on.CallerOpenFailed(bad_sdp=False))
    reject = world.sip()[-1]
    assert isinstance(reject, ua.Reject)
    assert reject.status == 503
    fact = world.facts("call_ended")[0]
    assert fact.id == "c1:m:m1:1"
    assert fact.body["outcome"]["reason"] == "REASON_MEDIA_FAILED"
    assert world.feed(on.AudioClosed()).state is State.ENDED


def test_an_sdp_of_no_use_from_the_caller() -> None:
    """488, refused, by the carrier."""
    world = World().feed(World().invited, on.CallerOpenFailed(bad_sdp=True))
    assert [c.status for c in world.sip() if isinstance(c, ua.Reject)] == [488]
    assert (outcome(world).result, outcome(world).side) == (Result.RESULT_REFUSED, Side.SIDE_CARRIER)


def test_a_prompt_that_does_not_play() -> None:
    """One sentence less; three in a row end the call: a caller is not kept in silence."""
    world = World().menu().feed(on.PlayFailed(1))
    assert world.state is State.MENU
    world.feed(on.PlayFailed(world.call.op))
    world.later(5000).feed(on.PlayFailed(world.call.op))
    assert world.call.state is State.CLOSING
    assert outcome(world).reason == Reason.REASON_MEDIA_FAILED


def test_music_that_does_not_play() -> None:
    """The caller keeps the place; the music is tried again."""
    world = World().queueing().later(300)
    world.feed(on.PlayFailed(world.call.op)).later(2000)
    assert world.files()[-1] == "music.au"
    assert world.state is State.QUEUEING


def test_no_audio_for_the_seat() -> None:
    """Our fault: the agent is given back untouched, the caller enters again with the old time, at most three times."""
    world = World().queueing()
    for number in range(1, 4):
        world.feed(world.offer(f"o{number}"), on.SeatOpenFailed(LegId(f"b{number}")))
        world.later(2000)
    assert set(failed(world)) == {Reason.REASON_CALLER_LEFT}
    entered = [(frame.version, frame.entered_ms) for frame in world.frames() if isinstance(frame, Enqueue)]
    assert [version for version, _ in entered] == [1, 3, 5]
    assert len({at for _, at in entered}) == 1
    assert outcome(world).reason == Reason.REASON_MEDIA_FAILED
    assert hung_up(world) == ["a"]


def test_rtpengine_fails_while_bridging() -> None:
    """The seat is hung up, the agent given back, the caller tried again."""
    world = World().bridging().feed(on.AnswerRefused(B1, bad_sdp=False))
    assert hung_up(world) == ["b1"]
    assert failed(world) == [Reason.REASON_CALLER_LEFT]
    assert world.state is State.QUEUEING
    assert on.RetryDue in world.timers


def test_the_recording_does_not_start() -> None:
    """The talk goes on; the fact says so; nothing is filed."""
    world = World().talking().feed(on.RecordFailed("c1"))
    assert world.state is State.TALKING
    assert world.facts("recording_failed")[0].body["reason"] == "REASON_MEDIA_FAILED"
    world.feed(on.CallerGone(), on.SeatGone(B1), on.AudioClosed())
    assert not world.verbs(do.File)
    assert world.call.done


# ---- the router -------------------------------------------------------------------------------------------------
def test_an_unknown_queue() -> None:
    """The caller is told, then the call ends; the reason is the router's."""
    world = World().queueing().feed(on.Refused("enqueue", Reason.REASON_UNKNOWN_QUEUE))
    assert world.files()[-1] == "unavailable.au"
    assert world.state is State.CLOSING
    assert hung_up(world) == []
    world.feed(on.PlayStarted(world.call.op, 900)).later(900)
    assert hung_up(world) == ["a"]
    assert outcome(world).reason == Reason.REASON_UNKNOWN_QUEUE


def test_release() -> None:
    """The call is not ours any more: both legs go, the outcome is the system's."""
    world = World().talking().feed(on.Released(Reason.REASON_NODE_LOST))
    assert sorted(hung_up(world)) == ["a", "b1"]
    assert outcome(world).side == Side.SIDE_SYSTEM


HELD = [
    ("menu", None),
    ("queueing", Held.WAITING),
    ("ringing", Held.RINGING),
    ("bridging", Held.RINGING),
    ("talking", Held.TALKING),
]


@pytest.mark.parametrize(("way", "state"), HELD)
def test_what_is_asserted_to_a_router_that_comes_back(way: str, state: Held | None) -> None:
    """Each state that the router knows is told with the Enqueue as it was sent, with the offer and since when."""
    world: World = getattr(World(), way)().later(100)
    held = world.call.held()
    assert (held.state if held else None) is state
    if held is not None and state is not Held.WAITING:
        assert (held.offer, held.agent) == ("o1", "alice")
        assert held.since_ms == world.now - 100
    if held is not None:
        assert held.enqueue == world.frames()[0]


def test_nothing_is_asserted_of_a_call_that_ends() -> None:
    """A closing call is told by End alone."""
    assert World().talking().feed(on.CallerGone()).call.held() is None


# ---- closing ----------------------------------------------------------------------------------------------------
def test_what_never_answers_is_reaped() -> None:
    """No end of the seat's leg, no word from rtpengine: the call is over all the same, its recording handed over."""
    world = World().talking().feed(on.CallerGone()).later(40_000)
    assert world.state is State.ENDED
    assert len(world.verbs(do.File)) == 1


def test_an_event_without_a_row_ends_the_call() -> None:
    """What the table does not know is told by name, and no call is stuck because of it."""
    world = World().queueing().feed(on.Paired(LegId("a")))
    assert do.Strange("queueing", "Paired") in world.done
    assert world.feed(on.CallerGone(), on.AudioClosed()).state is State.ENDED


def test_drain_time_is_over() -> None:
    """The house ends a talk: answered, by the system, because of the drain."""
    world = World().talking().feed(on.EndNow(Reason.REASON_DRAIN))
    assert outcome(world) == Outcome(Result.RESULT_ANSWERED, Reason.REASON_DRAIN, Side.SIDE_SYSTEM)
    assert sorted(hung_up(world)) == ["a", "b1"]


def test_calls_of_different_ids_name_their_legs() -> None:
    """Commands to the user agent carry call and leg."""
    assert World().ringing().sip()[-1].leg == ua.Leg(CallId("c1"), B1)

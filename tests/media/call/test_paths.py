"""The usual ways of a call through its table, in virtual time."""

from __future__ import annotations

from tierline.common.v1.common_pb2 import Reason, Result, Side

from media.call import commands as do
from media.call import events as on
from media.call.call import State
from media.call.frames import Assert, Cancel, End, Enqueue, Home, Settle
from media.ua import api as ua
from ops.ids import LegId
from tests.media.call.world import CALLER_SDP, SDP, SEAT_SDP, T0, Sounds, World

B1 = LegId("b1")


def test_a_call_from_invite_to_recording() -> None:
    """The main path does what the contract says, in its order, with its facts."""
    world = World().talking().later(5000).feed(on.CallerGone())
    assert world.call.outcome is not None
    assert (world.call.outcome.result, world.call.outcome.side) == (Result.RESULT_ANSWERED, Side.SIDE_CALLER)
    world.feed(on.SeatGone(B1), on.AudioClosed()).filed()
    assert world.state is State.ENDED
    assert world.call.done
    assert [fact.kind for fact in world.facts()] == ["call_started", "menu_chosen", "call_ended", "recorded"]
    assert [fact.id for fact in world.facts()] == ["c1:m:1", "c1:m:2", "c1:m:3", "c1:m:recording"]
    kinds = [type(frame) for frame in world.frames()]
    assert kinds == [Enqueue, Settle, End]
    assert [frame.version for frame in world.frames() if not isinstance(frame, Assert)] == [1, 2, 3]


def test_the_end_fact_tells_talk_time_and_path() -> None:
    """call_ended has the outcome by name, the talk time, the menu path and the agent."""
    world = World().talking().later(5000).feed(on.CallerGone())
    fact = world.facts("call_ended")[0]
    outcome = {"result": "RESULT_ANSWERED", "reason": "REASON_HANGUP", "side": "SIDE_CALLER", "sip_status": 200}
    assert fact.body == {"outcome": outcome, "talk_ms": 5000, "language": "zh", "menu_path": ["agent"]}
    assert fact.agent == "alice"


def test_the_start_fact_has_home_and_trunk() -> None:
    """The edge's headers reach the ledger and the agent's profile."""
    world = World().queueing()
    started = world.facts("call_started")[0].body
    assert started["home"] == {"country": "CN", "province": "广东"}
    assert (started["trunk"], started["routed"]) == ("t1", True)
    enqueue = world.frames()[0]
    assert isinstance(enqueue, Enqueue)
    assert enqueue.profile.home == Home("CN", "广东")
    assert (enqueue.profile.calling, enqueue.profile.menu_path, enqueue.entered_ms) == ("13812345678", ("agent",), T0)


def test_the_seat_is_dialled_through_the_edge() -> None:
    """The INVITE goes to the seat's name at the realm by way of the edge, with the caller's number and no private header."""
    world = World().ringing()
    invite = next(c for c in world.sip() if isinstance(c, ua.Invite))
    assert (invite.target, invite.route, invite.caller) == ("sip:8001@tierline.local", "sip:127.0.0.1:5060", "13812345678")
    assert invite.sdp == SEAT_SDP
    assert [name for name, _ in invite.headers] == ["X-Tierline-Call"]


def test_a_withheld_number_is_shown_as_anonymous() -> None:
    """Nobody's number is invented."""
    world = World()
    world.call.person = world.call.person.__class__("", "4001234", "t1", Home(), True, T0)
    world.ringing()
    assert next(c for c in world.sip() if isinstance(c, ua.Invite)).caller == "anonymous"


def test_the_recording_knows_its_channels() -> None:
    """The job carries the ports of both phones' audio, as rtpengine told them in its SDPs."""
    world = World().talking().later(1000).feed(on.SeatGone(B1)).feed(on.CallerGone(), on.AudioClosed())
    job = next(command.job for command in world.done if isinstance(command, do.File))
    assert (job.caller_port, job.agent_port, job.talk_ms, job.started_ms) == (31000, 31002, 1000, T0)


def test_recording_stops_before_the_audio_is_closed() -> None:
    """A pcap is complete only when the recording was stopped; it is handed over only when nothing more can come."""
    world = World().talking().feed(on.CallerGone())
    kinds = [type(c) for c in world.done]
    assert kinds.index(do.StopRecord) < kinds.index(do.CloseCall)
    assert do.File not in kinds


def test_a_queue_may_not_be_recorded() -> None:
    """A queue with record = false starts none and hands none over."""
    world = World().menu().feed(on.CallerDigit("1"))
    world.feed(world.offer(), on.SeatOpened(B1, SEAT_SDP), on.SeatAnswered(B1, SDP), on.Paired(B1))
    world.feed(on.CallerGone(), on.SeatGone(B1), on.AudioClosed())
    assert not world.verbs(do.Record)
    assert not world.verbs(do.File)
    assert world.call.done


def test_a_node_may_not_record() -> None:
    """[media] record = false holds for every queue."""
    assert not World(record=False).talking().verbs(do.Record)


def test_the_agent_hangs_up() -> None:
    """The agent's BYE ends the call by the agent's side; the caller is hung up, the router told."""
    world = World().talking().later(2000).feed(on.SeatGone(B1))
    assert world.call.outcome is not None
    assert world.call.outcome.side == Side.SIDE_AGENT
    assert world.call.outcome.reason == Reason.REASON_HANGUP
    assert any(isinstance(c, ua.Hangup) and c.leg.leg == "a" for c in world.sip())
    assert isinstance(world.frames()[-1], End)


def test_the_agent_vanishes() -> None:
    """A lost seat is told from one that hung up."""
    world = World().talking().feed(on.SeatGone(B1, lost=True))
    assert world.call.outcome is not None
    assert world.call.outcome.reason == Reason.REASON_AGENT_GONE


def test_last_words_when_the_flow_has_them() -> None:
    """A caller whose agent hung up hears the farewell, then is hung up; the agent is free at once."""
    world = World(sounds=Sounds()).talking()
    world.feed(on.SeatGone(B1))
    assert world.state is State.CLOSING
    assert isinstance(world.frames()[-1], End)
    assert not [c for c in world.sip() if isinstance(c, ua.Hangup)]
    world.feed(on.PlayStarted(world.call.op, 1500)).later(1500)
    assert "closing.au" in world.files()
    assert [c.leg.leg for c in world.sip() if isinstance(c, ua.Hangup)] == ["a"]
    world.feed(on.CallerGone(), on.AudioClosed()).filed()
    assert world.call.done


def test_the_caller_leaves_during_the_last_words() -> None:
    """The farewell is not played to nobody."""
    world = World(sounds=Sounds()).talking().feed(on.SeatGone(B1), on.CallerGone(), on.AudioClosed())
    assert world.state is State.ENDED


def test_the_menu_prompts_play_one_after_the_other() -> None:
    """Each file is followed by the next when its time is over, then the menu waits for a key."""
    world = World().menu()
    assert world.files() == ["welcome.zh.au"]
    world.feed(on.PlayStarted(1, 700)).later(700)
    assert world.files() == ["welcome.zh.au", "choose.zh.au"]
    world.feed(on.PlayStarted(2, 900)).later(900)
    assert on.MenuTimeout in world.timers


def test_keys_before_the_menu_are_taken() -> None:
    """Type-ahead before the ACK reaches the menu."""
    world = World().feed(World().invited, on.CallerOpened(CALLER_SDP), on.CallerDigit("0"), on.CallerConfirmed(b""))
    assert world.state is State.QUEUEING


def test_silence_ends_in_goodbye() -> None:
    """Two silent turns: digits facts without digits, then REASON_NO_INPUT."""
    world = World().menu()
    for _ in range(2):
        world.feed(on.PlayStarted(world.call.op, 100)).later(100)
        if on.MenuTimeout not in world.timers:
            world.feed(on.PlayStarted(world.call.op, 100)).later(100)
        world.later(5000)
    assert world.state is State.CLOSING
    assert world.call.outcome is not None
    assert world.call.outcome.reason == Reason.REASON_NO_INPUT
    assert [fact.body["what"] for fact in world.facts("digits")] == ["none"]


def test_the_menu_says_goodbye() -> None:
    """A call that ends in the menu is self-served, and the router never hears of it."""
    world = World().menu().feed(on.CallerDigit("#"))
    assert world.call.outcome is not None
    assert world.call.outcome.result == Result.RESULT_SELF_SERVED
    assert world.frames() == []
    world.feed(on.CallerGone(), on.AudioClosed())
    assert world.call.done


def test_wrong_keys_are_a_fact_without_the_key() -> None:
    """What was pressed is in no fact."""
    world = World().menu().feed(on.CallerDigit("7"))
    assert world.facts("digits")[0].body == {"menu": "main", "what": "wrong", "tries": 1}


def test_music_and_position_while_waiting() -> None:
    """After a moment: what is going on and the place, then music; later the place again by a repeated Enqueue."""
    world = World().queueing().feed(on.Queued(3)).later(300)
    assert world.files()[-1] == "transfer.au"
    world.feed(on.PlayStarted(world.call.op, 500)).later(500)
    assert world.files()[-1] == "you_are.au"
    world.feed(on.PlayStarted(world.call.op, 500)).later(500)
    assert world.files()[-1] == "3.au"
    world.feed(on.PlayStarted(world.call.op, 500)).later(500)
    assert world.files()[-1] == "music.au"
    before = world.frames()[0]
    world.feed(on.PlayStarted(world.call.op, 60_000)).later(19_000)
    assert world.frames() == [before, before]
    world.feed(on.Queued(2))
    assert world.files()[-1] == "you_are.au"


def test_a_queue_without_announcements_has_music_only() -> None:
    """position_every_s = 0: the place is not told, not asked for."""
    world = World().menu().feed(on.CallerDigit("1"), on.Queued(4)).later(300)
    world.feed(on.PlayStarted(world.call.op, 500)).later(500)
    world.feed(on.PlayStarted(world.call.op, 60_000)).later(120_000)
    assert "4.au" not in world.files()
    assert world.files()[-1] == "music.au"
    assert len(world.frames()) == 1


def test_a_call_taken_at_once_is_spared_the_music() -> None:
    """With a free agent who answers quickly nothing is played and nothing has to be stopped."""
    world = World().talking()
    assert "music.au" not in world.files()


def test_back_to_the_menu() -> None:
    """9 in the line: Cancel, the menu again; the next choice is a new entry with a new time and a higher version."""
    world = World().queueing().later(1000).feed(on.CallerDigit("9"))
    assert world.state is State.MENU
    cancel = world.frames()[-1]
    assert isinstance(cancel, Cancel)
    assert (cancel.version, cancel.reason) == (2, Reason.REASON_CALLER_LEFT)
    world.later(1000).feed(on.CallerDigit("1"))
    again = world.frames()[-1]
    assert isinstance(again, Enqueue)
    assert (again.version, again.queue, again.entered_ms) == (3, "bills", T0 + 2000)


def test_other_keys_in_the_line_do_nothing() -> None:
    """A caller who presses 5 in the line stays in it."""
    world = World().queueing().feed(on.CallerDigit("5"))
    assert world.state is State.QUEUEING


def test_a_late_offer_is_answered_with_ours() -> None:
    """An INVITE without SDP: our offer in the 200, the answer in the ACK is put in place before the menu."""
    world = World(sdp=b"").feed(World(sdp=b"").invited, on.CallerOpened(CALLER_SDP), on.CallerConfirmed(SDP))
    assert world.state is State.OPENING
    assert world.verbs(do.TakeAnswer)
    assert world.feed(on.AnswerTaken(LegId("a"))).call.state is State.MENU


def test_a_late_offer_without_an_answer_ends() -> None:
    """An ACK without SDP to our offer leaves no audio: the call is ended as badly formed."""
    world = World(sdp=b"").feed(World(sdp=b"").invited, on.CallerOpened(CALLER_SDP), on.CallerConfirmed(b""))
    assert world.call.outcome is not None
    assert world.call.outcome.reason == Reason.REASON_BAD_MESSAGE
    assert any(isinstance(c, ua.Hangup) for c in world.sip())


def test_hold_by_the_seat() -> None:
    """A re-INVITE goes to rtpengine and its answer back to the phone; the talk goes on."""
    world = World().talking().feed(on.Reoffered(B1, SDP), on.OfferTaken(B1, b"held"))
    assert world.sip()[-1] == ua.AcceptOffer(world.call.name(B1), b"held")
    assert world.state is State.TALKING


def test_a_bad_reoffer_changes_nothing() -> None:
    """488 for an SDP that cannot be used, 500 for our own trouble; the talk goes on."""
    world = World().talking().feed(on.Reoffered(B1, b"x"), on.OfferRefused(B1, bad_sdp=True))
    assert world.sip()[-1] == ua.RejectOffer(world.call.name(B1), 488)
    world.feed(on.OfferRefused(B1, bad_sdp=False))
    assert world.sip()[-1] == ua.RejectOffer(world.call.name(B1), 500)
    assert world.state is State.TALKING

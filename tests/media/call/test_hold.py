"""Callers who hold, from the start or in the middle, and come back, with an offer of theirs or asking for ours."""

from __future__ import annotations

import pytest
from tierline.common.v1.common_pb2 import Reason

from media.call import commands as do
from media.call import events as on
from media.call.call import State
from media.call.leg import holds
from media.ua import api as ua
from ops.ids import LegId
from tests.media.call.world import CALLER_SDP, SDP, Sounds, World, caller_leg

A, B1 = LegId("a"), LegId("b1")
_TEXT = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 {}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\na={}\r\n"
OPEN = _TEXT.format("192.0.2.9", "sendrecv").encode()
HOLDS = [
    _TEXT.format("192.0.2.9", "sendonly").encode(),
    _TEXT.format("192.0.2.9", "inactive").encode(),
    _TEXT.format("0.0.0.0", "sendrecv").encode(),
]
WAYS = ["offer", "no offer"]


def waiting() -> World:
    """In the line, with music."""
    world = World().queueing().later(400)
    return world.feed(on.PlayStarted(world.call.op, 1_000)).later(1_000)


def hold(world: World, sdp: bytes) -> World:
    """The caller holds by a re-INVITE."""
    return world.feed(on.Reoffered(A, sdp), on.OfferTaken(A, CALLER_SDP))


def back(world: World, way: str) -> World:
    """The caller resumes, with an offer or by asking for ours."""
    if way == "offer":
        return world.feed(on.Reoffered(A, OPEN), on.OfferTaken(A, CALLER_SDP))
    world.feed(on.Reoffered(A, b""), on.OfferTaken(A, CALLER_SDP))
    return world.feed(on.Reanswered(A, OPEN), on.AnswerTaken(A))


@pytest.mark.parametrize("sdp", HOLDS)
def test_what_counts_as_hold(sdp: bytes) -> None:
    """sendonly, inactive and the old 0.0.0.0 are hold; recvonly, an open stream and what cannot be read are not."""
    assert holds(sdp)
    assert not holds(OPEN)
    assert not holds(_TEXT.format("192.0.2.9", "recvonly").encode())
    assert not holds(b"nonsense") and not holds(b"")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("sdp", HOLDS)
def test_a_caller_who_holds_from_the_start_hears_the_menu_when_back(sdp: bytes, way: str) -> None:
    """An INVITE on hold is answered and nothing is played; the menu begins at its beginning when the caller is back."""
    world = World(sdp).menu().later(300_000)
    assert world.state is State.MENU and world.files() == []
    back(world, way)
    assert world.files() == ["welcome.zh.au"]
    assert world.call.outcome is None


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("sdp", HOLDS)
def test_a_prompt_begins_anew_after_hold(sdp: bytes, way: str) -> None:
    """Hold stops the prompt before rtpengine hears of it; however long it lasts, the same prompt plays when it is over."""
    world = World().menu().feed(on.PlayStarted(1, 4_000))
    world.new()
    hold(world, sdp)
    kinds = [type(command) for command in world.new()]
    assert kinds.index(do.StopPlay) < kinds.index(do.TakeOffer)
    world.later(300_000)
    assert world.state is State.MENU and world.files() == ["welcome.zh.au"]
    back(world, way)
    assert world.files() == ["welcome.zh.au", "welcome.zh.au"]
    world.feed(on.PlayStarted(world.call.op, 4_000)).later(4_000)
    assert world.files()[-1] == "choose.zh.au"


@pytest.mark.parametrize("way", WAYS)
def test_the_time_for_a_key_stands_still_while_the_caller_holds(way: str) -> None:
    """A caller who holds while the menu waits for a key is not asked again, and has the whole time afterwards."""
    world = World().menu()
    for op in (1, 2):
        world.feed(on.PlayStarted(op, 1_000)).later(1_000)
    assert on.MenuTimeout in world.timers
    hold(world, HOLDS[0]).later(300_000)
    assert world.facts("digits") == []
    back(world, way).later(4_900)
    assert world.facts("digits") == []
    world.later(200)
    assert len(world.facts("digits")) == 1


def test_a_key_counts_while_the_caller_holds() -> None:
    """A held caller who presses a wrong key and then a queue's is in the line; nothing is played, and that fails no call."""
    world = hold(World().menu(), HOLDS[0])
    world.feed(on.CallerDigit("3"), on.CallerDigit("0")).later(60_000)
    assert world.state is State.QUEUEING and world.files() == ["welcome.zh.au"]
    back(world, "offer")
    assert world.files()[-1] == "transfer.au"


@pytest.mark.parametrize("way", WAYS)
def test_music_waits_for_a_caller_who_holds_in_the_line(way: str) -> None:
    """Music stops with hold and goes on after it; meanwhile the call keeps its place and an agent may be offered."""
    world = waiting()
    hold(world, HOLDS[1]).later(5_000)
    heard = len(world.files())
    world.feed(world.offer(), on.SeatOpened(B1, SDP), on.SeatProgress(B1, 180), on.SeatFailed(B1, 486))
    assert world.state is State.QUEUEING and len(world.files()) == heard
    back(world, way)
    assert world.files()[-1] == "music.au" and len(world.files()) == heard + 1


def test_a_refused_hold_changes_nothing() -> None:
    """When rtpengine cannot take the offer on hold, the caller hears on."""
    world = waiting()
    world.feed(on.Reoffered(A, HOLDS[0]), on.OfferRefused(A, bad_sdp=False))
    assert isinstance(world.sip()[-1], ua.RejectOffer)
    assert world.files()[-1] == "music.au" and not world.call.caller.quiet


def test_a_phone_that_asks_for_our_offer_gets_a_new_one() -> None:
    """A re-INVITE without SDP is answered with a fresh offer, not with the last answer; the phone's answer is put in place."""
    world = World().talking().feed(on.Reoffered(A, b""))
    assert world.verbs(do.MakeOffer) == [do.MakeOffer(A)]
    world.feed(on.OfferTaken(A, SDP))
    assert world.sip()[-1] == ua.AcceptOffer(caller_leg(world), SDP)
    world.feed(on.Reanswered(A, OPEN))
    assert world.done[-1] == do.TakeAnswer(A, OPEN)


def test_no_last_words_for_a_caller_who_does_not_hear_them() -> None:
    """A held caller is hung up on at once when the agent has gone; one who holds during the last words too."""
    world = hold(World(sounds=Sounds()).talking(), HOLDS[0])
    world.feed(on.SeatGone(B1))
    assert "closing.au" not in world.files() and isinstance(world.sip()[-1], ua.Hangup)
    world = World(sounds=Sounds()).talking().feed(on.SeatGone(B1))
    assert world.files()[-1] == "closing.au"
    world.feed(on.Reoffered(A, HOLDS[0]))
    assert isinstance(world.sip()[-1], ua.Hangup)


def test_a_held_caller_may_still_leave_or_be_ended() -> None:
    """Hold keeps nobody: BYE and the end of a drain end the call as always."""
    world = hold(World().menu(), HOLDS[0]).feed(on.CallerGone())
    assert world.call.outcome is not None and world.call.outcome.reason == Reason.REASON_HANGUP
    world = hold(World().menu(), HOLDS[0]).feed(on.EndNow(Reason.REASON_DRAIN))
    assert world.call.outcome is not None and world.call.outcome.reason == Reason.REASON_DRAIN

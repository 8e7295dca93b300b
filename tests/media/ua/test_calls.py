"""Two cores over a link: the plain ways of a call, and the same ways over a bad link."""

from __future__ import annotations

import pytest

from media.ua import api
from tests.kit.link import Link
from tests.media.ua.agents import SDP, A, Agent, B, leg, method


def pair() -> tuple[Link, Agent, Agent]:
    """Caller, callee."""
    link = Link()
    return link, Agent(link, A), Agent(link, B)


def call(agent: Agent, **given: object) -> api.Leg:
    """Start a call from A to B."""
    agent.do(api.Invite(leg(), "sip:88@192.0.2.2:5060", "13812345678", SDP, **given))  # type: ignore[arg-type]
    return leg()


def nothing_left(link: Link, *agents: Agent) -> None:
    """After all stragglers' times nothing is kept."""
    link.run(70_000)
    for agent in agents:
        assert agent.live() == {"transactions": 0, "dialogs": 0, "legs": 0, "timers": 0}


def test_a_call_is_rung_answered_and_ended_by_the_caller() -> None:
    """Events of a plain call come in order on both sides, and nothing stays behind."""
    link, a, b = pair()
    call(a)
    link.run(10)
    there = b.one(api.IncomingCall)
    assert (there.called, there.calling, there.sdp, there.source) == ("88", "13812345678", SDP, A)
    b.do(api.Ring(there.leg))
    link.run(10)
    assert a.one(api.Progress).status == 180
    b.do(api.Answer(there.leg, SDP))
    link.run(10)
    assert a.one(api.Answered).sdp == SDP
    assert b.one(api.Confirmed).sdp == b""
    a.do(api.Hangup(leg(), reason="Q.850;cause=16"))
    link.run(10)
    assert b.one(api.Ended) == api.Ended(there.leg, remote=True, reason="Q.850;cause=16")
    assert a.one(api.Ended) == api.Ended(leg(), remote=False)
    nothing_left(link, a, b)


def test_the_called_side_hangs_up() -> None:
    """A BYE from the called side ends the call on both sides."""
    link, a, b = pair()
    b.accept()
    call(a)
    link.run(10)
    b.do(api.Hangup(b.one(api.IncomingCall).leg))
    link.run(10)
    assert a.one(api.Ended).remote and not b.one(api.Ended).remote
    nothing_left(link, a, b)


def test_a_call_is_refused() -> None:
    """Reject reaches the caller as Failed with its status, reason and headers; the ACK stops the repeats."""
    link, a, b = pair()
    call(a)
    link.run(10)
    b.do(api.Reject(b.one(api.IncomingCall).leg, 486, "Busy", (("X-Why", "lunch"),)))
    link.run(10)
    assert a.one(api.Failed) == api.Failed(leg(), 486, "Busy")
    assert b.one(api.Ended).remote is False
    assert b"X-Why: lunch\r\n" in link.log[-2].data
    nothing_left(link, a, b)
    assert b.core.count.retransmitted == 0


def test_a_caller_who_gives_up_cancels() -> None:
    """Hangup after the 180 sends CANCEL: 487 here, Ended(cancelled) with the reason there."""
    link, a, b = pair()
    call(a)
    link.run(10)
    b.do(api.Ring(b.one(api.IncomingCall).leg))
    link.run(10)
    a.do(api.Hangup(leg(), reason="SIP;cause=200"))
    link.run(10)
    assert a.one(api.Failed).status == 487
    ended = b.one(api.Ended)
    assert (ended.remote, ended.cancelled, ended.reason) == (True, True, "SIP;cause=200")
    nothing_left(link, a, b)


def test_ringing_too_long_fails_with_408() -> None:
    """After timeout_ms the endpoint cancels by itself and tells 408."""
    link, a, b = pair()
    call(a, timeout_ms=5_000)
    link.run(10)
    b.do(api.Ring(b.one(api.IncomingCall).leg))
    link.run(6_000)
    assert a.one(api.Failed).status == 408
    assert b.one(api.Ended).cancelled
    nothing_left(link, a, b)


def test_a_silent_peer_fails_with_408_after_timer_b() -> None:
    """Over a cut link the INVITE is sent 7 times in 32 s (timer A doubles), then it has failed."""
    link, a, b = pair()
    link.cut = True
    call(a, timeout_ms=60_000)
    link.run(33_000)
    assert a.one(api.Failed).status == 408
    assert len(link.log) == 7
    nothing_left(link, a, b)


def test_a_peer_that_never_answers_the_cancel_is_given_up() -> None:
    """32 s after CANCEL without any end the leg fails with 487."""
    link, a, b = pair()
    call(a, timeout_ms=120_000)
    link.run(10)
    b.do(api.Ring(b.one(api.IncomingCall).leg))
    link.run(10)
    link.cut = True
    a.do(api.Hangup(leg()))
    link.run(33_000)
    assert a.one(api.Failed).status == 487
    link.cut = False
    b.do(api.Hangup(b.one(api.IncomingCall).leg))
    nothing_left(link, a, b)


@pytest.mark.parametrize("lost", ["INVITE", "180", "200 INVITE", "ACK", "BYE", "200 BYE"])
def test_each_message_may_be_lost_once(lost: str) -> None:
    """Whatever single message gets lost, the call goes the same way, only later."""
    link, a, b = pair()
    link.drop(method(lost), times=1)
    call(a)
    link.run(1_000)
    there = b.one(api.IncomingCall).leg
    b.do(api.Ring(there))
    b.do(api.Answer(there, SDP))
    link.run(2_000)
    assert a.one(api.Answered).sdp == SDP
    b.one(api.Confirmed)
    a.do(api.Hangup(leg()))
    link.run(2_000)
    assert b.one(api.Ended).remote
    a.one(api.Ended)
    nothing_left(link, a, b)


def test_everything_twice_is_the_same_as_once() -> None:
    """With every datagram doubled each side sees each event exactly once."""
    link, a, b = pair()
    link.duplicate(lambda data: True)
    b.accept()
    call(a)
    link.run(100)
    a.do(api.Hangup(leg()))
    link.run(100)
    assert [type(e).__name__ for e in a.events] == ["Answered", "Ended"]
    assert [type(e).__name__ for e in b.events] == ["IncomingCall", "Confirmed", "Ended"]
    nothing_left(link, a, b)


def test_180_after_200_does_no_harm() -> None:
    """A 180 that was overtaken by its 200 (a proxy with several workers) is not told any more."""
    link, a, b = pair()
    link.slow(method("180"), 50, times=1)
    call(a)
    link.run(10)
    there = b.one(api.IncomingCall).leg
    b.do(api.Ring(there))
    b.do(api.Answer(there, SDP))
    link.run(200)
    assert [type(e).__name__ for e in a.events] == ["Answered"]
    a.do(api.Hangup(leg()))
    nothing_left(link, a, b)


def test_100_goes_out_after_200_ms_without_a_word() -> None:
    """A slow call logic is covered by 100 Trying; a quick one sends none."""
    link, a, b = pair()
    call(a)
    link.run(190)
    assert len(link.log) == 1
    link.run(30)
    assert link.log[1].data.startswith(b"SIP/2.0 100 Trying")
    b.do(api.Hangup(b.one(api.IncomingCall).leg))
    nothing_left(link, a, b)


def test_commands_for_a_leg_that_is_over_have_no_effect() -> None:
    """Every command for an unknown leg gives nothing to send and no event."""
    link, a, _ = pair()
    for command in (
        api.Ring(leg()),
        api.Answer(leg(), SDP),
        api.Hangup(leg()),
        api.AcceptOffer(leg(), SDP),
        api.Reject(leg(), 486),
    ):
        a.do(command)
    assert link.log == [] and a.events == []


def test_an_info_digit_arrives() -> None:
    """SendInfo arrives as Info with the digit read, and is answered 200."""
    link, a, b = pair()
    b.accept()
    call(a)
    link.run(10)
    a.do(api.SendInfo(leg(), "application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n"))
    link.run(10)
    assert b.one(api.Info).digit == "5"
    a.do(api.Hangup(leg()))
    nothing_left(link, a, b)


def test_hold_and_retrieve_by_reinvite() -> None:
    """Reinvite arrives as Reoffer, the answer comes back as Reanswered, from either side."""
    link, a, b = pair()
    b.accept()
    a.handle = lambda e: a.do(api.AcceptOffer(e.leg, SDP)) if isinstance(e, api.Reoffer) else None
    call(a)
    link.run(10)
    a.do(api.Reinvite(leg(), SDP))
    link.run(10)
    b.do(api.Reinvite(b.one(api.IncomingCall).leg, SDP))
    link.run(10)
    for agent in (a, b):
        assert agent.one(api.Reanswered).status == 200
        assert agent.one(api.Reoffer).sdp == SDP
    a.do(api.Hangup(leg()))
    nothing_left(link, a, b)


def test_a_refused_reinvite_leaves_the_call_as_it_was() -> None:
    """RejectOffer arrives as Reanswered 488 and both can go on."""
    link, a, b = pair()
    b.accept()
    call(a)
    link.run(10)
    b.handle = lambda e: b.do(api.RejectOffer(e.leg)) if isinstance(e, api.Reoffer) else None
    a.do(api.Reinvite(leg(), SDP))
    link.run(10)
    assert a.one(api.Reanswered) == api.Reanswered(leg(), 488, b"")
    a.do(api.Hangup(leg()))
    link.run(10)
    b.one(api.Ended)
    nothing_left(link, a, b)


def test_glare_is_solved_by_waiting() -> None:
    """Two re-INVITEs that cross are both refused 491 and both succeed after their different pauses."""
    link, a, b = pair()
    b.accept()
    call(a)
    link.run(10)
    for agent in (a, b):
        agent.accept()
    a.do(api.Reinvite(leg(), SDP))
    b.do(api.Reinvite(b.one(api.IncomingCall).leg, SDP))
    link.run(10)
    assert sum(sent.data.startswith(b"SIP/2.0 491") for sent in link.log) == 2
    link.run(10_000)
    for agent in (a, b):
        assert agent.one(api.Reanswered).status == 200
    a.do(api.Hangup(leg()))
    nothing_left(link, a, b)

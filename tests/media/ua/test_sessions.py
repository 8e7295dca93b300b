"""Session timers and the question whether anybody is there, over a link in virtual time."""

from __future__ import annotations

import pytest

from media.ua import api
from media.ua.message import Request
from media.ua.settings import Settings
from tests.kit.link import Link
from tests.media.ua.agents import SDP, Agent, Raw, leg
from tests.media.ua.test_incoming import answered, invite, nothing_left, scene

TIMER = Settings("x", 1, session_s=90)
WAYS = [("INVITE, UPDATE", "UPDATE"), ("INVITE", "INVITE")]


def test_session_timer_kept_by_them_runs_out() -> None:
    """Session-Expires with refresher uac: 2xx agrees and requires it; without refresh the call ends lost before the time."""
    link, a, raw = scene()
    answered(link, a, raw, extra="Supported: timer\nSession-Expires: 90;refresher=uac")
    (ok,) = raw.responses("INVITE", 200)
    assert ok.get("session-expires") == "90;refresher=uac" and ok.get("require") == "timer"
    link.run(55_000)
    assert a.got(api.Ended) == []
    link.run(6_000)
    assert a.one(api.Ended).lost and raw.requests("BYE")
    nothing_left(link, a)


def test_session_timer_refreshed_by_them_goes_on() -> None:
    """An UPDATE in time starts the session timer anew."""
    link, a, raw = scene()
    tag = answered(link, a, raw, extra="Supported: timer\nSession-Expires: 90;refresher=uac")
    for cseq in (2, 3, 4):
        link.run(45_000)
        raw.request("UPDATE", to_tag=tag, cseq=cseq, extra="Supported: timer\nSession-Expires: 90;refresher=uac")
    link.run(45_000)
    assert a.got(api.Ended) == [] and len(raw.responses("UPDATE", 200)) == 3
    a.do(api.Hangup(a.one(api.IncomingCall).leg))
    nothing_left(link, a)


@pytest.mark.parametrize(("allow", "name"), [("INVITE, UPDATE", "UPDATE"), ("INVITE", "INVITE")])
def test_session_timer_kept_by_us(allow: str, name: str) -> None:
    """As refresher we refresh at half time: by UPDATE if allowed, else by re-INVITE with our last SDP; silence ends the call."""
    link, a, raw = scene()
    extra = f"Supported: timer\nAllow: {allow}\nSession-Expires: 100;refresher=uas"
    answered(link, a, raw, extra=extra)
    raw.answer = lambda request: raw.reply(
        request, 200, extra="Session-Expires: 100;refresher=uac", body=SDP if name == "INVITE" else b""
    )
    link.run(51_000)
    (refresh,) = raw.requests(name)
    assert refresh.get("session-expires").startswith("100") and refresh.body == (SDP if name == "INVITE" else b"")
    link.run(50_000)
    assert len(raw.requests(name)) == 2 and a.got(api.Reanswered) == []
    raw.answer = lambda request: None
    link.run(90_000)
    assert a.one(api.Ended).lost
    nothing_left(link, a)


def test_session_interval_too_small() -> None:
    """Session-Expires below our Min-SE is answered 422 with it."""
    link, a, raw = scene()
    invite(link, raw, extra="Supported: timer\nSession-Expires: 30")
    assert raw.responses("INVITE", 422)[0].get("min-se") == "90"
    assert a.events == []
    nothing_left(link, a)


def test_a_timer_is_offered_to_a_caller_that_knows_it() -> None:
    """Supported: timer without Session-Expires: we set our own interval and refresh it."""
    link, a, raw = scene(Settings("x", 1, session_s=1800))
    answered(link, a, raw, extra="Supported: timer")
    assert raw.responses("INVITE", 200)[0].get("session-expires") == "1800;refresher=uas"


def bodies(request: Request) -> bytes:
    """What answers a refresh: an SDP if it has one."""
    return SDP if request.method == "INVITE" else b""


@pytest.mark.parametrize(("allow", "name"), WAYS)
def test_a_caller_without_session_timers_is_refreshed_by_us(allow: str, name: str) -> None:
    """An INVITE without timers gets one with refresher uas and no Require (RFC 4028 §9); a 2xx keeps it going, silence ends
    the call lost."""
    link, a, raw = scene(TIMER)
    answered(link, a, raw, extra=f"Allow: {allow}")
    (ok,) = raw.responses("INVITE", 200)
    assert ok.get("session-expires") == "90;refresher=uas" and ok.get("require") == ""
    raw.answer = lambda request: raw.reply(request, 200, body=bodies(request)) if request.method == name else None
    link.run(300_000)
    assert len(raw.requests(name)) == 6 and a.got(api.Ended) == [] and a.got(api.Reanswered) == []
    raw.answer = lambda request: None
    link.run(80_000)
    assert a.one(api.Ended).lost and raw.requests("BYE")
    nothing_left(link, a)


@pytest.mark.parametrize(("allow", "name"), WAYS)
@pytest.mark.parametrize("delay_ms", [1_500, 15_000, 31_500])
def test_a_late_answer_to_a_refresh_keeps_the_call(delay_ms: int, allow: str, name: str) -> None:
    """A peer that takes up to 32 s to answer each refresh talks on for hours."""
    link, a, raw = scene(TIMER)
    answered(link, a, raw, extra=f"Allow: {allow}")
    for _ in range(20):
        known = len({one.cseq for one in raw.requests(name)})
        link.run(46_000)
        request = raw.requests(name)[-1]
        assert len({one.cseq for one in raw.requests(name)}) == known + 1
        link.run(delay_ms - 1_000)
        raw.reply(request, 200, body=bodies(request))
        link.run(50)
    assert a.got(api.Ended) == []
    a.do(api.Hangup(a.one(api.IncomingCall).leg))
    nothing_left(link, a)


@pytest.mark.parametrize(("allow", "name"), WAYS)
@pytest.mark.parametrize("status", [400, 403, 405, 422, 480, 488, 491, 500, 501, 503, 504, 603])
def test_a_refused_refresh_is_tried_again(status: int, allow: str, name: str) -> None:
    """Who refuses a refresh is there: the call goes on and the next try, soon after, may succeed."""
    link, a, raw = scene(TIMER)
    answered(link, a, raw, extra=f"Allow: {allow}")
    refused: list[Request] = []

    def answer(request: Request) -> None:
        if request.method in ("UPDATE", "INVITE") and len(refused) < 8:
            refused.append(request)
            raw.reply(request, status, extra="Min-SE: 120" if status == 422 else "")
        elif request.method in ("UPDATE", "INVITE"):
            raw.reply(request, 200, body=bodies(request))

    raw.answer = answer
    link.run(400_000)
    assert a.got(api.Ended) == [] and len(refused) == 8
    assert len({one.cseq for one in [*raw.requests("UPDATE"), *raw.requests("INVITE")]}) > 9
    a.do(api.Hangup(a.one(api.IncomingCall).leg))
    nothing_left(link, a)


@pytest.mark.parametrize(("allow", "name"), WAYS)
@pytest.mark.parametrize("status", [408, 481])
def test_a_refresh_that_finds_nobody_ends_the_call(status: int, allow: str, name: str) -> None:
    """408 and 481 to a refresh mean that the other side has no such call."""
    link, a, raw = scene(TIMER)
    answered(link, a, raw, extra=f"Allow: {allow}")
    raw.answer = lambda request: raw.reply(request, status) if request.method == name else None
    link.run(46_000)
    assert a.one(api.Ended).lost
    nothing_left(link, a)


def test_a_refresh_waits_for_an_open_offer() -> None:
    """While an offer of theirs is open no re-INVITE goes out; the refresh follows when it is answered."""
    link, a, raw = scene(TIMER)
    tag = answered(link, a, raw)
    raw.answer = lambda request: raw.reply(request, 200, body=SDP) if request.method == "INVITE" else None
    link.run(40_000)
    raw.request("INVITE", to_tag=tag, cseq=2, body=SDP)
    link.run(10_000)
    assert raw.requests("INVITE") == []
    a.do(api.AcceptOffer(a.one(api.Reoffer).leg, SDP))
    raw.request("ACK", to_tag=tag, cseq=2)
    link.run(200_000)
    assert raw.requests("INVITE") and a.got(api.Ended) == []
    a.do(api.Hangup(a.one(api.IncomingCall).leg))
    nothing_left(link, a)


@pytest.mark.parametrize(("allow", "name"), WAYS)
def test_who_is_there_may_be_asked_at_any_time(allow: str, name: str) -> None:
    """Refresh asks inside the dialog with what is agreed already; an answer changes nothing and is no event."""
    link, a, raw = scene()
    answered(link, a, raw, extra=f"Allow: {allow}")
    raw.answer = lambda request: raw.reply(request, 200, body=bodies(request))
    before = len(a.events)
    a.do(api.Refresh(a.one(api.IncomingCall).leg, 4_000))
    link.run(100_000)
    (asked,) = raw.requests(name)
    assert asked.body == bodies(asked) and asked.get("session-expires") == ""
    assert len(a.events) == before
    a.do(api.Hangup(a.one(api.IncomingCall).leg))
    nothing_left(link, a)


@pytest.mark.parametrize(("patience_ms", "lost_ms"), [(0, 32_000), (4_000, 4_000)])
def test_nobody_there(patience_ms: int, lost_ms: int) -> None:
    """Without an answer the leg ends lost after the patience that was given, else after the 32 s of a transaction."""
    link, a, raw = scene()
    answered(link, a, raw)
    a.do(api.Refresh(a.one(api.IncomingCall).leg, patience_ms))
    link.run(lost_ms - 500)
    assert a.got(api.Ended) == []
    link.run(1_000)
    assert a.one(api.Ended).lost
    nothing_left(link, a)


def test_a_hop_that_says_trying_is_not_the_other_side() -> None:
    """100 comes from the next hop: it does not count as an answer to the question whether anybody is there."""
    link, a, raw = scene()
    answered(link, a, raw)
    raw.answer = lambda request: raw.reply(request, 100) if request.method == "INVITE" else None
    a.do(api.Refresh(a.one(api.IncomingCall).leg, 4_000))
    link.run(5_000)
    assert a.one(api.Ended).lost


def test_a_leg_that_is_not_up_is_not_asked() -> None:
    """Refresh of a call that rings, is answered but not acknowledged, or is over sends nothing."""
    link, a, raw = scene()
    invite(link, raw)
    it = a.one(api.IncomingCall).leg
    a.do(api.Refresh(it))
    a.do(api.Answer(it, SDP))
    a.do(api.Refresh(it, 100))
    link.run(200)
    a.do(api.Hangup(it))
    a.do(api.Refresh(it))
    link.run(10)
    assert raw.requests("INVITE") == [] and raw.requests("UPDATE") == []
    nothing_left(link, a)


def test_a_leg_that_we_called_is_asked_in_the_same_way() -> None:
    """A phone of ours that vanished is noticed though it knows no session timers."""
    link = Link()
    a, raw = Agent(link), Raw(link)
    raw.answer = lambda request: raw.reply(request, 200, body=SDP) if request.method == "INVITE" else None
    a.do(api.Invite(leg(), "sip:100@192.0.2.2", "200", SDP))
    link.run(100)
    raw.answer = lambda request: None
    a.do(api.Refresh(leg()))
    link.run(33_000)
    assert a.one(api.Ended).lost
    nothing_left(link, a)

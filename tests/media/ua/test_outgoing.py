"""A core that calls a raw peer: every race of the calling side by name."""

from __future__ import annotations

import pytest

from media.ua import api
from media.ua.digest import Asked, Challenge, check, ha1
from media.ua.errors import SipError
from media.ua.message import Request
from media.ua.settings import Settings
from ops.node_secret import proof
from tests.kit.link import Link
from tests.media.ua.agents import SDP, A, Agent, B, C, Raw, leg

TARGET = "sip:88@192.0.2.2:5060"


def scene(settings: Settings | None = None, **given: object) -> tuple[Link, Agent, Raw, Request]:
    """The core at A has called the raw peer at B; its INVITE."""
    link = Link()
    a, raw = Agent(link, A, settings), Raw(link, B)
    a.do(api.Invite(leg(), TARGET, "138", SDP, **({"timeout_ms": 60_000} | given)))  # type: ignore[arg-type]
    link.run(10)
    return link, a, raw, raw.requests("INVITE")[0]


def up(settings: Settings | None = None, **given: str) -> tuple[Link, Agent, Raw, Request]:
    """The same, answered."""
    link, a, raw, invite = scene(settings)
    raw.reply(invite, 200, body=SDP, **given)
    link.run(10)
    a.one(api.Answered)
    return link, a, raw, invite


def nothing_left(link: Link, a: Agent) -> None:
    """After all stragglers' times nothing is kept."""
    link.run(100_000)
    assert a.live() == {"transactions": 0, "dialogs": 0, "legs": 0, "timers": 0}


def test_what_an_invite_says() -> None:
    """From, P-Asserted-Identity, Contact, extra headers, and no User-Agent without a name."""
    _, _, _, invite = scene(Settings("x", 1, contact_host="198.51.100.1", contact_port=5070, domain="t.local"),
                            display='Bo "b"', headers=(("X-Tierline-Call", "u"),))  # fmt: skip
    assert invite.get("from").startswith('"Bo \\"b\\"" <sip:138@t.local>;tag=')
    assert invite.get("p-asserted-identity") == "<sip:138@t.local>"
    assert invite.get("contact") == "<sip:c1.b1@198.51.100.1:5070>"
    assert (invite.get("x-tierline-call"), invite.get("user-agent"), invite.body) == ("u", "", SDP)
    assert invite.top is not None and (invite.top.host, "rport" in invite.top.params) == ("192.0.2.1", True)


def test_a_node_proves_itself() -> None:
    """With the centre's secret the Via ends in its proof over all before it, and asks for no rport."""
    _, _, _, invite = scene(Settings("x", 1, secret="known to both"))
    via, _, given = invite.get("via").partition(";proof=")
    assert given == proof("known to both", via)
    assert "rport" not in via
    assert ";branch=z9hG4bK" in via


def test_a_withheld_caller() -> None:
    """Without a caller the INVITE is anonymous and asks for privacy."""
    link = Link()
    a, raw = Agent(link, A), Raw(link, B)
    a.do(api.Invite(leg(), TARGET, "", SDP))
    link.run(10)
    invite = raw.requests("INVITE")[0]
    assert "anonymous.invalid" in invite.get("from") and invite.get("privacy") == "id" and not invite.get("p-asserted-identity")


def test_the_route_goes_before_the_target() -> None:
    """A route (of the command or the settings) is where the INVITE goes; the R-URI stays the target."""
    link = Link()
    a, raw, edge = Agent(link, A, Settings("x", 1, route="sip:192.0.2.3:5060")), Raw(link, B), Raw(link, C)
    a.do(api.Invite(leg(), "sip:1001@tierline.local", "138", SDP))
    a.do(api.Invite(leg(name="b2"), "sip:1002@tierline.local", "138", SDP, route="<sip:192.0.2.2:5060;transport=udp>"))
    link.run(10)
    assert edge.requests("INVITE")[0].uri == "sip:1001@tierline.local"
    assert raw.requests("INVITE")[0].uri == "sip:1002@tierline.local"


def test_header_injection_is_refused() -> None:
    """CR and LF in anything a command carries are an error here, and nothing is sent."""
    link = Link()
    a = Agent(link, A)
    a.do(api.Invite(leg(), TARGET, "138", SDP, headers=(("X-A", "b\r\nRoute: <sip:evil>"),)))
    assert a.one(api.Failed).status == 400 and link.log == []
    assert a.live()["legs"] == 0 and a.live()["timers"] == 0


def test_an_invite_without_an_offer_is_a_fault_of_ours() -> None:
    """Invite needs SDP; the same leg cannot be invited twice."""
    _, a, _, _ = scene()
    with pytest.raises(SipError):
        a.do(api.Invite(leg(name="b9"), TARGET, "138", b""))
    with pytest.raises(SipError):
        a.do(api.Invite(leg(), TARGET, "138", SDP))


def test_cancel_is_held_until_a_provisional_answer() -> None:
    """Hangup before any answer sends nothing; the first 1xx lets the CANCEL go, with the INVITE's branch and R-URI."""
    link, a, raw, invite = scene()
    a.do(api.Hangup(leg(), reason="SIP;cause=200"))
    link.run(100)
    assert raw.requests("CANCEL") == []
    raw.reply(invite, 100)
    link.run(10)
    (cancel,) = raw.requests("CANCEL")
    assert (cancel.branch, cancel.uri, cancel.cseq, cancel.to_tag) == (invite.branch, invite.uri, invite.cseq, "")
    assert cancel.get("reason") == "SIP;cause=200"
    raw.reply(cancel, 200)
    raw.reply(invite, 487)
    link.run(10)
    assert a.one(api.Failed).status == 487 and len(raw.requests("ACK")) == 1
    nothing_left(link, a)


def test_an_answer_that_crosses_the_cancel_is_ended() -> None:
    """A 200 after our CANCEL: ACK, BYE, Failed(487), never Answered."""
    link, a, raw, invite = scene()
    raw.reply(invite, 180)
    link.run(10)
    a.do(api.Hangup(leg()))
    raw.reply(invite, 200, body=SDP)
    link.run(10)
    assert len(raw.requests("ACK")) == 1 and len(raw.requests("BYE")) == 1 and a.got(api.Answered) == []
    assert a.one(api.Failed).status == 487
    raw.reply(raw.requests("BYE")[0], 200)
    nothing_left(link, a)


def test_an_answer_while_the_cancel_is_held_is_ended() -> None:
    """A 200 as the first word after a Hangup: no CANCEL, but ACK and BYE."""
    link, a, raw, invite = scene()
    a.do(api.Hangup(leg(), reason="SIP;cause=200"))
    raw.reply(invite, 200, body=SDP)
    link.run(10)
    assert not raw.requests("CANCEL") and raw.requests("ACK")
    assert raw.requests("BYE")[0].get("reason") == "SIP;cause=200"
    assert a.one(api.Failed).status == 487
    nothing_left(link, a)


def test_a_repeated_200_gets_its_ack_again() -> None:
    """Each repeat of the 200 is acknowledged with the same ACK, also after the BYE; Answered is told once."""
    link, a, raw, invite = up()
    raw.reply(invite, 200, body=SDP)
    link.run(10)
    a.do(api.Hangup(leg()))
    raw.reply(invite, 200, body=SDP)
    link.run(10)
    a.one(api.Answered)
    acks = raw.requests("ACK")
    assert len(acks) == 3 and len({ack.branch for ack in acks}) == 1 and acks[0].branch != invite.branch
    nothing_left(link, a)


def test_a_forked_200_is_acknowledged_and_ended() -> None:
    """The 200 of a second fork gets ACK and BYE of its own; the call with the first stays."""
    link, a, raw, invite = up()
    raw.reply(invite, 200, tag="other", body=SDP)
    link.run(10)
    assert [r.to_tag for r in raw.requests("ACK")] == ["raw", "other"]
    assert [r.to_tag for r in raw.requests("BYE")] == ["other"]
    assert a.got(api.Ended) == []
    a.do(api.Hangup(leg()))
    link.run(10)
    assert [r.to_tag for r in raw.requests("BYE")] == ["other", "raw"]
    nothing_left(link, a)


def test_early_dialogs_of_forks_are_dropped_by_the_answer() -> None:
    """Of several early dialogs only the answered one can talk afterwards."""
    link, a, raw, invite = scene()
    raw.reply(invite, 180, tag="one")
    raw.reply(invite, 180, tag="two")
    link.run(10)
    assert a.live()["dialogs"] == 2
    raw.reply(invite, 200, tag="two", body=SDP)
    link.run(10)
    assert a.live()["dialogs"] == 1
    local = invite.from_tag
    raw.request("BYE", call_id=invite.call_id, from_tag="one", to_tag=f";tag={local}")
    raw.request("BYE", call_id=invite.call_id, from_tag="two", to_tag=f";tag={local}")
    link.run(10)
    assert raw.responses("BYE", 481) and raw.responses("BYE", 200) and a.one(api.Ended).remote
    nothing_left(link, a)


def test_bye_from_the_called_side_in_the_early_dialog() -> None:
    """Not allowed, but clear: 200, and the INVITE is cancelled."""
    link, a, raw, invite = scene()
    raw.reply(invite, 180)
    link.run(10)
    raw.request("BYE", call_id=invite.call_id, from_tag="raw", to_tag=f";tag={invite.from_tag}")
    link.run(10)
    assert raw.responses("BYE", 200) and raw.requests("CANCEL")
    raw.reply(invite, 487)
    link.run(10)
    assert a.one(api.Failed).status == 487
    nothing_left(link, a)


@pytest.mark.parametrize("status", [302, 404, 486, 503, 603])
def test_refusals(status: int) -> None:
    """A final refusal is told with its status and acknowledged on the INVITE's branch, again for each repeat."""
    link, a, raw, invite = scene()
    raw.reply(invite, status)
    link.run(10)
    raw.reply(invite, status)
    link.run(10)
    assert a.one(api.Failed) == api.Failed(leg(), status, "Whatever")
    acks = raw.requests("ACK")
    assert len(acks) == 2 and {ack.branch for ack in acks} == {invite.branch} and acks[0].to_tag == "raw"
    nothing_left(link, a)


def test_hangup_when_the_dialog_is_gone_there() -> None:
    """481 to an INFO means nobody is there: BYE, Ended(lost)."""
    link, a, raw, _ = up()
    a.do(api.SendInfo(leg(), "application/dtmf", b"5"))
    link.run(10)
    raw.reply(raw.requests("INFO")[0], 481)
    link.run(10)
    assert a.one(api.Ended).lost
    nothing_left(link, a)


def test_loose_routes_from_the_answer_are_reversed() -> None:
    """The 200's Record-Route in reverse is our route set: ACK and BYE go to the nearest proxy."""
    link, a, raw, invite = scene()
    proxy = Raw(link, C)
    raw.reply(invite, 200, body=SDP, extra="Record-Route: <sip:192.0.2.8;lr>, <sip:192.0.2.3:5060;lr>")
    link.run(10)
    assert proxy.requests("ACK")[0].elements("route") == ["<sip:192.0.2.3:5060;lr>", "<sip:192.0.2.8;lr>"]
    assert proxy.requests("ACK")[0].uri == "sip:raw@192.0.2.2:5060"
    a.do(api.Hangup(leg()))
    link.run(10)
    assert len(proxy.requests("BYE")) == 1
    nothing_left(link, a)


def test_a_broken_contact_in_the_answer_still_ends() -> None:
    """A 200 whose Contact cannot be used is acknowledged and ended where we called."""
    link, a, raw, invite = scene()
    raw.reply(invite, 200, body=SDP, extra="Contact: <mailto:x@y>")
    link.run(10)
    a.do(api.Hangup(leg()))
    link.run(10)
    assert raw.requests("ACK")[0].uri == TARGET and raw.requests("BYE")[0].uri == TARGET
    nothing_left(link, a)


def test_reliable_provisionals_get_their_prack() -> None:
    """A 183 with Require: 100rel gets a PRACK naming it; repeats and later ones out of turn get none and are not told."""
    link, a, raw, invite = scene()
    raw.reply(invite, 183, extra="Require: 100rel\nRSeq: 7", body=SDP)
    raw.reply(invite, 183, extra="Require: 100rel\nRSeq: 7", body=SDP)
    raw.reply(invite, 180, extra="Require: 100rel\nRSeq: 9")
    link.run(10)
    (prack,) = raw.requests("PRACK")
    assert prack.get("rack") == "7 1 INVITE" and prack.cseq == 2
    assert [p.status for p in a.got(api.Progress)] == [183]
    raw.reply(prack, 200)
    raw.reply(invite, 180, extra="Require: 100rel\nRSeq: 8")
    link.run(10)
    assert raw.requests("PRACK")[1].get("rack") == "8 1 INVITE"
    raw.reply(raw.requests("PRACK")[1], 200)
    raw.reply(invite, 200)  # the answer was in the reliable 183
    link.run(10)
    assert a.one(api.Answered).sdp == SDP
    a.do(api.Hangup(leg()))
    link.run(10)
    assert raw.requests("BYE")[0].cseq == 4
    nothing_left(link, a)


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "MD5-sess", "SHA-256-sess"])
@pytest.mark.parametrize("qop", ["auth", "auth-int"])
def test_a_challenge_is_answered(algorithm: str, qop: str) -> None:
    """407 to the INVITE: ACK, the same INVITE with the next CSeq and a right answer; the ACK to the 200 carries it, too."""
    link, a, raw, invite = scene(Settings("x", 1, credentials=api.Credentials("1001", "secret")))
    challenge = Challenge("t.local", "n0nce", algorithm, (qop,), "op")
    raw.reply(invite, 407, extra=f'Proxy-Authenticate: Basic realm="x"\nProxy-Authenticate: {challenge.header()}')
    link.run(10)
    again = raw.requests("INVITE")[1]
    assert (again.call_id, again.from_tag, again.cseq) == (invite.call_id, invite.from_tag, 2)
    stored = ha1(algorithm, "1001", "t.local", "secret")
    assert check(again.get("proxy-authorization"), challenge, stored, Asked("INVITE", again.uri, again.body)) == ""
    raw.reply(again, 200, body=SDP)
    link.run(10)
    assert raw.requests("ACK")[-1].get("proxy-authorization") == again.get("proxy-authorization")
    a.one(api.Answered)
    a.do(api.Hangup(leg()))
    nothing_left(link, a)


def test_wrong_credentials_are_tried_once() -> None:
    """A second challenge for the same realm without stale=true fails the call with its status."""
    link, a, raw, invite = scene(Settings("x", 1, credentials=api.Credentials("1001", "wrong")))
    raw.reply(invite, 401, extra='WWW-Authenticate: Digest realm="r", nonce="1", qop="auth"')
    link.run(10)
    raw.reply(raw.requests("INVITE")[1], 401, extra='WWW-Authenticate: Digest realm="r", nonce="2", qop="auth"')
    link.run(10)
    assert a.one(api.Failed).status == 401
    nothing_left(link, a)


def test_a_stale_nonce_is_tried_again() -> None:
    """stale=true is no refusal: the new nonce is answered."""
    link, a, raw, invite = scene(Settings("x", 1, credentials=api.Credentials("1001", "secret")))
    raw.reply(invite, 401, extra='WWW-Authenticate: Digest realm="r", nonce="1", qop="auth"')
    link.run(10)
    raw.reply(raw.requests("INVITE")[1], 401, extra='WWW-Authenticate: Digest realm="r", nonce="2", stale=TRUE, qop="auth"')
    link.run(10)
    assert 'nonce="2"' in raw.requests("INVITE")[2].get("authorization")
    raw.reply(raw.requests("INVITE")[2], 486)
    nothing_left(link, a)


def test_a_challenge_without_credentials_fails() -> None:
    """Without credentials a 401 is a failure like any other."""
    link, a, raw, invite = scene()
    raw.reply(invite, 401, extra='WWW-Authenticate: Digest realm="r", nonce="1"')
    link.run(10)
    assert a.one(api.Failed).status == 401
    nothing_left(link, a)


def test_a_challenged_bye_is_repeated_with_credentials() -> None:
    """401 to a BYE is answered, with the next CSeq of the dialog."""
    link, a, raw, _ = up(Settings("x", 1, credentials=api.Credentials("1001", "secret")))
    a.do(api.Hangup(leg()))
    link.run(10)
    raw.reply(raw.requests("BYE")[0], 401, extra='WWW-Authenticate: Digest realm="r", nonce="1"')
    link.run(10)
    first, second = raw.requests("BYE")
    assert second.cseq == first.cseq + 1 and "response=" in second.get("authorization")
    raw.reply(second, 200)
    nothing_left(link, a)


def test_a_longer_session_interval_is_accepted() -> None:
    """422 with Min-SE: the INVITE is sent again with that interval."""
    link, a, raw, invite = scene(Settings("x", 1, session_s=600))
    assert invite.get("session-expires") == "600"
    raw.reply(invite, 422, extra="Min-SE: 900")
    link.run(10)
    again = raw.requests("INVITE")[1]
    assert again.get("session-expires") == "900" and again.cseq == 2
    raw.reply(again, 486)
    nothing_left(link, a)


def test_we_refresh_what_the_answer_says() -> None:
    """refresher=uac in the 200: UPDATE at half time; 481 to it ends the call lost."""
    link, a, raw, _ = up(extra="Session-Expires: 100;refresher=uac\nAllow: INVITE, UPDATE")
    link.run(50_200)
    (update,) = raw.requests("UPDATE")
    raw.reply(update, 481)
    link.run(10)
    assert a.one(api.Ended).lost and raw.requests("BYE")
    nothing_left(link, a)


def test_a_refresh_they_owe_us_and_do_not_send() -> None:
    """refresher=uas in the 200 and no refresh: BYE before the time is over."""
    link, a, raw, _ = up(extra="Session-Expires: 90;refresher=uas")
    link.run(61_000)
    assert a.one(api.Ended).lost and raw.requests("BYE")
    nothing_left(link, a)


def test_a_reinvite_of_theirs_while_ours_is_open_is_491() -> None:
    """Glare: their offer while ours is open is answered 491; ours goes on."""
    link, a, raw, invite = up()
    a.do(api.Reinvite(leg(), SDP))
    raw.request("INVITE", call_id=invite.call_id, from_tag="raw", to_tag=f";tag={invite.from_tag}", body=SDP)
    link.run(10)
    assert raw.responses("INVITE", 491)
    raw.reply(raw.requests("INVITE")[1], 200, body=SDP)
    link.run(10)
    assert a.one(api.Reanswered).status == 200 and a.got(api.Reoffer) == []
    a.do(api.Reinvite(leg(), SDP))
    a.do(api.Reinvite(leg(), SDP))
    assert a.got(api.Reanswered)[1].status == 491
    a.do(api.Hangup(leg()))
    nothing_left(link, a)


def test_a_repeated_200_to_a_reinvite_gets_its_ack_again() -> None:
    """Repeats of a re-INVITE's 200 are acknowledged and told once."""
    link, a, raw, _ = up()
    a.do(api.Reinvite(leg(), SDP))
    link.run(10)
    again = raw.requests("INVITE")[1]
    raw.reply(again, 200, body=SDP)
    raw.reply(again, 200, body=SDP)
    link.run(10)
    assert [ack.cseq for ack in raw.requests("ACK")] == [1, 2, 2]
    a.one(api.Reanswered)
    a.do(api.Hangup(leg()))
    nothing_left(link, a)


def test_a_reinvite_into_a_dead_dialog_ends_it() -> None:
    """481 to our re-INVITE: Reanswered(481), BYE, Ended(lost)."""
    link, a, raw, _ = up()
    a.do(api.Reinvite(leg(), SDP))
    link.run(10)
    raw.reply(raw.requests("INVITE")[1], 481)
    link.run(10)
    assert a.one(api.Reanswered).status == 481 and a.one(api.Ended).lost
    nothing_left(link, a)


def test_what_cannot_be_sent_fails_at_once() -> None:
    """A next hop that refuses: Failed(503); an unusable target: Failed(400)."""
    link, a, _, _ = scene()
    hop = next(iter(a.core.context.transactions.clients.values())).hop
    a.apply(a.core.broken(link.now, hop))
    assert a.one(api.Failed).status == 503
    a.do(api.Invite(leg(name="b2"), "tel:+86138", "138", SDP))
    assert a.got(api.Failed)[1].status == 400
    nothing_left(link, a)


def test_long_requests_go_by_tcp_and_fall_back_to_udp() -> None:
    """Over 1300 bytes the INVITE says TCP; when TCP is refused it goes by UDP on the same branch (RFC 3261 §18.1.1)."""
    link = Link()
    a, raw = Agent(link, A, Settings("x", 1, tcp_over=1300)), Raw(link, B)
    a.do(api.Invite(leg(), TARGET, "138", SDP + b"a=x:" + b"y" * 1300 + b"\r\n"))
    assert link.log[0].transport == "tcp" and b"Via: SIP/2.0/TCP" in link.log[0].data
    hop = next(iter(a.core.context.transactions.clients.values())).hop
    a.apply(a.core.broken(link.now, hop))
    link.run(10)
    assert link.log[1].transport == "udp"
    first, second = raw.requests("INVITE")
    assert first.branch == second.branch and second.top is not None and second.top.transport == "udp"
    raw.reply(second, 486)
    link.run(10)
    assert a.one(api.Failed).status == 486
    nothing_left(link, a)


@pytest.mark.parametrize("cancelled", [False, True])
def test_an_invite_that_is_never_answered_is_not_kept(cancelled: bool) -> None:
    """A peer that says 180 and nothing more, not even to our CANCEL, costs memory for minutes, not for ever."""
    link, a, raw, _ = scene()
    raw.answer = lambda request: raw.reply(request, 180) if request.method == "INVITE" else None
    raw.answer(raw.requests("INVITE")[0])
    link.run(10)
    if cancelled:
        a.do(api.Hangup(leg()))
    link.run(500_000)
    assert a.live() == {"transactions": 0, "dialogs": 0, "legs": 0, "timers": 0}
    a.one(api.Failed)

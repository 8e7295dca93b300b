"""A raw caller against a core: every race of the answering side by name."""

from __future__ import annotations

import pytest

from media.ua import api
from media.ua.settings import Settings
from tests.kit.link import Link
from tests.media.ua.agents import SDP, A, Agent, B, C, Raw


def scene(settings: Settings | None = None) -> tuple[Link, Agent, Raw]:
    """The core at A, the raw caller at B."""
    link = Link()
    return link, Agent(link, A, settings), Raw(link, B)


def invite(link: Link, raw: Raw, **given: object) -> str:
    """Send an INVITE with SDP unless told; the branch."""
    given.setdefault("body", SDP)
    branch = raw.request("INVITE", A, **given)
    link.run(10)
    return branch


def answered(link: Link, a: Agent, raw: Raw, **given: object) -> str:
    """Have the INVITE answered and acknowledged; our tag as ";tag=.."."""
    invite(link, raw, **given)
    a.do(api.Answer(a.got(api.IncomingCall)[-1].leg, SDP))
    link.run(10)
    tag = ";tag=" + raw.responses("INVITE", 200)[-1].to_tag
    raw.request("ACK", to_tag=tag, cseq=given.get("cseq", 1), call_id=given.get("call_id", "raw-call-1"))
    link.run(10)
    return tag


def nothing_left(link: Link, a: Agent) -> None:
    """After all stragglers' times nothing is kept."""
    link.run(100_000)
    assert a.live() == {"transactions": 0, "dialogs": 0, "legs": 0, "timers": 0}


def test_a_repeated_invite_is_answered_from_the_transaction() -> None:
    """The same INVITE again makes no second call and gets the last provisional answer again."""
    link, a, raw = scene()
    branch = invite(link, raw)
    a.do(api.Ring(a.one(api.IncomingCall).leg))
    link.run(10)
    invite(link, raw, branch=branch)
    a.one(api.IncomingCall)
    assert len(raw.responses("INVITE", 180)) == 2
    a.do(api.Hangup(a.one(api.IncomingCall).leg))
    nothing_left(link, a)


def test_the_same_invite_on_another_way_is_a_loop() -> None:
    """Merged request: same Call-ID, From tag and CSeq with another branch is answered 482."""
    link, a, raw = scene()
    invite(link, raw)
    invite(link, raw)
    a.one(api.IncomingCall)
    assert len(raw.responses("INVITE", 482)) == 1
    a.do(api.Hangup(a.one(api.IncomingCall).leg))
    nothing_left(link, a)


def test_200_is_repeated_until_the_ack() -> None:
    """Without ACK the 200 is sent again after 0.5, 1, 2, 4, 4.. s; the ACK stops it."""
    link, a, raw = scene()
    invite(link, raw)
    a.do(api.Answer(a.one(api.IncomingCall).leg, SDP))
    link.run(8_000)
    assert len(raw.responses("INVITE", 200)) == 5
    raw.request("ACK", to_tag=";tag=" + raw.responses("INVITE", 200)[0].to_tag)
    link.run(20_000)
    assert len(raw.responses("INVITE", 200)) == 5
    a.one(api.Confirmed)


def test_200_without_ack_ends_with_bye_after_32_s() -> None:
    """A caller that never acknowledges is lost: BYE after 64*T1, Ended(lost)."""
    link, a, raw = scene()
    invite(link, raw)
    a.do(api.Answer(a.one(api.IncomingCall).leg, SDP))
    link.run(31_000)
    assert raw.requests("BYE") == [] and a.got(api.Ended) == []
    link.run(1_500)
    assert len(raw.requests("BYE")) >= 1
    assert a.one(api.Ended).lost
    assert len(raw.responses("INVITE", 200)) == 11
    nothing_left(link, a)


def test_hangup_before_the_ack_waits_for_it() -> None:
    """The called side must not send BYE before the ACK: it waits, and sends it then."""
    link, a, raw = scene()
    invite(link, raw)
    leg = a.one(api.IncomingCall).leg
    a.do(api.Answer(leg, SDP))
    a.do(api.Hangup(leg))
    link.run(400)
    assert a.one(api.Ended).remote is False and raw.requests("BYE") == []
    raw.request("ACK", to_tag=";tag=" + raw.responses("INVITE", 200)[0].to_tag)
    link.run(10)
    assert len(raw.requests("BYE")) == 1
    nothing_left(link, a)


def test_bye_that_overtakes_the_ack() -> None:
    """BYE before the ACK ends the call; the 200 is not repeated any more."""
    link, a, raw = scene()
    invite(link, raw)
    a.do(api.Answer(a.one(api.IncomingCall).leg, SDP))
    link.run(10)
    tag = ";tag=" + raw.responses("INVITE", 200)[0].to_tag
    raw.request("BYE", to_tag=tag, cseq=2)
    link.run(10)
    raw.request("ACK", to_tag=tag)
    link.run(5_000)
    assert a.one(api.Ended).remote and len(raw.responses("INVITE", 200)) == 1
    assert len(raw.responses("BYE", 200)) == 1
    nothing_left(link, a)


def test_bye_in_the_early_dialog() -> None:
    """BYE before the answer: 200 to it, 487 to the INVITE, Ended(cancelled)."""
    link, a, raw = scene()
    invite(link, raw)
    a.do(api.Ring(a.one(api.IncomingCall).leg))
    link.run(10)
    raw.request("BYE", to_tag=";tag=" + raw.responses("INVITE", 180)[0].to_tag, cseq=2, extra="Reason: SIP;cause=480")
    link.run(10)
    assert raw.responses("BYE", 200) and raw.responses("INVITE", 487)
    ended = a.one(api.Ended)
    assert (ended.remote, ended.cancelled, ended.reason) == (True, True, "SIP;cause=480")
    nothing_left(link, a)


def test_cancel_before_the_answer() -> None:
    """CANCEL: 200 to it with our tag, 487 to the INVITE, repeated until its ACK."""
    link, a, raw = scene()
    branch = invite(link, raw)
    raw.request("CANCEL", branch=branch, extra="Reason: SIP;cause=200")
    link.run(10)
    assert raw.responses("CANCEL", 200)
    assert a.one(api.Ended).cancelled
    link.run(1_000)
    assert len(raw.responses("INVITE", 487)) == 2
    raw.request("ACK", branch=branch, to_tag=";tag=" + raw.responses("INVITE", 487)[0].to_tag)
    link.run(10_000)
    assert len(raw.responses("INVITE", 487)) == 2
    nothing_left(link, a)


def test_cancel_after_the_answer_does_no_harm() -> None:
    """A late CANCEL is answered 200 and the call stays."""
    link, a, raw = scene()
    branch = invite(link, raw)
    a.do(api.Answer(a.one(api.IncomingCall).leg, SDP))
    link.run(10)
    raw.request("CANCEL", branch=branch)
    link.run(10)
    assert raw.responses("CANCEL", 200) and a.got(api.Ended) == []
    raw.request("ACK", to_tag=";tag=" + raw.responses("INVITE", 200)[0].to_tag)
    link.run(10)
    a.one(api.Confirmed)
    a.do(api.Hangup(a.one(api.IncomingCall).leg))
    nothing_left(link, a)


def test_cancel_that_crosses_our_refusal() -> None:
    """A CANCEL after the final refusal is answered 200 and changes nothing."""
    link, a, raw = scene()
    branch = invite(link, raw)
    a.do(api.Reject(a.one(api.IncomingCall).leg, 486))
    raw.request("CANCEL", branch=branch)
    link.run(10)
    assert raw.responses("CANCEL", 200) and raw.responses("INVITE", 486) and not raw.responses("INVITE", 487)
    nothing_left(link, a)


def test_cancel_of_nothing_is_481() -> None:
    """A CANCEL without its INVITE is answered 481."""
    link, a, raw = scene()
    raw.request("CANCEL", branch="z9hG4bK-never")
    link.run(10)
    assert raw.responses("CANCEL", 481)
    nothing_left(link, a)


def test_requests_out_of_order_are_500() -> None:
    """A request with a lower CSeq than the last one is answered 500 and does nothing; a higher one is taken."""
    link, a, raw = scene()
    tag = answered(link, a, raw, cseq=10)
    raw.request("BYE", to_tag=tag, cseq=9)
    link.run(10)
    assert raw.responses("BYE", 500) and a.got(api.Ended) == []
    raw.request("BYE", to_tag=tag, cseq=11)
    link.run(10)
    assert raw.responses("BYE", 200) and a.one(api.Ended).remote
    nothing_left(link, a)


@pytest.mark.parametrize("name", ["BYE", "INFO", "UPDATE", "INVITE", "OPTIONS", "PRACK"])
def test_requests_of_unknown_dialogs_are_481(name: str) -> None:
    """In-dialog requests of dialogs we do not have are answered 481."""
    link, a, raw = scene()
    raw.request(name, to_tag=";tag=ghost", cseq=5)
    link.run(10)
    assert raw.responses(name, 481)
    raw.request("ACK", to_tag=";tag=ghost", cseq=5)
    nothing_left(link, a)


def test_the_request_uri_does_not_matter_inside_a_dialog() -> None:
    """A BYE with any R-URI belongs to the dialog its tags name."""
    link, a, raw = scene()
    tag = answered(link, a, raw)
    raw.request("BYE", to_tag=tag, cseq=2, uri="sip:0191d7b4.b7@198.51.100.7:9999")
    link.run(10)
    assert raw.responses("BYE", 200) and a.one(api.Ended).remote
    nothing_left(link, a)


def test_a_second_invite_while_the_first_is_open() -> None:
    """An INVITE in the early dialog is answered 500 with Retry-After (RFC 3261 §14.2)."""
    link, a, raw = scene()
    invite(link, raw)
    a.do(api.Ring(a.one(api.IncomingCall).leg))
    link.run(10)
    raw.request("INVITE", to_tag=";tag=" + raw.responses("INVITE", 180)[0].to_tag, cseq=2, body=SDP)
    link.run(10)
    (refused,) = raw.responses("INVITE", 500)
    assert 0 <= int(refused.get("retry-after")) <= 10
    a.do(api.Hangup(a.one(api.IncomingCall).leg))
    nothing_left(link, a)


def test_late_offer() -> None:
    """An INVITE without SDP: our 200 is the offer, the ACK's SDP arrives with Confirmed."""
    link, a, raw = scene()
    invite(link, raw, body=b"")
    there = a.one(api.IncomingCall)
    assert there.sdp == b""
    a.do(api.Answer(there.leg, SDP))
    link.run(10)
    (ok,) = raw.responses("INVITE", 200)
    assert ok.body == SDP
    raw.request("ACK", to_tag=";tag=" + ok.to_tag, body=SDP.replace(b"4000", b"5000"))
    link.run(10)
    assert b"5000" in a.one(api.Confirmed).sdp
    a.do(api.Hangup(there.leg))
    nothing_left(link, a)


def test_late_offer_in_a_reinvite() -> None:
    """A re-INVITE without SDP is a Reoffer without SDP; the answer in its ACK arrives as a second Confirmed."""
    link, a, raw = scene()
    tag = answered(link, a, raw)
    raw.request("INVITE", to_tag=tag, cseq=2)
    link.run(10)
    offer = a.one(api.Reoffer)
    assert offer.sdp == b""
    a.do(api.AcceptOffer(offer.leg, SDP))
    link.run(10)
    raw.request("ACK", to_tag=tag, cseq=2, body=SDP)
    link.run(10)
    assert [c.sdp for c in a.got(api.Confirmed)] == [b"", SDP]
    a.do(api.Hangup(offer.leg))
    nothing_left(link, a)


def test_a_cancelled_reinvite_leaves_the_call() -> None:
    """CANCEL of a re-INVITE: 487 to it, the call stays, a late AcceptOffer has no effect."""
    link, a, raw = scene()
    tag = answered(link, a, raw)
    branch = raw.request("INVITE", to_tag=tag, cseq=2, body=SDP)
    link.run(10)
    raw.request("CANCEL", to_tag=tag, cseq=2, branch=branch)
    link.run(10)
    assert raw.responses("INVITE", 487) and raw.responses("CANCEL", 200) and a.got(api.Ended) == []
    a.do(api.AcceptOffer(a.one(api.Reoffer).leg, SDP))
    link.run(10)
    assert len(raw.responses("INVITE", 200)) == 1
    a.do(api.Hangup(a.one(api.Reoffer).leg))
    nothing_left(link, a)


def test_a_second_offer_while_one_is_open_is_500() -> None:
    """A re-INVITE while another waits for its answer is answered 500 with Retry-After."""
    link, a, raw = scene()
    tag = answered(link, a, raw)
    raw.request("INVITE", to_tag=tag, cseq=2, body=SDP)
    raw.request("UPDATE", to_tag=tag, cseq=3, body=SDP)
    link.run(10)
    a.one(api.Reoffer)
    assert raw.responses("UPDATE", 500)[0].get("retry-after")
    a.do(api.Hangup(a.one(api.Reoffer).leg))
    link.run(10)
    assert raw.responses("INVITE", 487)  # an open re-INVITE ends with its dialog
    nothing_left(link, a)


def test_a_reinvite_without_ack_ends_the_call() -> None:
    """The 200 to a re-INVITE is repeated like the first one; without ACK the call is lost."""
    link, a, raw = scene()
    tag = answered(link, a, raw)
    a.accept()
    raw.request("INVITE", to_tag=tag, cseq=2, body=SDP)
    link.run(33_000)
    assert len([r for r in raw.responses("INVITE", 200) if r.cseq == 2]) == 11
    assert a.one(api.Ended).lost and raw.requests("BYE")
    nothing_left(link, a)


def test_update_without_offer_refreshes_the_target() -> None:
    """UPDATE without SDP is answered at once; our BYE goes to its Contact (target refresh)."""
    link, a, raw = scene()
    moved = Raw(link, C)
    tag = answered(link, a, raw)
    raw.request("UPDATE", to_tag=tag, cseq=2, host=f"{B[0]}:{B[1]}", caller="moved", extra="", uri="sip:x@192.0.2.1")
    link.run(10)
    assert raw.responses("UPDATE", 200)[0].body == b"" and a.got(api.Reoffer) == []
    raw.send(_update_from(tag))
    link.run(10)
    a.do(api.Hangup(a.one(api.IncomingCall).leg))
    link.run(10)
    assert moved.requests("BYE") and not raw.requests("BYE")


def _update_from(tag: str) -> str:
    return (
        "UPDATE sip:100@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKmoved\nFrom: <sip:1@b>;tag=f1\n"
        f"To: <sip:100@192.0.2.1>{tag}\nCall-ID: raw-call-1\nCSeq: 3 UPDATE\nContact: <sip:m@192.0.2.3:5060>\nContent-Length: 0\n\n"
    )


def test_update_with_an_offer_in_a_call() -> None:
    """UPDATE with SDP is a Reoffer; AcceptOffer answers it 200 with SDP and no ACK is waited for."""
    link, a, raw = scene()
    tag = answered(link, a, raw)
    raw.request("UPDATE", to_tag=tag, cseq=2, body=SDP)
    link.run(10)
    a.do(api.AcceptOffer(a.one(api.Reoffer).leg, SDP))
    link.run(40_000)
    assert len(raw.responses("UPDATE", 200)) == 1 and raw.responses("UPDATE", 200)[0].body == SDP
    assert a.got(api.Ended) == []
    a.do(api.Hangup(a.one(api.Reoffer).leg))
    nothing_left(link, a)


def test_a_required_prack_is_waited_for() -> None:
    """Require: 100rel makes the 180 reliable: RSeq, repeated doubling until the PRACK, which is answered 200."""
    link, a, raw = scene()
    invite(link, raw, extra="Require: 100rel")
    leg = a.one(api.IncomingCall).leg
    a.do(api.Ring(leg))
    a.do(api.Ring(leg, 183))
    link.run(1_600)
    rings = raw.responses("INVITE", 180)
    assert len(rings) == 3 and rings[0].get("require") == "100rel" and not raw.responses("INVITE", 183)
    tag, rseq = ";tag=" + rings[0].to_tag, rings[0].get("rseq")
    raw.request("PRACK", to_tag=tag, cseq=2, extra=f"RAck: {rseq} 1 INVITE")
    raw.request("PRACK", to_tag=tag, cseq=3, extra="RAck: 1 7 INVITE")
    link.run(10)
    assert raw.responses("PRACK", 200) and raw.responses("PRACK", 481)
    assert int(raw.responses("INVITE", 183)[0].get("rseq")) == int(rseq) + 1
    a.do(api.Answer(leg, SDP))
    link.run(30_000)
    assert len(raw.responses("INVITE", 183)) == 1 and len(raw.responses("INVITE", 180)) == 3
    nothing_left(link, a)


def test_a_prack_that_never_comes_fails_the_call() -> None:
    """32 s without PRACK: 504 to the INVITE, Ended(lost)."""
    link, a, raw = scene()
    invite(link, raw, extra="Require: 100rel")
    a.do(api.Ring(a.one(api.IncomingCall).leg))
    link.run(33_000)
    assert raw.responses("INVITE", 504) and a.one(api.Ended).lost
    nothing_left(link, a)

"""What single requests get: refusals by name, routes, identities."""

from __future__ import annotations

import pytest

from media.ua import api
from media.ua.settings import Settings
from tests.kit.numbers import CALLERS
from tests.media.ua.agents import SDP, Agent, B, C, Raw, method
from tests.media.ua.test_incoming import answered, invite, nothing_left, scene


@pytest.mark.parametrize(
    ("given", "status", "header"),
    [
        ({"extra": "Require: foo, bar, timer"}, 420, ("unsupported", "bar, foo")),
        ({"extra": "Content-Type: text/plain", "body": b"hello"}, 415, ("accept", "application/sdp")),
        ({"extra": "Content-Type: application/sdp\nContent-Encoding: gzip"}, 415, ("accept-encoding", "identity")),
        ({"uri": "http://example.com/x"}, 416, ("", "")),
        ({"uri": "sip:@@"}, 400, ("", "")),
        ({"body": b"v=0\r\nnonsense\r\n"}, 488, ("warning", "")),
        ({"extra": "Contact: <sip:second@b>"}, 400, ("", "")),
        ({"extra": "Record-Route: <sip:no brackets"}, 400, ("", "")),
        ({"extra": "Session-Expires: soon"}, 400, ("", "")),
    ],
)
def test_invites_that_cannot_be_taken(given: dict[str, object], status: int, header: tuple[str, str]) -> None:
    """Each fault has its own status and says what would do."""
    link, a, raw = scene()
    invite(link, raw, **given)
    (refused,) = raw.responses("INVITE", status)
    assert header[1] in refused.get(header[0])
    assert refused.to_tag and a.events == []
    nothing_left(link, a)


@pytest.mark.parametrize(
    ("name", "status"), [("SUBSCRIBE", 405), ("MESSAGE", 405), ("REFER", 405), ("JUMP", 501), ("REGISTER", 405)]
)
def test_methods_that_are_not_done(name: str, status: int) -> None:
    """Known methods we do not do are 405, unknown ones 501, both with Allow."""
    link, a, raw = scene()
    raw.request(name)
    link.run(10)
    assert "INVITE" in raw.responses(name, status)[0].get("allow")
    nothing_left(link, a)


def test_version_not_supported() -> None:
    """SIP/7.0 is answered 505."""
    link, a, raw = scene()
    raw.send("OPTIONS sip:a SIP/7.0\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKv7\nFrom: <sip:b>;tag=1\nTo: <sip:a>\n"
             "Call-ID: v7\nCSeq: 1 OPTIONS\n\n")  # fmt: skip
    link.run(10)
    assert raw.responses("OPTIONS", 505)
    nothing_left(link, a)


@pytest.mark.parametrize("gone", ["From", "To", "Call-ID", "CSeq"])
def test_a_missing_header_is_400_by_name(gone: str) -> None:
    """A request without one of the five is answered 400 naming it."""
    link, a, raw = scene()
    lines = ["OPTIONS sip:a SIP/2.0", "Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKm", "From: <sip:b>;tag=1", "To: <sip:a>",
             "Call-ID: m", "CSeq: 1 OPTIONS"]  # fmt: skip
    raw.link.join(B, Agent(link, B))  # the answer lacks the header, too: the raw peer would not take it
    raw.send("\n".join(line for line in lines if not line.startswith(gone)) + "\n\n")
    link.run(10)
    assert link.log[-1].data.startswith(f"SIP/2.0 400 Missing {gone}".encode())
    assert a.core.count.malformed == 1


def test_options_tells_what_we_can() -> None:
    """OPTIONS outside and inside of dialogs is 200 with Allow; 503 while draining."""
    link, a, raw = scene()
    tag = answered(link, a, raw)
    raw.request("OPTIONS", call_id="probe", cseq=1)
    raw.request("OPTIONS", to_tag=tag, cseq=2)
    link.run(10)
    assert [r.get("allow") != "" for r in raw.responses("OPTIONS", 200)] == [True, True]
    a.core.available = False
    raw.request("OPTIONS", call_id="probe", cseq=3)
    invite(link, raw, call_id="other")
    assert raw.responses("OPTIONS", 503) and raw.responses("INVITE", 503)


def test_loose_routes_are_followed() -> None:
    """Record-Route with lr: it is echoed in 180 and 200, our BYE goes to the first proxy with Routes and the Contact as R-URI."""
    link, a, raw = scene()
    proxy = Raw(link, C)
    routes = "Record-Route: <sip:192.0.2.3:5060;lr;n=m1>\nRecord-Route: <sip:192.0.2.8;lr>"
    answered(link, a, raw, extra=routes)
    assert raw.responses("INVITE", 200)[0].lines("record-route") == ["<sip:192.0.2.3:5060;lr;n=m1>", "<sip:192.0.2.8;lr>"]
    a.do(api.Hangup(a.one(api.IncomingCall).leg))
    link.run(10)
    (bye,) = proxy.requests("BYE")
    assert bye.uri == "sip:13812345678@192.0.2.2:5060"
    assert bye.lines("route") == ["<sip:192.0.2.3:5060;lr;n=m1>", "<sip:192.0.2.8;lr>"]


def test_strict_routes_are_followed() -> None:
    """A first route without lr becomes the R-URI, the Contact goes to the end of Route (RFC 3261 §12.2.1.1)."""
    link, a, raw = scene()
    proxy = Raw(link, C)
    answered(link, a, raw, extra="Record-Route: <sip:192.0.2.3:5060>, <sip:192.0.2.8;lr>")
    a.do(api.Hangup(a.one(api.IncomingCall).leg))
    link.run(10)
    (bye,) = proxy.requests("BYE")
    assert bye.uri == "sip:192.0.2.3:5060"
    assert bye.lines("route") == ["<sip:192.0.2.8;lr>", "<sip:13812345678@192.0.2.2:5060>"]


def test_answers_go_where_rport_and_received_say() -> None:
    """With rport answers go to the source; received and rport are filled in (RFC 3581)."""
    link, _, raw = scene()
    raw.request("OPTIONS", host="10.0.0.1:7777")
    link.run(10)
    (ok,) = raw.responses("OPTIONS", 200)
    assert "rport=5060" in ok.get("via") and "received=192.0.2.2" in ok.get("via")


def test_who_calls() -> None:
    """The asserted identity goes before From, is unescaped; Privacy withholds it; X-Tierline headers and the call id are read."""
    link, a, raw = scene()
    call = "0191d7b4-5f3e-7abc-8def-0123456789ab"
    told = f"P-Asserted-Identity: <sip:%2B86138@x>\nX-Tierline-Call: {call}\nX-Tierline-Trunk: t1\nDiversion: <sip:12345@x>"
    invite(link, raw, uri="sip:*21%23@192.0.2.1", extra=told)
    first = a.one(api.IncomingCall)
    assert (first.called, first.calling, first.leg.call) == ("*21#", "+86138", call)
    assert first.headers == {"x-tierline-call": call, "x-tierline-trunk": "t1", "diversion": "<sip:12345@x>"}
    invite(link, raw, call_id="r2", extra=f"Privacy: id\nX-Tierline-Call: {call}")
    second = a.got(api.IncomingCall)[1]
    assert second.calling == "" and second.leg.call != call
    invite(
        link,
        raw,
        call_id="r3",
        caller="anonymous",
        extra="X-Tierline-Call: no-uuid\nP-Asserted-Identity: tel:+86-138;phone-context=x",
    )
    third = a.got(api.IncomingCall)[2]
    assert third.calling == "+86138" and third.leg.call.startswith("call-")


@pytest.mark.parametrize(("asserted", "sender", "privacy", "shown"), CALLERS)
def test_who_withholds_the_number(asserted: tuple[str, str] | None, sender: tuple[str, str], privacy: str, shown: str) -> None:
    """What the edge withholds from the router, seat and ledger are not told either."""
    link, a, raw = scene()
    lines = [f"P-Asserted-Identity: <sip:{'@'.join(asserted)}>"] if asserted else []
    lines += [f"Privacy: {privacy}"] if privacy else []
    invite(link, raw, caller=sender[0], domain=sender[1], extra="\n".join(lines))
    assert a.one(api.IncomingCall).calling == shown


def test_an_ack_on_the_branch_of_the_invite_counts() -> None:
    """Peers that reuse the INVITE's branch for the ACK to a 2xx are understood."""
    link, a, raw = scene()
    branch = invite(link, raw)
    a.do(api.Answer(a.one(api.IncomingCall).leg, SDP))
    link.run(10)
    raw.request("ACK", branch=branch, to_tag=";tag=" + raw.responses("INVITE", 200)[0].to_tag)
    link.run(10)
    a.one(api.Confirmed)


def test_a_caller_of_the_old_rfc_is_understood() -> None:
    """Without the magic cookie transactions are matched by RFC 2543's rules: a repeat makes no second call, CANCEL finds it."""
    link, a, raw = scene()
    invite(link, raw, branch="1")
    invite(link, raw, branch="1")
    a.one(api.IncomingCall)
    raw.request("CANCEL", branch="1")
    link.run(10)
    assert raw.responses("CANCEL", 200) and a.one(api.Ended).cancelled
    nothing_left(link, a)


def test_too_many_calls_get_503() -> None:
    """Beyond max_usages new calls are refused, so that memory is bounded."""
    link, a, raw = scene(Settings("x", 1, max_usages=2))
    for n in range(3):
        invite(link, raw, call_id=f"many-{n}")
    assert len(a.got(api.IncomingCall)) == 2 and len(raw.responses("INVITE", 503)) == 1


def test_the_contact_names_the_call_at_the_edge() -> None:
    """Contact is <sip:call.leg@edge:port>, whatever our own address is."""
    link, a, raw = scene(Settings("x", 1, contact_host="192.0.2.77", contact_port=5070))
    answered(link, a, raw)
    leg = a.one(api.IncomingCall).leg
    assert raw.responses("INVITE", 200)[0].get("contact") == f"<sip:{leg.call}.a@192.0.2.77:5070>"


def test_lost_200s_are_made_up_for() -> None:
    """Three lost 200s delay the answer, no more."""
    link, a, raw = scene()
    link.drop(method("200 INVITE"), times=3)
    invite(link, raw)
    a.do(api.Answer(a.one(api.IncomingCall).leg, SDP))
    link.run(4_000)
    assert len(raw.responses("INVITE", 200)) == 1

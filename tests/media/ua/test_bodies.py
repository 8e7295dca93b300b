"""Offers inside of bodies with several parts: what trunks with ISUP send, and what must be refused."""

from __future__ import annotations

import time

import pytest

from media.ua import api
from media.ua.bodies import MOST_PARTS, BadBody, find
from tests.kit.link import Link
from tests.media.ua.agents import HOLD, SDP, Agent, Raw, leg
from tests.media.ua.test_incoming import answered, invite, scene

KIND = "application/sdp"
WANTED = frozenset([KIND])
ISUP = "application/isup;version=itu-t92+"
SIGNAL = b"\x01\x00\x49\x00\r\n\x00\x03\x02--\x00"


def part(kind: str, body: bytes, disposition: str = "") -> bytes:
    """A part of a body."""
    lines = [f"Content-Type: {kind}"] if kind else []
    lines += [f"Content-Disposition: {disposition}"] if disposition else []
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def whole(*parts: bytes, boundary: str = "b1", before: bytes = b"", after: bytes = b"") -> bytes:
    """A body of these parts."""
    line = f"--{boundary}".encode()
    return before + b"".join(line + b"\r\n" + one + b"\r\n" for one in parts) + line + b"--" + after


OFFER = part(KIND, SDP)
OPTIONAL = part(ISUP, SIGNAL, "signal;handling=optional")
REQUIRED = part(ISUP, SIGNAL, "signal;handling=required")
OPEN = part(ISUP, SIGNAL, "signal")
INNER = part("multipart/mixed;boundary=in", whole(OPTIONAL, OFFER, boundary="in"))
MIXED = 'multipart/mixed;boundary="b1"'


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (MIXED, whole(OFFER, OPTIONAL)),
        (MIXED, whole(OPTIONAL, OFFER)),
        (MIXED, whole(OFFER)),
        ("Multipart/MIXED ; Boundary = b1", whole(OPTIONAL, OFFER)),
        ('multipart/related; type="application/sdp"; boundary="b1"', whole(OPTIONAL, OFFER)),
        ("multipart/unheard-of;boundary=b1", whole(OPTIONAL, OFFER)),
        (MIXED, whole(part("application/pidf+xml", b"<x/>"), OFFER)),
        (MIXED, whole(part("", b"words"), OFFER)),
        (MIXED, whole(OPTIONAL, INNER)),
        (MIXED, whole(OFFER, before=b"This is a body of several parts.\r\n", after=b"\r\nThe end.")),
        (MIXED, b"\r\n" + whole(OFFER)),
        ("multipart/alternative;boundary=b1", whole(REQUIRED, OFFER)),
        (MIXED, whole(part("multipart/mixed;boundary=in", whole(REQUIRED, boundary="in"), "render;handling=optional"), OFFER)),
        (MIXED, whole(OFFER, OPTIONAL).replace(b"\r\n--b1", b"\n--b1")),
        (MIXED, whole(b"c: application/sdp\r\ncontent-LENGTH: 7\r\n\r\n" + SDP)),
        (MIXED, whole(OPTIONAL, OFFER)[:-2]),
    ],
)
def test_an_offer_among_other_parts_is_answered(content_type: str, body: bytes) -> None:
    """The SDP is found in any order, nested, with headers spelled any way; other parts that need not be understood do no harm."""
    _, a, _ = _invited(content_type, body)
    assert a.one(api.IncomingCall).sdp.rstrip() == SDP.rstrip()


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (MIXED, whole(OFFER, REQUIRED)),
        (MIXED, whole(REQUIRED, OFFER)),
        (MIXED, whole(OPEN, OFFER)),
        (MIXED, whole(part("multipart/mixed;boundary=in", whole(REQUIRED, boundary="in"), "render"), OFFER)),
        (MIXED, whole(OFFER, part(KIND, b"\x1f", "session").replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n", 1))),
        ("multipart/alternative;boundary=b1", whole(REQUIRED)),
        ("application/isup", SIGNAL),
    ],
)
def test_a_part_that_must_be_understood_and_is_not_is_refused(content_type: str, body: bytes) -> None:
    """handling=required, said or meant, of an unknown kind is answered 415 with what we accept; no call begins."""
    _, a, raw = _invited(content_type, body)
    assert raw.responses("INVITE", 415)[0].get("accept") == "application/sdp, multipart/*"
    assert a.events == []


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("multipart/mixed", whole(OFFER), 400),
        ("multipart/mixed;boundary=other", whole(OFFER), 400),
        ('multipart/mixed;boundary="b1', whole(OFFER), 400),
        (MIXED, whole(*[OPTIONAL] * (MOST_PARTS + 1)), 400),
        (MIXED, whole(part(KIND, b"v=1")), 488),
    ],
)
def test_a_body_that_is_not_what_it_says_is_refused(content_type: str, body: bytes, status: int) -> None:
    """No boundary, no parts, too many parts: 400; an SDP that cannot be read: 488 as on its own."""
    _, a, raw = _invited(content_type, body)
    assert len(raw.responses("INVITE", status)) == 1 and a.events == []


def test_parts_without_an_offer_ask_for_ours() -> None:
    """An INVITE with parts but no SDP is a late offer."""
    _, a, _ = _invited(MIXED, whole(OPTIONAL))
    assert a.one(api.IncomingCall).sdp == b""


def test_offers_and_answers_in_parts_inside_the_dialog() -> None:
    """re-INVITE, UPDATE and the ACK with the answer to our offer are read in the same way."""
    link, a, raw = scene()
    tag = answered(link, a, raw)
    extra = "Content-Type: " + MIXED
    raw.request("INVITE", to_tag=tag, cseq=2, extra=extra, body=whole(OPTIONAL, part(KIND, HOLD)))
    link.run(10)
    assert a.got(api.Reoffer)[-1].sdp.rstrip() == HOLD.rstrip()
    a.do(api.AcceptOffer(a.got(api.Reoffer)[-1].leg, SDP))
    raw.request("ACK", to_tag=tag, cseq=2)
    raw.request("UPDATE", to_tag=tag, cseq=3, extra=extra, body=whole(OFFER))
    link.run(10)
    assert a.got(api.Reoffer)[-1].sdp.rstrip() == SDP.rstrip()
    a.do(api.AcceptOffer(a.got(api.Reoffer)[-1].leg, SDP))
    raw.request("INVITE", to_tag=tag, cseq=4)
    link.run(10)
    a.do(api.AcceptOffer(a.got(api.Reoffer)[-1].leg, SDP))
    raw.request("ACK", to_tag=tag, cseq=4, extra=extra, body=whole(OPTIONAL, OFFER))
    link.run(10)
    assert a.got(api.Confirmed)[-1].sdp.rstrip() == SDP.rstrip()


def test_an_answer_in_parts_to_our_invite() -> None:
    """A 200 whose body has parts brings its SDP."""
    link = Link()
    a, raw = Agent(link), Raw(link)
    raw.answer = lambda request: (
        raw.reply(request, 200, extra="Content-Type: " + MIXED, body=whole(OPTIONAL, OFFER)) if request.method == "INVITE" else None
    )
    a.do(api.Invite(leg(), "sip:100@192.0.2.2", "200", SDP))
    link.run(100)
    assert a.one(api.Answered).sdp.rstrip() == SDP.rstrip()


def test_a_key_in_parts() -> None:
    """An INFO with a key among other parts is a key press."""
    link, a, raw = scene()
    tag = answered(link, a, raw)
    raw.request(
        "INFO",
        to_tag=tag,
        cseq=2,
        extra="Content-Type: " + MIXED,
        body=whole(OPTIONAL, part("application/dtmf-relay", b"Signal=5")),
    )
    link.run(10)
    assert a.one(api.Info).digit == "5"


@pytest.mark.parametrize(
    "body",
    [
        b"--b1" * 16_000,
        b"\r\n--b1" * 10_000,
        b"--b1" + b" " * 64_000,
        b"\r\n--b1\r\n" + b"\r\n" * 32_000,
        b"--b1\r\n" + b"a:b\r\n" * 12_000,
        whole(part("multipart/mixed;boundary=b1", whole(part("multipart/mixed;boundary=b1", b"\r\n" * 30_000)))),
        b"--b1\r\nContent-Type: multipart/mixed;boundary=" + b"x" * 60_000,
        b"--b1\r\nContent-Disposition: a" + b';"' * 30_000 + b"\r\n\r\n",
    ],
)
def test_64_kb_of_parts_cost_little(body: bytes) -> None:
    """Bodies made to be slow are read or refused in well under a tenth of a second."""
    start = time.process_time()
    try:
        find(MIXED, body, WANTED)
    except BadBody:
        pass
    except ValueError as error:
        assert "BadHeader" in type(error).__name__
    assert time.process_time() - start < 0.1


def _invited(content_type: str, body: bytes) -> tuple[Link, Agent, Raw]:
    link, a, raw = scene()
    invite(link, raw, extra="Content-Type: " + content_type, body=body)
    return link, a, raw

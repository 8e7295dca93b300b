"""Registrations in virtual time."""

from __future__ import annotations

from media.ua.api import Credentials, Failed, Invite
from media.ua.digest import Asked, Challenge, check, ha1
from media.ua.register import Register, Registered
from tests.kit.link import Link
from tests.media.ua.agents import SDP, A, Agent, B, Raw, leg

AOR = "sip:1001@t.local"


def scene(expires: int = 300, credentials: Credentials | None = None) -> tuple[Link, Agent, Raw]:
    """A phone at A has sent REGISTER to the raw registrar at B."""
    link = Link()
    a, raw = Agent(link, A), Raw(link, B)
    a.apply(a.core.register(link.now, Register(AOR, "sip:t.local", credentials, expires, route="sip:192.0.2.2:5060")))
    link.run(10)
    return link, a, raw


def test_a_binding_is_made_refreshed_and_removed() -> None:
    """REGISTER, granted seconds, refresh at 80 % with the next CSeq and the same Call-ID, removal with Expires 0."""
    link, a, raw = scene()
    first = raw.requests("REGISTER")[0]
    assert (first.uri, first.get("to"), first.get("contact"), first.get("expires")) == (
        "sip:t.local", f"<{AOR}>", "<sip:1001@192.0.2.1:5060>", "300",
    )  # fmt: skip
    raw.answer = lambda request: raw.reply(
        request, 200, extra="Contact: <sip:other@x>;expires=9, <sip:1001@192.0.2.1:5060>;expires=120"
    )
    raw.answer(first)
    link.run(10)
    assert a.registered == [Registered(AOR, 120, 200)]
    link.run(97_000)
    assert [r.cseq for r in raw.requests("REGISTER")] == [1, 2] and raw.requests("REGISTER")[1].call_id == first.call_id
    a.apply(a.core.unregister(link.now, AOR))
    link.run(10)
    assert raw.requests("REGISTER")[2].get("expires") == "0" and a.registered[-1] == Registered(AOR, 0, 200)
    link.run(200_000)
    assert len(raw.requests("REGISTER")) == 3 and a.live()["timers"] == 0


def test_the_password_is_asked_for() -> None:
    """401 is answered; the account's credentials are taken for its calls, too."""
    link, a, raw = scene(credentials=Credentials("1001", "pw"))
    challenge = Challenge("t.local", "n1", "SHA-256", ("auth",))
    raw.reply(raw.requests("REGISTER")[0], 401, extra=f"WWW-Authenticate: {challenge.header()}")
    link.run(10)
    again = raw.requests("REGISTER")[1]
    asked = Asked("REGISTER", "sip:t.local")
    assert check(again.get("authorization"), challenge, ha1("SHA-256", "1001", "t.local", "pw"), asked) == ""
    a.do(Invite(leg(), "sip:88@192.0.2.2", "1001", SDP))
    link.run(10)
    raw.reply(raw.requests("INVITE")[0], 407, extra=f"Proxy-Authenticate: {challenge.header()}")
    link.run(10)
    assert "response=" in raw.requests("INVITE")[1].get("proxy-authorization")
    raw.reply(raw.requests("INVITE")[1], 486)
    link.run(10)
    a.one(Failed)


def test_a_refusal_is_told_and_tried_again() -> None:
    """403 is told with its status; tries follow after 2, 4, 8.. s until one succeeds."""
    link, a, raw = scene()
    raw.answer = lambda request: raw.reply(request, 403)
    raw.answer(raw.requests("REGISTER")[0])
    link.run(7_000)
    assert a.registered == [Registered(AOR, 0, 403)] * 3
    raw.answer = lambda request: raw.reply(request, 200, extra="Expires: 60")
    link.run(9_000)
    assert a.registered[-1] == Registered(AOR, 60, 200)


def test_a_silent_registrar_is_408() -> None:
    """Without any answer 408 is told after 32 s."""
    link, a, _ = scene()
    link.run(33_000)
    assert a.registered == [Registered(AOR, 0, 408)]


def test_too_short_an_interval_is_made_longer() -> None:
    """423 with Min-Expires is answered by a longer wish."""
    link, a, raw = scene(expires=10)
    raw.reply(raw.requests("REGISTER")[0], 423, extra="Min-Expires: 60")
    link.run(10)
    assert raw.requests("REGISTER")[1].get("expires") == "60"
    raw.reply(raw.requests("REGISTER")[1], 423, extra="Min-Expires: 60")
    link.run(10)
    assert a.registered == [Registered(AOR, 0, 423)]


def test_a_second_registration_takes_the_place_of_the_first() -> None:
    """Registering an address again forgets the first try; its late answer is not told."""
    link, a, raw = scene()
    a.apply(a.core.register(link.now, Register(AOR, "sip:t.local", None, 60, route="sip:192.0.2.2:5060")))
    link.run(10)
    first, second = raw.requests("REGISTER")
    raw.reply(first, 403)
    raw.reply(second, 200, extra="Expires: 60")
    link.run(10)
    assert a.registered == [Registered(AOR, 60, 200)]


def test_a_success_makes_the_pauses_short_again() -> None:
    """After a success the next refusal is tried again in 2 s, however long the pauses were before."""
    link, a, raw = scene()
    raw.answer = lambda request: raw.reply(request, 403)
    raw.answer(raw.requests("REGISTER")[0])
    link.run(13_900)
    assert len(raw.requests("REGISTER")) == 3
    raw.answer = lambda request: raw.reply(request, 200, extra="Expires: 60")
    link.run(200)
    assert a.registered[-1] == Registered(AOR, 60, 200)
    raw.answer = lambda request: raw.reply(request, 403)
    link.run(48_500)
    refused = len(raw.requests("REGISTER"))
    assert a.registered[-1] == Registered(AOR, 0, 403)
    link.run(2_100)
    assert len(raw.requests("REGISTER")) == refused + 1

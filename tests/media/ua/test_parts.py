"""SDP, URIs, key presses, the timer wheel, and that nothing stays behind after many calls."""

# ruff: noqa: E501 samples stay on one line

from __future__ import annotations

import ast
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

import media.ua
from media.ua import api
from media.ua.dtmf import Told, told
from media.ua.errors import BadSdp, BadUri
from media.ua.sdp import audio, is_sdp
from media.ua.timer import Wheel
from media.ua.uri import escape_user, parse_uri
from tests.kit.link import Link
from tests.media.ua.agents import HOLD, SDP, A, Agent, B, leg


def test_an_sdp_is_read() -> None:
    """Host, port, direction, protocol, formats of the first audio stream."""
    found = audio(SDP)
    assert (found.host, found.port, found.direction, found.protocol, found.formats) == (
        "192.0.2.9",
        4000,
        "sendrecv",
        "RTP/AVP",
        ("8", "101"),
    )
    assert not found.held and audio(HOLD).held and audio(SDP.replace(b"192.0.2.9\r\nt", b"0.0.0.0\r\nt")).held


def test_stream_lines_go_before_session_lines() -> None:
    """c= and direction at the stream win over those of the session; video is passed over."""
    text = b"v=0\no=- 1 1 IN IP4 h\ns=-\nc=IN IP4 192.0.2.1\na=inactive\nm=video 1 RTP/AVP 9\nm=audio 7/2 RTP/SAVP 0\nc=IN IP6 ::1/127\na=recvonly\n"
    found = audio(text)
    assert (found.host, found.port, found.direction) == ("::1", 7, "recvonly")


@pytest.mark.parametrize(
    "bad",
    [
        b"", b"\xff\xfe", b"v=1\r\n", b"v=0\r\nm=audio 1 RTP/AVP 8\r\n", SDP.replace(b"m=audio 4000", b"m=audio 70000"),
        SDP.replace(b"m=audio", b"m=video"), SDP.replace(b"c=IN IP4 192.0.2.9\r\n", b""), SDP.replace(b"m=audio 4000 RTP/AVP 8 101", b"m=audio 4000"),
        SDP.replace(b"IP4 192.0.2.9\r\nt", b"IP4 999.0.2.9\r\nt"), SDP + b"garbage\r\n", SDP + b"a=" + b"x" * 40_000, b"v=0\r\n\r\nv=0",
    ],
)  # fmt: skip
def test_sdps_that_cannot_be(bad: bytes) -> None:
    """Each raises BadSdp, and is_sdp says why."""
    with pytest.raises(BadSdp):
        audio(bad)
    assert is_sdp(bad)


@given(st.binary(max_size=200))
def test_any_bytes_are_sdp_or_bad_sdp(data: bytes) -> None:
    """Nothing but BadSdp comes out of any bytes."""
    is_sdp(data)
    is_sdp(SDP + data)


def test_uris_are_read_and_written() -> None:
    """Parts of sip, sips and tel URIs; str gives the URI back."""
    text = "sips:user:pw@[2001:db8::1]:5071;transport=TCP;lr?Subject=x"
    uri = parse_uri(text)
    assert (uri.scheme, uri.user, uri.host, uri.port, uri.transport, uri.param("lr")) == (
        "sips",
        "user",
        "[2001:db8::1]",
        5071,
        "tls",
        "",
    )
    assert parse_uri("sip:h").user == "" and parse_uri("sip:h;transport=TCP").transport == "tcp" and uri.param("none") is None
    assert str(parse_uri("sip:a%20b@h:5060;x=y")) == "sip:a%20b@h:5060;x=y"
    assert parse_uri("tel:+86-10-(8888);ext=1").number == "+86108888" and str(parse_uri("tel:+86;a=b")) == "tel:+86;a=b"


@given(st.text(max_size=20))
def test_any_user_survives_escaping(user: str) -> None:
    """Whatever a caller is called, its URI reads back the same."""
    if user:
        assert unquote(parse_uri(f"sip:{escape_user(user)}@h").user) == user


@pytest.mark.parametrize(
    "bad", ["", "sip", "sip:", ":x", "sip:@h", "sip:a b@h", "sip:h:99999", "sip:h:0", "1x:y", "tel:", "sip:a@b@c d", "http: x"]
)
def test_uris_that_cannot_be(bad: str) -> None:
    """Each raises BadUri."""
    with pytest.raises(BadUri):
        parse_uri(bad)


@pytest.mark.parametrize(
    ("kind", "body", "digit", "status"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=160", "5", 200),
        ("application/dtmf-relay", b"Duration= 100\r\nSignal = # \r\n", "#", 200),
        ("application/dtmf-relay", b"signal=10", "*", 200),
        ("application/dtmf-relay", b"signal=a", "A", 200),
        ("application/dtmf", b" 11\r\n", "#", 200),
        ("application/dtmf", b"D", "D", 200),
        ("audio/telephone-event", bytes([5, 0x8A, 3, 0x20]), "5", 200),
        ("audio/telephone-event", bytes([11, 0x0A, 3, 0x20]), "#", 200),
        ("audio/telephone-event", bytes([5, 0x0A, 0, 0]), "", 200),
        ("audio/telephone-event", bytes([16, 0x8A, 3, 0x20]), "", 400),
        ("audio/telephone-event", b"5", "", 400),
        ("application/dtmf", b"55", "", 400),
        ("application/dtmf-relay", b"Signal=x", "", 400),
        ("application/dtmf-relay", b"Signal=5" + b" " * 65_000, "", 400),
        ("application/dtmf-relay", b"", "", 200),
        ("text/plain", b"5", "", 415),
    ],
)
def test_key_presses(kind: str, body: bytes, digit: str, status: int) -> None:
    """All body types, names and RFC 4733 numbers; what cannot be used is refused with the status that says so."""
    assert told(kind, body) == Told(digit, status)


def test_the_wheel_fires_in_order_and_forgets() -> None:
    """Never early, at most a slot late, in order of time; cancelled timers never; nothing is kept."""
    wheel, fired = Wheel(), list[tuple[int, str]]()

    def note(now: int, arg: str) -> None:
        fired.append((now, arg))

    for delay, name in ((25, "b"), (5, "a"), (7_010, "far")):
        wheel.arm(0, delay, note, name)
    gone = wheel.arm(0, 5, note, "never")
    wheel.cancel(gone)
    wheel.cancel(gone)
    assert (wheel.live, wheel.next()) == (3, 10)
    for now in (9, 10, 29, 30, 7_009, 7_100):
        wheel.run(now)
    assert fired == [(10, "a"), (30, "b"), (7_100, "far")] and wheel.live == 0 and wheel.next() is None
    wheel.cancel(gone)


def test_a_timer_armed_while_others_fire_is_not_lost() -> None:
    """Arming for now inside a firing timer fires in the same run."""
    wheel, fired = Wheel(), list[str]()

    def first(now: int, _: object) -> None:
        fired.append("x")
        wheel.arm(now, 0, lambda *_: fired.append("y"))

    wheel.arm(0, 10, first)
    wheel.run(10)
    assert fired == ["x", "y"]


def test_the_logic_knows_no_socket_and_no_clock() -> None:
    """No module of media/ua imports socket, asyncio, time, datetime, select, threading or the loop's shell."""
    forbidden = {"socket", "asyncio", "time", "datetime", "select", "threading", "logging", "media.net"}
    for path in Path(str(media.ua.__file__)).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not forbidden & {name if name.startswith("media") else name.split(".")[0] for name in names}, path.name


def test_ten_thousand_calls_leave_nothing() -> None:
    """After 10,000 calls, answered, refused, cancelled and lost, no transaction, dialog, leg or timer is left; memory was bounded."""
    link = Link()
    a, b = Agent(link, A), Agent(link, B)
    most = 0
    for n in range(10_000):
        one(link, a, b, n)
        a.events.clear()
        b.events.clear()
        link.log.clear()
        most = max(most, a.live()["transactions"])
    link.run(100_000)
    for agent in (a, b):
        assert agent.live() == {"transactions": 0, "dialogs": 0, "legs": 0, "timers": 0}
        assert not agent.core.context.invites and not agent.core.context.transactions.merged
    assert 100 < most < 2_000


def one(link: Link, a: Agent, b: Agent, n: int) -> None:
    """One short call; its kind by its number."""
    name = leg(f"c{n}")
    a.do(api.Invite(name, "sip:88@192.0.2.2:5060", "138", SDP))
    link.run(20)
    there = b.one(api.IncomingCall).leg
    b.do(api.Ring(there))
    link.run(20)
    if n % 4 == 0:
        b.do(api.Reject(there, 486))
    elif n % 4 == 1:
        a.do(api.Hangup(name))
    else:
        b.do(api.Answer(there, SDP))
        link.run(20)
        (a if n % 4 == 2 else b).do(api.Hangup(name if n % 4 == 2 else there))
    link.run(60)

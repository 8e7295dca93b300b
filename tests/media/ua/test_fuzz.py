"""Messages that are damaged at random, by seed: no bytes raise out of the user agent, cost much, or leave anything behind."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable

import pytest

from media.ua import api, bodies, digest, dtmf, headers, identity, sdp, session, uri
from media.ua.core import Core
from media.ua.errors import SipError
from media.ua.message import Malformed, Request, parse
from media.ua.settings import Settings
from ops.ids import CallId, LegId
from tests.media.ua.agents import SDP

SEEDS = range(8)
ROUNDS = 600  # a seed
SLOW_S = 0.25  # process time for one message; the load of the machine does not count
SOURCE = ("192.0.2.2", 5060)
HEAD = """{method} sip:100@192.0.2.1 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK{branch};rport
Max-Forwards: 70
From: "Wang, \\"F\\" " <sip:13812345678@192.0.2.2;user=phone>;tag=f1
To: <sip:100@192.0.2.1>{tag}
Call-ID: {call}@192.0.2.2
CSeq: {cseq} {method}
Contact: <sip:138@192.0.2.2;transport=udp;ob>;expires=60
Record-Route: <sip:192.0.2.3;lr;ftag=1>, <sip:192.0.2.4;lr>
Allow: INVITE, ACK, CANCEL, BYE, UPDATE
Supported: timer, 100rel
Session-Expires: 1800;refresher=uac
Min-SE: 90
P-Asserted-Identity: <tel:+86-138-1234-5678;phone-context=+86>, <sip:+86138@c>
Privacy: none
Diversion: <sip:95588@c>;reason=busy;counter=1
X-Tierline-Call: 0199aaaa-0000-7000-8000-000000000001
Content-Type: {kind}
Content-Length: {length}

""".replace("\n", "\r\n")
PARTS = (
    b"--b1\r\nContent-Type: application/isup\r\nContent-Disposition: signal;handling=optional\r\n\r\n\x01\x02\r\n--b1\r\n"
    b"Content-Type: application/sdp\r\n\r\n" + SDP + b"\r\n--b1--\r\n"
)
BODIES = (
    ("application/sdp", SDP),
    ("multipart/mixed;boundary=b1", PARTS),
    ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n"),
)
METHODS = ("INVITE", "INVITE", "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "UPDATE", "PRACK", "REGISTER", "NONSENSE")
BYTES = [bytes([value]) for value in b"\0\t\r\n \"%&'(),/:;<=>?@[\\]`{}~0aZ\x7f\x80\xc3\xff"]
WORDS = [
    b"\r\n", b"\r\n\r\n", b"\r\n ", b"--b1", b"99999999999", b"-1", b"4294967296", b";tag=", b";branch=", b"<sip:", b"sip:@",
    b"%00", b"\xf0\x9f\x98\x80", "\u0663".encode(), "\u00b2".encode(), b"[::", b"v=0", b"m=audio ", b"c=IN IP4 ", b'"', b"\\",
    b",,,,", b";;;;",
]  # fmt: skip


def message(chance: random.Random, tag: str = "") -> bytes:
    """A proper request, of a new call or one of a few that repeat."""
    method = chance.choice(METHODS)
    kind, body = chance.choice(BODIES)
    values = {"method": method, "branch": chance.randrange(50), "tag": chance.choice(("", tag)), "call": chance.randrange(20)}
    return HEAD.format(**values, cseq=chance.randrange(1, 5), kind=kind, length=len(body)).encode() + body


def damaged(chance: random.Random, data: bytes) -> bytes:
    """Some bytes changed, put in, left out or repeated; sometimes cut, sometimes blown up."""
    made = bytearray(data)
    for _ in range(chance.choice((0, 1, 1, 2, 3, 8))):
        at = chance.randrange(len(made) + 1)
        match chance.randrange(6):
            case 0:
                made[at : at + 1] = chance.choice(BYTES)
            case 1:
                made[at:at] = chance.choice(WORDS)
            case 2:
                del made[at : at + chance.choice((1, 2, 10, 60))]
            case 3:
                made[at:at] = made[at : at + chance.choice((5, 40, 200))]
            case 4:
                made[at:at] = chance.choice(WORDS + BYTES) * chance.choice((2, 50, 1_000))
            case 5 if len(made) > 20:
                del made[at:]
    return bytes(made[:65_000])


def timed(work: Callable[[], object], data: bytes) -> None:
    """Do it, within the time that one message may cost."""
    start = time.process_time()
    work()
    assert time.process_time() - start < SLOW_S, data[:2_000]


@pytest.mark.parametrize("seed", SEEDS)
def test_damaged_requests_never_raise(seed: int) -> None:
    """Whatever comes, the user agent goes on: it answers, refuses or forgets; calls are made of what could be read; and when they
    are ended and all times are over nothing is kept."""
    chance, now = random.Random(seed), 0
    core = Core(Settings("192.0.2.1", 5060, agent="t"), iter(f"call-{number}" for number in range(10**9)).__next__)
    legs: list[api.Leg] = []
    tag = ""
    for _ in range(ROUNDS):
        data = damaged(chance, message(chance, tag))
        now += chance.choice((0, 1, 20, 700))
        start = time.process_time()
        out = core.receive(now, data, SOURCE, chance.choice(("udp", "tcp")))
        events = [*out.events, *core.tick(now).events]
        for event in events:
            if isinstance(event, api.IncomingCall):
                legs.append(event.leg)
                answer = core.do(now, chance.choice((api.Answer(event.leg, SDP), api.Ring(event.leg))))
                tags = [
                    packet.data.partition(b"\r\nTo: ")[2].partition(b"\r\n")[0].partition(b";tag=")[2] for packet in answer.packets
                ]
                tag = next((";tag=" + one.decode("utf-8", "replace") for one in tags if one), tag)
            elif isinstance(event, api.Reoffer):
                core.do(now, chance.choice((api.AcceptOffer(event.leg, SDP), api.RejectOffer(event.leg))))
        assert time.process_time() - start < SLOW_S, data[:2_000]
    for leg in legs:
        core.do(now, api.Hangup(leg))
    for _ in range(400):
        now += 1_000
        core.tick(now)
    assert core.live() == {"transactions": 0, "dialogs": 0, "legs": 0, "timers": 0}
    assert len(headers.KNOWN) <= headers.MAX_KNOWN and len(headers._SENT_BY) <= headers.MAX_KNOWN


@pytest.mark.parametrize("seed", SEEDS)
def test_damaged_responses_never_raise(seed: int) -> None:
    """Answers to our INVITE that are damaged in any way neither raise nor keep the call from its end."""
    chance, now = random.Random(seed), 0
    core = Core(Settings("192.0.2.1", 5060), lambda: "x")
    for number in range(ROUNDS // 6):
        leg = api.Leg(CallId(f"c{number}"), LegId("b1"))
        sent = core.do(now, api.Invite(leg, "sip:200@192.0.2.2", "100", SDP)).packets[0].data
        lines = [line for line in sent.split(b"\r\n") if line.partition(b":")[0] in (b"Via", b"From", b"Call-ID", b"CSeq")]
        to = b"To: <sip:200@192.0.2.2>;tag=t1\r\nContact: <sip:b@192.0.2.2>\r\nRSeq: 1\r\nSession-Expires: 1800;refresher=uas"
        for status in chance.choices((b"100", b"180", b"183", b"200", b"302", b"401", b"407", b"422", b"486", b"491", b"603"), k=4):
            challenge = b'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth,auth-int", algorithm=SHA-256'
            head = b"\r\n".join([b"SIP/2.0 " + status + b" Words", *lines, to, challenge, b"Content-Type: application/sdp"])
            data = damaged(chance, head + b"\r\nContent-Length: %d\r\n\r\n" % len(SDP) + SDP)
            now += chance.choice((0, 5, 300))
            timed(lambda data=data, now=now: core.receive(now, data, SOURCE), data)  # type: ignore[misc]
            core.tick(now)
        core.do(now, api.Hangup(leg))
    for _ in range(400):
        now += 1_000
        core.tick(now)
    assert core.live() == {"transactions": 0, "dialogs": 0, "legs": 0, "timers": 0}


def _text(read: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda data: read(data.decode("utf-8", "surrogateescape"))


def _request(read: Callable[[Request], object]) -> Callable[[bytes], object]:
    def readable(data: bytes) -> object:
        parsed = parse(data)
        found = parsed.message if isinstance(parsed, Malformed) else parsed
        return read(found) if isinstance(found, Request) else None

    return readable


WHOLE = HEAD.format(method="INVITE", branch=1, tag="", call="c", cseq=1, kind="application/sdp", length=len(SDP)).encode() + SDP
ADDRESS = b'"Wang \\"F\\"" <sip:+86138;npdi;rn=1:pw@[2001:db8::1]:5060;transport=tcp;lr?Subject=x%20y>;tag=a;q="0,5"'
CHALLENGE = b'Digest realm="t, \\"x\\"", nonce="abc==", qop="auth,auth-int", algorithm=SHA-256, opaque="", stale=TRUE'
READERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "uri": (_text(uri.parse_uri), b"sip:+86138%3b;cpc=ordinary:pw@host.example:5061;transport=tls;lr?Replaces=a%3Bb"),
    "number": (_text(lambda text: uri.parse_uri(text).number), b"tel:+86-138-1234-5678;phone-context=+86;ext=1"),
    "address": (_text(headers.name_addr), ADDRESS),
    "address in parts": (_text(lambda text: (headers.name_addr(text).parsed, headers.name_addr(text).params)), ADDRESS),
    "list": (_text(headers.split_list), ADDRESS + b", " + ADDRESS + b", <sip:a@b>"),
    "parameters": (_text(headers.parameters), b';a=b;c;d="x;y";e="\\"";f=,;lr'),
    "via": (_text(headers.via), b"SIP / 2.0 / UDP host.example : 5060 ; branch = z9hG4bKx ; rport ; received=192.0.2.1"),
    "top via": (_text(headers.top_via), b"SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK1;rport, SIP/2.0/TCP [::1];branch=2"),
    "cseq": (_text(headers.cseq), b"  4711\t INVITE "),
    "authentication": (_text(headers.auth_params), CHALLENGE),
    "challenge": (_text(digest.challenge_of), CHALLENGE),
    "description": (sdp.audio, SDP),
    "parts": (lambda data: bodies.find("multipart/mixed;boundary=b1", data, frozenset(["application/sdp"])), PARTS),
    "parts' type": (
        _text(lambda text: bodies.find(text, PARTS, frozenset(["application/sdp"]))), b'multipart/mixed; charset=x; boundary="b1"',
    ),
    "key": (lambda data: dtmf.told("application/dtmf-relay", data), b"Signal= 11 \r\nDuration=160\r\n"),
    "session timer": (_request(lambda one: (session.expires_of(one), session.min_se(one))), WHOLE),
    "who calls": (_request(lambda one: (identity.called(one), identity.calling(one), identity.told_headers(one))), WHOLE),
    "vitals": (_request(Request.vitals), WHOLE),
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
def test_readers_raise_what_they_say(name: str) -> None:
    """Each reader of a header, an address or a body returns or raises SipError for any damage to a proper value, and quickly."""
    read, proper = READERS[name]
    chance = random.Random(name)
    proper = (
        proper.replace(b"{method}", b"INVITE")
        .replace(b"{cseq}", b"1")
        .replace(b"{tag}", b"")
        .replace(b"{kind}", b"application/sdp")
    )
    proper = proper.replace(b"{length}", b"%d" % len(SDP)).replace(b"{branch}", b"1").replace(b"{call}", b"c")
    read(proper)
    for _ in range(1_500):
        data = damaged(chance, proper)
        start = time.process_time()
        with contextlib.suppress(SipError):
            read(data)
        assert time.process_time() - start < SLOW_S, data[:2_000]


BLOWN_UP = [*BYTES, *WORDS, b"a", b"a,", b";a=b", b'"a";', b"a ", b"<a>,", b"a=b\r\n", b'\\"']


@pytest.mark.parametrize("name", READERS)
def test_64_kb_of_one_word_cost_little(name: str) -> None:
    """A value that is blown up to 64 kB by one repeated word, before, within or after it, is read or refused in little time."""
    read, proper = READERS[name]
    middle = len(proper) // 2
    for word in BLOWN_UP:
        much = word * (64_000 // len(word))
        for data in (much, proper + much, much + proper, proper[:middle] + much + proper[middle:]):
            start = time.process_time()
            with contextlib.suppress(SipError):
                read(data)
            assert time.process_time() - start < SLOW_S, (name, word)

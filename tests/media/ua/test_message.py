"""The message layer: torture after RFC 4475, any bytes at all, and sipmessage as an oracle."""

# ruff: noqa: E501 torture messages stand as the RFC prints them

from __future__ import annotations

import pytest
import sipmessage
from hypothesis import given, settings
from hypothesis import strategies as st

from media.ua.core import Core
from media.ua.errors import BadHeader
from media.ua.headers import name_addr, parameters, split_list, via
from media.ua.message import MAX_BYTES, Malformed, Request, Response, parse
from media.ua.settings import Settings
from media.ua.uri import parse_uri
from media.ua.wire import Answering, answer

HEAD = "Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\n"


def read(text: str, body: bytes = b"") -> Request | Response | Malformed:
    """Parse a message written with plain line ends."""
    return parse(text.replace("\r\n", "\n").replace("\n", "\r\n").encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body)


def request(text: str, body: bytes = b"") -> Request:
    """The same, and it must be a proper request."""
    message = read(text, body)
    assert isinstance(message, Request), message
    assert message.vitals() == ""
    return message


TORTUOUS = (
    "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\nTO :\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\n"
    "from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\n  ;\n  tag = 98asjd8\nMaX-fOrWaRdS: 0068\n"
    "Call-ID: wsinv.ndaksdj@192.0.2.1\nContent-Length   : 150\ncseq: 0009\n  INVITE\nVia  : SIP  /   2.0\n /UDP\n    192.0.2.2;branch=390skdjuw\n"
    "s :\nNewFangledHeader:   newfangled value\n continued newfangled value\nUnknownHeaderWithUnusualValue: ;;,,;;,;\n"
    "Content-Type: application/sdp\nRoute:\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\n"
    "v:  SIP  / 2.0  / TCP     spindle.example.com   ;\n  branch  =   z9hG4bK9ikj8  ,\n SIP  /    2.0   / UDP  192.168.255.111   ; branch=\n"
    " z9hG4bK30239\nm:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =\n      newvalue ;\n  secondparam ; q = 0.33"
)  # fmt: skip


def test_a_short_tortuous_invite() -> None:
    """RFC 4475 §3.1.1.1: folding, odd spacing, compact forms, escaped quotes, unknown headers."""
    message = request(TORTUOUS, b"x" * 150)
    assert (message.to_tag, message.from_tag, message.cseq, message.branch) == ("1918181833n", "98asjd8", 9, "390skdjuw")
    assert name_addr(message.get("from")).display == 'J Rosenberg \\"'
    assert message.get("newfangledheader") == "newfangled value continued newfangled value"
    assert len(message.elements("via")) == 3 and via(message.elements("via")[1]).branch == "z9hG4bK9ikj8"
    assert name_addr(message.elements("contact")[0]).params == {"newparam": "newvalue", "secondparam": "", "q": "0.33"}
    assert message.body == b"x" * 150


def test_wide_range_of_valid_characters() -> None:
    """RFC 4475 §3.1.1.2: every odd but legal character in method, tags and parameters."""
    text = (
        "!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
        "@example.com SIP/2.0\nVia: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~\n"
        'To: "BEL:\\\x07 NUL:\\\x01 DEL:\\\x7f" <sip:1@example.com>\nFrom: token1~` token2\'+_ token3*%!.- <sip:mundane@example.com>'
        ";fromParam''~+*_!.-%=\"\u0440\u0430\u0431\u043e\u0442\u0430\";tag=_token~1'+`*%!-.\n"
        "Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{\nCSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~\nMax-Forwards: 255"
    )
    message = request(text)
    assert message.from_tag == "_token~1'+`*%!-." and message.method.startswith("!interesting")
    assert parse_uri(message.uri).host == "example.com"


def test_escapes_stay_as_they_came() -> None:
    """RFC 4475 §3.1.1.3-5: percent escapes are not undone in the raw values; %00 in a user is no end of text."""
    message = request(f"INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0\n{HEAD}CSeq: 1 INVITE")
    assert message.uri == "sip:sips%3Auser%40example.com@example.net" and parse_uri(message.uri).number == "sips:user@example.com"
    assert parse_uri("sip:null-%00-null@example.com").number == "null-\0-null"


def test_bytes_that_are_no_utf8_survive() -> None:
    """A value with raw bytes comes back as the same bytes in our answer."""
    data = b'OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: "\xff\xfe" <sip:a@b>;tag=1\r\nTo: <sip:\x80>\r\n'
    message = parse(data + b"Call-ID: x\xf0\r\nCSeq: 1 OPTIONS\r\n\r\n")
    assert isinstance(message, Request) and message.vitals() == ""
    out = answer(message, Answering(200, "t"))
    assert b'From: "\xff\xfe" <sip:a@b>;tag=1\r\n' in out and b"Call-ID: x\xf0\r\n" in out


def test_compact_forms_and_many_values() -> None:
    """Compact names are the long ones; lines and commas are one list; commas in quotes and brackets do not part."""
    message = request(
        f"INVITE sip:a SIP/2.0\n{HEAD}CSeq: 1 INVITE\nm: <sip:a@b>\nc: application/sdp\nk: timer, 100rel\nk: path\n"
        "Route: <sip:a,b;lr>, \"x,y\" <sip:c>\nroute: <sip:d>"
    )  # fmt: skip
    assert message.get("contact") == "<sip:a@b>" and message.content_type == "application/sdp"
    assert message.options("supported") == {"timer", "100rel", "path"}
    assert message.elements("route") == ["<sip:a,b;lr>", '"x,y" <sip:c>', "<sip:d>"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "start_line"),
        ("INVITE", "start_line"),
        ("INVITE sip:a", "start_line"),
        ("INVITE  sip:a SIP/2.0\nVia: x", "start_line"),
        ("INVITE sip:a SIP/2.0 \nVia: x", "start_line"),
        ("INVITE <sip:a b> SIP/2.0\nVia: x", "start_line"),
        ("IN VITE sip:a SIP/2.0", "start_line"),
        ("INVITE sip:a HTTP/1.1", "start_line"),
        ("SIP/2.0 4294967301 Big", "status"),
        ("SIP/2.0 99 Small", "status"),
        ("SIP/2.0 ２００ Wide", "status"),
        ("SIP/2.0 200 OK\nno colon here", "header_line"),
        ("SIP/2.0 200 OK\nna me: x", "header_line"),
        ("SIP/2.0 200 OK\n: x", "header_line"),
        ("SIP/2.0 200 OK\nX: a\0b", "header_line"),
        ("SIP/2.0 200 OK\nContent-Length: 5", "content_length"),
        ("SIP/2.0 200 OK\nContent-Length: -5", "content_length"),
        ("SIP/2.0 200 OK\nContent-Length: ９", "content_length"),
        ("SIP/2.0 200 OK\nl: 99999999999999999999", "content_length"),
        ("SIP/2.0 200 OK\n" + "A: b\n" * 201, "too_many_headers"),
    ],
)
def test_what_is_no_message(text: str, fault: str) -> None:
    """Each kind of nonsense has its name."""
    message = read(text)
    assert isinstance(message, Malformed) and message.fault == fault


def test_sizes() -> None:
    """64 kB are a message, one byte more is not; without an end of headers there is none."""
    head = f"OPTIONS sip:a SIP/2.0\r\n{HEAD}CSeq: 1 OPTIONS\r\nX: ".encode()
    assert isinstance(parse(head + b"y" * (MAX_BYTES - len(head) - 4) + b"\r\n\r\n"), Request)
    assert parse(head + b"y" * (MAX_BYTES - len(head) - 3) + b"\r\n\r\n") == Malformed("too_long", "Message Too Long")
    assert parse(head) == Malformed("no_end", "Headers Do Not End")


def test_a_stray_line_end_is_no_header_end() -> None:
    """A bare LF or CR inside a line is refused: it could smuggle a header."""
    for stray in (b"\n", b"\r"):
        message = parse(b"OPTIONS sip:a SIP/2.0\r\nSubject: a" + stray + b"Route: <sip:x>\r\n\r\n")
        assert isinstance(message, Malformed) and message.fault == "header_line"


def test_the_body_ends_with_content_length() -> None:
    """What follows the body in a datagram is cut off."""
    assert request(f"OPTIONS sip:a SIP/2.0\n{HEAD}CSeq: 1 OPTIONS\nContent-Length: 3", b"abcdef").body == b"abc"
    assert request(f"OPTIONS sip:a SIP/2.0\n{HEAD}CSeq: 1 OPTIONS", b"abcdef").body == b"abcdef"


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ("CSeq: 36893488147419103232 OPTIONS", "CSeq"),
        ("CSeq: 1 INVITE", "CSeq does not name the method"),
        ("CSeq: one OPTIONS", "CSeq"),
        ("CSeq: 1 OPTIONS\nMax-Forwards: 300", "Max-Forwards"),
        ("CSeq: 1 OPTIONS\nMax-Forwards: x", "Max-Forwards"),
        ("CSeq: 1 OPTIONS\nt: <sip:again>", "More than one To"),
        ("CSeq: 1 OPTIONS\nCSeq: 1 OPTIONS", "More than one CSeq"),
        ("CSeq: 1 OPTIONS\nContent-Length: 0\nContent-Length: 0", "More than one Content-Length"),
    ],
)
def test_vitals_that_cannot_be(lines: str, fault: str) -> None:
    """Numbers out of range, headers that may stand once, a CSeq of another method are told by name."""
    message = read(f"OPTIONS sip:a SIP/2.0\n{HEAD}{lines}")
    assert isinstance(message, Request) and fault in message.vitals()


@pytest.mark.parametrize(
    "bad", ["", "<", ">", "<sip:a", '"a <sip:b>', "<>", "a b c", "<sip:a> tag=1", 'x"y" <sip:a>z', "sip:a b", "<sip:a>;;x"]
)
def test_addresses_that_cannot_be(bad: str) -> None:
    """Unbalanced brackets and quotes, text after an address, empty parameters are faults."""
    with pytest.raises(BadHeader):
        _ = name_addr(bad).params


@pytest.mark.parametrize(
    "bad",
    [
        "SIP/2.0/UDP",
        "SIP/3.0/UDP h",
        "SIP/2.0/UDP h:0",
        "SIP/2.0/UDP h:99999",
        "SIP/2.0/UDP h;;",
        "UDP h",
        "SIP/2.0/UDP h h",
        "SIP/2.0/UDP [::x]",
    ],
)
def test_vias_that_cannot_be(bad: str) -> None:
    """A Via that cannot be read is a fault."""
    with pytest.raises(BadHeader):
        via(bad)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=600))
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    """The core takes any bytes without raising and never answers what has no Via."""
    Core(Settings("192.0.2.1", 5060), lambda: "x").receive(0, data, ("192.0.2.2", 5060))


PIECES = st.sampled_from(
    ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "sip:a@b", " ", "SIP/2.0", "\r\n", "\r\n ", "Via: SIP/2.0/UDP h;branch=z9hG4bK", "Via:", "v: ",
     "From: ", "To: <sip:a>;tag=", "t:", "Call-ID: x", "CSeq: 1 INVITE", "CSeq: 2 ACK", "Content-Length: 3", "Contact: <sip:c@d>", "Contact: *",
     "Record-Route: <sip:r;lr>", "Require: 100rel", "Session-Expires: 90", "<", ">", '"', ";", ",", "=", "\\", "\0", "\u4e2d", ":", "tag", "rport",
     "Content-Type: application/sdp", "v=0\r\n", "200 OK", "SIP/2.0 200 OK", "RAck: 1 1 INVITE", "100"]
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(st.lists(PIECES, max_size=60))
def test_any_heap_of_sip_pieces_is_taken(pieces: list[str]) -> None:
    """Text that looks like SIP in any order never raises either."""
    Core(Settings("192.0.2.1", 5060), lambda: "x").receive(0, ("".join(pieces) + "\r\n\r\n").encode(), ("192.0.2.2", 5060))


GOOD = (
    b"INVITE sip:100@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK77;rport\r\nMax-Forwards: 70\r\n"
    b"From: \"B\" <sip:138@192.0.2.2>;tag=f1\r\nTo: <sip:100@192.0.2.1>\r\nCall-ID: good\r\nCSeq: 1 INVITE\r\n"
    b"Contact: <sip:138@192.0.2.2>\r\nRecord-Route: <sip:192.0.2.3;lr>\r\nSupported: timer\r\nSession-Expires: 1800\r\n"
    b"P-Asserted-Identity: <tel:+86138>\r\nContent-Length: 0\r\n\r\n"
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.binary(max_size=3), st.integers(0, 30))
def test_a_good_invite_with_any_wound_is_taken(at: int, wound: bytes, cut: int) -> None:
    """A good INVITE with bytes changed anywhere never raises, and is answered at most once."""
    core = Core(Settings("192.0.2.1", 5060), lambda: "x")
    out = core.receive(0, GOOD[:at] + wound + GOOD[at + cut :], ("192.0.2.2", 5060))
    assert len(out.packets) + len(out.events) <= 1
    core.tick(100_000)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_readers_of_values_raise_bad_header_only(text: str) -> None:
    """Every reader either reads a value or raises BadHeader."""
    for reader in (name_addr, via, split_list, parameters):
        try:
            reader(text)
        except BadHeader:
            continue


def test_nothing_takes_long() -> None:
    """64 kB of any one character in any header are read in well under the time of a bad regular expression."""
    core = Core(Settings("192.0.2.1", 5060), lambda: "x")
    for name in (
        "Via: SIP/2.0/UDP h",
        "From: <sip:a>;tag=1",
        "To: ",
        "Contact: ",
        "Record-Route: ",
        "Call-ID: ",
        "Supported: ",
        "CSeq: 1 INVITE",
    ):
        for mark in ('"', "<", ",", ";", " ", "a", "\\", "=", '","', "<,", ';"', "\t "):
            data = GOOD.replace(b"Max-Forwards: 70", (name + mark * (60_000 // len(mark))).encode())
            core.receive(0, data, ("192.0.2.2", 5060))


WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=8)
HOSTS = st.builds(lambda name: f"{name}.example", WORDS)  # sipmessage wants a top label of letters


@settings(max_examples=200, deadline=None)
@given(
    WORDS,
    HOSTS,
    HOSTS,
    st.one_of(st.none(), st.integers(1, 65535)),
    st.one_of(st.none(), WORDS),
    st.text(" ab\"\\'é中", max_size=6).map(lambda text: " ".join(text.split())),
)
def test_sipmessage_reads_the_same(user: str, host: str, tag: str, port: int | None, lr: str | None, display: str) -> None:
    """Where sipmessage can read addresses, Vias and URIs it finds the same parts as we do."""
    uri = f"sip:{user}@{host}" + (f":{port}" if port else "") + (f";{lr}" if lr else "")
    quoted = display.replace("\\", "\\\\").replace('"', '\\"')
    value = f'"{quoted}" <{uri}>;tag={tag}'
    theirs, ours = sipmessage.Address.parse(value), name_addr(value)
    assert (theirs.name or "", str(theirs.uri), theirs.parameters["tag"]) == (ours.display, ours.uri, ours.params["tag"])
    assert (theirs.uri.host, theirs.uri.port, theirs.uri.user) == (ours.parsed.host, ours.parsed.port or None, ours.parsed.user)
    line = f"SIP/2.0/UDP {host}:{port or 5060};branch=z9hG4bK{tag};rport"
    their_via, our_via = sipmessage.Via.parse(line), via(line)
    assert (their_via.host, their_via.port, their_via.parameters["branch"]) == (our_via.host, our_via.port, our_via.branch)


def test_sipmessage_reads_what_we_write() -> None:
    """Our answers and requests are messages to sipmessage, too."""
    message = parse(GOOD)
    assert isinstance(message, Request) and message.vitals() == ""
    theirs = sipmessage.Message.parse(answer(message, Answering(180, "t9", ["Contact: <sip:x@y>"])))
    assert isinstance(theirs, sipmessage.Response)
    assert (theirs.code, theirs.to_address.parameters["tag"], theirs.call_id) == (180, "t9", "good")

"""The quick ways of reading give what the thorough ones give, or nothing."""

from __future__ import annotations

import pytest

from media.ua import headers
from media.ua import message as m
from media.ua.errors import BadHeader

HEAD = (
    "BYE sip:a@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5070;branch=z9hG4bK;rport\r\nVia: SIP/2.0/UDP 192.0.2.3;branch=b\r\n"
    "From: <sip:b@192.0.2.2>;tag=f\r\nTo: <sip:a@192.0.2.1>;tag=t\r\nCall-ID: c\r\nCSeq: 2 BYE\r\nContent-Length: 0"
)
ODD = [
    ("Call-ID: c", "Call-ID: c\r\n d"), ("Call-ID: c", "Call-ID"), ("Call-ID: c", "Call-ID:  c "), ("Call-ID: c", "i:c"),
    ("Call-ID: c", "Call-ID: \0"), ("Call-ID: c", "Call-ID: c\nX: y"), ("Length: 0", "Length: 4"), ("SIP/2.0\r\n", "SIP/3.0\r\n"),
    ("BYE sip:", "BYE  sip:"), ("Call-ID: c", "Call-ID\t: c"), ("BYE sip:a@192.0.2.1 SIP/2.0", "SIP/2.0 99 Odd"),
]  # fmt: skip


def _parts(message: m.Request | m.Response) -> tuple[object, ...]:
    start: tuple[object, object] = (
        (message.method, message.uri) if isinstance(message, m.Request) else (message.status, message.reason)
    )
    return (*start, message.index, message.body, message.version, message.repeats)


@pytest.mark.parametrize("start", ["", "SIP/2.0 200 OK", "SIP/2.0 486 Busy Here", "SIP/2.0 180"])
def test_the_usual_way_reads_the_same(start: str) -> None:
    """A message of the usual shape is the same whichever way it was read."""
    head = start + HEAD[HEAD.index("\r\n") :] if start else HEAD
    usual, slow = m._usual(head, b"", 0), m._any(head, b"")
    assert usual is not None and not isinstance(slow, m.Malformed)
    assert _parts(usual) == _parts(slow)


@pytest.mark.parametrize(("good", "odd"), ODD)
def test_odd_messages_are_read_at_leisure(good: str, odd: str) -> None:
    """What is folded, stray, cut or of another version is left to the thorough way."""
    assert m._usual(HEAD.replace(good, odd, 1), b"", 0) is None


@pytest.mark.parametrize(
    "tail", [";branch=z9hG4bKx", ";rport;branch=z9hG4bKx", ";branch=z9hG4bKx;rport=5;received=192.0.2.9", ";Branch=z9", ";rport"]
)
def test_a_known_sender_is_read_the_same(tail: str) -> None:
    """Via of a sender met before gives what it gave the first time, and what the thorough way gives."""
    line = "SIP/2.0/UDP 192.0.2.77:5071" + tail
    thorough = headers.via(line)
    for _ in range(2):
        assert headers.top_via(line) == (thorough, thorough.branch)


@pytest.mark.parametrize("tail", [";branch=z9;;a", ";branch=z9;=a", ";branch=z9;"])
def test_a_known_sender_is_no_excuse(tail: str) -> None:
    """Parameters without a name are refused from a sender met before, too."""
    headers.top_via("SIP/2.0/UDP 192.0.2.78;branch=z9hG4bKx")
    with pytest.raises(BadHeader):
        headers.top_via("SIP/2.0/UDP 192.0.2.78" + tail)

"""The stream framing of TCP, without sockets."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.net.tcp import BadFrame, Framer

SHORT = b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n"
LONG = b"INVITE sip:a SIP/2.0\r\nl : 11\r\nX: y\r\n\r\nbody\r\n\r\nend"


def fed(*chunks: bytes) -> tuple[list[bytes], int]:
    """All messages and pings of a stream that comes in these chunks."""
    framer, messages, pings = Framer(), list[bytes](), 0
    for chunk in chunks:
        got, pinged = framer.feed(chunk)
        messages += got
        pings += pinged
    return messages, pings


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([SHORT, LONG, b"\r\n\r\n"]), max_size=6), st.lists(st.integers(0, 300), max_size=8))
def test_chunks_do_not_matter(parts: list[bytes], cuts: list[int]) -> None:
    """However a stream is cut, the same messages and pings come out."""
    stream = b"".join(parts)
    edges = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    chunks = [stream[a:b] for a, b in pairwise(edges)]
    messages, pings = fed(*chunks)
    assert messages == [part for part in parts if part != b"\r\n\r\n"]
    assert pings == parts.count(b"\r\n\r\n")


def test_every_byte_alone() -> None:
    """A stream byte by byte gives what it gives at once."""
    stream = LONG + b"\r\n\r\n" + SHORT
    assert fed(*[stream[n : n + 1] for n in range(len(stream))]) == ([LONG, SHORT], 1)


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        (b"OPTIONS sip:a SIP/2.0\r\nX: y\r\n\r\n", "no Content-Length"),
        (b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 999999\r\n\r\n", "message too long"),
        (b"OPTIONS sip:a SIP/2.0\r\nContent-Length: -1\r\n\r\n", "no Content-Length"),
        (b"X" * 70_000, "head without end"),
    ],
)
def test_streams_that_cannot_be_cut(stream: bytes, why: str) -> None:
    """Without a usable length the rest of the stream means nothing: BadFrame."""
    with pytest.raises(BadFrame, match=why):
        Framer().feed(stream)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_give_messages_or_bad_frame(data: bytes) -> None:
    """Nothing but BadFrame comes out of any bytes."""
    try:
        Framer().feed(data)
    except BadFrame:
        return


def test_a_head_that_comes_byte_by_byte_costs_little() -> None:
    """64 kB of one header in single bytes: each byte is looked at once, and the message is cut as ever."""
    framer, message = Framer(), b"OPTIONS sip:a SIP/2.0\r\nX: " + b"\r\n " * 20_000 + b"\r\nContent-Length: 2\r\n\r\nhi"
    start = time.process_time()
    got = [whole for at in range(len(message)) for whole in framer.feed(message[at : at + 1])[0]]
    assert got == [message]
    assert time.process_time() - start < 0.5

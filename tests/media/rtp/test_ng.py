"""The ng client against a made-up rtpengine that loses, delays and spoils answers."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from media.rtp.api import RtpError
from media.rtp.bencode import decode, encode
from media.rtp.ng import NgClient, NgTimeout, with_sdp
from tests.kit.workers import alone

Answerer = Callable[[bytes, int], list[bytes]]  # (cookie, how often it came) -> datagrams


@given(st.binary(max_size=40), st.binary(max_size=20) | st.just(b"6:result2:oke"))
@example(b"v=0", b"6:result2:oke")
def test_an_answer_read_at_a_glance_is_the_same(sdp: bytes, end: bytes) -> None:
    """The short way reads an answer as the long way does, or leaves it to that."""
    body = b"d3:sdp%d:%b%b" % (len(sdp), sdp, end)
    got = with_sdp(body)
    assert got is None or got == decode(body)
    assert (got is not None) == (end == b"6:result2:oke" and sdp != b"")
    assert with_sdp(body[:-1]) is with_sdp(body + b"e") is None


class FakeEngine(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.seen: Counter[bytes] = Counter()
        self.answer: Answerer = lambda cookie, _: [cookie + b" " + encode({"result": "ok"})]
        self.transport: asyncio.DatagramTransport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        cookie, _, body = data.partition(b" ")
        assert isinstance(decode(body), dict)
        self.seen[cookie] += 1
        for datagram in self.answer(cookie, self.seen[cookie]):
            self.transport.sendto(datagram, addr)


@pytest.fixture
async def fake() -> AsyncIterator[FakeEngine]:
    loop = asyncio.get_running_loop()
    transport, engine = await loop.create_datagram_endpoint(FakeEngine, local_addr=("127.0.0.1", 0))
    engine.transport = transport
    yield engine
    transport.close()


@pytest.fixture
async def client(fake: FakeEngine) -> AsyncIterator[NgClient]:
    client = NgClient("127.0.0.1", fake.transport.get_extra_info("sockname")[1])
    await client.open()
    yield client
    client.close()


async def test_a_lost_answer_is_asked_for_with_the_same_cookie(fake: FakeEngine, client: NgClient) -> None:
    """The first answer is lost: the same cookie comes again, and the command succeeds."""
    fake.answer = lambda cookie, times: [] if times == 1 else [cookie + b" " + encode({"result": "ok"})]
    assert (await client.command("ping", {}))["result"] == b"ok"
    assert list(fake.seen.values()) == [2]


@alone
async def test_no_answer_at_all_ends_in_time(fake: FakeEngine, client: NgClient) -> None:
    """Silence is NgTimeout after three tries and less than two seconds, for many commands at once."""
    fake.answer = lambda cookie, times: []
    began = time.monotonic()
    results = await asyncio.gather(*(client.command("ping", {}) for _ in range(20)), return_exceptions=True)
    assert all(isinstance(one, NgTimeout) for one in results)
    assert time.monotonic() - began < 2
    assert set(fake.seen.values()) == {3}


async def test_answers_in_any_order_find_their_commands(fake: FakeEngine, client: NgClient) -> None:
    """Many commands in flight, answered backwards, doubled, and with strangers between: each gets its own answer."""
    held: list[bytes] = []

    def backwards(cookie: bytes, _: int) -> list[bytes]:
        held.append(cookie)
        if len(held) < 50:
            return []
        out = [b"stranger d6:result2:oke", b"", b"\xff\xfe"]
        return out + [one + b" " + encode({"cookie": one}) for one in reversed(held) for _ in range(2)]

    fake.answer = backwards
    answers = await asyncio.gather(*(client.command("ping", {"n": n}) for n in range(50)))
    assert [answer["cookie"] for answer in answers] == held


@pytest.mark.parametrize("body", [b"", b"hello", b"i5e", b"d6:result", b"5:abc"])
async def test_a_spoilt_answer_is_an_error(fake: FakeEngine, client: NgClient, body: bytes) -> None:
    """An answer that is no bencoded dictionary raises RtpError instead of hanging."""
    fake.answer = lambda cookie, _: [cookie + b" " + body]
    with pytest.raises(RtpError):
        await client.command("ping", {})


async def test_closing_wakes_who_waits(fake: FakeEngine, client: NgClient) -> None:
    """close() fails what is in flight, and later commands, with RtpError."""
    fake.answer = lambda cookie, _: []
    waiting = asyncio.create_task(client.command("ping", {}))
    await asyncio.sleep(0)
    client.close()
    with pytest.raises(RtpError):
        await waiting
    with pytest.raises(RtpError):
        await client.command("ping", {})

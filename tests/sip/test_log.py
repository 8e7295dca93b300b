"""The edge's log (sip/log_filter.py): short, rare and without secrets, whatever strangers send, and never in the way of a call."""

from __future__ import annotations

import pytest

from sip.log_filter import LINES, LONGEST, OTHERS, PER_PLACE, WINDOW_S, Filter
from tests.kit.wait import until
from tests.sip.conftest import World
from tests.sip.sip_client import Caller, Endpoint

PLACE = b" 2(77) ERROR: <core> [core/parser/msg_parser.c:749]: parse_msg(): "


def lines(out: bytes) -> list[bytes]:
    return out.split(b"\n")[:-1]


def test_a_place_may_say_so_much_a_minute() -> None:
    """Of one place in Kamailio's source a few messages a minute pass, with all their lines; how many did not is told afterwards."""
    log = Filter()
    passed = lines(log.feed((PLACE + b"bad\nits second line\n") * 50, 1.0))
    assert len(passed) == 2 * PER_PLACE
    assert lines(log.feed(b"", 1.0 + WINDOW_S)) == [b"log: 40 messages of core/parser/msg_parser.c:749 were left out"]
    assert lines(log.feed(PLACE + b"bad\n", 2.0 + WINDOW_S)) == [PLACE + b"bad"]


def test_no_message_is_long() -> None:
    """Lines are cut, however they come in; a message has no more lines than a trace of Python; the script has its own limit."""
    log, text = Filter(), PLACE + b"A" * 200_000
    out = b"".join(log.feed(text[at : at + 1000], 1.0) for at in range(0, len(text), 1000)) + log.feed(b"\nnext\n" * 500, 1.0)
    assert len(lines(out)) == LINES
    assert max(map(len, lines(out))) < LONGEST + 10
    assert lines(out)[1] == b"next"
    assert len(lines(log.feed(b" 1(7) WARNING: <script>: told\n" * 5000, 1.0))) == OTHERS


def test_made_up_places_do_not_fill_the_memory() -> None:
    """Line ends within a packet begin what looks like messages of ever new places: all beyond a number of them share one limit."""
    log = Filter()
    forged = b"".join(b"\n 1(1) ERROR: <core> [x.c:%d]: y" % number for number in range(20_000))
    assert len(lines(log.feed(forged + b"\n", 1.0))) < 500 + OTHERS + 2


def test_secrets_and_numbers_are_taken_out() -> None:
    """The password of Redis and long numbers do not stand in the log; ids do."""
    call = b"019ab000-0000-7000-8000-000000000001"
    out = Filter().feed(b" 1(7) ERROR: <script>: redis://:secret@127.0.0.1 sip:13812345678@a call " + call + b"\n", 1.0)
    assert b"secret" not in out
    assert b"sip:138****78@a" in out
    assert call in out


@pytest.mark.real
@pytest.mark.asyncio
async def test_packets_that_cannot_be_read_do_not_hold_up_calls(world: World) -> None:
    """A stranger sends 1,500 long packets that are no SIP; the edge goes on answering a carrier, and its log stays small."""
    stranger = await Endpoint.open("127.0.0.9")
    before = world.edge.log.stat().st_size
    for count in range(1, 1501):
        stranger.send("A" * 15_000 + "\r\n\r\n", world.edge.sip)
        if count % 50 == 0:
            asking = Caller(await Endpoint.open("127.0.0.2"), world.edge.sip)
            asking.send(asking.dialog(), "OPTIONS", Contact=asking.contact)
            assert (await asking.endpoint.final()).status == 200
            asking.endpoint.close()
    until(lambda: world.edge.log.stat().st_size > before, 8, "the first of them are told in the log")
    assert world.edge.log.stat().st_size - before < 100_000
    stranger.close()

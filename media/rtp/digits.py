"""Key presses from rtpengine: one JSON object a UDP datagram (`--dtmf-log-dest`), sent when a key is let go."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable

from media.rtp.api import Digit
from media.ua.api import Leg
from ops.ids import CallId, LegId

log = logging.getLogger(__name__)
KEYS = "0123456789*#ABCD"  # RFC 4733 §3.2: events 0 to 15


class BadDigit(ValueError):
    """A datagram that is no key press; the text says why, never which key."""


def parse(datagram: bytes) -> Digit:
    """The key press in a datagram: `callid` and `source_tag` name the leg, `event` the key, `duration` is in ms."""
    try:
        data = json.loads(datagram)
    except ValueError as error:
        raise BadDigit("no JSON") from error
    if not isinstance(data, dict) or data.get("type") != "DTMF":
        raise BadDigit("no object of type DTMF")
    call, tag, event, duration = (data.get(name) for name in ("callid", "source_tag", "event", "duration"))
    if not isinstance(call, str) or not isinstance(tag, str):
        raise BadDigit("no callid or source_tag")
    if type(event) is not int or not 0 <= event < len(KEYS) or type(duration) is not int:
        raise BadDigit("event or duration out of range")
    return Digit(Leg(CallId(call), LegId(tag)), KEYS[event], duration)


class _Protocol(asyncio.DatagramProtocol):
    def __init__(self, listener: Callable[[Digit], None]) -> None:
        self.listener = listener

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            digit = parse(data)
        except (BadDigit, RecursionError) as error:
            log.warning("not a key press on the digits port", extra={"why": str(error), "source": addr[0]})
            return
        self.listener(digit)


async def listen(host: str, port: int, listener: Callable[[Digit], None]) -> asyncio.DatagramTransport:
    """Call `listener` for each key press that arrives at host:port. `.close()` of what it returns ends it. OSError if taken."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Protocol(listener), local_addr=(host, port))
    return transport

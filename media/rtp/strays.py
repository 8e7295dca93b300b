"""Calls in rtpengine that no process answers for any more: a media node died under them and came back without them.

Their people may still talk, so they are left alone while anybody sends audio. Once all have been silent for a while they are
deleted: that frees the ports and lets rtpengine close their recordings, which are then filed as leftovers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping

from media.rtp.bencode import Encodable, Value

Ask = Callable[[str, Mapping[str, Encodable]], Awaitable[Mapping[str, Value]]]
MOST = 100_000  # calls looked at


async def sweep(ask: Ask, known: Callable[[str], bool], now_ms: int, quiet_ms: int) -> list[str]:
    """Delete the strays that have been silent for `quiet_ms`; their call ids. Raises RtpError."""
    gone = []
    for call in await _listed(ask):
        if known(call):
            continue
        seen = await ask("query", {"call-id": call})
        if seen.get("result") == b"ok" and now_ms - last_sound_ms(seen) > quiet_ms:
            await ask("delete", {"call-id": call})
            gone.append(call)
    return gone


async def _listed(ask: Ask) -> list[str]:
    calls = (await ask("list", {"limit": MOST})).get("calls")
    return [call.decode() for call in calls if isinstance(call, bytes)] if isinstance(calls, list) else []


def last_sound_ms(reply: Mapping[str, Value]) -> int:
    """UTC ms of the newest packet or command of a call, out of the answer to `query`; 0 if it names none."""
    return 1000 * max(_numbers(dict(reply), {"created", "last signal", "last packet"}), default=0)


def _numbers(value: Value, names: set[str]) -> Iterator[int]:
    """All whole numbers under these names, however deep."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in names and isinstance(inner, int):
                yield inner
            else:
                yield from _numbers(inner, names)
    elif isinstance(value, list):
        for inner in value:
            yield from _numbers(inner, names)

"""Which calls of a dead run are deleted, decided from rtpengine's answers."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from media.rtp import strays
from media.rtp.bencode import Encodable, Value

NOW, QUIET = 1_790_000_100_000, 60_000
NOW_S = NOW // 1000


class Rtpengine:
    """Calls by id, with the answer to `query`."""

    def __init__(self, calls: dict[str, dict[str, Value]]) -> None:
        self.calls = calls

    async def ask(self, command: str, fields: Mapping[str, Encodable]) -> Mapping[str, Value]:
        call = str(fields.get("call-id", ""))
        if command == "list":
            return {"calls": [one.encode() for one in self.calls], "result": b"ok"}
        if command == "delete":
            del self.calls[call]
            return {"result": b"ok"}
        return {**self.calls[call], "result": b"ok"}


def call(created_s: int, *last_packets_s: int) -> dict[str, Value]:
    """A call and when each of its streams heard its last packet."""
    streams: list[Value] = [{"streams": [{"last packet": at}]} for at in last_packets_s]
    return {"created": created_s, "last signal": created_s, "tags": {"a": {"medias": streams}}}


async def test_an_old_call_whose_people_still_talk_is_left_alone() -> None:
    """What counts is the newest packet of any side, however old the call and the other streams are."""
    old = NOW_S - 7200
    there = Rtpengine({"talking": call(old, old, NOW_S - 1), "silent": call(old, NOW_S - 61, old), "mine": call(old, old)})
    assert await strays.sweep(there.ask, {"mine"}.__contains__, NOW, QUIET) == ["silent"]
    assert set(there.calls) == {"talking", "mine"}


@pytest.mark.parametrize(("age_s", "gone"), [(59, False), (60, False), (61, True)])
async def test_silence_is_counted_from_the_last_sign_of_life(age_s: int, gone: bool) -> None:
    """A call without a packet lives from its last command on."""
    there = Rtpengine({"one": call(NOW_S - age_s)})
    assert (await strays.sweep(there.ask, lambda _: False, NOW, QUIET) == ["one"]) is gone

"""Going out of service without hanging up on anybody: no new calls, then wait for those that are there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from tierline.common.v1.common_pb2 import Reason

log = logging.getLogger(__name__)
TELL_S = 30.0  # the log names who is still talking so often
LAST_S = 5.0  # for calls that we end when the time is over


class Calls(Protocol):
    """What draining needs of media/call/engine.py."""

    draining: bool

    def __len__(self) -> int: ...

    def conversations(self) -> list[str]:
        """Who is still talking, masked."""

    def end_all(self, reason: Reason.ValueType) -> None:
        """End every call now."""

    async def empty(self) -> None:
        """Until no call is left."""


async def drain(calls: Calls, refuse: Callable[[], None], announce: Callable[[], None], seconds: float) -> None:
    """Refuse new calls, tell the router, wait; after `seconds` end what is left. Recordings are filed before it returns."""
    calls.draining = True
    refuse()
    announce()
    log.info("draining", extra={"calls": len(calls), "seconds": seconds})
    try:
        async with asyncio.timeout(seconds):
            await _gone(calls)
    except TimeoutError:
        log.warning("time is over, calls are ended", extra={"calls": len(calls), "talking": calls.conversations()})
        calls.end_all(Reason.REASON_DRAIN)
        await _last(calls)
    else:
        log.info("drained")


async def _gone(calls: Calls) -> None:
    while len(calls):
        try:
            async with asyncio.timeout(TELL_S):
                await calls.empty()
        except TimeoutError:
            log.info("still in calls", extra={"calls": len(calls), "talking": calls.conversations()})


async def _last(calls: Calls) -> None:
    try:
        async with asyncio.timeout(LAST_S):
            await calls.empty()
    except TimeoutError:
        log.error("calls did not end", extra={"calls": len(calls)})

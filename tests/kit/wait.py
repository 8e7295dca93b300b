"""Wait for a condition, never for a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable


def until(condition: Callable[[], bool], seconds: float, what: str, pause: float = 0.02) -> None:
    """Return when `condition()` holds; AssertionError naming `what` after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(pause)


async def until_async(condition: Callable[[], bool | Awaitable[bool]], seconds: float, what: str, pause: float = 0.02) -> None:
    """The same inside a loop; `condition` may be a coroutine function."""
    end = time.monotonic() + seconds
    while True:
        got = condition()
        if got if isinstance(got, bool) else await got:
            return
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        await asyncio.sleep(pause)

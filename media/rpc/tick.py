"""One beat for everything that may wait a little, so that it shares its wake-ups: a wake-up costs more than what is done in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

TICK_S = 0.02


def on_tick(loop: asyncio.AbstractEventLoop, what: Callable[[], object]) -> asyncio.TimerHandle:
    """Call `what` at the next beat, at most TICK_S from now."""
    return loop.call_at((loop.time() // TICK_S + 1) * TICK_S, what)

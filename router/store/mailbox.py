"""What is published for this router, over Redis pub/sub: frames that other routers hand to it, words to look at something.

A frame that is lost while nobody listens does no harm: the node asserts its calls when its stream comes back, and an offer that
nobody answers runs out. A lost word does none either: who listens anew looks, and looks now and then anyway."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

import redis.asyncio
from redis.exceptions import RedisError

log = logging.getLogger(__name__)
AGAIN_S = 0.2


async def listen(url: str, boxes: Mapping[str, Callable[[bytes], None]], on_open: Callable[[], None]) -> None:
    """Runs until cancelled. `boxes`: channel -> who takes what comes; `on_open`: something may have been lost until now."""
    told = False
    while True:
        try:
            async with redis.asyncio.from_url(url) as client, client.pubsub() as box:
                await box.subscribe(*boxes)
                told = False
                on_open()
                async for message in box.listen():
                    if message["type"] == "message":
                        boxes[message["channel"].decode()](message["data"])
        except (RedisError, OSError) as error:
            log.log(logging.DEBUG if told else logging.WARNING, "mailbox away", extra={"why": str(error)})
            told = True
        await asyncio.sleep(AGAIN_S)

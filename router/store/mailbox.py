"""Frames that other routers hand to this one, over Redis pub/sub. A frame that is lost while nobody listens does no harm: the
node asserts its calls when its stream comes back, and an offer that nobody answers runs out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import redis.asyncio
from redis.exceptions import RedisError

log = logging.getLogger(__name__)
AGAIN_S = 0.2


async def listen(url: str, channel: str, on_payload: Callable[[bytes], None]) -> None:
    """Runs until cancelled."""
    told = False
    while True:
        try:
            async with redis.asyncio.from_url(url) as client, client.pubsub() as box:
                await box.subscribe(channel)
                told = False
                async for message in box.listen():
                    if message["type"] == "message":
                        on_payload(message["data"])
        except (RedisError, OSError) as error:
            log.log(logging.DEBUG if told else logging.WARNING, "mailbox away", extra={"why": str(error)})
            told = True
        await asyncio.sleep(AGAIN_S)

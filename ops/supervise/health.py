"""Asking a child whether it is well."""

from __future__ import annotations

import aiohttp
import redis.asyncio
from redis.exceptions import RedisError

from ops.supervise.services import Service

ANSWER_S = 3.0


async def well(service: Service, http: aiohttp.ClientSession) -> bool:
    """Whether it answers: HTTP 200, or PONG of Redis that has loaded its data."""
    if service.health.startswith("redis://"):
        return await _pong(service.health)
    if not service.health:
        return True
    try:
        async with http.get(service.health, timeout=aiohttp.ClientTimeout(total=ANSWER_S)) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


async def _pong(url: str) -> bool:
    client = redis.asyncio.Redis.from_url(url, socket_timeout=ANSWER_S, socket_connect_timeout=ANSWER_S)
    try:
        return bool(await client.ping())
    except (TimeoutError, RedisError, OSError):
        return False
    finally:
        await client.aclose()

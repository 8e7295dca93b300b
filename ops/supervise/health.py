"""Asking a child whether it is well."""

from __future__ import annotations

import aiohttp
import redis.asyncio
from redis.exceptions import RedisError

from ops.supervise.services import Service

ANSWER_S = 3.0


class Health:
    """Keeps its connections from one question to the next: making them cost more than all questions together."""

    def __init__(self) -> None:
        self._http = aiohttp.ClientSession()
        self._redis: dict[str, redis.asyncio.Redis] = {}

    async def well(self, service: Service) -> bool:
        """Whether it answers: HTTP 200, or PONG of Redis that has loaded its data."""
        if service.health.startswith("redis://"):
            return await self._pong(service.health)
        if not service.health:
            return True
        try:
            async with self._http.get(service.health, timeout=aiohttp.ClientTimeout(total=ANSWER_S)) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def _pong(self, url: str) -> bool:
        if url not in self._redis:
            self._redis[url] = redis.asyncio.Redis.from_url(url, socket_timeout=ANSWER_S, socket_connect_timeout=ANSWER_S)
        try:
            return bool(await self._redis[url].ping())
        except (TimeoutError, RedisError, OSError):
            return False

    async def aclose(self) -> None:
        """No more questions."""
        await self._http.close()
        for client in self._redis.values():
            await client.aclose()

"""Asking a child whether it is well."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

import aiohttp
import redis.asyncio
from redis.exceptions import RedisError

from ops.redis_access import SUPERVISOR
from ops.supervise.services import Service

ANSWER_S = 3.0
NG_PING, NG_PONG = b"health d7:command4:pinge", b"4:pong"  # a cookie and bencode


class Health:
    """Keeps its connections from one question to the next: making them cost more than all questions together."""

    def __init__(self) -> None:
        self._http = aiohttp.ClientSession()
        self._redis: dict[str, redis.asyncio.Redis] = {}

    async def well(self, service: Service) -> bool:
        """Whether it answers: HTTP 200, PONG of Redis that has loaded its data, or of rtpengine."""
        kind = service.health.partition("://")[0]
        if kind in ("redis", "unix"):
            return await self._pong(service)
        if kind == "ng":
            return await _rtpengine(service.health)
        if not service.health:
            return True
        try:
            # Our own child on our own machine: whose name stands in its certificate does not matter here.
            async with self._http.get(service.health, ssl=False, timeout=aiohttp.ClientTimeout(total=ANSWER_S)) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def _pong(self, service: Service) -> bool:
        try:
            if service.health not in self._redis:
                self._redis[service.health] = _client(service)
            return bool(await self._redis[service.health].ping())
        except (TimeoutError, RedisError, OSError):
            return False

    async def aclose(self) -> None:
        """No more questions."""
        await self._http.close()
        for client in self._redis.values():
            await client.aclose()


def _client(service: Service) -> redis.asyncio.Redis:
    """Raises OSError when the password cannot be read."""
    word = service.secret.read_text(encoding="ascii").strip() if service.secret else None
    user = SUPERVISOR if word else None
    return redis.asyncio.Redis.from_url(
        service.health, username=user, password=word, socket_timeout=ANSWER_S, socket_connect_timeout=ANSWER_S
    )


async def _rtpengine(url: str) -> bool:
    """A ping by its control protocol, like `media.rtp.ng`."""
    at = urlsplit(url)
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.setblocking(False)
        try:
            asker.connect((at.hostname, at.port))
            asker.send(NG_PING)
            async with asyncio.timeout(ANSWER_S):
                return NG_PONG in await loop.sock_recv(asker, 1024)
        except (OSError, TimeoutError):
            return False

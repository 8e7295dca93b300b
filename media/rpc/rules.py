"""What a version of the rules says to a media node: which queues there are, how often positions are told, what is recorded.

The router keeps the book in force in Redis; a node looks whether it is another one, and calls follow from their next step on.
While Redis is away the last known rules hold.
"""

from __future__ import annotations

import asyncio
import logging

from media.call.ports import QueueRule
from media.rpc.pipe import Pipe, RedisAway, RedisRefused
from ops import keys, rulebook
from ops.centre import Queue
from ops.config import ConfigError

log = logging.getLogger(__name__)
LOOK_S = 1.0


def rule_of(queue: Queue) -> QueueRule:
    """As calls use it."""
    return QueueRule(queue.position_every_s * 1000, queue.record, queue.callback_from_s * 1000, queue.ring_s * 1000)


def rules_of(queues: tuple[Queue, ...]) -> dict[str, QueueRule]:
    """As calls use them."""
    return {queue.id: rule_of(queue) for queue in queues}


class Rules:
    """`queues` is changed in place: calls share it. `known` are all queues there were: a menu that leads to one that was removed is
    still played, the router turns those callers away."""

    def __init__(self, pipe: Pipe, tenant: str, queues: dict[str, QueueRule]) -> None:
        self.queues, self.known = queues, set(queues)
        self._pipe, self._key, self._sha256 = pipe, keys.rules(tenant), b""

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Take over another version, if there is one."""
        try:
            (sha256,) = await self._pipe.run([("HGET", self._key, "sha256")])
            if not isinstance(sha256, bytes) or sha256 in (b"", self._sha256):
                return
            (document,) = await self._pipe.run([("HGET", self._key, "document")])
            self._sha256 = sha256
            self._take(document)
        except (RedisAway, RedisRefused) as error:
            log.debug("rules not looked for", extra={"why": str(error)})

    def _take(self, document: object) -> None:
        try:
            book = rulebook.kept(document.decode() if isinstance(document, bytes) else "")
        except ConfigError as error:
            log.error("the rules in force cannot be read by this node", extra={"why": str(error)[:300]})
            return
        now = rules_of(book.queue)
        self.queues.update(now)
        self.known.update(now)
        for gone in self.queues.keys() - now.keys():
            del self.queues[gone]
        log.info("rules in force", extra={"version": book.version})

"""First passwords of people and seats that a version of the rules has brought. They are shown once, to the supervisor who made it.

Kept are only hashes: of a login in SQL as ever; of a seat its HA1 in SQL, and in Redis for the edge, where it is put back if Redis
was emptied. Seats of the installation's file have theirs in STATE/credentials.json and from `tierline up`.
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from console.api.sessions import Sessions
from console.ledger.rulebooks import RuleBooks
from ops import keys, provision
from ops.centre import CentreConfig
from ops.provision import DigestSecrets

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class First:
    """What somebody needs to begin. "" where it stays as it was."""

    user: str
    name: str
    password: str = ""
    seat: str = ""
    seat_password: str = ""


@dataclass(slots=True)
class Newcomers:
    """Makes and keeps passwords."""

    installed: CentreConfig
    sessions: Sessions
    books: RuleBooks
    redis: Redis

    async def welcome(self, config: CentreConfig) -> list[First]:
        """Give passwords to logins and seats of these rules that have none. Raises SQLAlchemyError."""
        await self.sessions.seed()  # the file may have been changed with the rules, and `tierline up` has made passwords for it
        seats = (await asyncio.to_thread(self.books.seats)).keys() | await asyncio.to_thread(_provided, self.installed)
        users = self.sessions.users
        made: list[First] = []
        for agent in config.agent:
            new = agent.id in users and not users[agent.id].password
            new_seat = agent.seat and agent.seat not in seats
            if new or new_seat:
                password = provision.password() if new else ""
                seat = (agent.seat, provision.password()) if new_seat else ("", "")
                made.append(First(agent.id, agent.name, password, *seat))
        await self._keep(made)
        return made

    async def anew(self, config: CentreConfig, user: str) -> First:
        """Other passwords for somebody who lost them: of the login and of the seat."""
        agent = next(one for one in config.agent if one.id == user)
        seat = (agent.seat, provision.password()) if agent.seat else ("", "")
        first = First(agent.id, agent.name, provision.password(), *seat)
        await self._keep([first])
        return first

    async def _keep(self, made: list[First]) -> None:
        realm = self.installed.edge.realm
        await self.sessions.give({one.user: one.password for one in made if one.password})
        secrets = {one.seat: str(DigestSecrets.of(one.seat, realm, one.seat_password)) for one in made if one.seat}
        if secrets:
            await asyncio.to_thread(self.books.set_seats, secrets)
            await self.provide()

    async def provide(self) -> None:
        """Have the edge know our seats, also after Redis was emptied. Raises SQLAlchemyError."""
        seats = await asyncio.to_thread(self.books.seats)
        tenant = self.installed.centre.tenant
        pipe = self.redis.pipeline(transaction=False)
        for seat, secrets in seats.items():
            pipe.hset(keys.seat_auth(tenant, seat), mapping=DigestSecrets.parse(secrets).fields())
        try:
            if seats:
                await pipe.execute()
        except (RedisError, OSError) as error:
            log.warning("seats wait for Redis", extra={"why": str(error)[:200]})

    async def forget(self, seats: set[str]) -> None:
        """Seats that nobody has any more cannot register."""
        tenant = self.installed.centre.tenant
        try:
            if seats:
                await self.redis.delete(*(keys.seat_auth(tenant, seat) for seat in seats))
        except (RedisError, OSError) as error:
            log.warning("old seats wait for Redis", extra={"why": str(error)[:200]})


def _provided(installed: CentreConfig) -> set[str]:
    """Seats that `tierline up` has given passwords to, now or with an earlier file."""
    seats = {agent.seat for agent in installed.agent if agent.seat}
    path = installed.state / "credentials.json"
    if not path.exists():
        return seats
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return seats | {str(seat["seat"]) for seat in data.get("seats", [])}

"""Who is logged in: passwords by argon2, sessions in SQL with a short memory in front, so that work goes on while SQL is away."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import secrets
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy.exc import SQLAlchemyError

from console.api.errors import Busy
from console.ledger.database import away
from console.ledger.people import People, Session, User
from ops.centre import CentreConfig
from ops.clock import Clock

log = logging.getLogger(__name__)
FRESH_MS = 30_000  # a session is looked up in SQL again after so long: an end elsewhere takes effect then
_SEED_CHUNK = 32
CHECKING = 500  # passwords that wait for their check at a time; a check takes 20 ms and 19 MiB, and there are two threads for it


def hasher() -> PasswordHasher:
    """OWASP's minimum for argon2id: 19 MiB, 2 passes (about 20 ms). First passwords are random and long."""
    return PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


class Sessions:
    """Users, passwords and sessions."""

    def __init__(self, config: CentreConfig, people: People, clock: Clock, passwords: PasswordHasher | None = None) -> None:
        self.config, self.people, self.clock = config, people, clock
        self.passwords = passwords or hasher()
        self.users: dict[str, User] = {}
        self.seeded = asyncio.Event()
        self._known: dict[str, tuple[Session, int]] = {}  # token -> session, when looked up
        self._watching: dict[str, set[asyncio.Event]] = {}  # token -> who wants to know of its end
        self._pool = ThreadPoolExecutor(2, "argon2")
        self._checking = self._ended = 0  # _ended: how often sessions were ended from here
        self._unknown = self.passwords.hash(secrets.token_hex(8))

    # ---- users ----
    async def load(self) -> None:
        """Users as the configuration has them."""
        wanted = [User(agent.id, agent.name, agent.role, agent.seat) for agent in self.config.agent]
        await asyncio.to_thread(self.people.configure, wanted)
        self.users = await asyncio.to_thread(self.people.users)

    async def seed(self) -> None:
        """Give users without a password the one of STATE/credentials.json."""
        given = self._credentials()
        without_one = {user: text for user, text in given.items() if user in self.users and not self.users[user].password}
        await self.give(without_one, first=True)
        self.seeded.set()
        without = sorted(user.id for user in self.users.values() if not user.password)
        log.info("users ready", extra={"users": len(self.users), "without_password": without[:20]})

    async def give(self, passwords: dict[str, str], first: bool = False) -> None:
        """Set first passwords by user; with `first` only where there is none yet. Sessions opened with the old ones end."""
        await self._set(passwords, first, self.config.console.change_first_passwords)
        if not first:
            self._end(lambda session: session.user in passwords)

    async def choose(self, session: Session, password: str) -> None:
        """The password that somebody has chosen; all sessions of theirs end but this one."""
        await self._set({session.user: password}, keep=session.token)
        self._end(lambda other: other.user == session.user and other.token != session.token)

    async def _set(self, passwords: dict[str, str], first: bool = False, must_change: bool = False, keep: str = "") -> None:
        loop = asyncio.get_running_loop()
        for chunk in _chunks(sorted(passwords), _SEED_CHUNK):
            work = (loop.run_in_executor(self._pool, self.passwords.hash, passwords[user]) for user in chunk)
            hashes = await asyncio.gather(*work)
            await asyncio.to_thread(self.people.set_passwords, dict(zip(chunk, hashes, strict=True)), first, must_change, keep)
        self.users = await asyncio.to_thread(self.people.users)

    def _credentials(self) -> dict[str, str]:
        path = self.config.state / "credentials.json"
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            return {str(user["id"]): str(user["password"]) for user in data["users"] if user.get("password")}
        except FileNotFoundError:
            log.warning("no first passwords: credentials.json is not there")
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.error("credentials.json cannot be used", extra={"why": repr(error)})
        return {}

    async def verify(self, name: str, password: str) -> User | None:
        """The user with this password. Takes as long for a name that does not exist. Raises Busy."""
        if self._checking >= CHECKING:
            raise Busy("busy", "too many log-ins at once; try again in a moment", headers={"Retry-After": "2"})
        self._checking += 1
        try:
            await self.seeded.wait()
            return await self._verify(name, password)
        finally:
            self._checking -= 1

    async def _verify(self, name: str, password: str) -> User | None:
        user = await self._user(name)
        kept = user.password if user is not None and user.password else self._unknown
        right = await asyncio.get_running_loop().run_in_executor(self._pool, self._right, kept, password)
        return user if right and kept != self._unknown else None

    async def _user(self, name: str) -> User | None:
        """From SQL: another console may have given other passwords. As last known while SQL is away."""
        try:
            found = await asyncio.to_thread(self.people.user, name)
        except SQLAlchemyError as error:
            if not away(error):
                raise
            return self.users.get(name)
        if found is None or name not in self.users:
            return None
        self.users[name] = found
        return found

    def _right(self, kept: str, password: str) -> bool:
        try:
            return self.passwords.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False

    # ---- sessions ----
    async def open(self, user: User) -> tuple[str, Session] | None:
        """A new session: the cookie's value and what is kept of it. None: the password was changed while it was checked."""
        cookie, now = secrets.token_urlsafe(32), self.clock.now_ms()
        session = Session(_digest(cookie), user.id, now + self.config.console.session_hours * 3_600_000)
        if not await asyncio.to_thread(self.people.open, session, now, user.password):
            return None
        self._known[session.token] = session, now
        return cookie, session

    async def find(self, cookie: str) -> tuple[User, Session] | None:
        """Who holds this cookie; None: nobody any more. Raises SQLAlchemyError for an unknown one while SQL is away."""
        token = _digest(cookie)
        session = await self._fresh(token)
        user = self.users.get(session.user) if session is not None else None
        if session is None or user is None or session.expires_ms <= self.clock.now_ms():
            self._known.pop(token, None)
            return None
        return user, session

    async def _fresh(self, token: str) -> Session | None:
        known, now = self._known.get(token), self.clock.now_ms()
        if known is not None and now - known[1] < FRESH_MS:
            return known[0]
        ended = self._ended
        try:
            session = await asyncio.to_thread(self.people.session, token)
        except SQLAlchemyError as error:
            if known is None or not away(error):
                raise
            return known[0]
        if session is not None and ended == self._ended:  # else it may have been read before its end
            self._known[token] = session, now
        return session

    async def close(self, session: Session) -> None:
        """End a session."""
        self._end(lambda other: other.token == session.token)
        await asyncio.to_thread(self.people.close, session.token)
        self._end(lambda other: other.token == session.token)

    def _end(self, ends: Callable[[Session], bool]) -> None:
        """Look sessions up anew, and wake whoever watches them."""
        self._ended += 1
        for token in [token for token, (session, _) in self._known.items() if ends(session)]:
            del self._known[token]
            for event in self._watching.get(token, ()):
                event.set()

    @contextmanager
    def watch(self, session: Session, event: asyncio.Event) -> Iterator[None]:
        """Have `event` set when the session may have ended."""
        self._watching.setdefault(session.token, set()).add(event)
        try:
            yield
        finally:
            self._watching[session.token].discard(event)
            if not self._watching[session.token]:
                del self._watching[session.token]

    async def expire(self) -> list[str]:
        """Remove what ran out; users that have no session left."""
        now = self.clock.now_ms()
        self._known = {token: known for token, known in self._known.items() if known[0].expires_ms > now}
        return await asyncio.to_thread(self.people.expire, now)

    def shutdown(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False)


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()


def _chunks(items: list[str], size: int) -> Iterable[list[str]]:
    return (items[n : n + size] for n in range(0, len(items), size))

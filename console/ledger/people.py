"""Users and their sessions in SQL. The driver blocks: call from a thread."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, delete, insert, select, update

from console.ledger.database import Database
from console.ledger.models import SessionRow, UserRow, table

USER, SESSION = table(UserRow), table(SessionRow)


@dataclass(frozen=True, slots=True)
class User:
    """A person who may log in."""

    id: str
    name: str
    role: str  # agent, supervisor, administrator
    seat: str = ""
    password: str = ""  # argon2 hash; "" cannot log in
    must_change: bool = False  # the password is a first one


@dataclass(frozen=True, slots=True)
class Session:
    """A log-in of a browser. `token`: SHA-256 of the cookie, hex."""

    token: str
    user: str
    expires_ms: int


class People:
    """Users and sessions of one tenant."""

    def __init__(self, database: Database, tenant: str) -> None:
        self.database, self.tenant = database, tenant

    def users(self) -> dict[str, User]:
        """Who may log in, by id."""
        c = USER.c
        with self.database.read() as connection:
            found = connection.execute(select(USER).where(c.tenant == self.tenant, c.active.is_(True))).all()
        return {row.id: _user(row) for row in found}

    def user(self, name: str) -> User | None:
        """One of them, as another console may have left it."""
        c = USER.c
        with self.database.read() as connection:
            row = connection.execute(select(USER).where(c.tenant == self.tenant, c.id == name, c.active.is_(True))).first()
        return _user(row) if row else None

    def configure(self, users: Iterable[User]) -> None:
        """Make the table say what the configuration says. Passwords that are there stay; who is gone cannot log in any more."""
        wanted = {user.id: user for user in users}
        c = USER.c
        with self.database.write() as connection:
            known = set(connection.execute(select(c.id).where(c.tenant == self.tenant)).scalars())
            for user in wanted.values():
                values = {"name": user.name, "role": user.role, "seat": user.seat, "active": True}
                if user.id in known:
                    connection.execute(update(USER).where(c.tenant == self.tenant, c.id == user.id).values(**values))
                else:
                    row = {"tenant": self.tenant, "id": user.id, "password": user.password, **values}
                    connection.execute(insert(USER), row)
            gone = known - wanted.keys()
            connection.execute(update(USER).where(c.tenant == self.tenant, c.id.in_(gone)).values(active=False))

    def set_passwords(self, hashes: dict[str, str], first: bool = False, must_change: bool = False, keep: str = "") -> None:
        """Store argon2 hashes; with `first` only where there is none yet. Sessions opened with the old ones end, but for `keep`."""
        c = USER.c
        with self.database.write() as connection:
            for user, password in hashes.items():
                change = (
                    update(USER).where(c.tenant == self.tenant, c.id == user).values(password=password, must_change=must_change)
                )
                connection.execute(change.where(c.password == "") if first else change)
            if not first:
                mine = and_(SESSION.c.tenant == self.tenant, SESSION.c.user.in_(hashes), SESSION.c.token != keep)
                connection.execute(delete(SESSION).where(mine))

    def open(self, session: Session, now_ms: int, password: str) -> bool:
        """Store a new session, unless the user's hash is no longer `password`."""
        row = {"token": session.token, "tenant": self.tenant, "user": session.user}
        mine = and_(USER.c.tenant == self.tenant, USER.c.id == session.user, USER.c.active.is_(True))
        with self.database.write() as connection:
            if connection.execute(select(USER.c.password).where(mine)).scalar() != password:
                return False
            connection.execute(insert(SESSION), {**row, "created_ms": now_ms, "expires_ms": session.expires_ms})
        return True

    def session(self, token: str) -> Session | None:
        """The session of a token, expired or not."""
        with self.database.read() as connection:
            row = connection.execute(select(SESSION).where(SESSION.c.token == token, SESSION.c.tenant == self.tenant)).first()
        return Session(row.token, row.user, row.expires_ms) if row else None

    def close(self, token: str) -> None:
        """End a session."""
        with self.database.write() as connection:
            connection.execute(delete(SESSION).where(SESSION.c.token == token))

    def expire(self, now_ms: int) -> list[str]:
        """Remove sessions that ran out. Users that have no other one left."""
        c = SESSION.c
        with self.database.write() as connection:
            mine = c.tenant == self.tenant
            over = set(connection.execute(select(c.user).where(mine, c.expires_ms <= now_ms)).scalars())
            connection.execute(delete(SESSION).where(mine, c.expires_ms <= now_ms))
            left = set(connection.execute(select(c.user).where(mine, c.user.in_(over))).scalars())
        return sorted(over - left)


def _user(row: Any) -> User:
    return User(row.id, row.name, row.role, row.seat, row.password, row.must_change)

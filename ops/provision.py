"""First credentials of a centre, and what of them Redis must know before a seat can register."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from ops import keys
from ops.centre import CentreConfig

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # nothing that looks like something else when read out on a telephone
_LENGTH = 16


def ha1(seat: str, realm: str, password: str) -> str:
    """MD5(user:realm:password) in lower-case hex (RFC 2617 §3.2.2.2): the digest secret of a seat."""
    return hashlib.md5(f"{seat}:{realm}:{password}".encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class DigestSecrets:
    """What the edge must know of a seat's password, for phones that hash with MD5 and for those with SHA-256 (RFC 8760)."""

    ha1: str
    ha1_sha256: str = ""  # "": made before the product knew SHA-256; such a phone is asked for MD5

    @classmethod
    def of(cls, seat: str, realm: str, password: str) -> DigestSecrets:
        """Of a seat's password."""
        return cls(ha1(seat, realm, password), hashlib.sha256(f"{seat}:{realm}:{password}".encode()).hexdigest())

    @classmethod
    def parse(cls, text: str) -> DigestSecrets:
        """What `str` made."""
        return cls(*text.split(" ", 1))

    def __str__(self) -> str:
        return f"{self.ha1} {self.ha1_sha256}".rstrip()

    def fields(self) -> dict[Any, str]:
        """Of the hash that `ops.keys.seat_auth` names (keys of the type that redis-py asks for)."""
        return {"ha1": self.ha1, "ha1_sha256": self.ha1_sha256}


@dataclass(frozen=True, slots=True)
class Credentials:
    """STATE/credentials.json. `users`: id, name, role, password; `seats`: seat, password, realm."""

    users: tuple[dict[str, str], ...] = ()
    seats: tuple[dict[str, str], ...] = ()
    path: Path = field(default=Path(), compare=False)


def credentials(config: CentreConfig, path: Path) -> Credentials:
    """What stands in `path`, with new random passwords for agents and seats that are not in it yet; written back (0600)."""
    old = _read(path)
    users = {user["id"]: user for user in old.get("users", [])}
    seats = {seat["seat"]: seat for seat in old.get("seats", [])}
    for agent in config.agent:
        kept = users.get(agent.id, {}).get("password") or password()
        users[agent.id] = {"id": agent.id, "name": agent.name, "role": agent.role, "password": kept}
        if agent.seat:
            kept = seats.get(agent.seat, {}).get("password") or password()
            seats[agent.seat] = {"seat": agent.seat, "password": kept, "realm": config.edge.realm}
    made = Credentials(tuple(users.values()), tuple(seats.values()), path)
    write_private(path, json.dumps({"users": made.users, "seats": made.seats}, ensure_ascii=False, indent=1) + "\n")
    return made


def forget_user(path: Path, user: str) -> None:
    """Take out the first password of somebody who has chosen another one. A file that cannot be read is left as it is."""
    try:
        data = _read(path)
    except (OSError, ValueError):
        return
    users = data.get("users", [])
    if any(one.get("id") == user and one.get("password") for one in users):
        kept = [one | {"password": ""} if one.get("id") == user else one for one in users]
        write_private(path, json.dumps(data | {"users": kept}, ensure_ascii=False, indent=1) + "\n")


def password() -> str:
    """A random password of 80 bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def seats(url: str, tenant: str, made: Credentials) -> int:
    """Write each seat's digest secrets to Redis, where the edge looks it up; how many. Raises redis.RedisError when it is away."""
    with redis.Redis.from_url(url) as client, client.pipeline(transaction=False) as pipe:
        for seat in made.seats:
            made_of = DigestSecrets.of(seat["seat"], seat["realm"], seat["password"])
            pipe.hset(keys.seat_auth(tenant, seat["seat"]), mapping=made_of.fields())
        pipe.execute()
    return len(made.seats)


def write_private(path: Path, text: str) -> None:
    """Replace `path` in one step with a file only its owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)  # of an earlier run with this pid, torn, and maybe for others to read
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
    part.replace(path)


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    data = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(data, dict):
        raise ValueError(f"{path} is not what tierline wrote; move it away to get new passwords")
    return data

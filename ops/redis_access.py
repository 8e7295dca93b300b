"""Who may do what in the two Redis servers of a centre, and how each process gets in.

The centre's Redis has a user for each process, with the keys and commands it needs. Passwords are files that the process alone
reads (STATE/secrets); they are never on a command line. Kamailio's modules send a password without a user name, so the edge is
Redis' default user, and the only one that comes by TCP. rtpengine, which does the same, has a small Redis of its own.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ops import keys
from ops.centre import CentreConfig
from ops.ports import LOOPBACK

DEFAULT = "default"  # Redis' name for whoever names no user
EDGE, ROUTER, MEDIA, CONSOLE, SHIP = "edge", "router", "media", "console", "ship"
SUPERVISOR = "supervisor"  # `tierline up` and the commands that work on a running centre
OPERATOR = "operator"  # people, with `tierline redis`
RTPENGINE = "rtpengine"  # default user of its own server
_BYTES = 24
_LATE = frozenset((DEFAULT, SUPERVISOR))  # are let in when the centre's Redis has read its data


@dataclass(frozen=True, slots=True)
class User:
    """A user of a Redis: `name` there, the `role` whose password it has, and its rights as ACL rules."""

    name: str
    role: str
    rights: str


def users(tenant: str) -> tuple[User, ...]:
    """Of the centre's Redis."""
    base = keys.base(tenant)
    facts, rules = f"~{keys.facts(tenant)}", f"%R~{keys.rules(tenant)}"
    seats, owners = f"{base}:seat:*", f"{base}:owner:*"
    once = f"~{base}:outside:* ~{keys.dialogs(tenant)}"
    edge = f"%R~{seats} %R~{owners} %R~{base}:placement:* {once} ~location:* ~version:*"
    registrar = "+hgetall +hmget +hmset +hset +del +exists +sadd +srem +smembers +scard +keys +script|load +evalsha"
    everything = "+@all -@admin -@dangerous"
    return (
        User(DEFAULT, EDGE, f"{edge} +get +getdel +hget +rpush +ltrim {registrar}"),
        User(ROUTER, ROUTER, f"~{base}:* &{base}:* %R~location:* {everything}"),
        User(MEDIA, MEDIA, f"{facts} ~{owners} {rules} +xadd +get +set +del +hget"),
        User(CONSOLE, CONSOLE, f"{facts} ~{seats} +@stream +hset +del"),
        User(SHIP, SHIP, f"{facts} +xadd"),
        User(SUPERVISOR, SUPERVISOR, f"~{seats} {rules} +hset +hget"),
        User(OPERATOR, OPERATOR, "~* &* +@all"),
    )


def rtpengine_users() -> tuple[User, ...]:
    """Of rtpengine's Redis: each rtpengine of the centre has a database of its own."""
    return (
        User(DEFAULT, RTPENGINE, "~* +@all -@admin -@dangerous -@scripting +keys +info"),
        User(SUPERVISOR, SUPERVISOR, ""),
        User(OPERATOR, OPERATOR, "~* &* +@all"),
    )


def acl(made: tuple[User, ...], password: dict[str, str], late: frozenset[str] = frozenset()) -> str:
    """The text of a file for Redis' `aclfile`; it holds no password, but their hashes. Users that are `late` cannot get in yet."""
    lines = [f"user {user.name} {_rules(user, password[user.role])}" for user in made if user.name not in late]
    if DEFAULT in late:
        lines.append(f"user {DEFAULT} off resetpass ~* &* +@all")  # as it Redis reads its file (ops/redis_server.py)
    return "".join(f"{line}\n" for line in lines)


def _rules(user: User, word: str) -> str:
    always = "-@all +auth +hello +ping +select +echo"
    return f"on #{hashlib.sha256(word.encode()).hexdigest()} resetkeys resetchannels {always} {user.rights}".rstrip()


def late_users(config: CentreConfig) -> tuple[tuple[str, ...], ...]:
    """Words of `ACL SETUSER` for the users of the centre's Redis who are let in once its data are there; the one by whom it is
    known to be healthy comes last. Raises OSError."""
    made = {user.name: user for user in users(config.centre.tenant) if user.name in _LATE}
    order = sorted(made, key=lambda name: name == SUPERVISOR)
    return tuple((name, "reset", *_rules(made[name], password(config, made[name].role)).split()) for name in order)


def secret_file(config: CentreConfig, role: str) -> Path:
    """Where the password of a role stands."""
    return config.state.absolute() / "secrets" / f"redis-{role}"


def socket(config: CentreConfig) -> Path:
    """The centre's Redis."""
    return config.run / "redis.sock"


def rtpengine_socket(config: CentreConfig) -> Path:
    """rtpengine's Redis, for who looks after it."""
    return config.run / "rtpengine.sock"


def password(config: CentreConfig, role: str) -> str:
    """ "" when this Redis asks for none (one that was not started by `tierline up`). Raises OSError."""
    return secret_file(config, role).read_text(encoding="ascii").strip() if config.secured else ""


def url(config: CentreConfig, role: str) -> str:
    """Of the centre's Redis, with what the role needs to get in. Raises OSError when its password cannot be read."""
    if not config.secured:
        return f"redis://{LOOPBACK}:{config.ports.redis}/0"
    if role == EDGE:
        return f"redis://:{password(config, role)}@{LOOPBACK}:{config.ports.redis}/0"
    return unix_url(socket(config), role, password(config, role))


def unix_url(path: Path, role: str, word: str) -> str:
    """As redis-py and our own clients read it."""
    return f"unix://{role}:{word}@{quote(str(path))}?db=0"


def provide(config: CentreConfig) -> None:
    """Passwords of all roles, made once, and the files that tell both servers of them."""
    known = {role: _kept(secret_file(config, role)) for role in _roles(config)}
    _write(config.state / "redis" / "users.acl", acl(users(config.centre.tenant), known, _LATE))
    _write(config.state / "redis-rtpengine" / "users.acl", acl(rtpengine_users(), known))


def _roles(config: CentreConfig) -> set[str]:
    return {user.role for user in (*users(config.centre.tenant), *rtpengine_users())}


def _kept(path: Path) -> str:
    if not path.exists():
        _write(path, secrets.token_hex(_BYTES) + "\n")
    return path.read_text(encoding="ascii").strip()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as out:
        out.write(text)
    part.replace(path)

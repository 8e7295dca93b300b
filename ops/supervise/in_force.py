"""Which version of the rules a centre works by; at its start one line for people, whether that is what the file says."""

from __future__ import annotations

import time
from pathlib import Path

import redis

from ops import keys, redis_access, rulebook
from ops.centre import CentreConfig
from ops.config import ConfigError, load
from ops.rule_changes import diff
from ops.rulebook import RuleBook
from ops.supervise.files import Folder

TRIES, PAUSE_S = 100, 0.05
ANSWER_S = 5.0


def told(config: CentreConfig) -> str:
    """Blocks for at most some seconds, until a router has written the version. Nothing fails for it."""
    try:
        with redis.Redis.from_url(redis_access.url(config, redis_access.SUPERVISOR), decode_responses=True) as client:
            text = _document(client, keys.rules(config.centre.tenant))
        book = rulebook.kept(text) if text else None
    except (redis.RedisError, ConfigError) as error:
        return f"not known: {error}"
    if book is None:
        return "not known yet"
    count = len(diff(book, rulebook.seed(config)))
    if not count:
        return f"version {book.version}, as in {config.path}"
    state = f"--state {config.state}"
    return (
        f"version {book.version} is in force. {config.path} says something else in {count} places and is not used for rules: "
        f"`tierline rules {state} diff {config.path}` shows it, `tierline rules {state} import {config.path} --why ...` takes it"
    )


def now(config: CentreConfig) -> RuleBook | None:
    """The version in force; None: Redis does not answer, or has none that we can read."""
    try:
        with redis.Redis.from_url(
            redis_access.url(config, redis_access.SUPERVISOR), decode_responses=True, socket_timeout=ANSWER_S
        ) as client:
            text = client.hget(keys.rules(config.centre.tenant), "document")
        return rulebook.kept(str(text)) if text else None
    except (redis.RedisError, ConfigError, OSError):
        return None


def running(state: Path) -> CentreConfig | None:
    """The centre that runs in a state folder, as its services read it; None: none does."""
    folder = Folder(state)
    return load(folder.config) if folder.endpoints.exists() and folder.config.exists() else None


def _document(client: redis.Redis, key: str) -> str:
    """A router writes it with its first connection."""
    for _ in range(TRIES):
        if text := client.hget(key, "document"):
            return str(text)
        time.sleep(PAUSE_S)
    return ""

"""`python -m ops.redis_server --config FILE`: becomes the centre's Redis, and lets its users in once the data are there.

Redis 7.0 reads its append-only file as the default user and asks at each EXEC (every script of the router is one) what that user
may do. The default user here is the edge, which may do little: whatever the router had written would be left out. So the file of
users that Redis reads at its start has a default user who may do all, but whom nobody can become; when the data are read, a child
of this process gives it the edge's password and rights. Until then the edge and whoever looks after Redis are refused.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import redis

from ops import redis_access
from ops.centre import CentreConfig
from ops.config import load
from ops.ports import LOOPBACK

PAUSE_S = 0.02


def words(folder: Path, socket: Path, port: int) -> tuple[str, ...]:
    """A server of ours: every write goes to the append-only file."""
    plain = f"redis-server --port {port} --bind {LOOPBACK} --appendonly yes --appendfsync everysec --daemonize no"
    plain += " --maxmemory-policy noeviction --set-proc-title no --unixsocketperm 660"
    return (*plain.split(), "--save", "", "--dir", str(folder), "--aclfile", str(folder / "users.acl"), "--unixsocket", str(socket))


def let_in(config: CentreConfig, server: int) -> bool:
    """Wait until the data are there, then set the users who were to wait; False if the process `server` ended before."""
    commands = redis_access.late_users(config)
    client: Any = redis.Redis.from_url(redis_access.url(config, redis_access.OPERATOR))  # its commands are not typed
    while True:
        try:
            os.kill(server, 0)
            client.ping()
            for command in commands:
                client.execute_command("ACL", "SETUSER", *command)
            return True
        except ProcessLookupError:
            return False
        except redis.AuthenticationError:
            raise
        except (redis.ConnectionError, redis.BusyLoadingError):
            time.sleep(PAUSE_S)


def _child(config: CentreConfig, server: int) -> None:
    """Does that beside the server, as nobody's child: Redis looks after children of its own only."""
    first = os.fork()
    if first:
        os.waitpid(first, 0)
        return
    if os.fork() == 0:
        try:
            let_in(config, server)
        except (redis.RedisError, OSError) as error:
            print(f"the users of Redis were not set, so nobody gets in: {error}", file=sys.stderr, flush=True)
    os._exit(0)


def main() -> None:
    """Never returns."""
    parser = argparse.ArgumentParser(prog="python -m ops.redis_server")
    parser.add_argument("--config", required=True, type=Path)
    config = load(parser.parse_args().config)
    argv = words(config.state / "redis", redis_access.socket(config), config.ports.redis if config.takes_calls else 0)
    _child(config, os.getpid())
    os.execvp(argv[0], argv)


if __name__ == "__main__":
    main()

"""`tierline certificates` and `tierline redis`: what people need to get at the inside of a centre."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ops import certificates, inner, redis_access
from ops.cli import Command, CommandError
from ops.config import load
from ops.supervise.commands import state_argument
from ops.supervise.files import Folder


def _certificates_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="where authority.pem and ROLE.pem, ROLE.key are written")


def _certificates(args: argparse.Namespace) -> int:
    """Files that are there are kept."""
    try:
        for role in (*inner.ROLES, inner.ROUTER):
            certificates.issue(args.folder, role, inner.certificate_name(role))
    except (certificates.CertificateError, OSError) as error:
        raise CommandError(str(error)) from error
    print(f"certificates of {', '.join((*inner.ROLES, inner.ROUTER))} in {args.folder}")
    print(f"each machine gets authority.pem and the files of its own roles; keep {args.folder}/authority.key off all of them")
    return 0


def _redis_arguments(parser: argparse.ArgumentParser) -> None:
    state_argument(parser)
    parser.add_argument("--rtpengine", action="store_true", help="the Redis of the rtpengines, not the centre's")
    parser.add_argument("words", nargs=argparse.REMAINDER, help="of redis-cli: a command, or nothing for a session")


def _redis(args: argparse.Namespace) -> int:
    """Become redis-cli as the operator. The password goes by the environment, which only this user can read."""
    file = Folder(args.state.absolute()).config
    if not file.exists():
        raise CommandError(f"no centre was started in {args.state}")
    config = load(file)
    path = redis_access.rtpengine_socket(config) if args.rtpengine else redis_access.socket(config)
    try:
        word = redis_access.password(config, redis_access.OPERATOR)
        environment = {**os.environ, "REDISCLI_AUTH": word}
        os.execvpe("redis-cli", ["redis-cli", "-s", str(path), "--user", redis_access.OPERATOR, *args.words], environment)
    except OSError as error:
        raise CommandError(f"redis-cli: {error}") from error


CERTIFICATES = Command("certificates", "certificates for services on several machines", _certificates_arguments, _certificates)
REDIS = Command("redis", "redis-cli on the Redis of a running centre", _redis_arguments, _redis)

"""Ports of a centre against the ports of this machine: a taken one is told with its holder, or moved."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ops.centre import CentreConfig
from ops.cli import CommandError
from ops.ports import UDP, Use, uses
from ops.supervise.proc import Holder, Leader, holder, process, same

LOWEST, HIGHEST = 10_000, 32_000  # below what the kernel gives to outgoing connections
AUDIO = "rtp_low"
SAMPLE = 40  # one of so many audio ports is looked at
STEP = (
    198  # from one place for a large block to the next: even, and no multiple of SAMPLE, so that a busy port is not met each time
)


class PortTaken(Exception):
    """Ports that the centre wants belong to others; `lines` has one for each."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def free(address: str, port: int, kinds: tuple[str, ...]) -> bool:
    """Whether the port can be bound here and now for all kinds ("udp", "tcp"). False also for an address that is not ours."""
    for kind in kinds:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == UDP else socket.SOCK_STREAM) as probe:
            if kind != UDP:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # waiting ends of old connections do no harm
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


def taken(config: CentreConfig) -> Iterator[tuple[Use, int, Holder]]:
    """Each port somebody else has: (what wants it, the port, who has it). Audio ports are not looked at one by one."""
    for use in uses(config):
        for port in use.ports if use.key != AUDIO else ():
            if not free(use.address, port, use.kinds):
                yield use, port, holder(use.address, port, use.kinds)


def describe(use: Use, port: int, who: Holder) -> str:
    """One line for people."""
    by = f"{who.name} (pid {who.pid})" if who.pid else who.name
    return f"port {port} for {use.what} (ports.{use.key}) is taken by {by}"


def check(config: CentreConfig) -> None:
    """Raises PortTaken when anything is in the way."""
    lines = tuple(describe(*one) for one in taken(config))
    if lines:
        raise PortTaken((*lines, "stop what holds them, write other numbers in [ports], or start with --auto-ports"))


def move(config: CentreConfig, claimed: set[int]) -> tuple[CentreConfig, list[str]]:
    """The centre with other ports for those taken or in `claimed`, and a line for each change."""
    used = set(claimed)
    changes: dict[str, int] = {}
    for use in uses(config):
        start = use.port if fits(use, use.port, used) else _other(use, used)
        used.update(range(start, start + use.count))
        if start != use.port:
            changes[use.key] = start
    lines = [f"{use.what}: {changes[use.key]} instead of {use.port}" for use in uses(config) if use.key in changes]
    if AUDIO in changes:
        changes["rtp_high"] = changes[AUDIO] + config.ports.rtp_high - config.ports.rtp_low
    return replace(config, ports=replace(config.ports, **changes)), lines


def fits(use: Use, start: int, used: set[int]) -> bool:
    """Whether nobody has it. Audio: rtpengine goes around single taken ports, so a sample must do."""
    ports = range(start, start + use.count)
    if not used.isdisjoint(ports):
        return False
    return all(free(use.address, port, use.kinds) for port in (ports[::SAMPLE] if use.key == AUDIO else ports))


def _other(use: Use, used: set[int]) -> int:
    """Another start, beginning at a place of this process's own."""
    low, high = (20_000, 60_000) if use.key == AUDIO else (LOWEST, HIGHEST)
    room = high - low - use.count
    first = os.getpid() * 100 % room
    for offset in range(0, room, min(use.count, STEP)):
        start = low + (first + offset) % room
        if fits(use, start, used):
            return start
    raise PortTaken((f"no {use.count} neighbouring free ports between {low} and {high} for {use.what}",))


@contextmanager
def claims(own: Path) -> Iterator[tuple[set[int], Path]]:
    """Ports that other centres of this user are about to take, while they are starting; nobody else looks meanwhile.

    Between choosing a port and binding it seconds pass. The file `own` (write it with `claim`) keeps the choice until then.
    """
    folder = own.parent
    _private(folder)
    with os.fdopen(os.open(folder / "lock", os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield {port for file in folder.glob("*.json") if file != own for port in _claimed(file)}, own


def _private(folder: Path) -> None:
    """A folder below /tmp that another user may have made first, to have us write through its links. Raises CommandError."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700, parents=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise CommandError(
            f"{folder} is not a folder of this user alone, so it cannot hold the ports of starting centres: "
            "remove it, or set TMPDIR to a folder of your own"
        )


def claim_file() -> Path:
    """Where this process keeps its claim."""
    return Path(tempfile.gettempdir()) / f"tierline-ports-{os.getuid()}" / f"{os.getpid()}.json"


def claim(own: Path, config: CentreConfig) -> None:
    """Keep all ports of `config` for this process as long as it lives."""
    me = process(os.getpid())
    ports = [[use.port, use.count] for use in uses(config)]
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(own, flags, 0o600), "w", encoding="utf-8") as out:
        json.dump({"pid": os.getpid(), "start": me.start if me else 0, "ports": ports}, out)


def _claimed(file: Path) -> Iterator[int]:
    """Ports in a claim; a dead process's file is removed."""
    try:
        data = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return
    if not same(Leader(data["pid"], data["start"])):
        file.unlink(missing_ok=True)
        return
    for start, count in data["ports"]:
        yield from range(start, start + count)

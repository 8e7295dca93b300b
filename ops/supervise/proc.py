"""Processes as /proc tells them: who is in a session, who is still the one we started, who holds a port."""

from __future__ import annotations

import ipaddress
import os
import signal
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
MARK = "TIERLINE_STATE"  # in the environment of every child: the state folder it belongs to
_LISTEN = "0A"


@dataclass(frozen=True, slots=True)
class Process:
    """One process. `start` (clock ticks since boot) tells it from a later one with the same pid."""

    pid: int
    name: str
    session: int
    start: int
    zombie: bool = False


@dataclass(frozen=True, slots=True)
class Leader:
    """A child as it was started: its pid is also the id of its session."""

    pid: int
    start: int


def process(pid: int) -> Process | None:
    """The process with this pid; None when there is none."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    name = text[text.index("(") + 1 : text.rindex(")")]
    words = text[text.rindex(")") + 2 :].split()
    return Process(pid, name, int(words[3]), int(words[19]), words[0] in "ZX")


def processes() -> Iterator[Process]:
    """All that run, zombies left out."""
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (found := process(int(entry.name))) is not None and not found.zombie:
            yield found


def same(leader: Leader) -> bool:
    """Whether the very process still runs."""
    found = process(leader.pid)
    return found is not None and found.start == leader.start and not found.zombie


def mark(pid: int) -> str:
    """The state folder a process was started for; "" when it tells none, or may not be asked."""
    try:
        words = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    start = f"{MARK}=".encode()
    return next((os.fsdecode(word[len(start) :]) for word in words if word.startswith(start)), "")


def family(state: Path, leaders: Iterable[Leader]) -> list[Process]:
    """What was started for this state folder and still runs.

    A process is ours when it bears our mark, or is in a session whose leader is alive and the very one we started. A session
    id alone is not enough: once all of a session are gone, the number may be anybody's.
    """
    alive = {leader.pid for leader in leaders if same(leader)}
    return [one for one in processes() if one.pid != os.getpid() and (one.session in alive or mark(one.pid) == str(state))]


def session(state: Path, leader: Leader) -> list[Process]:
    """What is left of one child: itself and the processes it forked."""
    sure = same(leader)
    return [one for one in processes() if one.session == leader.pid and (sure or mark(one.pid) == str(state))]


def kill(victims: Iterable[Process]) -> int:
    """SIGKILL each that is still the same process; how many."""
    count = 0
    for victim in victims:
        if same(Leader(victim.pid, victim.start)):
            try:
                os.kill(victim.pid, signal.SIGKILL)
                count += 1
            except ProcessLookupError:
                continue
    return count


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a port. pid 0: a process we may not look into (another user's)."""

    pid: int
    name: str


def holder(address: str, port: int, kinds: tuple[str, ...]) -> Holder:
    """The process that has the port open on this address, or on all addresses."""
    inodes = {inode for kind in kinds for table in (kind, kind + "6") for inode in _sockets(table, address, port)}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and _has(entry, inodes):
            found = process(int(entry.name))
            return Holder(int(entry.name), found.name if found else "?")
    return Holder(0, "a process of another user")


def _sockets(table: str, address: str, port: int) -> Iterator[str]:
    """Inodes of the sockets bound to the port, from /proc/net/TABLE."""
    path = PROC / "net" / table
    if not path.exists():
        return
    for line in path.read_text().splitlines()[1:]:
        words = line.split()
        host, _, number = words[1].partition(":")
        bound = int(number, 16) == port and (not table.startswith("tcp") or words[3] == _LISTEN)
        if bound and (set(host) == {"0"} or address == "0.0.0.0" or _text(host) == address):
            yield words[9]


_MAPPED = "0000000000000000FFFF0000"  # ::ffff:a.b.c.d, which listens on a.b.c.d


def _text(host: str) -> str:
    host = host.removeprefix(_MAPPED)
    if len(host) != 8:
        return ""
    return str(ipaddress.IPv4Address(struct.pack("<I", int(host, 16))))


def _has(entry: Path, inodes: set[str]) -> bool:
    wanted = {f"socket:[{inode}]" for inode in inodes}
    try:
        return any(str(link.readlink()) in wanted for link in (entry / "fd").iterdir())
    except OSError:
        return False  # gone meanwhile, or another user's

"""Ports that nobody uses, never given to two test processes at the same time, be they workers of one run or of several."""

from __future__ import annotations

import fcntl
import itertools
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Between choosing a port and binding it time passes, and until then it looks free to everybody. So a process claims whole stretches
# by locks that end with it. They are below the ports of audio (ops/centre.py) and below the kernel's ephemeral range.
_FIRST, _LAST, _STRETCH = 10_000, 29_900, 500
_MOST = 12  # stretches of one process: one run of two workers leaves some for another
_claims: list[int] = []  # file descriptors of the locks


def _claimed() -> Iterator[range]:
    """Stretches of this process, tried from a place of its own."""
    folder = Path(tempfile.gettempdir()) / f"tierline-test-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    starts = range(_FIRST, _LAST - _STRETCH, _STRETCH)
    for step in range(len(starts)):
        start = starts[(os.getpid() + step) % len(starts)]
        claim = os.open(folder / str(start), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(claim)
            continue
        _claims.append(claim)
        yield range(start, start + _STRETCH)
        if len(_claims) == _MOST:
            return


def _walk() -> Iterator[int]:
    own: list[range] = []
    for stretch in _claimed():
        own.append(stretch)
        yield from stretch
    while True:
        for stretch in own or [range(_FIRST, _LAST)]:  # many runs at once have claimed all: what is free must do
            yield from stretch


_ports = _walk()


def _free(port: int, host: str) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True


def free_port(host: str = "127.0.0.1") -> int:
    """A port free for UDP and TCP."""
    return free_block(1, host)


def free_block(count: int, host: str = "127.0.0.1") -> int:
    """The first of `count` neighbouring free ports. More than a stretch (benches) are not claimed."""
    run: list[int] = []
    ports = _ports if count <= _STRETCH else itertools.cycle(range(_FIRST, _LAST))
    for port in itertools.islice(ports, 60_000):
        if run and port != run[-1] + 1:
            run = []
        run = [*run, port] if _free(port, host) else []
        if len(run) == count:
            return run[0]
    raise RuntimeError(f"no {count} neighbouring free ports on {host}")

"""Ports that nobody uses, never given twice in one run."""

from __future__ import annotations

import itertools
import os
import socket

# Each test process walks from a place of its own, so that two runs rarely meet; below the ports of audio (ops/centre.py) and below
# the kernel's ephemeral range.
_FIRST, _LAST = 10_000, 29_900
_mine = _FIRST + os.getpid() % 38 * 500
_stretch = itertools.cycle([*range(_mine, _LAST), *range(_FIRST, _mine)])


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
    """The first of `count` neighbouring free ports."""
    run: list[int] = []
    for port in itertools.islice(_stretch, 60_000):
        run = [*run, port] if _free(port, host) and (not run or port == run[-1] + 1) else []
        if len(run) == count:
            return run[0]
    raise RuntimeError(f"no {count} neighbouring free ports on {host}")

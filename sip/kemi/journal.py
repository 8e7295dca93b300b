"""The accounting lines: one JSON fact a line, appended by each process to a file of its own, dependent on nobody.

A writer holds an exclusive flock on its file for as long as it may still write to it. The kernel drops the lock with the
process, also on kill -9, so the shipper (sip/ship) knows a finished file by getting the lock, and may remove it once shipped.
One write() a line with O_APPEND: after a kill -9 a line is there whole or not at all.
"""

from __future__ import annotations

import fcntl
import itertools
import os
from pathlib import Path

from ops.facts import Fact, encode

SUFFIX = ".jsonl"
ROTATE_BYTES = 8 * 1024 * 1024


class Journal:
    """Appends facts. Not shared between processes: the first write after a fork opens this process's own file."""

    def __init__(self, folder: Path, rotate_bytes: int = ROTATE_BYTES) -> None:
        self._folder = folder
        self._rotate = rotate_bytes
        self._fd = -1
        self._pid = 0
        self._size = 0
        self._count = itertools.count()

    def write(self, fact: Fact) -> None:
        """Append one fact. Raises OSError when the disk is full or the folder is gone."""
        if self._pid != os.getpid() or self._size >= self._rotate:
            self._open(fact.at_ms)
        line = encode(fact).encode() + b"\n"
        if os.write(self._fd, line) != len(line):
            self._size = self._rotate  # a torn line ends this file; the reader skips what is no fact
            raise OSError("accounting line written in part: is the disk full?")
        self._size += len(line)

    def _open(self, now_ms: int) -> None:
        if self._pid == os.getpid() and self._fd >= 0:
            os.close(self._fd)
        self._pid, self._size, self._fd = os.getpid(), 0, -1
        while self._fd < 0:
            path = self._folder / f"{now_ms}-{self._pid}-{next(self._count)}{SUFFIX}"
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX)
            if os.fstat(fd).st_nlink:
                self._fd = fd
            else:  # the shipper found it empty and unlocked between the two calls, and removed it
                os.close(fd)

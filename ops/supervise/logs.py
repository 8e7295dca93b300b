"""Logs of the children: they append to their file themselves, so that they go on when the supervisor is gone.

A file that grew too large is copied aside and emptied in place (the children keep it open).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

LIMIT_BYTES = 20_000_000
KEEP = 3


def open_log(path: Path) -> int:
    """A descriptor that appends to `path`; the caller closes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def rotate(path: Path, limit: int = LIMIT_BYTES, keep: int = KEEP) -> bool:
    """NAME.log -> NAME.log.1 -> ... when it is larger than `limit` bytes; whether it was."""
    if not path.exists() or path.stat().st_size <= limit:
        return False
    for number in range(keep - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number + 1}"))
    shutil.copyfile(path, path.with_name(f"{path.name}.1"))
    os.truncate(path, 0)
    return True


def tail(path: Path, lines: int = 12, most_bytes: int = 16_000) -> list[str]:
    """The last lines of a log; [] when there is none."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - most_bytes))
        return file.read().decode("utf-8", "replace").splitlines()[-lines:]

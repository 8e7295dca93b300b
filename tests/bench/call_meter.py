"""CPU time of process groups from /proc: each group is a process with all its descendants, in milliseconds of run time.

The kernel scales utime + stime to the exact run time of a process before it cuts it to ticks of 10 ms.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_PROC = Path("/proc")
_TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")


def _parents() -> dict[int, int]:
    """pid -> parent pid of every process now."""
    found = {}
    for folder in _PROC.iterdir():
        if folder.name.isdigit():
            try:
                found[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended while we looked
    return found


def _family(root: int, parents: Mapping[int, int], others: set[int]) -> set[int]:
    """A process and its descendants, but for those that count by themselves (the children of the supervisor)."""
    family = {root}
    while True:
        more = {pid for pid, parent in parents.items() if parent in family} - family - others
        if not more:
            return family
        family |= more


def _spent_ticks(pid: int) -> int:
    """utime + stime of a process and of its children that ended and were waited for; 0 if it is gone itself."""
    try:
        words = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(word) for word in words[11:15])


def group(name: str) -> str:
    """`router1` -> `router`: instances of one kind count together."""
    return name.rstrip("0123456789")


def spent(pids: Mapping[str, int]) -> dict[str, float]:
    """Milliseconds of CPU that each group has used so far."""
    parents = _parents()
    total: dict[str, float] = {}
    for name, pid in pids.items():
        ticks = sum(_spent_ticks(one) for one in _family(pid, parents, set(pids.values()) - {pid}))
        total[group(name)] = total.get(group(name), 0.0) + ticks * _TICK_MS
    return total

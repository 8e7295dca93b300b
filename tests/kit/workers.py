"""How a run is divided among its workers (pytest-xdist), and how it ends.

A file is a group and stays with one worker, so that what its tests share is started once. Groups that take long begin first. Tests
that claim something about time are `alone`: they come last, and nothing else runs meanwhile.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from xdist.scheduler import LoadGroupScheduling

ALONE = "alone"
alone = pytest.mark.xdist_group(ALONE)
LONGEST = (
    "flow",
    "demo",
    "tests/flow/test_three_provinces.py",
    "tests/browser/test_desk.py",
    "tests/media/rtp/test_client_real.py",
    "tests/flow/test_callback.py",
    "tests/media/rtp/test_daemon_real.py",
    "tests/browser/test_rules.py",
)  # groups in the order in which they begin; the others follow as they are found
END_S = 90.0  # a worker that was told to stop has so long for stopping what it started


class Groups(LoadGroupScheduling):  # type: ignore[misc]
    """Marked tests go by their group, the others by their file; groups begin in the order in which they were collected."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        config.option.loadscopereorder = False  # else the group with the most tests begins, not the longest
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        group: str = super()._split_scope(nodeid)
        return group if group != nodeid else nodeid.partition("::")[0]


def group(item: pytest.Item) -> str:
    """The group of a test."""
    mark = item.get_closest_marker("xdist_group")
    return str(mark.args[0]) if mark else item.nodeid.partition("::")[0]


def in_order(items: list[pytest.Item]) -> None:
    """Long groups first, `alone` last, the order within a group as it was."""
    places = {name: place for place, name in enumerate(LONGEST)} | {ALONE: len(LONGEST) + 1}
    items.sort(key=lambda item: places.get(group(item), len(LONGEST)))


class Room:
    """Two locks in a folder of the run: many tests may be in the room, or one that is alone. Who wants to be alone holds the door,
    so that nobody else slips in before it."""

    def __init__(self, folder: Path) -> None:
        self._door, self._room = (os.open(folder / name, os.O_CREAT | os.O_RDWR) for name in ("door", "room"))

    @contextlib.contextmanager
    def occupied(self, by_one: bool) -> Iterator[None]:
        """While a test runs."""
        fcntl.flock(self._door, fcntl.LOCK_EX)
        fcntl.flock(self._room, fcntl.LOCK_EX if by_one else fcntl.LOCK_SH)
        fcntl.flock(self._door, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._room, fcntl.LOCK_UN)


class Controller:
    """The process that started the workers."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="tierline-tests-")
        self._nodes: list[Any] = []

    def pytest_configure_node(self, node: Any) -> None:
        """What a worker is told."""
        node.workerinput["room"] = self._folder.name
        self._nodes.append(node)

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Groups | None:
        """Ours, if groups are asked for."""
        return Groups(config, log) if config.getoption("dist") == "loadgroup" else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """A run that is cut off: xdist gives a worker ten seconds, not enough to stop a centre. So they are stopped before."""
        if exitstatus != pytest.ExitCode.INTERRUPTED:
            return
        for node in self._nodes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(node.gateway._rinfo().pid, signal.SIGINT)
        for node in self._nodes:
            with contextlib.suppress(EOFError, OSError, node.channel.RemoteError, node.channel.TimeoutError):
                node.channel.waitclose(END_S)

    def pytest_unconfigure(self) -> None:
        """Nothing stays."""
        self._folder.cleanup()


class Worker:
    """A process that runs tests."""

    def __init__(self, room: Path) -> None:
        self._room = Room(room)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _stop_once)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """In the order in which groups should begin."""
        in_order(items)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """The wait for the room is no part of the test's time."""
        with self._room.occupied(group(item) == ALONE):
            return (yield)


def _stop_once(signum: int, frame: FrameType | None) -> None:
    """Ctrl-C reaches a worker twice, from the terminal and from the controller: the second must not break off the tidying up."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt

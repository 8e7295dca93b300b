"""The link between the national centre and the provinces, to be cut and mended by a test.

As root: the nation lives in a network namespace of its own, and its veth goes down. Otherwise, or with TIERLINE_TEST_LINK=relay
in the environment: a TCP relay stands before the nation's federation port and falls silent, as a cut line does; nobody gets a
reset.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import subprocess
from typing import Protocol

_numbers = itertools.count()


class NationalLink(Protocol):
    """One of the two ways."""

    address: str  # where the nation listens
    prefix: tuple[str, ...]  # words before the command that starts the nation

    def target(self, port: int) -> str:
        """host:port of the nation's federation service, as provinces reach it."""

    async def open(self) -> None:
        """Before the nation starts."""

    async def cut(self) -> None:
        """Nothing passes any more."""

    async def mend(self) -> None:
        """It passes again."""

    async def close(self) -> None:
        """Leave nothing behind."""


class Namespace:
    """A veth pair into a namespace of the test's own."""

    def __init__(self) -> None:
        pid, number = os.getpid(), next(_numbers) % 64  # other test processes have their links at the same time
        self.name, self._host, self._inside = (f"{kind}{pid % 100_000}-{number}" for kind in ("tl", "tlh", "tln"))
        net = f"10.{200 + (pid >> 8) % 50}.{pid & 255}"
        self._ours, self.address = f"{net}.{4 * number + 1}", f"{net}.{4 * number + 2}"
        self.prefix: tuple[str, ...] = ("ip", "netns", "exec", self.name)

    def target(self, port: int) -> str:
        """Straight."""
        return f"{self.address}:{port}"

    async def open(self) -> None:
        """Make it."""
        _ip("netns", "add", self.name)
        _ip("link", "add", self._host, "type", "veth", "peer", "name", self._inside, "netns", self.name)
        _ip("addr", "add", f"{self._ours}/30", "dev", self._host)
        _ip("link", "set", self._host, "up")
        for words in (("addr", "add", f"{self.address}/30", "dev", self._inside), ("link", "set", self._inside, "up")):
            _ip("-n", self.name, *words)
        _ip("-n", self.name, "link", "set", "lo", "up")

    async def cut(self) -> None:
        """Link down."""
        _ip("link", "set", self._host, "down")

    async def mend(self) -> None:
        """Link up."""
        _ip("link", "set", self._host, "up")

    async def close(self) -> None:
        """The veth goes with the namespace."""
        _ip("netns", "del", self.name)


class Relay:
    """A TCP relay that can fall silent."""

    def __init__(self, port: int) -> None:
        self.address = "127.0.0.1"
        self.prefix: tuple[str, ...] = ()
        self._port = port
        self._nation = 0
        self._passing = asyncio.Event()
        self._passing.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    def target(self, port: int) -> str:
        """By the relay."""
        self._nation = port
        return f"127.0.0.1:{self._port}"

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._joined, "127.0.0.1", self._port)

    async def cut(self) -> None:
        """Read nothing, write nothing."""
        self._passing.clear()

    async def mend(self) -> None:
        """Go on; connections that were given up meanwhile are made anew by who wants them."""
        self._passing.set()

    async def close(self) -> None:
        """End all."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._passing.wait()
        try:
            there, here = await asyncio.open_connection("127.0.0.1", self._nation)
        except OSError:
            writer.close()
            return
        for source, sink in ((reader, here), (there, writer)):
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                await self._passing.wait()
                sink.write(data)
                await sink.drain()
        sink.close()


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")


async def national_link(port: int) -> NationalLink:
    """The namespace where this machine lets us make one, else the relay on `port`; opened."""
    way: NationalLink = Relay(port) if os.environ.get("TIERLINE_TEST_LINK") == "relay" else Namespace()
    try:
        await way.open()
    except OSError:
        way = Relay(port)
        await way.open()
    return way

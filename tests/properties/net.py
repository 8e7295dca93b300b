"""Streams over the link of tests/kit/link.py: bytes in order, whatever the link does to single datagrams; a cut loses the rest."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Protocol

from tests.kit.link import Address, Link, Node


class End(Protocol):
    """One end of a stream."""

    address: Address

    def message(self, stream: Stream, data: bytes) -> None:
        """The next message."""

    def broken(self, stream: Stream) -> None:
        """No more of them."""


class Stream:
    """Both ends of one; `send` is the client's, `answer` the server's."""

    def __init__(self, net: Net, number: int, client: End, server: End) -> None:
        self.net, self.number, self.client, self.server = net, number, client, server
        self.open = True
        self._sent = {client.address: 0, server.address: 0}
        self._next = {client.address: 0, server.address: 0}  # of the messages that arrive there
        self._early: dict[tuple[Address, int], bytes] = {}

    def send(self, data: bytes) -> None:
        """From the client."""
        self._put(self.client, self.server, data)

    def answer(self, data: bytes) -> None:
        """From the server."""
        self._put(self.server, self.client, data)

    def _put(self, source: End, to: End, data: bytes) -> None:
        if self.open:
            self._sent[source.address] += 1
            self.net.link.send(source.address, to.address, data, f"{self.number}:{self._sent[source.address]}")

    def arrived(self, at: Address, number: int, data: bytes) -> None:
        """A datagram: handed on with those that waited for it, each once."""
        self._early[(at, number)] = data
        while (key := (at, self._next[at] + 1)) in self._early:
            self._next[at] += 1
            end = self.client if at == self.client.address else self.server
            end.message(self, self._early.pop(key))

    def cut(self) -> None:
        """Broken: both ends hear of it. What is on its way to the client is lost; to the server it may still arrive."""
        if self.open:
            self.open = False
            self.client.broken(self)
            self.server.broken(self)


class Net:
    """The link, its streams, and where a client finds a server: `choose(client, tries)`, None when nobody listens there."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.choose: Callable[[End, int], End | None] = lambda client, tries: None
        self._streams: dict[int, Stream] = {}
        self._numbers = itertools.count(1)

    @property
    def now(self) -> int:
        """Virtual time, UTC ms."""
        return self.link.now

    def join(self, address: Address, node: Node) -> None:
        """Reachable from now on."""
        self.link.join(address, node)

    def connect(self, client: End, tries: int) -> Stream | None:
        """A new stream."""
        server = self.choose(client, tries)
        if server is None:
            return None
        stream = Stream(self, next(self._numbers), client, server)
        self._streams[stream.number] = stream
        return stream

    def arrived(self, at: Address, data: bytes, transport: str) -> None:
        """A datagram of a stream."""
        number, _, count = transport.partition(":")
        self._streams[int(number)].arrived(at, int(count), data)

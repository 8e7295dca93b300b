"""A network in virtual time: nodes joined by a link that a test can cut, delay, duplicate, reorder and drop on."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ops.clock import ManualClock

Address = tuple[str, int]
Match = Callable[[bytes], bool]


class Node(Protocol):
    """What can be joined to a link."""

    def receive(self, now: int, data: bytes, source: Address, transport: str) -> None:
        """A datagram came."""

    def tick(self, now: int) -> None:
        """Time went on to the deadline."""

    def deadline(self) -> int | None:
        """When `tick` is due, ms."""


@dataclass(slots=True)
class Rule:
    """What happens to datagrams that match: one copy after each of `delays` ms, none at all if there are none."""

    match: Match
    delays: tuple[int, ...]
    times: int  # how often it applies, -1: for ever


@dataclass(frozen=True, slots=True)
class Sent:
    """A datagram somebody sent, arrived or not."""

    at: int
    source: Address
    to: Address
    data: bytes
    transport: str


class Link:
    """Carries datagrams with `delay_ms`; rules are looked at in order, the first that matches and is not used up counts."""

    def __init__(self, clock: ManualClock | None = None, delay_ms: int = 1) -> None:
        self.clock = clock or ManualClock(1_000_000)
        self.delay_ms = delay_ms
        self.log: list[Sent] = []
        self.cut = False
        self._nodes: dict[Address, Node] = {}
        self._rules: list[Rule] = []
        self._flying: list[tuple[int, int, Sent]] = []
        self._order = itertools.count()

    @property
    def now(self) -> int:
        """Virtual time, ms."""
        return self.clock.mono_ms()

    def join(self, address: Address, node: Node) -> None:
        """Datagrams to `address` go to `node`."""
        self._nodes[address] = node

    def drop(self, match: Match, times: int = -1) -> None:
        """Lose what matches."""
        self._rules.append(Rule(match, (), times))

    def duplicate(self, match: Match, times: int = -1, apart_ms: int = 5) -> None:
        """Deliver what matches twice."""
        self._rules.append(Rule(match, (self.delay_ms, self.delay_ms + apart_ms), times))

    def slow(self, match: Match, ms: int, times: int = -1) -> None:
        """Deliver what matches late: behind what was sent after it, that is how things are reordered."""
        self._rules.append(Rule(match, (ms,), times))

    def send(self, source: Address, to: Address, data: bytes, transport: str = "udp") -> None:
        """Put a datagram on the link."""
        sent = Sent(self.now, source, to, data, transport)
        self.log.append(sent)
        for delay in () if self.cut else self._delays(data):
            heapq.heappush(self._flying, (self.now + delay, next(self._order), sent))

    def _delays(self, data: bytes) -> tuple[int, ...]:
        for rule in self._rules:
            if rule.times and rule.match(data):
                rule.times -= 1
                return rule.delays
        return (self.delay_ms,)

    def _next(self) -> int | None:
        times = [at for node in self._nodes.values() if (at := node.deadline()) is not None]
        if self._flying:
            times.append(self._flying[0][0])
        return min(times, default=None)

    def run(self, ms: int) -> None:
        """Let `ms` pass: everything that falls due happens at its time."""
        end = self.now + ms
        while (at := self._next()) is not None and at <= end:
            self.clock.at = max(self.now, at)
            self._deliver()
            for node in list(self._nodes.values()):
                due = node.deadline()
                if due is not None and due <= self.now:
                    node.tick(self.now)
        self.clock.at = end

    def _deliver(self) -> None:
        while self._flying and self._flying[0][0] <= self.now:
            _, _, sent = heapq.heappop(self._flying)
            node = self._nodes.get(sent.to)
            if node is not None and not self.cut:
                node.receive(self.now, sent.data, sent.source, sent.transport)

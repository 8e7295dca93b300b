"""Sockets and pace for phones: one ticker of 20 ms serves all ports of a process, sending and reading in the same wake-up.

Reading on the tick, not on arrival, is what keeps thirty phones in one process cheap (docs/adr/0801).
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Protocol

from media.phone.listener import Listener
from media.phone.talker import Talker

log = logging.getLogger(__name__)

TICK_S = 0.02
RATE = 8000
_LAG_TICKS = 25  # held up for longer: the missed packets are left out, not sent in a burst
_DATAGRAM = 2048


class Ticking(Protocol):
    """What a ticker drives."""

    def tick(self, missed: int) -> None:
        """20 ms went by; `missed` ticks before it were left out."""


class Ticker:
    """Calls every member each 20 ms of the loop's clock, catching up after short stalls."""

    def __init__(self) -> None:
        self._members: dict[Ticking, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def add(self, member: Ticking) -> None:
        """Drive a member from the next tick on."""
        self._members[member] = None
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._due = loop.time() + TICK_S
            self._timer = loop.call_at(self._due, self._run)

    def remove(self, member: Ticking) -> None:
        """Let a member go; the last one stops the ticker."""
        self._members.pop(member, None)
        if not self._members and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _run(self) -> None:
        loop = asyncio.get_running_loop()
        late = int((loop.time() - self._due) / TICK_S)
        missed = late if late > _LAG_TICKS else 0
        for member in list(self._members):
            try:
                member.tick(missed)
            except OSError:
                log.exception("a port failed and is let go")
                self.remove(member)
        self._due += TICK_S * (missed + 1)
        if self._members:
            self._timer = loop.call_at(self._due, self._run)


class RtpPort:
    """One phone's UDP port: sends what its talker says to `remote`, gives its listener what comes."""

    def __init__(self, address: str, ticker: Ticker) -> None:
        self.talker = Talker()
        self.listener = Listener()
        self.remote: tuple[str, int] | None = None  # None: nothing is sent
        self.sending = True  # False while the other side holds us
        self._ticker = ticker
        self._socket = _even_socket(address)
        self._opened = asyncio.get_running_loop().time()
        ticker.add(self)

    @property
    def port(self) -> int:
        """Our UDP port."""
        return int(self._socket.getsockname()[1])

    @property
    def now(self) -> int:
        """Samples since the port was opened: the time line of its listener."""
        return int((asyncio.get_running_loop().time() - self._opened) * RATE)

    def tick(self, missed: int) -> None:
        """Read what came, send what is due."""
        self._read()
        if missed:
            self.talker.skip(missed)
        if self.remote is None or not self.sending:
            self.talker.skip(1)
            return
        for packet in self.talker.tick():
            self._send(packet, self.remote)

    def _read(self) -> None:
        now = self.now
        while True:
            try:
                data = self._socket.recv(_DATAGRAM)
            except BlockingIOError:
                return
            except ConnectionRefusedError:  # ICMP for a packet of ours: the other side is not there yet, or not any more
                continue
            self.listener.take(data, now)

    def _send(self, packet: bytes, remote: tuple[str, int]) -> None:
        try:
            self._socket.sendto(packet, remote)
        except (BlockingIOError, ConnectionRefusedError):
            self.talker.lost += 1

    def close(self) -> None:
        """Read what is left and free the port. A repeat is harmless."""
        if self._socket.fileno() >= 0:
            self._read()
            self._ticker.remove(self)
            self._socket.close()


class Sink:
    """The port of phones without audio (load): bound, so that nobody gets ICMP errors, and never read. Shared by many calls."""

    def __init__(self, address: str) -> None:
        self._socket = _even_socket(address)

    @property
    def port(self) -> int:
        """Our UDP port."""
        return int(self._socket.getsockname()[1])

    def close(self) -> None:
        """Free the port."""
        self._socket.close()


def _even_socket(address: str) -> socket.socket:
    """A non-blocking UDP socket on an even port (RFC 3550 §11), so that a neighbour's RTCP does not come here."""
    for _ in range(64):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind((address, 0))
        if sock.getsockname()[1] % 2 == 0:
            return sock
        sock.close()
    raise OSError(f"no free even UDP port on {address}")

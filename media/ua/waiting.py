"""Repeat a 2xx to an INVITE until its ACK comes (RFC 3261 §13.3.1.4): T1, doubled up to T2, 32 s in all, over TCP too."""

from __future__ import annotations

from collections.abc import Callable

from media.ua.tables import T1, T2, TIMEOUT
from media.ua.timer import Timer, Wheel
from media.ua.transaction import Server, Transactions


class AckWait:
    """One unacknowledged 2xx. `first`: to the INVITE that made the dialog. `missed(now)` is called after 32 s."""

    __slots__ = ("_data", "_left", "_missed", "_pause", "_server", "_timer", "_transactions", "_wheel", "cseq", "first")

    def __init__(
        self, wheel: Wheel, transactions: Transactions, server: Server, data: bytes, missed: Callable[[int], None]
    ) -> None:
        self._wheel, self._transactions, self._server, self._data, self._missed = wheel, transactions, server, data, missed
        self._pause, self._left = T1, TIMEOUT
        self._timer: Timer | None = None
        self.cseq, self.first = 0, False

    def start(self, now: int, cseq: int, first: bool) -> AckWait:
        """Wait for the ACK with this CSeq; the 2xx itself is sent already."""
        self.cseq, self.first = cseq, first
        self._arm(now)
        return self

    def stop(self) -> None:
        """The ACK came, or it does not matter any more."""
        if self._timer is not None:
            self._wheel.cancel(self._timer)
            self._timer = None

    def _arm(self, now: int) -> None:
        delay = min(self._pause, self._left)
        self._left -= delay
        self._timer = self._wheel.arm(now, delay, self._due)

    def _due(self, now: int, _: object) -> None:
        self._timer = None
        if self._left <= 0:
            self._missed(now)
            return
        self._transactions.again(now, self._server, self._data)
        self._pause = min(2 * self._pause, T2)
        self._arm(now)

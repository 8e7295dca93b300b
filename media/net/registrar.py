"""Registrations of an endpoint as something to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from media.ua.register import Registered

Watcher = Callable[[Registered], None]


class RegisterRefused(Exception):
    """The registrar said no, or nothing (408)."""

    def __init__(self, aor: str, status: int) -> None:
        super().__init__(f"registration of {aor} refused: {status}")
        self.aor, self.status = aor, status


class Waiters:
    """Who waits for the next word on an address."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[asyncio.Future[Registered]]] = {}
        self._watchers: list[Watcher] = []

    def watch(self, watcher: Watcher) -> None:
        """Hear of every change."""
        self._watchers.append(watcher)

    def expect(self, aor: str) -> asyncio.Future[Registered]:
        """The next change of this address."""
        future: asyncio.Future[Registered] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(aor, []).append(future)
        return future

    def tell(self, change: Registered) -> None:
        """Something changed."""
        for future in self._waiting.pop(change.aor, []):
            if not future.done():
                future.set_result(change)
        for watcher in self._watchers:
            watcher(change)

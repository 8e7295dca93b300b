"""One verb of the memory store: a step of the model, its result as an awaitable like that of a store far away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Concatenate, ParamSpec, TypeVar

from router.core.commands import From, Times
from router.core.desk import Desk
from router.core.errors import RouterError
from router.core.events import Effect
from router.store.base import OnLook

P = ParamSpec("P")
T = TypeVar("T")
Done = Awaitable[list[Effect]]


class Steps:
    """`desk` is the whole state."""

    def __init__(self, tenant: str, router: str, times: Times) -> None:
        self.desk = Desk(tenant, f"router:{router}", times)
        self._looks: list[OnLook] = []

    def _step(
        self, by: From | None, now_ms: int, work: Callable[Concatenate[Desk, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[tuple[T, list[Effect]]]:
        future: asyncio.Future[tuple[T, list[Effect]]] = asyncio.get_running_loop().create_future()
        self.desk.begin(now_ms, by)
        try:
            result = work(self.desk, *args, **kwargs)
        except RouterError as error:
            future.set_exception(error)
        else:
            future.set_result((result, self.desk.done()))
            self._look_soon()
        return future

    def _look_soon(self) -> None:
        """Told more often than needed: after each step that leaves a timer that is due soon."""
        due, _ = next(iter(self.desk.due), (0, ""))
        if 0 < due < self.desk.now + self.desk.times.look_ms:
            self._tell_look(int(due))

    def _tell_look(self, due_ms: int) -> None:
        for on_look in self._looks:
            on_look(due_ms)

    def _verb(
        self, by: From | None, now_ms: int, work: Callable[Concatenate[Desk, P], None], *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[list[Effect]]:
        return asyncio.ensure_future(effects(self._step(by, now_ms, work, *args, **kwargs)))


async def effects(step: asyncio.Future[tuple[None, list[Effect]]]) -> list[Effect]:
    """What a step is to tell."""
    return (await step)[1]


async def result(step: asyncio.Future[tuple[T, list[Effect]]]) -> T:
    """What a step answers."""
    return (await step)[0]

"""The published menu and prompts as calls want them. A call keeps those that it began with; a new publishing is for new calls."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path

from media.call.ports import Menu, Sounds
from media.ivr.flow import FlowError
from media.ivr.prompts import INDEX, MUSIC, RING_BACK, NotPublished, Prompts, expected, position, read
from media.ivr.runner import Runner
from ops.clock import Clock

log = logging.getLogger(__name__)
TRANSFER, BUSY = "transfer", "busy"
FAREWELL = "farewell"  # optional: a flow that has it speaks it when the agent has hung up
CALLBACK_OFFER, CALLBACK_NOTED = "callback_offer", "callback_noted"  # optional: with them and a key the flow has callbacks
LOOK_MS = 2_000  # for a new publishing


class PublishedSounds:
    """ports.Sounds of one publishing."""

    def __init__(self, prompts: Prompts) -> None:
        self._prompts = prompts

    def prompt(self, name: str, language: str) -> tuple[Path, ...]:
        """The prompt of that name, () if it is not published."""
        return (self._prompts.path(name, language),) if name in self._prompts.sounds else ()

    def music(self) -> tuple[Path, ...]:
        """What waiting callers hear."""
        return self.prompt(MUSIC, "")

    def transfer(self, language: str) -> tuple[Path, ...]:
        """`We are connecting you`."""
        return self.prompt(TRANSFER, language)

    def position(self, place: int, language: str) -> tuple[Path, ...]:
        """`You are number .. in the line`."""
        return self.prompt(position(place), language)

    def expected(self, minutes: int, language: str) -> tuple[Path, ...]:
        """`You will wait about .. minutes`."""
        return self.prompt(expected(minutes), language)

    def unavailable(self, language: str) -> tuple[Path, ...]:
        """The queue cannot take the call."""
        return self.prompt(BUSY, language)

    def callback_offer(self, language: str) -> tuple[Path, ...]:
        """`Press .. and we call you back`."""
        return self.prompt(CALLBACK_OFFER, language)

    def callback_noted(self, language: str) -> tuple[Path, ...]:
        """`We will call you back, goodbye`."""
        return self.prompt(CALLBACK_NOTED, language)

    def ring_back(self) -> tuple[Path, ...]:
        """What an agent hears while the customer's phone rings."""
        return self.prompt(RING_BACK, "")

    def closing(self, language: str) -> tuple[Path, ...]:
        """What a caller hears when the agent has hung up."""
        return self.prompt(FAREWELL, language)


class Shelf:
    """What is published in `folder` now. Raises NotPublished, FlowError when there is nothing usable at the start."""

    def __init__(self, folder: Path, queues: Collection[str], clock: Clock) -> None:
        self._index, self._queues, self._clock = folder / INDEX, queues, clock
        self._looked_ms, self._stamp = clock.mono_ms(), self._stamp_now()
        self._take()

    def _take(self) -> None:
        self._published = read(self._index.parent, self._queues)
        self._sounds = PublishedSounds(self._published.prompts)

    def _stamp_now(self) -> int:
        try:
            return self._index.stat().st_mtime_ns
        except OSError:
            return 0

    def greet(self, called: str) -> tuple[Menu, Sounds]:
        """Menu and sounds for a new call. One menu serves all numbers of a centre."""
        if self._clock.mono_ms() - self._looked_ms >= LOOK_MS:
            self._look()
        return Runner(self._published.flow), self._sounds

    def _look(self) -> None:
        self._looked_ms, stamp = self._clock.mono_ms(), self._stamp_now()
        if stamp in (0, self._stamp):
            return
        self._stamp = stamp
        try:
            self._take()
        except (NotPublished, FlowError) as error:
            log.error("what was published cannot be used, callers hear the one before", extra={"why": str(error)})
        else:
            log.info("new menu published", extra={"version": self._published.flow.version})

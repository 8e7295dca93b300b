"""The rule book: the newest version is in SQL, this keeps it in force at the routers, and follows what others have made.

SQL and the store of the routers each keep versions; the higher one wins and is written where it is missing: a new version goes
to the routers, one that is found there goes to SQL (a database that was lost), and an emptied Redis gets the newest again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.exc import SQLAlchemyError

from console.ledger.database import away
from console.ledger.rulebooks import RuleBooks
from console.live.router import Refused, RouterAway, RouterFault, Routers
from console.metrics import Metrics
from ops import rulebook
from ops.centre import CentreConfig
from ops.clock import Clock
from ops.config import ConfigError
from ops.facts import Fact
from ops.rulebook import RuleBook

log = logging.getLogger(__name__)
LOOK_S = 1.0  # so often the routers are asked until they work by our version
CALM_S = 3.0  # and then other consoles' versions and the routers' are looked for so often, if no fact tells of one
FOUND = "found in force at the routers"


class Stale(Exception):
    """The change was made on a version that is no longer the newest; `newest` is."""

    def __init__(self, newest: RuleBook) -> None:
        super().__init__(f"version {newest.version} is newer")
        self.newest = newest


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of the routers."""

    in_force: bool = False  # they work by the newest version
    why: str = "not asked yet"  # why not


class Rules:
    """`book` is the newest version. `on_take` is awaited with the old and the new one whenever it changes."""

    def __init__(self, installed: CentreConfig, books: RuleBooks, routers: Routers, clock: Clock, metrics: Metrics) -> None:
        self.installed, self.books, self.routers, self.clock, self.metrics = installed, books, routers, clock, metrics
        self.book = rulebook.seed(installed)
        self.sha256 = rulebook.sha256(self.book)
        self.told = Told()
        self.on_take: Callable[[RuleBook, RuleBook], Awaitable[None]] = _nobody
        self._turn = asyncio.Lock()
        self._news = asyncio.Event()

    @property
    def config(self) -> CentreConfig:
        """The installation's configuration with the newest rules."""
        return rulebook.into(self.book, self.installed)

    async def load(self) -> None:
        """The newest of SQL; the installation's file as version 1 if there is none. Raises SQLAlchemyError."""
        if await asyncio.to_thread(self.books.newest) is None:
            await asyncio.to_thread(self.books.add, self.book, self.clock.now_ms())
        newest = await asyncio.to_thread(self.books.newest)
        book = await asyncio.to_thread(self.books.book, newest.version) if newest is not None else None
        self._set(book or self.book)
        if not rulebook.same_rules(self.book, rulebook.seed(self.installed)):
            log.warning("the rules in force are not those of the file", extra={"version": self.book.version})

    def _set(self, book: RuleBook) -> None:
        self.book, self.sha256 = book, rulebook.sha256(book)
        self.metrics.rules_version.set(book.version)

    async def _take(self, book: RuleBook) -> None:
        old = self.book
        self._set(book)
        await self.on_take(old, book)

    # ---- changes
    async def change(self, base: int, book: RuleBook, who: str, why: str) -> RuleBook:
        """Make the tables of `book` the next version and bring it into force. Raises Stale, SQLAlchemyError."""
        async with self._turn:
            await self._follow()
            if base != self.book.version:
                raise Stale(self.book)
            made = replace(book, version=base + 1, who=who, why=why, at_ms=self.clock.now_ms())
            if not await asyncio.to_thread(self.books.add, made, made.at_ms):
                await self._follow()
                raise Stale(self.book)
            await self._take(made)
            log.info("rules changed", extra={"version": made.version, "who": who})
            await self._bring()
            return made

    # ---- the loop
    async def run(self) -> None:
        """Follow and bring into force until cancelled."""
        while True:
            try:
                await self.look()
            except SQLAlchemyError as error:
                if not away(error):
                    raise
                log.warning("rules wait for the database", extra={"why": type(error).__name__})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CALM_S if self.told.in_force else LOOK_S):
                    await self._news.wait()
            self._news.clear()

    def feed(self, facts: Sequence[Fact]) -> None:
        """Facts as they are read from the stream: one of them may tell of a version that another console has brought."""
        if any(fact.kind == "rules_changed" for fact in facts):
            self._news.set()

    async def look(self) -> None:
        """One round."""
        async with self._turn:
            await self._follow()
            await self._bring()

    async def _follow(self) -> None:
        """A version that another console has made."""
        newest = await asyncio.to_thread(self.books.newest)
        if newest is None or newest.version <= self.book.version:
            return
        with contextlib.suppress(ConfigError):  # newer software's: that console serves it
            book = await asyncio.to_thread(self.books.book, newest.version)
            if book is not None:
                await self._take(book)

    async def _bring(self) -> None:
        """Have the routers work by our version, or take over what they have."""
        try:
            found = await self.routers.rules(self.sha256)
            if found.version < self.book.version:
                found = await self.routers.apply(self.book.version, rulebook.to_json(self.book))
        except Refused as error:
            self._tell(Told(False, str(error)))  # they have a newer one since: the next round finds it
            return
        except (RouterAway, RouterFault) as error:
            self._tell(Told(False, str(error)[:300]))
            return
        if found.sha256 != self.sha256 and found.document:
            await self._found(found.document)
        same = found.sha256 == self.sha256
        self._tell(Told(same, "" if same else f"version {found.version} of the routers cannot be read"))

    async def _found(self, document: str) -> None:
        """The routers have what SQL has not: it is in force, so it becomes the newest version here as well."""
        try:
            book = rulebook.kept(document)
        except ConfigError as error:
            log.error("rules of the routers cannot be read", extra={"why": str(error)[:300]})
            return
        if book.version <= self.book.version:
            why = f"{FOUND}: {book.why}"[:500]
            book = replace(book, version=self.book.version + 1, why=why, at_ms=self.clock.now_ms())
        log.warning("rules found at the routers", extra={"version": book.version})
        if await asyncio.to_thread(self.books.add, book, self.clock.now_ms()):
            await self._take(book)

    def _tell(self, told: Told) -> None:
        if told.in_force != self.told.in_force:
            level, text = (logging.INFO, "rules in force") if told.in_force else (logging.WARNING, "rules not in force")
            log.log(level, text, extra={"version": self.book.version, "why": told.why})
        self.told = told
        self.metrics.rules_in_force.set(told.in_force)


async def _nobody(old: RuleBook, new: RuleBook) -> None:
    """Nobody wants to know."""

"""The rule book that this router works by, and what it makes of it besides the store's tables: who is closed now, the reasons for
being not ready. The store keeps the book in force for all routers (lua/sync_config.lua); this is the copy of one process.

A book comes from three places: the centre's file (version 1, when nobody knows a newer one), the console by `Admin.Apply`, or the
store, where another router has put it. The highest version wins everywhere, so the order they come in does not matter.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from dataclasses import dataclass, replace

from ops import hours, rulebook
from ops.centre import Branch, Calendar, CentreConfig
from ops.config import ConfigError
from ops.number_plan import canonical
from ops.rulebook import RuleBook
from router.core.commands import Book, Rules
from router.core.home import city_key
from router.rules import rules_of

log = logging.getLogger(__name__)
OPEN = ("", "")


class Keeper:
    """`config` is the installation's file with the rules in force in the place of its own."""

    def __init__(self, installed: CentreConfig) -> None:
        self.installed = installed
        self.take(self.work(rulebook.seed(installed)))

    def work(self, book: RuleBook) -> Work:
        """All that is made of a book. Some 10,000 agents take half a second: call from a thread."""
        config = rulebook.into(book, self.installed)
        return Work(book, config, compiled(config, book), Openings(config))

    def take(self, made: Work) -> None:
        """Work by this from now on."""
        self.book, self.config, self.rules, self._openings = made.book, made.config, made.rules, made.openings
        self.reasons = tuple(reason.id for reason in made.book.not_ready)

    async def newer(self, document: str) -> Rules | None:
        """Another router has brought this book into force. None: made by newer software, it cannot be read here."""
        try:
            made = await asyncio.to_thread(lambda: self.work(rulebook.kept(document)))
        except ConfigError as error:
            log.error("a rule book cannot be read", extra={"why": str(error)[:500]})
            return None
        log.info("rules of another router", extra={"version": made.book.version, "who": made.book.who})
        self.take(made)
        return made.rules

    def closed(self, queue: str, called: str, city: str, now_ms: int) -> tuple[str, str]:
        """Whether a call may not enter the queue now: (name of the reason, text of an emergency closing); ("", "") it may."""
        return self._openings.closed(queue, called, city, now_ms)


def compiled(config: CentreConfig, book: RuleBook) -> Rules:
    """The rules of a book; the version is their generation."""
    rules = rules_of(config)
    skills = tuple((agent.id, tuple(agent.skills.items())) for agent in book.agent if agent.role == "agent")
    digest = hashlib.sha256(json.dumps([rules.digest, skills]).encode()).hexdigest()
    document = rulebook.to_json(book)
    kept = Book(hashlib.sha256(document.encode()).hexdigest(), book.who, book.why, document)
    return replace(rules, generation=book.version, digest=digest, skills=skills, book=kept)


@dataclass(frozen=True, slots=True)
class Work:
    """A book and what is made of it."""

    book: RuleBook
    config: CentreConfig
    rules: Rules
    openings: Openings


class Openings:
    """Calendars and emergency closings of one version. A branch is known by the dialled number, else by the caller's city [R7]."""

    def __init__(self, config: CentreConfig) -> None:
        self._country = config.centre.country
        self._calendars = {calendar.id: calendar for calendar in config.calendar}
        self._queues = {queue.id: queue for queue in config.queue}
        self._by_number = {canonical(number, self._country): one for one in config.branch for number in one.numbers}
        self._by_city = {city_key(city): one for one in config.branch for city in one.cities}

    def closed(self, queue: str, called: str, city: str, now_ms: int) -> tuple[str, str]:
        """See Keeper.closed. Queue and branch must both be open; an unknown queue is the store's to refuse."""
        asked = [one for one in (self._queues.get(queue), self.branch(called, city)) if one is not None]
        for one in asked:
            if one.closed:
                return "REASON_EMERGENCY", one.closed
        shut = any(not hours.is_open(calendar, now_ms) for one in asked if (calendar := self._calendar(one.calendar)))
        return ("REASON_CLOSED", "") if shut else OPEN

    def branch(self, called: str, city: str) -> Branch | None:
        """None: the call is of no branch."""
        if not self._by_number and not self._by_city:
            return None
        return self._by_number.get(canonical(called, self._country)) or self._by_city.get(city_key(city))

    def _calendar(self, name: str) -> Calendar | None:
        return self._calendars.get(name)

"""What one table of the rules demands of another: the same for a centre's file and for a version of the rule book."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import pairwise
from typing import Any, Protocol

from ops import centre as c
from ops.config_lines import Keys

Finding = tuple[Keys, str]
LISTS = (
    ("queue", "id"),
    ("agent", "id"),
    ("agent", "seat"),
    ("not_ready", "id"),
    ("blacklist", "number"),
    ("calendar", "id"),
    ("branch", "id"),
    ("vip", "number"),
)


class RuleTables(Protocol):
    """What CentreConfig and RuleBook have in common."""

    @property
    def queue(self) -> tuple[c.Queue, ...]: ...  # noqa: D102
    @property
    def agent(self) -> tuple[c.Agent, ...]: ...  # noqa: D102
    @property
    def calendar(self) -> tuple[c.Calendar, ...]: ...  # noqa: D102
    @property
    def branch(self) -> tuple[c.Branch, ...]: ...  # noqa: D102


def rule_tables(book: RuleTables) -> Iterator[Finding]:
    """All of it: (key path, what is wrong and what to write)."""
    for name, key in LISTS:
        yield from twice(name, key, getattr(book, name))
    yield from _agents(book)
    yield from _ladders(book)
    yield from _calendars(book)
    yield from _branches(book)
    yield from _texts(book)
    yield from _repeated(book, ())


def twice(table: str, key: str, items: Sequence[Any]) -> Iterator[Finding]:
    """Ids that stand twice in a list of tables; the second one is told."""
    seen: dict[str, int] = {}
    for index, item in enumerate(items):
        value = getattr(item, key)
        if value and value in seen:
            yield (table, index, key), f'"{value}" is also the {key} of {table} number {seen[value] + 1}; write another one'
        seen.setdefault(value, index)


def skills_of(queue: c.Queue) -> set[str]:
    """Skills a call of this queue may ask for: the queue's and those of its ladders."""
    return {queue.skill, *(rung.skill for rung in (*queue.ladder, *queue.vip_ladder) if rung.skill)}


def _known(what: str, value: str, known: Sequence[str] | set[str], none: str) -> str:
    near = get_close_matches(value, sorted(known), 1)
    hint = f'did you mean "{near[0]}"?' if near else f"{none}: {', '.join(sorted(known)) or 'none'}"
    return f'{what} "{value}"; {hint}'


def _agents(book: RuleTables) -> Iterator[Finding]:
    """An agent needs a seat, and skills that some queue asks for."""
    skills = {skill for queue in book.queue for skill in skills_of(queue)}
    for index, agent in enumerate(book.agent):
        if agent.role == "agent" and not agent.seat:
            yield ("agent", index), f'{agent.id} has the role agent but no seat; write seat = "1001" (the extension of its phone)'
        for skill in agent.skills:
            if skill not in skills:
                yield ("agent", index, "skills"), _known("no queue asks for the skill", skill, skills, "queues ask for")


def _ladders(book: RuleTables) -> Iterator[Finding]:
    """A ladder begins at once and is climbed with time."""
    for index, queue in enumerate(book.queue):
        for name in ("ladder", "vip_ladder"):
            times = [rung.after_s for rung in getattr(queue, name)]
            if times and times[0] != 0:
                yield ("queue", index, name, 0, "after_s"), "the first rung must begin at once; write after_s = 0"
            for n, (one, other) in enumerate(pairwise(times), 1):
                if other <= one:
                    yield ("queue", index, name, n, "after_s"), f"is not after the rung before; write more than {one}"
            for n, (before, rung) in enumerate(pairwise(getattr(queue, name)), 1):
                yield from ((("queue", index, name, n, key), text) for key, text in _shrinks(before, rung))


RINGS = ("city", "centre", "nation")


def _shrinks(before: c.Rung, rung: c.Rung) -> Iterator[tuple[str, str]]:
    """With time a call may go to more agents and never to fewer: what the rung before asked for must stay. A rung for another skill
    (seats set aside) asks others, so it may begin anew."""
    if before.skill != rung.skill:
        return
    if rung.level < before.level:
        yield "level", f"takes fewer agents than the rung before; write level = {before.level} or more"
    if RINGS.index(rung.ring) < RINGS.index(before.ring):
        yield "ring", f'takes fewer agents than the rung before; write ring = "{before.ring}" or wider'


def _calendars(book: RuleTables) -> Iterator[Finding]:
    """Queues and branches name calendars that are there; a day is a holiday with spans of its own, or closed."""
    known = {calendar.id for calendar in book.calendar}
    named = [("queue", n, queue.calendar) for n, queue in enumerate(book.queue)]
    named += [("branch", n, branch.calendar) for n, branch in enumerate(book.branch)]
    for table, index, name in named:
        if name and name not in known:
            yield (table, index, "calendar"), _known("there is no calendar", name, known, "calendars are")
    for index, calendar in enumerate(book.calendar):
        yield from ((("calendar", index, "holidays", n), text) for n, text in _holidays(calendar.holidays))


def _holidays(holidays: Sequence[c.Holiday]) -> Iterator[tuple[int, str]]:
    """A date may have several spans, like a weekday with a lunch break, but cannot be closed and open."""
    before: dict[str, set[str]] = {}
    for n, one in enumerate(holidays):
        opens = before.setdefault(one.date, set())
        if bool(one.open) != bool(one.close):
            yield n, "open and close belong together; write both, or neither if it is closed"
        elif one.open in opens:
            yield n, f"{one.date} {one.open or '(closed)'} stands twice; keep one of them"
        elif opens and "" in (*opens, one.open):
            yield n, f"{one.date} is both closed and open; keep the row that is right"
        opens.add(one.open)


def _branches(book: RuleTables) -> Iterator[Finding]:
    """A number, and a city, leads to one branch."""
    for name in ("numbers", "cities"):
        owner: dict[str, str] = {}
        for index, branch in enumerate(book.branch):
            for value in getattr(branch, name):
                if owner.setdefault(value, branch.id) != branch.id:
                    text = f'"{value}" already belongs to branch {owner[value]}; take it out of one of them'
                    yield ("branch", index, name), text


def _texts(book: Any) -> Iterator[Finding]:
    """Texts that a database, a file or a page cannot show: control characters, half characters."""
    for at, text in _every_text(book, ()):
        if any(character < " " or character == "\x7f" or "\ud800" <= character <= "\udfff" for character in text):
            yield at, "has characters that cannot be shown; write plain text in one line"
        if len(text) > 500:
            yield at, f"has {len(text)} characters; write at most 500"


def _repeated(value: Any, at: Keys) -> Iterator[Finding]:
    """Values that stand twice in a list: nobody can know what the second one was to be."""
    if isinstance(value, tuple):
        seen: set[Any] = set()
        for index, item in enumerate(value):
            if isinstance(item, str | int) and item in seen:
                yield (*at, index), f'"{item}" stands twice in the list; keep one'
            elif isinstance(item, str | int):
                seen.add(item)
            else:
                yield from _repeated(item, (*at, index))
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from _repeated(getattr(value, name), (*at, name))


def _every_text(value: Any, at: Keys) -> Iterator[tuple[Keys, str]]:
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _every_text(item, (*at, index))
    elif isinstance(value, dict):
        for name in value:
            yield at, name
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from _every_text(getattr(value, name), (*at, name))

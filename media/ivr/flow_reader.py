"""Turns a menu file into objects, noting what has the wrong name or type; flow_checks then looks at what the objects say."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from media.ivr.api import WHY
from media.ivr.flow import Action, Flow, FlowError, Item, Leave, Menu, Say, Spoken, ToMenu, ToQueue, turned_away
from media.ivr.flow_checks import problems
from ops import text_file

TOP = ("version", "start", "languages", "agent", "max_steps", "prompts", "menu", "turned_away", "callback")
MENU = ("prompts", "again", "agent", "wait_s", "tries", "then", "items")
TARGETS = ("menu", "queue", "say", "goodbye")
ITEM = ("key", "id", "language", "priority", "then", *TARGETS)


def load(path: Path, queues: Collection[str] | None = None) -> Flow:
    """The menu in a file. Raises FlowError. `queues`: ids that are there, None for not checked."""
    try:
        text = text_file.read(path)
    except (OSError, ValueError) as error:
        raise FlowError((f"{path}: cannot be read: {error}; name the menu's file in media.flow",)) from error
    return loads(text, str(path), queues)


def loads(text: str, where: str, queues: Collection[str] | None = None) -> Flow:
    """The same from text; `where` begins each problem."""
    try:
        data: dict[str, Any] = tomllib.loads(text_file.unmarked(text))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise FlowError((f"{where}: no TOML: {error}",)) from error
    reader = Reader()
    flow = reader.flow(data)
    found = reader.found or list(problems(flow, queues))
    if found:
        raise FlowError(tuple(f"{where}: {problem}" for problem in found))
    return flow


class Reader:
    """Reads one file; `found` collects the mistakes."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def flow(self, data: dict[str, Any]) -> Flow:
        """The menu; only to be used when nothing was found."""
        self._known(data, TOP, "top level")
        languages = self._names(data, "languages", "top level", ())
        agent = self._text(data, "agent", "top level", "")
        menus = self._table(data, "menu", "top level")
        prompts = self._table(data, "prompts", "top level")
        return Flow(
            version=self._text(data, "version", "top level", ""),
            start=self._text(data, "start", "top level", "main"),
            languages=languages,
            menus={name: self._menu(name, menus, agent) for name in menus},
            prompts={name: self._prompt(name, prompts, languages) for name in prompts},
            turned_away=self._turned_away(self._table(data, "turned_away", "top level")),
            callback_key=self._callback(self._table(data, "callback", "top level")),
            max_steps=self._number(data, "max_steps", "top level", 100),
        )

    def _menu(self, name: str, menus: dict[str, Any], agent: str) -> Menu:
        where = f"menu.{name}"
        data = self._table(menus, name, "menu")
        self._known(data, MENU, where)
        prompts = self._names(data, "prompts", where, ())
        items = [self._item(one, number, where) for number, one in enumerate(self._list(data, "items", where), 1)]
        for key in sorted({item.key for item in items if [one.key for one in items].count(item.key) > 1}):
            self.found.append(f"{where}.items: key {key} stands twice; give one of them another key")
        return Menu(
            name=name,
            prompts=prompts,
            again=self._names(data, "again", where, prompts),
            items={item.key: item for item in items},
            agent=self._text(data, "agent", where, agent),
            wait_ms=self._number(data, "wait_s", where, 6) * 1000,
            tries=self._number(data, "tries", where, 3),
            then=self._then(self._text(data, "then", where, "goodbye"), where),
        )

    def _item(self, data: Any, number: int, menu: str) -> Item:
        where = f"{menu}.items[{number}]"
        if not isinstance(data, dict):
            self.found.append(f'{where}: write a table like {{ key = "1", id = "bill", queue = "billing" }}')
            return Item("", "", Leave())
        self._known(data, ITEM, where)
        return Item(self._text(data, "key", where, ""), self._text(data, "id", where, ""), self._action(data, where))

    def _action(self, data: dict[str, Any], where: str) -> Action:
        said = [name for name in TARGETS if name in data]
        if len(said) != 1:
            self.found.append(f"{where}: write exactly one of {', '.join(TARGETS)}, not {' and '.join(said) or 'none'}")
            return Leave()
        if said == ["menu"]:
            return ToMenu(self._text(data, "menu", where, ""), self._text(data, "language", where, ""))
        if said == ["queue"]:
            return ToQueue(self._text(data, "queue", where, ""), self._number(data, "priority", where, -1))
        if said == ["say"]:
            return Say(self._names(data, "say", where, ()), self._end(data, where))
        return Leave()

    def _end(self, data: dict[str, Any], where: str) -> bool:
        then = self._text(data, "then", where, "back")
        if then not in ("back", "end"):
            self.found.append(f'{where}.then: "{then}" is unknown; write "back" or "end"')
        return then == "end"

    def _turned_away(self, data: dict[str, Any]) -> Mapping[str, Say]:
        self._known(data, WHY, "turned_away")
        found = dict(turned_away())
        for why in (one for one in WHY if one in data):
            where, said = f"turned_away.{why}", self._table(data, why, "turned_away")
            self._known(said, ("say", "then"), where)
            found[why] = Say(self._names(said, "say", where, found[why].prompts), self._end(said, where))
        return found

    def _callback(self, data: dict[str, Any]) -> str:
        self._known(data, ("key",), "callback")
        return self._text(data, "key", "callback", "")

    def _then(self, text: str, where: str) -> Action:
        """What follows the last try: "agent" (ToQueue without a queue: the menu's), "goodbye", "menu:NAME"."""
        if text == "goodbye":
            return Leave()
        if text == "agent":
            return ToQueue("")
        if text.startswith("menu:"):
            return ToMenu(text[5:])
        self.found.append(f'{where}.then: "{text}" is unknown; write "agent", "goodbye" or "menu:NAME"')
        return Leave()

    def _prompt(self, name: str, prompts: dict[str, Any], languages: tuple[str, ...]) -> Mapping[str, Spoken]:
        """`zh = "text"`, or `zh = { text = "text", voice = "en" }` for words of another language."""
        where = f"prompts.{name}"
        data = self._table(prompts, name, "prompts")
        self._known(data, languages, where)
        return {language: self._spoken(data[language], language, where) for language in languages if language in data}

    def _spoken(self, data: Any, language: str, where: str) -> Spoken:
        if isinstance(data, str):
            return Spoken(data, language)
        if not isinstance(data, dict):
            self.found.append(f'{where}.{language}: write "text" or {{ text = "..", voice = "en" }}')
            return Spoken("", language)
        self._known(data, ("text", "voice"), f"{where}.{language}")
        return Spoken(self._text(data, "text", where, ""), self._text(data, "voice", where, language))

    # ---- values of a type -------------------------------------------------------------------------------------
    def _known(self, data: dict[str, Any], names: tuple[str, ...], where: str) -> None:
        for name in data:
            if name not in names:
                near = get_close_matches(name, names, 1)
                self.found.append(f"{where}: unknown key {name}; write {near[0] if near else ', '.join(names)}")

    def _text(self, data: dict[str, Any], name: str, where: str, default: str) -> str:
        value = data.get(name, default)
        if isinstance(value, str):
            return value
        self.found.append(f'{where}.{name}: write text in quotes like "1"')
        return default

    def _number(self, data: dict[str, Any], name: str, where: str, default: int) -> int:
        value = data.get(name, default)
        if type(value) is int:
            return value
        self.found.append(f"{where}.{name}: write a whole number like 3")
        return default

    def _names(self, data: dict[str, Any], name: str, where: str, default: tuple[str, ...]) -> tuple[str, ...]:
        value = data.get(name, default)
        if isinstance(value, str):
            return (value,)
        if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
            return tuple(value)
        self.found.append(f'{where}.{name}: write a list of names like ["welcome", "main"]')
        return default

    def _table(self, data: dict[str, Any], name: str, where: str) -> dict[str, Any]:
        value = data.get(name, {})
        if isinstance(value, dict):
            return value
        self.found.append(f"{where}.{name}: write a table")
        return {}

    def _list(self, data: dict[str, Any], name: str, where: str) -> list[Any]:
        value = data.get(name, [])
        if isinstance(value, list):
            return value
        self.found.append(f"{where}.{name}: write a list of tables")
        return []

"""What a menu must hold beyond types: targets and prompts that are there, ways to every menu, an end to silence."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from difflib import get_close_matches

from media.ivr.flow import CALLBACK, ITEM_KEYS, NEEDED, Action, Flow, Menu, Say, ToMenu, ToQueue

Check = Callable[[Flow], Iterator[str]]


def problems(flow: Flow, queues: Collection[str] | None) -> Iterator[str]:
    """One line for each mistake, saying what to write instead."""
    for check in (_top, _menus, _targets, _prompts, _texts, _reachable, _silence):
        yield from check(flow)
    if queues is not None:
        yield from _queues(flow, queues)


def _instead(name: str, there: Collection[str]) -> str:
    near = get_close_matches(name, there, 1)
    return f"write {near[0]}" if near else f"there are: {', '.join(sorted(there)) or 'none'}"


def _top(flow: Flow) -> Iterator[str]:
    if not flow.version:
        yield 'version: missing; write text that changes with each publishing, like "2026-08-01"'
    if not flow.languages:
        yield 'languages: missing; write ["zh", "en"]'
    if flow.start not in flow.menus:
        yield f'start: no menu "{flow.start}"; {_instead(flow.start, flow.menus)}'
    if flow.callback_key and flow.callback_key not in ITEM_KEYS:
        yield f'callback.key: "{flow.callback_key}" cannot be chosen; write one of {ITEM_KEYS} (0, 9 and * have a meaning)'
    if not 10 <= flow.max_steps <= 1000:
        yield f"max_steps: {flow.max_steps} is out of range; write a number from 10 to 1000"


def _menus(flow: Flow) -> Iterator[str]:
    for name, menu in flow.menus.items():
        where = f"menu.{name}"
        if not menu.prompts:
            yield f'{where}: says nothing; write prompts = ["{name}"]'
        if not menu.agent:
            yield f'{where}: key 0 has no queue; write agent = "QUEUE" here or above all menus'
        if not 1 <= menu.tries <= 9:
            yield f"{where}.tries: {menu.tries} is out of range; write a number from 1 to 9"
        if not 1000 <= menu.wait_ms <= 60_000:
            yield f"{where}.wait_s: {menu.wait_ms // 1000} is out of range; write a number from 1 to 60"
        yield from _keys(where, menu)


def _keys(where: str, menu: Menu) -> Iterator[str]:
    for number, item in enumerate(menu.items.values(), 1):
        if len(item.key) != 1 or item.key not in ITEM_KEYS:
            taken = "0 is an agent, 9 is back, * is once more"
            yield f'{where}.items[{number}].key: "{item.key}" cannot be chosen; write one of {ITEM_KEYS} ({taken})'
        if not item.id:
            yield f'{where}.items[{number}]: has no id; write id = "bill": reports count by it'
        if item.id in ("agent", "back"):
            yield f'{where}.items[{number}].id: "{item.id}" is the id of key {"0" if item.id == "agent" else "9"}; write another'
    ids = [item.id for item in menu.items.values()]
    for twice in sorted({one for one in ids if one and ids.count(one) > 1}):
        yield f'{where}.items: id "{twice}" stands twice; give one of them another id'


def _actions(flow: Flow) -> Iterator[tuple[str, Action]]:
    """Every action with where it stands."""
    for name, menu in flow.menus.items():
        yield f"menu.{name}.then", menu.then
        for item in menu.items.values():
            yield f"menu.{name}, item {item.key} ({item.id})", item.action


def _targets(flow: Flow) -> Iterator[str]:
    for where, action in _actions(flow):
        if isinstance(action, ToMenu) and action.menu not in flow.menus:
            yield f'{where}: no menu "{action.menu}"; {_instead(action.menu, flow.menus)}'
        if isinstance(action, ToMenu) and action.language and action.language not in flow.languages:
            yield f'{where}: no language "{action.language}"; {_instead(action.language, flow.languages)}'
        if isinstance(action, ToQueue) and not -1 <= action.priority <= 99:
            yield f"{where}: priority {action.priority} is out of range; write a number from 0 to 99"


def _spoken(flow: Flow) -> Iterator[tuple[str, str]]:
    """Every prompt that is named, with where."""
    for name in NEEDED:
        yield "needed by every menu", name
    for where, action in _actions(flow):
        if isinstance(action, Say):
            yield from ((where, prompt) for prompt in action.prompts)
    if flow.callback_key:
        yield from (("callback", name) for name in CALLBACK)
    for name, menu in flow.menus.items():
        yield from ((f"menu.{name}", prompt) for prompt in (*menu.prompts, *menu.again))
    for why, say in flow.turned_away.items():
        yield from ((f"turned_away.{why}", prompt) for prompt in say.prompts)


def _prompts(flow: Flow) -> Iterator[str]:
    told: set[str] = set()
    for where, name in _spoken(flow):
        if name not in flow.prompts and name not in told:
            told.add(name)
            yield f'{where}: no prompt "{name}"; write [prompts.{name}] with a text in {", ".join(flow.languages)}'


def _texts(flow: Flow) -> Iterator[str]:
    for name, texts in flow.prompts.items():
        for language in flow.languages:
            if language not in texts:
                yield f'prompts.{name}: not in language {language}; write {language} = "..."'
            elif not texts[language].text.strip():
                yield f"prompts.{name}.{language}: empty; write what is to be said"
            elif texts[language].voice not in flow.languages:
                yield f'prompts.{name}.{language}: no voice "{texts[language].voice}"; {_instead("", flow.languages)}'


def _reachable(flow: Flow) -> Iterator[str]:
    seen, todo = set[str](), [flow.start]
    while todo:
        menu = flow.menus.get(todo.pop())
        if menu is None or menu.name in seen:
            continue
        seen.add(menu.name)
        actions = [menu.then, *(item.action for item in menu.items.values())]
        todo += [action.menu for action in actions if isinstance(action, ToMenu)]
    for name in flow.menus.keys() - seen:
        yield f'menu.{name}: no item leads there from "{flow.start}"; write an item with menu = "{name}" or take it out'


def _silence(flow: Flow) -> Iterator[str]:
    """A caller who says nothing must come to an end."""
    for name in flow.menus:
        walked, here = [name], flow.menus[name].then
        while isinstance(here, ToMenu) and here.menu in flow.menus and here.menu not in walked:
            walked.append(here.menu)
            here = flow.menus[here.menu].then
        if isinstance(here, ToMenu) and here.menu == name:
            yield f'menu.{name}.then: silence goes round for ever ({" > ".join([*walked, name])}); end it with "agent" or "goodbye"'


def asked(flow: Flow) -> Iterator[tuple[str, str]]:
    """(where, queue) of all that leads to a queue."""
    yield from ((f"menu.{name}.agent", menu.agent) for name, menu in flow.menus.items() if menu.agent)
    yield from ((where, action.queue) for where, action in _actions(flow) if isinstance(action, ToQueue) and action.queue)


def _queues(flow: Flow, queues: Collection[str]) -> Iterator[str]:
    for where, queue in asked(flow):
        if queue not in queues:
            yield f'{where}: no queue "{queue}"; {_instead(queue, queues)}'

"""The menu file: what is there is read, every mistake is told with its place and what to write."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from media.ivr.flow import NEEDED, FlowError, Say, ToMenu, ToQueue
from media.ivr.flow_reader import load, loads

FLOW = Path(__file__).parents[3] / "flows" / "service.toml"
QUEUES = ("billing", "faults", "complaints")
SMALL = """
version = "1"
start = "main"
languages = ["zh", "en"]
agent = "billing"
[menu.main]
prompts = ["hello"]
items = [
  { key = "1", id = "bill", menu = "bill" },
  { key = "2", id = "news", say = ["news"], then = "end" },
]
[menu.bill]
prompts = ["bill"]
then = "agent"
items = [{ key = "1", id = "agent_please", queue = "billing", priority = 5 }]
""" + "\n".join(f'[prompts.{name}]\nzh = "字"\nen = "word"' for name in ("hello", "news", "bill", *NEEDED))


def test_the_service_menu() -> None:
    """The shipped menu is good for the shipped queues: four branches in the asked order, two languages, an agent everywhere."""
    flow = load(FLOW, QUEUES)
    assert [flow.menus["main"].items[key].id for key in "1234"] == ["enquiry", "bill", "complaint", "handling"]
    assert flow.languages == ("zh", "en")
    assert all(menu.agent in QUEUES for menu in flow.menus.values())
    actions = [item.action for menu in flow.menus.values() for item in menu.items.values()]
    assert {action.queue for action in actions if isinstance(action, ToQueue)} == set(QUEUES)
    assert all(any(isinstance(action, kind) for action in actions) for kind in (ToMenu, Say))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('menu = "bill"', 'menu = "bil"'), 'menu.main, item 1 (bill): no menu "bil"; write bill'),
        (('start = "main"', 'start = "mian"'), 'start: no menu "mian"; write main'),
        (('prompts = ["hello"]', 'prompts = ["helo"]'), 'menu.main: no prompt "helo"; write [prompts.helo]'),
        (('[prompts.news]\nzh = "字"', "[prompts.news]"), 'prompts.news: not in language zh; write zh = "..."'),
        (('[prompts.news]\nzh = "字"', '[prompts.news]\nzh = " "'), "prompts.news.zh: empty"),
        (('key = "2"', 'key = "1"'), "menu.main.items: key 1 stands twice"),
        (('key = "2"', 'key = "9"'), 'menu.main.items[2].key: "9" cannot be chosen; write one of 12345678#'),
        (('key = "2"', "key = 2"), 'menu.main.items[2].key: write text in quotes like "1"'),
        (('id = "news"', 'id = "bill"'), 'menu.main.items: id "bill" stands twice'),
        (('menu = "bill"', 'queue = "billing"'), 'menu.bill: no item leads there from "main"'),
        (('queue = "billing"', 'queue = "biling"'), 'menu.bill, item 1 (agent_please): no queue "biling"; write billing'),
        (('agent = "billing"', 'agent = "nobody"'), 'menu.main.agent: no queue "nobody"; there are: billing, complaints, faults'),
        (('agent = "billing"\n', ""), 'menu.main: key 0 has no queue; write agent = "QUEUE"'),
        (('then = "agent"', 'then = "menu:main"\ntries = 0'), "menu.bill.tries: 0 is out of range"),
        (('then = "agent"', 'then = "leave"'), 'menu.bill.then: "leave" is unknown; write "agent", "goodbye" or "menu:NAME"'),
        (('prompts = ["bill"]', 'promts = ["bill"]'), "menu.bill: unknown key promts; write prompts"),
        (('version = "1"', ""), "version: missing"),
        (('say = ["news"]', 'say = ["news"], menu = "bill"'), "menu.main.items[2]: write exactly one of"),
        (('then = "end"', 'then = "stop"'), 'menu.main.items[2].then: "stop" is unknown'),
        (("[prompts.goodbye]", "[prompts.bye]"), 'needed by every menu: no prompt "goodbye"'),
        (('zh = "字"', 'zh = { text = "a", voice = "fr" }'), 'no voice "fr"; there are: en, zh'),
    ],
)
def test_mistakes_are_told(change: tuple[str, str], told: str) -> None:
    """Each kind of mistake names file, place and remedy."""
    assert change[0] in SMALL
    with pytest.raises(FlowError) as error:
        loads(SMALL.replace(*change, 1) if "字" not in change[0] else SMALL.replace(*change), "menu.toml", QUEUES)
    assert any(problem.startswith("menu.toml: ") and told in problem for problem in error.value.problems), error.value


def test_silence_that_goes_round() -> None:
    """Menus whose silence leads to each other would keep a silent caller for ever: refused."""
    text = SMALL.replace('then = "agent"', 'then = "menu:main"').replace(
        'prompts = ["hello"]', 'prompts = ["hello"]\nthen = "menu:bill"'
    )
    with pytest.raises(FlowError, match=re.escape("silence goes round for ever (main > bill > main)")):
        loads(text, "menu.toml", QUEUES)


def test_all_mistakes_at_once() -> None:
    """Three mistakes in a file are three problems."""
    text = (
        SMALL.replace('menu = "bill"', 'menu = "x"')
        .replace('prompts = ["hello"]', 'prompts = ["x"]')
        .replace('start = "main"', 'start = "x"')
    )
    with pytest.raises(FlowError) as error:
        loads(text, "menu.toml", QUEUES)
    assert len(error.value.problems) >= 3


@pytest.mark.parametrize(
    "text", ["", "= 1", "menu = 3", "prompts = []", "languages = 5", "[menu]\nmain = 1", "[[menu]]", "[menu.main]\nitems = [1]"]
)
def test_any_shape(text: str) -> None:
    """A file of any shape is FlowError, never another error."""
    with pytest.raises(FlowError):
        loads(text, "menu.toml", QUEUES)


def test_no_file(tmp_path: Path) -> None:
    """A file that is not there, or no text, is FlowError with its name."""
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    for name in ("missing.toml", "binary.toml"):
        with pytest.raises(FlowError, match=name):
            load(tmp_path / name)


def test_a_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    """Notepad writes one before UTF-8: the file is the same menu."""
    plain = FLOW
    marked = tmp_path / plain.name
    marked.write_text(plain.read_text(encoding="utf-8"), encoding="utf-8-sig")
    assert load(marked) == load(plain)

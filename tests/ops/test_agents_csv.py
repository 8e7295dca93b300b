"""Agents from a spreadsheet: added and changed by rows, every mistake told with its line and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops import agents_csv
from ops import centre as c
from ops.config import ConfigError
from ops.rulebook import RuleBook

PATH = Path("agents.csv")
BOOK = RuleBook(
    7,
    queue=(c.Queue(id="bills", skill="bills"), c.Queue(id="faults", skill="faults")),
    agent=(c.Agent("a1", "王芳", seat="8001", skills={"bills": 1}, city="武汉"), c.Agent("boss", "赵", "supervisor")),
)


def test_rows_are_added_and_change_what_is_there() -> None:
    """A new id is a new agent, a known one keeps what the table has no column for, and nobody goes."""
    made = agents_csv.merged(BOOK, 'id,name,seat,skills\na1,王芳,8011,"bills=2, faults=1"\n\nb1,李雷,8002,faults=3\n', PATH)
    assert made.agent == (
        c.Agent("a1", "王芳", seat="8011", skills={"bills": 2, "faults": 1}, city="武汉"),
        BOOK.agent[1],
        c.Agent("b1", "李雷", seat="8002", skills={"faults": 3}),
    )
    assert (made.queue, made.version) == (BOOK.queue, 7)


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_chinese_heads_and_other_separators(mark: str) -> None:
    """Heads and roles in Chinese, with a byte order mark, and cells between semicolons or tabs, mean the same."""
    rows = [
        ["工号", "姓名", "角色", "分机", "技能", "城市", "权重"],
        ["b1", "李雷", "座席员", "8002", "bills=1、faults=2", "武汉", ""],
    ]
    rows.append(["b2", "韩梅", "班长", "", "", "", "3"])
    made = agents_csv.merged(BOOK, "\ufeff" + "\r\n".join(mark.join(row) for row in rows), PATH)
    assert made.agent[2:] == (
        c.Agent("b1", "李雷", seat="8002", skills={"bills": 1, "faults": 2}, city="武汉"),
        c.Agent("b2", "韩梅", "supervisor", weight=3),
    )


BAD = [
    ("", ":1: there is no column id"),
    ("id,name\n", "has no rows"),
    ("id,phone\na,1", ':1: unknown column "phone"'),
    ("id,name,姓名\na,b,c", ":1: the column name stands twice"),
    ("id,name,seat\nb1,B,8002\n,C,8003", ":3: id: is empty"),
    ("id,name,seat\nb1,B,8002\nb1,C,8003", ':3: id: "b1" stands in line 2 too'),
    ("id,name,seat,skills\nb1,B,8002,complaints=1;complaints=5", ':2: skills: "complaints" stands twice'),
    ("id,name,seat,skills\nb1,B,8002,bills=0", ':2: skills: "bills=0" cannot be read'),
    ("id,name,seat,weight\nb1,B,8002,many", ':2: weight: "many" is no whole number'),
    ("id,name,seat\nb1,B,8002,bills=1", ":2: seat: the row has 4 cells"),
    ('id,name,seat\nb1,"B"x,8002', "CSV cannot be parsed"),
    ("id,name,seat\nb1,B,8001", ':2: agent[3].seat: "8001" is also the seat'),
    ("id,name\nb1,B", ":2: agent[3]: b1 has the role agent but no seat"),
    ("id,seat\nb1,8002", ":2: agent[3]: name is missing"),
    ("id,name,seat,skills\nb1,B,8002,bill=1", ":2: agent[3].skills: no queue asks"),
    ("id,name,role\nb1,B,boss", ":2: agent[3].role"),
]


@pytest.mark.parametrize(("text", "words"), BAD)
def test_mistakes_have_line_and_column(text: str, words: str) -> None:
    """Each mistake names its line and column or field, and nothing is taken."""
    with pytest.raises(ConfigError) as caught:
        agents_csv.merged(BOOK, text, PATH)
    assert any(problem.startswith(f"{PATH}") and words in problem for problem in caught.value.problems), caught.value.problems


def test_all_mistakes_of_a_table_at_once() -> None:
    """Three bad rows of four give three errors."""
    with pytest.raises(ConfigError) as caught:
        agents_csv.merged(BOOK, "id,name,skills\nx,X,bills\ny,Y,bills=1\n,Z,\nw,W,bills=77", PATH)
    assert len(caught.value.problems) == 3

"""What the overflow demonstration calls right and wrong."""

from __future__ import annotations

from typing import Any

import pytest

from ops import country
from ops.demo.check import Heard
from ops.demo.overflow import EXAMPLE
from ops.demo.overflow_check import Evidence, Pop, judge, summarise
from ops.demo.overflow_script import AGENTS, HUNAN, SUPERVISORS, VISITS, Visit

GOOD = Heard(1.0, 1.0, 0.0, 0.0)


def answering(visit: Visit) -> tuple[str, str]:
    """An agent who may take the call, and the centre."""
    if visit.only or visit.elsewhere:
        return next((user, at) for user, (at, _) in AGENTS.items() if at == HUNAN)
    return next((user, at) for user, (at, _) in AGENTS.items() if at == visit.centre)


def evidence() -> Evidence:
    """Everything as it should be."""
    seen = Evidence()
    for visit in VISITS:
        user, at = answering(visit)
        agent = user if at == visit.centre else f"{user}@{at}"
        want = {"result": "answered", "side": "caller", "queue": visit.call.want.queue, "recording": "filed", "waited_ms": 2000}
        row: dict[str, Any] = {"id": visit.call.name, "calling": f"+86{visit.call.calling}", "agent": agent, **want}
        row |= {"province": "湖北", "menu_path": "complaint/fault"}
        seen.rows[visit.centre] = [*seen.rows.get(visit.centre, ()), row]
        pop = {"calling": visit.call.calling, "home": {"province": "湖北", "city": "武汉"}, "menu_path": ["complaint", "fault"]}
        seen.pops[visit.call.name] = [Pop(user, pop)]
        seen.heard[visit.call.name] = GOOD
        seen.phones[visit.call.name] = {"error": ""}
    return seen


def test_all_held() -> None:
    """Nothing to complain about: counts add up and the exit status would be 0."""
    seen = evidence()
    summary = summarise(judge(VISITS, seen), seen)
    assert summary.held
    assert (summary.calls, summary.at_home + summary.elsewhere, summary.elsewhere) == (len(VISITS), len(VISITS), 5)


def break_row(seen: Evidence, name: str, **changes: object) -> None:
    """Other words in the row of a call."""
    for centre, rows in seen.rows.items():
        seen.rows[centre] = [{**row, **changes} if row["id"] == name else row for row in rows]


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("bill 1", {"agent": "wang"}, "answered at hubei, want another province"),
        ("hubei bill", {"agent": "zhang@hunan"}, "answered at hunan, want hubei"),
        ("bill 3", {"agent": "chen@guangdong"}, "answered at guangdong, want hunan"),
        ("fault 1", {"result": "abandoned"}, "result is abandoned"),
        ("fault 1", {"agent": ""}, "nobody we know answered"),
        ("complaint 1", {"menu_path": "bill"}, "was shown the path complaint/fault"),
        ("complaint 1", {"province": "广东"}, "was shown 湖北, the ledger has 广东"),
    ],
)
def test_what_is_wrong_in_a_ledger_is_told(name: str, changes: dict[str, object], told: str) -> None:
    """Each difference by its name, and the demonstration has not held."""
    seen = evidence()
    break_row(seen, name, **changes)
    findings = judge(VISITS, seen)
    assert any(told in text for one in findings if one.visit.call.name == name for text in one.wrong)
    assert not summarise(findings, seen).held


def test_missing_evidence_is_told() -> None:
    """No row, two rows, no screen, no recording, no words of the agent in it, no word of the phone."""
    seen = evidence()
    seen.rows["hunan"] = []
    seen.rows["guangdong"] = [*seen.rows["guangdong"], *seen.rows["guangdong"]]
    seen.pops["bill 1"] = []
    del seen.heard["bill 2"]
    seen.heard["fault 1"] = Heard(1.0, 0.1, 0.0, 0.0)
    del seen.phones["complaint 1"]
    wrong = {one.visit.call.name: one.wrong for one in judge(VISITS, seen) if one.wrong}
    assert {name: len(texts) for name, texts in wrong.items()} == dict.fromkeys(wrong, 1)
    assert wrong.keys() == {"hunan fault", "guangdong bill", "bill 1", "bill 2", "fault 1", "complaint 1"}


def test_the_script_fits_the_example(tmp_path: Any) -> None:
    """Agents, seats, supervisors, centres and numbers of the script are those of examples/country.toml."""
    found = country.load(EXAMPLE, tmp_path)
    there = {agent.id: (name, agent.seat) for name, one in found.centres.items() for agent in one.agent if agent.seat}
    assert there == AGENTS
    for centre, boss in SUPERVISORS.items():
        assert boss in [agent.id for agent in found.centres[centre].agent if agent.role == "supervisor"]
    assert {visit.call.called for visit in VISITS} <= set(found.centres["hubei"].centre.numbers)
    ends = [visit.call.calling[-2:] for visit in VISITS]
    assert len(set(ends)) == len(ends)

"""`tierline sim` as people and programs call it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ops import cli
from ops.config import ConfigError
from router.sim import read
from router.sim.library import NAMES, country, national
from router.sim.roster import rostered
from router.sim.run import Job, run
from router.sim.show import side_by_side, table, width
from router.sim.traffic import rate
from tests.arch.tree import ROOT

KEYS = ["case", "rule", "calls", "sl20", "abandoned", "away", "asa", "hot_sl20"]
EXAMPLES = ROOT / "examples" / "scenarios"


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What the command prints; it must end well."""
    status = cli.main(["sim", *words, "--jobs", "1"])
    out, err = capsys.readouterr()
    assert status == 0, err
    return out


def test_the_acceptance_case_has_the_agreed_keys(capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON object a case and rule, with exactly these keys; the hot site is told where there is one."""
    words = ("national", "--json", "--calls", "400", "--case", "22", "--case", "22-hot", "--rule", "at-once")
    even, hot = (json.loads(text) for text in said(capsys, *words).splitlines())
    assert list(even) == list(hot) == KEYS
    assert (even["case"], even["rule"], even["calls"], even["hot_sl20"]) == ("22", "at-once", 400, None)
    assert hot["hot_sl20"] > 0
    assert even["sl20"] > 95


def test_the_named_scenarios_are_those_of_the_issue() -> None:
    """31 sites, 620 erlang and 682 or 620 agents; a country of 10,013 agents and 2 million calls."""
    plans = {(plan.case, plan.rule): plan for plan in national()}
    assert {case for case, _ in plans} == {"22", "22-hot", "20"}
    assert {"pool", "none", "at-once", "delay-5", "delay-10", "delay-15"} <= {rule for _, rule in plans}
    assert [len(rostered(plans[case, "none"].scenario)) for case in ("22", "22-hot", "20")] == [682, 682, 620]
    day = country()[0].scenario
    assert len(rostered(day)) == 10_013
    assert 31 * rate(day.site[0].load[0], 0, 86_400) == pytest.approx(2_000_000, rel=0.001)


def test_two_policies_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    """Both in one table with the difference; the policy decides how even the calls are shared out."""
    out = said(capsys, "fairness", "--case", "equal talks", "--calls", "1500", "--compare", "longest_idle", "weighted_random")
    assert "longest_idle" in out.splitlines()[0]
    (spread,) = [text.split() for text in out.splitlines() if text.startswith("calls of busiest")]
    idle, drawn = (int(text) for text in spread[-3:-1])
    assert idle <= 2 < drawn


@pytest.mark.parametrize("path", [EXAMPLES / "hotline.toml", EXAMPLES / "overflow.toml"], ids=lambda path: path.stem)
def test_every_example_runs(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    """Each scenario that we ship is read and answered."""
    (line,) = said(capsys, str(path), "--json", "--calls", "300").splitlines()
    assert json.loads(line)["calls"] == 300


def test_a_day_is_told_by_quarters_of_an_hour(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Calls, load, agents at work and shares of each quarter; together they are the day's calls."""
    path = tmp_path / "morning.toml"
    text = (EXAMPLES / "hotline.toml").read_text().replace("hours = 13", "hours = 2")
    path.write_text(text.replace("rules-now.toml", str(EXAMPLES / "rules-now.toml")))
    day = json.loads(said(capsys, str(path), "--json"))
    quarters = day["quarters"]
    assert [one["at"] for one in quarters] == [f"{7 + n // 4:02}:{15 * (n % 4):02}" for n in range(8)]
    assert sum(one["calls"] for one in quarters) == day["calls"]
    assert [one["agents"] for one in quarters] == [16] * 4 + [22] * 4
    assert all(0 < one["erlang"] < 30 and 0 <= one["sl20"] <= 100 for one in quarters)


def test_a_recorded_day_is_tried_with_other_rules(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Facts become a file; played again under the same rules the day comes out nearly as it was; two rule files are compared."""
    facts, day = tmp_path / "facts.jsonl", tmp_path / "day.jsonl.gz"
    hotline = EXAMPLES / "hotline.toml"
    first = json.loads(said(capsys, str(hotline), "--json", "--calls", "900", "--facts", str(facts)))
    assert "900 calls" in said(capsys, "--record", str(facts), str(day))
    again = json.loads(said(capsys, str(day), "--json", "--rules", str(EXAMPLES / "rules-now.toml")))
    assert again["calls"] == first["calls"]
    assert again["sl20"] == pytest.approx(first["sl20"], abs=3)
    both = said(capsys, str(day), "--compare", str(EXAMPLES / "rules-now.toml"), str(EXAMPLES / "rules-new.toml"))
    recorded, _, head, *_ = both.splitlines()
    assert recorded.startswith("as it was recorded: 900 calls, ")
    assert head.split() == ["rules-now", "rules-new", "difference"]
    assert "VIP" in both


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "name a scenario"),
        (("nonsense",), "no scenario nonsense"),
        (("national", "--rule", "x"), "nothing is left"),
        (("erlang", "--calls", "0"), "--calls wants 1"),
        (("erlang", "--facts", "x"), "--facts goes with one run"),
        (("--record", "/dev/null", "x.jsonl"), "nobody asked for an agent"),
    ],
)
def test_what_cannot_be_done_is_said(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str) -> None:
    """Exit status 1 and a sentence."""
    assert cli.main(["sim", *words]) == 1
    assert says in capsys.readouterr().err


def test_a_wrong_scenario_says_file_line_and_what_to_write(tmp_path: Path) -> None:
    """Every mistake at once, in the words of the configuration."""
    path = tmp_path / "wrong.toml"
    path.write_text(
        'name = "x"\nrules = "none.toml"\nhot = ["b"]\n\n[[site]]\nname = "a"\n\n[[site.load]]\nqueue = "q"\nerlang = 5\n'
        "calls_per_hour = 3\ncallback_per_mille = 1001\n\n"
        '[site.load.handling]\nmean_s = 5\nshape = "round"\n\n[[outage]]\nsite = "a"\nwhat = "fire"\n'
        'start = "25:00"\nend = "10:00"\n'
    )
    with pytest.raises(ConfigError) as caught:
        read.scenario(path)
    told = "\n".join(caught.value.problems)
    for part in (
        "wrong.toml:3",
        "no site",
        "either calls_per_hour or erlang",
        "callback_per_mille",
        "exponential or lognormal",
        "seats or link",
        "25:00",
    ):
        assert part in told, told


def test_scenario_and_rules_must_fit(tmp_path: Path) -> None:
    """Callers of a queue that the rules do not have, or that nobody has the skill for, are a mistake of the files."""
    found, rules = read.scenario(EXAMPLES / "hotline.toml")
    read.check(found, rules)
    with pytest.raises(ConfigError, match="callers ask for queue"):
        read.check(found, national()[0].rules)
    with pytest.raises(ConfigError, match="no crew has it"):
        read.check(replace(found, site=(replace(found.site[0], crew=()),)), rules)


def test_tables_line_up_with_chinese() -> None:
    """A Chinese character takes two columns, so the figures end in the same one."""
    head, _, one, two = table(("queue", "calls"), [("账单", "12"), ("bill", "3")]).splitlines()
    assert (width(head), width(one), width(two)) == (12, 12, 12)


def test_the_comparison_names_what_changed_most() -> None:
    """Sites and quarters of an hour whose service level moved most are told."""
    plans = {plan.rule: plan for plan in NAMES["national"]() if plan.case == "22-hot"}
    one, two = (run(Job(replace(plans[rule], calls=600))) for rule in ("none", "at-once"))
    text = side_by_side(one, two)
    assert "most changed sites" in text and "hot +" in text

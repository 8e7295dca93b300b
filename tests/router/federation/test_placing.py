"""Which centre is asked: router/core/placing.py."""

from __future__ import annotations

from dataclasses import replace

from router.core.placing import (
    AGAIN_LONGEST_MS,
    AGAIN_MS,
    ASKS_PER_S,
    LONG_MS,
    NOBODY,
    SENDING_MS,
    SOON_MS,
    STALE_MS,
    STAY,
    STAY_MS,
    Choice,
    Chooser,
    Refusal,
    Report,
    SkillLoad,
    Wish,
    lendable,
)

NOW = 1_000_000


def report(centre: str, free: int, staffed: int = 20, lent: int = 0, expected_ms: int = 0, **more: object) -> Report:
    load = SkillLoad("sales", staffed, free, 0, expected_ms, lent)
    return replace(Report(centre, NOW, skills={"sales": load}), **more)  # type: ignore[arg-type]


def chooser(*reports: Report) -> Chooser:
    made = Chooser()
    for one in reports:
        made.report(one)
    return made


def wish(n: int = 1, **more: object) -> Wish:
    return replace(Wish(f"c{n}.p1", "hubei", "sales", NOW - 5_000), **more)  # type: ignore[arg-type]


def where(found: Choice | Refusal) -> str:
    return found.centre if isinstance(found, Choice) else found.reason


def test_goes_where_it_costs_least() -> None:
    """The penalty of leaving home decides between centres that are free, not how many agents they have."""
    c = chooser(report("hunan", 2, penalty_ms=4_000), report("anhui", 15, penalty_ms=9_000))
    assert c.choose(wish(), NOW) == Choice("hunan", 4_000 + SENDING_MS)


def test_the_expected_wait_is_part_of_the_cost() -> None:
    """A centre that tells a wait although somebody is free is dearer by that wait."""
    c = chooser(report("hunan", 2, expected_ms=8_000, penalty_ms=4_000), report("anhui", 1, penalty_ms=9_000))
    assert where(c.choose(wish(), NOW)) == "anhui"


def test_equal_costs_go_to_the_largest_spare_part() -> None:
    """Of two with the same cost the one is asked that feels the loss of an agent least."""
    c = chooser(report("hunan", 4, staffed=400), report("anhui", 3, staffed=10))
    assert where(c.choose(wish(), NOW)) == "anhui"


def test_equal_centres_take_turns() -> None:
    """With nothing else to tell them apart, three calls go to three centres."""
    c = chooser(*(report(name, 9) for name in ("anhui", "hunan", "gansu")))
    assert {where(c.choose(wish(n), NOW)) for n in range(3)} == {"anhui", "hunan", "gansu"}


def test_nobody_is_asked_who_cannot() -> None:
    """Home itself, who failed, who is paused, has nobody free, has lent its share, has not the skill or has gone silent: none."""
    c = chooser(
        report("hubei", 5),
        report("failed", 5),
        report("paused", 5, paused=True),
        report("busy", 0),
        report("lent", 5, staffed=20, lent=5, share=25),
        report("silent", 5, at_ms=NOW - STALE_MS - 1),
        replace(report("other", 5), skills={"loans": SkillLoad("loans", 5, 5, 0, 0)}),
    )
    assert c.choose(wish(not_at=("failed",)), NOW) == Refusal(NOBODY, AGAIN_MS)


def test_the_share_is_a_part_of_the_staffed_rounded_down() -> None:
    """25 % of 22 agents are 5; nothing is lent of a share that does not make one agent."""
    assert (lendable(22, 25), lendable(3, 25), lendable(3, 100), lendable(9, 0)) == (5, 0, 3, 0)


def test_own_reservations_count_until_a_report_can_know_them() -> None:
    """A burst does not all go to the one free agent: it is taken until the centre answered and reported after that."""
    c = chooser(report("hunan", 1))
    assert where(c.choose(wish(1), NOW)) == "hunan"
    assert where(c.choose(wish(2), NOW)) == NOBODY
    c.report(report("hunan", 1))  # on its way before the answer: does not know
    assert where(c.choose(wish(2), NOW)) == NOBODY
    c.answered("hunan", "c1.p1", True)
    assert where(c.choose(wish(2), NOW)) == NOBODY
    c.report(report("hunan", 1, lent=1))  # knows, and another agent came
    assert where(c.choose(wish(2), NOW)) == "hunan"


def test_reservations_count_against_the_share() -> None:
    """Two calls under way are two of the two that may be lent."""
    c = chooser(report("hunan", 9, staffed=20, share=10))
    assert [where(c.choose(wish(n), NOW)) for n in range(3)] == ["hunan", "hunan", NOBODY]


def test_who_said_nobody_is_passed_over_until_its_next_report() -> None:
    """A report that was wrong once is not believed again; the next one is."""
    c = chooser(report("hunan", 1), report("gansu", 1, penalty_ms=9_000))
    assert where(c.choose(wish(), NOW)) == "hunan"
    c.answered("hunan", "c1.p1", False)
    assert where(c.choose(wish(2), NOW)) == "gansu"
    c.report(report("hunan", 1))
    assert where(c.choose(wish(3), NOW)) == "hunan"


def test_a_dropped_wish_gives_the_agent_back() -> None:
    """The caller hung up before the centre answered: the next one may have the agent."""
    c = chooser(report("hunan", 1))
    c.choose(wish(1), NOW)
    c.dropped("hunan", "c1.p1")
    c.dropped("hunan", "c1.p1")
    assert [where(c.choose(wish(n), NOW)) for n in (2, 3)] == ["hunan", NOBODY]


def test_stays_while_that_is_better() -> None:
    """Four seconds of waiting still are less than a penalty of five; seven are more."""
    c = chooser(report("hunan", 5, penalty_ms=5_000))
    assert where(c.choose(wish(expected_ms=4_000), NOW)) == STAY
    assert where(c.choose(wish(expected_ms=7_000), NOW)) == "hunan"


def test_a_call_at_the_wrong_province_goes_home_first() -> None:
    """Its own province costs no penalty, however large, and is chosen before freer centres."""
    c = chooser(report("hunan", 1, province="湖南", penalty_ms=9_000), report("anhui", 20, province="安徽", penalty_ms=3_000))
    assert where(c.choose(wish(province="湖南"), NOW)) == "hunan"
    assert where(c.choose(wish(2, province="湖南"), NOW)) == "anhui"


def test_a_slow_home_is_not_better() -> None:
    """Home is left out if another centre is faster by more than its penalty."""
    slow = report("hunan", 1, province="湖南", expected_ms=30_000)
    c = chooser(slow, report("anhui", 5, province="安徽", penalty_ms=3_000))
    assert where(c.choose(wish(province="湖南"), NOW)) == "anhui"


def test_who_is_away_already_pays_for_staying() -> None:
    """A caller of another province waits two seconds here at a penalty of five: going home is better."""
    here = report("hubei", 0, province="湖北", penalty_ms=5_000)
    c = chooser(here, report("hunan", 1, province="湖南", penalty_ms=5_000))
    assert where(c.choose(wish(province="湖南", expected_ms=2_000), NOW)) == "hunan"
    assert where(c.choose(wish(province="湖北", expected_ms=2_000), NOW)) == NOBODY


def test_a_centre_whose_stream_is_lost_is_not_asked() -> None:
    """Gone means gone, until it reports again."""
    c = chooser(report("hunan", 5))
    c.gone("hunan")
    assert where(c.choose(wish(), NOW)) == NOBODY
    c.report(report("hunan", 5))
    assert where(c.choose(wish(), NOW)) == "hunan"


def test_many_who_find_nobody_ask_less_often() -> None:
    """Whoever looks for a place in a full country, all of them together ask about ASKS_PER_S times a second."""
    c = chooser(report("hunan", 0))
    waits = [found.again_ms for n in range(4_000) if isinstance(found := c.choose(wish(n), NOW + n // 4), Refusal)]
    assert waits[0] == AGAIN_MS
    assert waits[-1] == min(AGAIN_LONGEST_MS, 4_000 * 1000 // ASKS_PER_S)


def test_the_last_free_agents_of_a_lender_are_dearer() -> None:
    """A call that would gain 10 s by leaving home may take one of four agents at a penalty of 6 s, but not the last one."""
    asked = wish(expected_ms=10_000 + SENDING_MS)
    assert where(chooser(report("hunan", 4, penalty_ms=6_000)).choose(asked, NOW)) == "hunan"
    assert chooser(report("hunan", 1, penalty_ms=6_000)).choose(asked, NOW) == Refusal(STAY, STAY_MS)


def test_who_has_waited_long_asks_more_often() -> None:
    """So an agent who gets free goes most probably to somebody who has waited long."""
    c = chooser(report("hunan", 0))
    assert c.choose(wish(), NOW) == Refusal(NOBODY, AGAIN_MS)
    assert c.choose(wish(entered_ms=NOW - LONG_MS), NOW) == Refusal(NOBODY, SOON_MS)

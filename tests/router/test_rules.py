"""Routing rules that need no store: refusals, blacklist keys, the configuration as rules, scores."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from tierline.common.v1 import common_pb2

from ops.centre import Agent, Blacklisted, Queue, Rung, Vip
from router.core.agent import AgentEvent
from router.core.commands import QueueRule, Stage
from router.core.home import city_key, customer_key
from router.core.leave import failure
from router.core.route import blacklist_key, listed_as, refusal
from router.rules import rules_of, times_of, until_ms
from tests.router.kit import centre


def test_only_what_the_seat_did_makes_an_agent_not_ready() -> None:
    """Of all reasons that a failed offer may have five are the seat's; every other one, a new one too, counts against us."""
    of = {name: failure(name) for name in (*common_pb2.Reason.keys(), "REASON_OF_NEXT_YEAR")}
    seat = {f"REASON_{name}" for name in ("NO_ANSWER", "BUSY", "DECLINED", "NOT_REGISTERED", "UNREACHABLE")}
    assert {name for name, event in of.items() if event is AgentEvent.FAILED} == seat
    assert of.pop("REASON_ANSWERED_ELSEWHERE") is AgentEvent.WITHDRAWN
    assert {event for name, event in of.items() if name not in seat} == {AgentEvent.LATE}


def test_refusals() -> None:
    """Unknown trunk, then a number that is not ours; without configured numbers all are."""
    assert refusal("t2", "12345", ("t1",), (), "CN") == "REASON_UNKNOWN_TRUNK"
    assert refusal("t1", "10000", ("t1",), ("12345",), "CN") == "REASON_UNKNOWN_NUMBER"
    assert refusal("t1", "+862512345678", ("t1",), ("02512345678",), "CN") == ""
    assert refusal("t1", "anything", ("t1",), (), "CN") == ""


@pytest.mark.parametrize("calling", ["13812345678", "+8613812345678", "008613812345678", "013812345678"])
@pytest.mark.parametrize("entry", ["13812345678", "+8613812345678", "138123*", "+86138*", "0138*", "13812345678*"])
def test_blacklist_entries_catch_all_forms(calling: str, entry: str) -> None:
    """However the number is written in the list and however it comes, it is the same caller."""
    assert blacklist_key(entry, "CN") in listed_as(calling, "CN")


@pytest.mark.parametrize("entry", ["13812345679", "139*", "+85*", "381*"])
def test_blacklist_entries_catch_no_others(entry: str) -> None:
    """Other numbers and prefixes are not listed."""
    assert blacklist_key(entry, "CN") not in listed_as("13812345678", "CN")


def test_a_withheld_number_is_on_no_list() -> None:
    """No caller, no keys."""
    assert listed_as("", "CN") == ()


def test_until() -> None:
    """With and without zone; "" is for ever."""
    assert until_ms("") == 0
    assert until_ms("2026-01-01T00:00:00") == until_ms("2026-01-01T08:00:00+08:00") == 1_767_225_600_000


def test_rules_of_a_centre(tmp_path: Path) -> None:
    """Queues in ms, the digest follows the content, the generation the file's time."""
    path = tmp_path / "centre.toml"
    path.write_text("")
    os.utime(path, (5, 5))
    config = centre(path=path)
    rules = rules_of(config)
    assert rules.generation == 5000
    assert [(q.id, q.ring_ms, q.after_ms) for q in rules.queues] == [("sales", 2000, 1000), ("tech", 20000, 0)]
    assert rules.blacklist == (("=+8613800000001", 0), ("^+86137", 0))
    assert rules_of(config).digest == rules.digest
    assert rules_of(replace(config, blacklist=(Blacklisted("1"),))).digest != rules.digest
    assert rules_of(replace(config, path=tmp_path / "none")).generation == 0
    assert times_of(config).lost_ms == 10_000


def test_ladders_cities_and_vips_of_a_centre() -> None:
    """A queue with all it can have becomes a rule in ms; agents give cities and weights, VIPs keys as the blacklist has them."""
    ladder = (Rung(0, "city", 2), Rung(15, "centre"), Rung(40, "nation", skill="any"))
    queue = Queue(
        "q",
        "s",
        priority=5,
        policy="fewest_calls",
        ladder=ladder,
        vip_ladder=(Rung(),),
        own_agent_s=30,
        max_waiting=9,
        max_wait_s=600,
    )
    agents = (Agent("a1", "A", city="武汉市", weight=3), Agent("a2", "B"), Agent("a3", "C", city="襄阳"))
    config = replace(centre(), queue=(queue,), agent=agents, vip=(Vip("13800000009", 2), Vip("+86139*")))
    rules = rules_of(config)
    stages = (Stage(0, "s", 2, "city"), Stage(15_000, "s", 9, "centre"), Stage(40_000, "any", 9, "nation"))
    assert rules.queues == (QueueRule("q", "s", 5, 20_000, 10_000, "fewest_calls", stages, (Stage(0, "s"),), 30_000, 9, 600_000),)
    assert (rules.cities, rules.weights) == ((("a1", "武汉"), ("a3", "襄阳")), (("a1", 3),))
    assert rules.vip == (("=+8613800000009", 2), ("^+86139", 1))
    assert rules_of(replace(config, agent=agents[1:])).digest != rules.digest


def test_cities_have_one_form() -> None:
    """With and without the word for city; a name that is that word's only letter stays."""
    assert [city_key(name) for name in ("武汉", "武汉市", "恩施土家族苗族自治州", "")] == [
        "武汉",
        "武汉",
        "恩施土家族苗族自治州",
        "",
    ]


@pytest.mark.parametrize("calling", ["13812345678", "+8613812345678", "008613812345678", "013812345678"])
def test_a_customer_is_the_same_next_time(calling: str) -> None:
    """However the carrier writes the number; another number is another customer, a withheld one nobody."""
    assert customer_key(calling) == customer_key("13812345678") != customer_key("13812345679")
    assert customer_key("") == customer_key("anonymous") == ""
    assert "2345678" not in customer_key(calling)

"""Routing rules that need no store: refusals, blacklist keys, the configuration as rules, scores."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ops.centre import Blacklisted
from router.core.match import not_ready_reason
from router.core.route import blacklist_key, listed_as, refusal
from router.rules import rules_of, times_of, until_ms
from tests.router.kit import centre


def test_reasons_for_not_ready() -> None:
    """No answer and expiry, busy, and everything else."""
    assert [not_ready_reason(f"REASON_{r}") for r in ("NO_ANSWER", "EXPIRED", "BUSY", "DRAIN")] == [
        "no_answer",
        "no_answer",
        "busy",
        "unreachable",
    ]


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

"""The course of a call is told in the order in which it happened."""

from __future__ import annotations

import random

from console.ledger.course import CAUSES, course
from console.ledger.database import Database
from console.ledger.fold import order
from console.ledger.queries import Queries
from ops.facts import KINDS
from tests.console.samples import CallFacts, answered
from tests.console.test_store import store_all

T0 = 1_760_000_000_000


def kinds(made: CallFacts) -> list[str]:
    return [fact.kind for fact in course(made.facts)]


def at_once() -> CallFacts:
    """A key press leads into a queue and to an agent within the same millisecond."""
    made = CallFacts(T0).edge("edge_invite", "invite").router("routed", node="m1")
    made.media("call_started").media("menu_chosen", menu="main", item="bill").router("enqueued", queue="bills", entered_ms=T0)
    made.offers = 1
    return made.router("offered", "a1", queue="bills", offer=made.offer_id, seat="8001").router(
        "bridged", "a1", offer=made.offer_id
    )


def test_causes_come_before_effects_of_the_same_millisecond() -> None:
    """Whatever order facts are stored in, the key press stands before the queue it led to, and the queue before the agent."""
    made, mixer = at_once(), random.Random(3)
    want = ["edge_invite", "routed", "call_started", "menu_chosen", "enqueued", "offered", "bridged"]
    for _ in range(20):
        mixer.shuffle(made.facts)
        assert kinds(made) == want


def test_each_source_keeps_its_own_order() -> None:
    """A source that numbers an effect of one kind after one of another is believed: a call may enter a queue again at once."""
    made = CallFacts(T0).router("enqueued", queue="a").router("left_queue", queue="a").router("enqueued", queue="b")
    assert [fact.body["queue"] for fact in course(made.facts)] == ["a", "a", "b"]
    assert kinds(made) == ["enqueued", "left_queue", "enqueued"]


def test_time_goes_before_cause() -> None:
    """Where times differ the facts stand in the order of time, whatever they are."""
    made = answered(T0)
    times = [fact.at_ms for fact in course(made.facts)]
    assert times == sorted(order(fact)[0] for fact in made.facts)


def test_every_kind_of_a_call_has_its_place() -> None:
    """A new kind of fact must be given its place among causes and effects."""
    assert set(CAUSES) == KINDS - {"agent_changed", "rules_changed"}


def test_detail_counts_menu_steps_as_numbers(database: Database) -> None:
    """Twelve key presses of one millisecond are shown in the order in which they were pressed, the tenth after the ninth."""
    made = CallFacts(T0)
    for step in range(12):
        made.media("menu_chosen", menu="main", item=f"step{step}")
    store_all(database, made.facts, 20)
    detail = Queries(database, "main").call(made.call)
    assert detail is not None and [step["item"] for step in detail["menu"]] == [f"step{step}" for step in range(12)]


def test_detail_shows_the_queue_before_the_agent(database: Database) -> None:
    """Queue and agent of one millisecond: the queue is shown first, and the first of two offers before the second."""
    made = at_once()
    store_all(database, made.facts, 20)
    detail = Queries(database, "main").call(made.call)
    assert detail is not None and [part["kind"] for part in detail["segments"]] == ["queue", "agent"]

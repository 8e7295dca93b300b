"""The folds: rows are a function of the set of facts."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.ledger.fold import Rows, fold, number, short
from console.ledger.stretches import place, relink, stretch
from ops.facts import Fact
from tests.console.samples import CallFacts, abandoned, answered, called_back, guest, missed_then_answered, placed_out, refused

T0 = 1_760_000_000_000


def rows_of(made: CallFacts) -> Rows:
    return fold(fact for fact in made.facts if fact.kind != "agent_changed")


def test_answered_call_row() -> None:
    """An answered call gives one row with caller, area, menu, queue, agent, times, outcome and recording."""
    row = rows_of(answered(T0)).call
    assert (row["calling"], row["called"], row["province"], row["city"]) == ("13800000000", "95500", "四川", "成都")
    assert (row["queue"], row["agent"], row["menu_path"], row["language"]) == ("bills", "a1", "bill", "zh")
    assert (row["result"], row["reason"], row["side"], row["state"]) == ("answered", "hangup", "caller", "ended")
    assert (row["waited_ms"], row["talk_ms"], row["router_talk_ms"], row["offers"]) == (4000, 30_000, 30_000, 1)
    assert (row["recording"], row["recorded_ms"], row["sip_status"], row["routed_by"]) == ("filed", 30_000, 200, "router")


def test_missed_offer_segments() -> None:
    """A seat that did not answer is a segment of its own; the wait is one stretch over both offers."""
    rows = rows_of(missed_then_answered(T0))
    parts = [(part["kind"], part["agent"], part["outcome"]) for part in rows.segments.values()]
    assert parts == [("queue", "", "answered"), ("agent", "a1", "no_answer"), ("agent", "a2", "answered")]
    wait, missed, talk = rows.segments.values()
    assert wait["waited_ms"] == 24_000 and missed["end_ms"] - missed["start_ms"] == 20_000
    assert talk["talk_ms"] == 30_000 and talk["side"] == "agent" and rows.call["agent"] == "a2" and rows.call["offers"] == 2


def test_called_back() -> None:
    """One wait over all tries, the try that failed with its reason, the talk with its own length though the agent is the same."""
    rows = rows_of(called_back(T0))
    parts = [(part["kind"], part["agent"], part["outcome"]) for part in rows.segments.values()]
    assert parts == [("queue", "", "answered"), ("agent", "a1", "busy"), ("agent", "a1", "answered")]
    wait, _, talk = rows.segments.values()
    assert wait["waited_ms"] == 372_000
    assert (talk["talk_ms"], rows.call["router_talk_ms"], rows.call["result"]) == (30_000, 30_000, "answered")


def test_answered_by_another_centre() -> None:
    """At home: queue, wait and talk as ever, the agent with its centre. There: our part of it, without a queue of ours."""
    rows = rows_of(placed_out(T0))
    assert (rows.call["result"], rows.call["agent"], rows.call["queue"], rows.call["offers"]) == (
        "answered",
        "b1@hunan",
        "bills",
        1,
    )
    assert [(part["kind"], part["seat"], part["outcome"]) for part in rows.segments.values()][-1] == ("agent", "2001", "answered")
    row = rows_of(guest(T0)).call
    assert (row["result"], row["side"], row["agent"], row["queue"]) == ("answered", "caller", "b1", "")
    assert (row["talk_ms"], row["trunk"], row["state"]) == (30_000, "hubei", "ended")
    row = rows_of(guest(T0, answered_here=False)).call
    assert (row["result"], row["reason"], row["state"]) == ("elsewhere", "answered_elsewhere", "ended")


def test_abandoned_and_refused() -> None:
    """Leaving the queue is `abandoned`, a blacklisted caller `refused` with the reason."""
    assert rows_of(abandoned(T0)).call["result"] == "abandoned"
    wait = next(iter(rows_of(abandoned(T0)).segments.values()))
    assert (wait["outcome"], wait["waited_ms"]) == ("caller_left", 7000)
    row = rows_of(refused(T0)).call
    assert (row["result"], row["reason"], row["sip_status"], row["ended_ms"]) == ("refused", "blacklisted", 603, T0 + 3)


@pytest.mark.parametrize(
    ("status", "by", "want"),
    [
        (487, "router", ("abandoned", "cancelled", "caller")),
        (403, "edge", ("refused", "unknown_trunk", "system")),
        (503, "fallback:router", ("failed", "overload", "system")),
        (400, "edge", ("refused", "bad_message", "system")),
        (200, "router", ("", "", "")),
    ],
)
def test_end_at_edge(status: int, by: str, want: tuple[str, str, str]) -> None:
    """Where no media node spoke, the edge's final answer tells how the call ended; a 200 ends nothing."""
    made = CallFacts(T0).edge("edge_invite", "invite").edge("edge_outcome", "outcome", sip_status=status, routed_by=by)
    row = rows_of(made).call
    assert (row["result"], row["reason"], row["side"]) == want


def test_unknown_result_counts_against_us() -> None:
    """An end without a result is `failed`, never silently fine."""
    assert rows_of(CallFacts(T0).media("call_ended", outcome={})).call["result"] == "failed"


def test_last_node_has_the_last_word() -> None:
    """A full node's 503 does not count once another node has served the call; the router's word counts only without a node's."""
    full = {"result": "RESULT_FAILED", "reason": "REASON_OVERLOAD", "side": "SIDE_SYSTEM", "sip_status": 503}
    made = CallFacts(T0)
    made.add("call_ended", "media:m2", f"{made.call}:m:m2:1", outcome=full).arrive().enqueue().offer().bridge().end()
    made.wait(5).router("call_ended", outcome={"result": "RESULT_FAILED", "reason": "REASON_NODE_LOST"})
    row = rows_of(made).call
    assert (row["result"], row["media_result"], row["ended_ms"] > T0 + 1000) == ("answered", "answered", True)


def test_filed_late_counts_as_filed() -> None:
    """A recording that could first not be filed (full disk) counts as failed until it is filed, then as filed."""
    made = CallFacts(T0).arrive().enqueue().offer().bridge().end(record=False)
    made.add("recording_failed", "media:m1", f"{made.call}:m:recording-failed", reason="REASON_DISK_FULL")
    assert rows_of(made).call["recording"] == "failed"
    made.wait(60_000).add("recorded", "media:m1", f"{made.call}:m:recording", path="x.wav", duration_ms=30_000)
    row = rows_of(made).call
    assert (row["recording"], row["recorded_ms"]) == ("filed", 30_000)


def test_states_while_it_lasts() -> None:
    """The state follows the facts: edge, menu, waiting, talking, ended."""
    made = CallFacts(T0).edge("edge_invite", "invite")
    seen = [rows_of(made).call["state"]]
    for step in (made.arrive, made.enqueue, made.offer, made.bridge, made.end):
        step()
        seen.append(rows_of(made).call["state"])
    assert seen == ["edge", "menu", "waiting", "waiting", "talking", "ended"]


def test_two_queues_and_back() -> None:
    """A caller who goes back to the menu and into another queue has two stretches; the answered one is the wait that counts."""
    made = CallFacts(T0).arrive().enqueue("bills")
    made.wait(5000).router("left_queue", queue="bills", reason="REASON_CANCELLED", waited_ms=5000)
    made.enqueue("faults").offer(queue="faults").bridge(queue="faults")
    rows = rows_of(made)
    assert [(part["queue"], part["outcome"]) for part in rows.segments.values() if part["kind"] == "queue"] == [
        ("bills", "cancelled"),
        ("faults", "answered"),
    ]
    assert rows.call["waited_ms"] == 4000 and rows.call["queue"] == "faults"


def test_a_caller_who_comes_again_waits_twice() -> None:
    """A caller who leaves a queue, and enters the same one again, has two stretches, each with its own end and wait."""
    made = CallFacts(T0).arrive().choose().enqueue()
    first = made.at
    made.wait(6000).router("left_queue", queue="bills", reason="REASON_MOVED", waited_ms=6000)
    second = made.choose().enqueue().at
    made.offer().bridge().end()
    one, two = (part for part in rows_of(made).segments.values() if part["kind"] == "queue")
    assert (one["start_ms"], one["end_ms"], one["waited_ms"], one["outcome"]) == (first, first + 6000, 6000, "moved")
    assert (two["start_ms"], two["end_ms"], two["waited_ms"], two["outcome"]) == (second, second + 4000, 4000, "answered")
    assert rows_of(made).call["waited_ms"] == 4000


def test_offers_of_one_moment_are_in_the_order_of_their_numbers() -> None:
    """The tenth offer comes after the ninth, also when both were made within a millisecond: numbers are no text."""
    made = CallFacts(T0)
    for n in range(8, 12):
        offer = f"{made.call}.{T0}.{n}"
        made.router("offered", f"a{n}", queue="bills", offer=offer).router("bridged", f"a{n}", queue="bills", offer=offer)
    assert [part["agent"] for part in rows_of(made).segments.values()] == ["a8", "a9", "a10", "a11"]
    assert rows_of(made).call["agent"] == "a11"


def test_reassertion_is_no_new_stretch() -> None:
    """The same call enqueued again after a reconnect, with its old entering time, stays one stretch."""
    made = CallFacts(T0).arrive().enqueue()
    made.wait(9000).router("enqueued", queue="bills", priority=5, entered_ms=made.entered)
    assert len(rows_of(made).segments) == 1


MAKERS = st.sampled_from([answered, missed_then_answered, abandoned, refused])


@given(maker=MAKERS, seed=st.integers(0, 2**32), repeats=st.integers(0, 6))
@settings(max_examples=200, deadline=None)
def test_any_order_and_repeats(maker: object, seed: int, repeats: int) -> None:
    """Any order and any repeats of the facts of a call give the same rows."""
    facts = [fact for fact in maker(T0).facts if fact.kind != "agent_changed"]  # type: ignore[operator]
    chance = random.Random(seed)
    mixed = facts + [chance.choice(facts) for _ in range(repeats)]
    chance.shuffle(mixed)
    want, got = fold(facts), fold(mixed)
    assert got == want and list(got.segments) == list(want.segments)


@given(seed=st.integers(0, 2**32), share=st.floats(0.1, 1.0))
@settings(max_examples=200, deadline=None)
def test_any_part_folds(seed: int, share: float) -> None:
    """Any part of the facts, in the same millisecond too, folds without error and independent of order."""
    chance = random.Random(seed)
    facts = [fact for fact in missed_then_answered(T0).facts if fact.kind != "agent_changed"]
    part = [replace(fact, at_ms=T0) if chance.random() < 0.5 else fact for fact in facts if chance.random() < share] or facts[:1]
    mixed = chance.sample(part, len(part))
    assert fold(mixed) == fold(part)


def _line(count: int, chance: random.Random) -> list[Fact]:
    at, facts = T0, []
    for n in range(count):
        at += chance.choice([0, 1, 500])
        facts.append(Fact(f"a1:r:{at}:{n}", at, "main", "router:r1", "agent_changed", {"state": f"s{n}"}, "", "a1"))
    return facts


@given(seed=st.integers(0, 2**32), count=st.integers(1, 20), cuts=st.integers(1, 6))
@settings(max_examples=200, deadline=None)
def test_agent_line_any_order(seed: int, count: int, cuts: int) -> None:
    """An agent's stretches come out the same whatever the order and the batches their facts came in."""
    chance = random.Random(seed)
    facts = _line(count, chance)
    want = {row["id"]: row for row in relink([], [stretch(fact) for fact in facts])}
    table: dict[str, dict[str, object]] = {}
    mixed = [*facts, *chance.choices(facts, k=3)]
    chance.shuffle(mixed)
    for n in range(cuts):
        batch = [stretch(fact) for fact in mixed[n::cuts]]
        if batch:
            table |= {row["id"]: row for row in relink(table.values(), batch)}
    assert table == want
    rows = sorted(table.values(), key=place)
    assert all(row["end_ms"] == after["start_ms"] for row, after in itertools.pairwise(rows)) and rows[-1]["end_ms"] == 0


def test_words() -> None:
    """Enum names lose their prefix, unspecified is nothing, and only a sane trailing number counts as one."""
    assert [short("REASON_NO_ANSWER"), short("RESULT_UNSPECIFIED"), short("")] == ["no_answer", "", ""]
    assert [number("c:m:12"), number("c:e:invite"), number("c:r:" + "9" * 40), number("")] == [12, 0, 0, 0]

"""The audit names each difference between edge, router, media and recordings, and is silent where they agree."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from console.ledger.audit import DIFFERENCES, GRACE_MS, OPEN_MS, TALK_SLACK_MS, Policy, audit, judge
from console.ledger.database import Database
from console.ledger.fold import fold
from tests.console.samples import CallFacts, abandoned, answered, guest, missed_then_answered, placed_out, refused
from tests.console.test_store import store_all

T0 = 1_760_000_000_000
LATER = T0 + OPEN_MS * 2
POLICY = Policy()


def found(made: CallFacts, policy: Policy = POLICY, now: int = LATER) -> tuple[str, ...] | None:
    return judge(fold(fact for fact in made.facts if fact.kind != "agent_changed").call, policy, now)


def without(made: CallFacts, *kinds: str) -> CallFacts:
    """The call as if these facts had been lost."""
    made.facts = [fact for fact in made.facts if fact.kind not in kinds]
    return made


def changed(made: CallFacts, kind: str, **body: object) -> CallFacts:
    """The call with other words in the facts of a kind."""
    made.facts = [replace(f, body={**f.body, **body}) if f.kind == kind else f for f in made.facts]
    return made


@pytest.mark.parametrize("maker", [answered, missed_then_answered, abandoned, refused, placed_out, guest])
def test_whole_calls_are_explained(maker: Callable[[int], CallFacts]) -> None:
    """Calls of every fate that all sources tell alike have no difference."""
    assert found(maker(T0)) == ()


def cancelled() -> CallFacts:
    """CANCEL before the answer: edge and router know it, no media node spoke."""
    who = {"trunk": "t", "calling": "1", "called": "2"}
    made = CallFacts(T0).edge("edge_invite", "invite", **who).router("routed", **who, node="m1")
    return made.wait(900).edge("edge_outcome", "outcome", sip_status=487, sip_reason="", routed_by="router")


def test_cancelled_and_busy_are_explained() -> None:
    """A call that ended at the edge with an error answer is explained by it."""
    assert found(cancelled()) == ()
    assert found(changed(cancelled(), "edge_outcome", sip_status=503)) == ()


def test_guests_are_judged_by_what_we_see_of_them() -> None:
    """Another centre's caller has no media node here; edge and router of ours must still agree."""
    assert found(guest(T0, answered_here=False)) == ()
    assert found(without(guest(T0), "edge_invite", "edge_outcome")) == ("no_edge",)
    assert found(without(guest(T0), "edge_outcome")) == ("no_outcome",)
    assert found(without(guest(T0), "agent_released"), now=T0 + 1000) is None


LOST: list[tuple[CallFacts, str]] = [
    (without(answered(T0), "edge_invite"), "no_edge"),
    (without(answered(T0), "edge_outcome"), "no_outcome"),
    (changed(cancelled(), "edge_outcome", sip_status=200), "no_media"),
    (changed(answered(T0), "edge_outcome", sip_status=500), "not_answered"),
    (changed(refused(T0), "edge_outcome", sip_status=200), "refused_but_answered"),
    (without(answered(T0), "call_ended", "recorded"), "no_end"),
    (without(answered(T0), "bridged", "left_queue", "agent_released"), "no_bridge"),
    (changed(answered(T0), "call_ended", outcome={"result": "RESULT_ABANDONED"}), "no_conversation"),
    (without(abandoned(T0), "left_queue"), "not_left"),
    (without(answered(T0), "agent_released"), "not_released"),
    (changed(answered(T0), "agent_released", talk_ms=500), "talk_differs"),
    (without(answered(T0), "recorded"), "no_recording"),
    (CallFacts(T0).arrive().enqueue().offer().bridge().end(record=False).media("recording_failed", reason="X"), "recording_failed"),
    (changed(answered(T0), "recorded", duration_ms=5000), "recording_short"),
]


@pytest.mark.parametrize(("made", "code"), LOST, ids=[code for _, code in LOST])
def test_each_difference_has_its_name(made: CallFacts, code: str) -> None:
    """Each single loss or contradiction is named."""
    assert code in (found(made) or ())
    assert code in DIFFERENCES


@pytest.mark.parametrize("side", ["router", "media"])
def test_either_talk_may_be_the_longer_one(side: str) -> None:
    """A talk that is longer at the router is reported as is one that is longer at the media node; a slack is left to both."""
    kind = "agent_released" if side == "router" else "call_ended"
    recorded = {"duration_ms": 60_000}
    for more, codes in ((TALK_SLACK_MS, ()), (TALK_SLACK_MS + 1, ("talk_differs",))):
        made = changed(changed(answered(T0), "recorded", **recorded), kind, talk_ms=30_000 + more)
        assert found(made) == codes


@pytest.mark.parametrize(
    ("size", "codes"), [(960_000, ()), (959_999, ("file_missing",)), (960_001, ("file_missing",)), (0, ("file_missing",))]
)
def test_a_file_of_another_size_is_missing(database: Database, tmp_path: Path, size: int, codes: tuple[str, ...]) -> None:
    """A recording that was cut off, or that grew, is reported like one that is not there."""
    made = answered(T0)
    store_all(database, made.facts, 50)
    body = next(fact.body for fact in made.facts if fact.kind == "recorded")
    path = tmp_path / str(body["path"])
    path.parent.mkdir(parents=True)
    path.touch()
    os.truncate(path, size)
    report = audit(database, "main", (T0, T0 + 1), POLICY, LATER, tmp_path)
    assert body["bytes"] == 960_000 and [finding.codes for finding in report.findings] == ([codes] if codes else [])


def test_every_name_is_tested() -> None:
    """No difference is without a test (file_missing: test_calls)."""
    assert {code for _, code in LOST} | {"file_missing"} == DIFFERENCES.keys()


def test_nothing_is_said_too_early() -> None:
    """A call that lasts, or whose last facts may be on their way, is not judged."""
    talking = CallFacts(T0).arrive().enqueue().offer().bridge()
    assert found(talking, now=talking.at + 60_000) is None
    done = answered(T0)
    assert found(done, now=done.at + GRACE_MS - 1000) is None and found(done, now=done.at + GRACE_MS) == ()
    lost = CallFacts(T0).edge("edge_invite", "invite")
    assert found(lost, now=T0 + 1000) is None and found(lost, now=T0 + 60_000) == ("no_outcome",)


def test_policy_of_recordings() -> None:
    """No recording is missed where none is wanted: switched off, queue exempt, talk too short."""
    bare = without(answered(T0), "recorded")
    assert found(bare, Policy(record=False)) == () and found(bare, Policy(unrecorded_queues=frozenset(["bills"]))) == ()
    short = CallFacts(T0).arrive().enqueue().offer().bridge().end(talk=400, record=False)
    assert found(short) == ()


def test_lost_node_is_explained() -> None:
    """When the router tells that the media node was lost, the missing end is explained by it."""
    made = CallFacts(T0).arrive().enqueue()
    made.wait(9000).router("left_queue", queue="bills", reason="REASON_NODE_LOST", waited_ms=9000)
    made.router("call_ended", outcome={"result": "RESULT_FAILED", "reason": "REASON_NODE_LOST", "side": "SIDE_SYSTEM"})
    assert found(made) == ()
    row = fold(made.facts).call
    assert (row["result"], row["reason"], row["media_result"]) == ("failed", "node_lost", "")

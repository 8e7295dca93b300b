"""The shell: commands reach their parts, answers come back, one call's trouble stays its own."""

from __future__ import annotations

import asyncio

import pytest
from tierline.common.v1.common_pb2 import Reason

from media.call import events as on
from media.call.call import Call, State
from media.call.commands import Command
from media.call.frames import End, Enqueue
from media.call.table import handle
from media.drain import drain
from media.rtp.api import BadSdp, Digit, RtpError
from media.ua import api as ua
from ops.ids import CallId
from tests.kit.wait import until_async
from tests.media.call.parts import B1, CALL, A, Set
from tests.media.call.world import SDP

PATIENCE_S = 10


async def _till(condition: object, what: str) -> None:
    await until_async(condition, PATIENCE_S, what, 0.001)  # type: ignore[arg-type]


async def _queueing(made: Set) -> None:
    made.invite()
    await _till(lambda: made.said(ua.Answer) != [], "answered")
    made.phones.tell(ua.Confirmed(A, b""))
    made.audio.press(Digit(A, "0", 100))
    assert isinstance(made.router.frames[-1], Enqueue)


async def _talking(made: Set) -> None:
    await _queueing(made)
    made.offer()
    await _till(lambda: made.said(ua.Invite) != [], "dialled")
    made.phones.tell(ua.Progress(B1, 180, b""))
    made.phones.tell(ua.Answered(B1, SDP))
    await _till(lambda: made.engine.states()[State.TALKING] == 1, "talking")


async def test_a_whole_call() -> None:
    """From INVITE to the filed recording, with the verbs in the order that rtpengine needs."""
    made = Set()
    await _talking(made)
    await _till(lambda: "record" in made.audio.done, "recording")
    made.phones.tell(ua.Ended(A, remote=True))
    made.phones.tell(ua.Ended(B1, remote=False))
    await asyncio.wait_for(made.engine.empty(), PATIENCE_S)
    verbs = ["open_inbound", "play", "stop", "open_outbound", "connect", "record", "stop_record", "close_call"]
    assert made.audio.done == verbs
    assert made.ledger.kinds() == ["call_started", "menu_chosen", "call_ended", "recorded"]
    assert made.ledger.owned == set()
    assert len(made.engine) == 0


async def test_digits_by_info_count_as_well() -> None:
    """A SIP INFO key press moves the menu as an RTP one does."""
    made = Set()
    made.invite()
    await _till(lambda: made.said(ua.Answer) != [], "answered")
    made.phones.tell(ua.Confirmed(A, b""))
    made.phones.tell(ua.Info(A, "application/dtmf-relay", b"Signal=0", "0"))
    assert isinstance(made.router.frames[-1], Enqueue)


async def test_too_many_calls() -> None:
    """One more than max_calls gets 503 with Retry-After and is no call of ours."""
    made = Set(max_calls=1)
    made.invite()
    made.invite(CallId("0199aaaa-0000-7000-8000-000000000002"))
    reject = made.said(ua.Reject)[0]
    assert isinstance(reject, ua.Reject)
    assert (reject.status, reject.headers) == (503, (("Retry-After", "5"),))
    assert len(made.engine) == 1
    made.engine.end_all(Reason.REASON_DRAIN)
    await asyncio.wait_for(made.engine.empty(), PATIENCE_S)


@pytest.mark.parametrize(("error", "status"), [(RtpError("away"), 503), (BadSdp("no audio"), 488)])
async def test_rtpengine_refuses_a_new_call(error: RtpError, status: int) -> None:
    """503 without rtpengine, 488 for a bad SDP; counted; nothing is left."""
    made = Set()
    made.audio.broken["open_inbound"] = error
    made.invite()
    await asyncio.wait_for(made.engine.empty(), PATIENCE_S)
    assert [c.status for c in made.said(ua.Reject) if isinstance(c, ua.Reject)] == [status]
    assert made.registry.get_sample_value("tierline_media_rtp_errors_total", {"verb": "OpenCaller"}) == 1
    assert made.ledger.kinds() == ["call_ended"]


@pytest.mark.parametrize("verb", ["play", "stop", "open_outbound", "connect", "record", "stop_record", "close", "close_call"])
async def test_rtpengine_fails_at_any_verb(verb: str) -> None:
    """Whatever verb fails: when the caller has hung up nothing is left of the call and it has one end."""
    made = Set()
    made.audio.broken[verb] = RtpError("away")
    await _queueing(made)
    made.offer()
    await _till(lambda: made.said(ua.Invite) != [] or "open_outbound" in made.audio.broken, "dialled, or not")
    made.phones.tell(ua.Answered(B1, SDP))
    await _till(lambda: verb not in ("connect", "record") or verb in made.audio.done, "the verb is tried")
    made.phones.tell(ua.Ended(A, remote=True))
    made.phones.tell(ua.Ended(B1, remote=False))
    await asyncio.wait_for(made.engine.empty(), PATIENCE_S)
    assert made.ledger.kinds().count("call_ended") == 1


async def test_an_offer_for_a_call_that_nobody_knows() -> None:
    """End, which is true in every state, frees the agent."""
    made = Set()
    made.offer()
    assert [type(frame) for frame in made.router.frames] == [End]


async def test_a_defect_costs_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in our handling ends that call with its parts let go; the next call is served."""
    made = Set()
    await _talking(made)

    def broken(call: Call, event: on.Event, now: int) -> list[Command]:
        if isinstance(event, on.CallerDigit):
            raise RuntimeError("a defect")
        return handle(call, event, now)

    monkeypatch.setattr("media.call.engine.handle", broken)
    made.audio.press(Digit(A, "5", 100))
    assert {command.leg.leg for command in made.said(ua.Hangup)} == {"a", "b1"}
    made.phones.tell(ua.Ended(A, remote=False))
    made.phones.tell(ua.Ended(B1, remote=False))
    await asyncio.wait_for(made.engine.empty(), PATIENCE_S)
    assert made.ledger.kinds().count("call_ended") == 1
    made.invite(CallId("0199aaaa-0000-7000-8000-000000000003"))
    assert len(made.engine) == 1


@pytest.mark.parametrize("command", [ua.Answer, ua.Invite, ua.Hangup])
async def test_a_command_that_the_user_agent_refuses(command: type) -> None:
    """A phone that was somewhere else already costs that command; the call ends as it should, nothing is left."""
    made = Set()
    made.phones.refuses = command
    if command is ua.Answer:
        made.invite()
    else:
        await _queueing(made)
        made.offer()
        await _till(lambda: made.said(ua.Invite) != [], "dialled")
        await _till(lambda: command is not ua.Invite or made.engine.states()[State.QUEUEING] == 1, "waits on, or rings")
        made.phones.tell(ua.Ended(A, remote=True))
        made.phones.tell(ua.Failed(B1, 487, ""))
    await asyncio.wait_for(made.engine.empty(), PATIENCE_S)
    assert made.ledger.kinds().count("call_ended") == 1


async def test_what_a_router_is_told_anew_comes_in_the_order_of_waiting() -> None:
    """held() has the longest waiting first, whatever the order of the table."""
    made = Set()
    await _queueing(made)
    held = made.engine.held()
    assert [one.call for one in held] == [CALL]
    made.phones.tell(ua.Ended(A, remote=True))
    await asyncio.wait_for(made.engine.empty(), PATIENCE_S)
    assert made.engine.held() == []


async def test_a_call_that_cannot_even_be_ended_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the handling raises again and again the phones are hung up, the audio is freed and the call is forgotten."""
    made = Set()
    await _talking(made)

    def broken(call: Call, event: on.Event, now: int) -> list[Command]:
        raise RuntimeError("a defect")

    monkeypatch.setattr("media.call.engine.handle", broken)
    made.audio.press(Digit(A, "5", 100))
    assert {command.leg.leg for command in made.said(ua.Hangup)} == {"a", "b1"}
    await asyncio.wait_for(made.engine.empty(), PATIENCE_S)
    await _till(lambda: "close_call" in made.audio.done, "the audio is freed")
    assert made.ledger.owned == set()


async def test_drain_waits_for_those_who_talk() -> None:
    """New calls get 503 while an old one goes on; drain returns when it is over."""
    made, said = Set(), []
    await _talking(made)
    task = asyncio.create_task(drain(made.engine, lambda: said.append("refuse"), lambda: said.append("tell"), 60))
    await _till(lambda: said == ["refuse", "tell"], "draining")
    made.invite(CallId("0199aaaa-0000-7000-8000-000000000002"))
    assert [c.status for c in made.said(ua.Reject) if isinstance(c, ua.Reject)] == [503]
    assert not task.done()
    assert made.engine.conversations() == [f"{CALL} 138****5678"]
    made.phones.tell(ua.Ended(A, remote=True))
    made.phones.tell(ua.Ended(B1, remote=False))
    await asyncio.wait_for(task, PATIENCE_S)


async def test_drain_ends_calls_when_its_time_is_over() -> None:
    """Then each call ends by the system because of the drain, and its recording is filed first."""
    made = Set()
    await _talking(made)
    task = asyncio.create_task(drain(made.engine, lambda: None, lambda: None, 0))
    await _till(lambda: made.said(ua.Hangup) != [], "hung up")
    made.phones.tell(ua.Ended(A, remote=False))
    made.phones.tell(ua.Ended(B1, remote=False))
    await asyncio.wait_for(task, PATIENCE_S)
    ended = next(fact for fact in made.ledger.facts if fact.kind == "call_ended")
    assert ended.body["outcome"]["reason"] == "REASON_DRAIN"
    assert made.ledger.kinds()[-1] == "recorded"


async def test_metrics_tell_calls_and_outcomes() -> None:
    """Calls by state are looked at, outcomes and the offer-to-INVITE time are counted."""
    made = Set()
    await _talking(made)
    meters = made.engine._parts.meters
    meters.watch(made.engine.states, {"outbox_facts": lambda: 3.0})
    assert made.registry.get_sample_value("tierline_media_calls", {"state": "talking"}) == 1
    assert made.registry.get_sample_value("tierline_media_outbox_facts") == 3
    assert made.registry.get_sample_value("tierline_media_offer_to_invite_seconds_count") == 1
    made.phones.tell(ua.Ended(A, remote=True))
    words = {"result": "RESULT_ANSWERED", "reason": "REASON_HANGUP", "side": "SIDE_CALLER"}
    assert made.registry.get_sample_value("tierline_media_outcomes_total", words) == 1
    made.phones.tell(ua.Ended(B1, remote=False))
    await asyncio.wait_for(made.engine.empty(), PATIENCE_S)

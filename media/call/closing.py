"""The end of a call: the outcome is settled once, then legs, audio and recording go, in whatever order they answer.

Nothing here can hang: a timer ends what does not end by itself.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tierline.common.v1.common_pb2 import Reason

from media.call import commands as do
from media.call import events as on
from media.call import player
from media.call.call import Call, Playing, Ring, State
from media.call.frames import End, Settle
from media.call.leg import LegState, Phase
from media.call.outcome import Outcome
from media.record.api import Filed, Job
from media.rtp.api import Sender, Senders
from media.ua import api as ua

# A call has one recording at the most; its fact has the same id, whoever files it, and so has the fact that it could not be filed.
RECORDING, NO_RECORDING = "recording", "recording-failed"
REAP_MS = 40_000  # longer than a BYE without answer (32 s, RFC 3261 §17.1.2.2)
CAUSE = {  # Q.850 causes for the Reason header (RFC 3326)
    Reason.REASON_HANGUP: 16,
    Reason.REASON_BUSY: 17,
    Reason.REASON_NO_ANSWER: 19,
    Reason.REASON_DECLINED: 21,
    Reason.REASON_MEDIA_FAILED: 41,
    Reason.REASON_OVERLOAD: 42,
}


ELSEWHERE = 'SIP;cause=200;text="Call completed elsewhere"'  # RFC 3326 §3.1: no missed call for a phone to show


def reason_header(reason: Reason.ValueType) -> str:
    """The value of a Reason header; normal clearing when there is no better word."""
    if reason == Reason.REASON_ANSWERED_ELSEWHERE:
        return ELSEWHERE
    return f"Q.850;cause={CAUSE.get(reason, 16)}"


def finish(call: Call, now: int, outcome: Outcome, last_words: tuple[Path, ...] = ()) -> State:
    """Settle the outcome, tell router and ledger, let everybody go; the caller after `last_words`."""
    outcome = _as_answered(call, outcome)
    call.outcome = outcome
    call.disarm()
    if call.talk is not None:
        call.talk.ended_ms = now
    _tell_router(call, now, outcome)
    _write_end(call, now, outcome)
    return _let_all_go(call, outcome, last_words)


def part(call: Call, outcome: Outcome, last_words: tuple[Path, ...] = ()) -> State:
    """Let everybody go, the call goes on: it waits for a node (callback.py). Neither router nor ledger is told an end."""
    call.outcome = outcome
    call.disarm()
    return _let_all_go(call, outcome, last_words)


def _let_all_go(call: Call, outcome: Outcome, last_words: tuple[Path, ...]) -> State:
    for ring in tuple(call.rings):
        drop(call, ring, outcome.reason)
    if call.talk is not None and call.talk.recording:
        call.out.append(do.StopRecord())
    if last_words and call.caller.phase is Phase.UP and not call.caller.quiet:
        if call.talk is not None:
            call.out.append(do.Park())
        player.play(call, Playing.FAREWELL, last_words)
        return State.CLOSING
    return tear_down(call)


def _as_answered(call: Call, outcome: Outcome) -> Outcome:
    """A call that we never answered ends with a refusal: its status says so."""
    unanswered = call.caller.phase is Phase.ASKED and outcome.sip_status < 300
    return replace(outcome, sip_status=503) if unanswered else outcome


def _tell_router(call: Call, now: int, outcome: Outcome) -> None:
    """What the router has to know about a call that it heard of: the open offers' end, then the call's."""
    if call.talk is None:
        for ring in call.rings:
            settle(call, ring, Reason.REASON_CALLER_LEFT)
    tell_beaten(call)
    if call.version:
        call.tell(End(call.id, call.next_version(), outcome, now))


def _write_end(call: Call, now: int, outcome: Outcome) -> None:
    talk = call.talk.ms if call.talk else 0
    agent = call.talk.agent if call.talk else ""
    body = {"outcome": outcome.body(), "talk_ms": talk, "language": call.language, "menu_path": list(call.menu_path)}
    call.write(now, "call_ended", body, agent)


def settle(call: Call, ring: Ring, failed: Reason.ValueType) -> None:
    """Tell how an offer failed."""
    call.past[ring.offer.offer] = failed
    call.tell(Settle(call.id, call.next_version(), ring.offer.offer, failed=failed))


def tell_beaten(call: Call) -> None:
    """The offer that came second. Never before the first one's end is told: its agent would be offered this very call again."""
    if call.beaten:
        call.tell(Settle(call.id, call.next_version(), call.beaten, failed=Reason.REASON_ANSWERED_ELSEWHERE))
        call.beaten = ""


def drop(call: Call, ring: Ring, reason: Reason.ValueType) -> None:
    """Let a seat go, whatever it is doing; its leg is remembered until its end is known."""
    call.rings.remove(ring)
    call.disarm(type(ring.timer))
    hang_up(call, ring.leg, reason)
    if call.outcome is None:
        call.out.append(do.CloseSeat(ring.leg.id))


def hang_up(call: Call, leg: LegState, reason: Reason.ValueType) -> None:
    """End a leg that is not over yet. One that was never dialled has nothing to be hung up."""
    dialled = leg.phase is not Phase.OPENING
    if leg.move("hangup") and dialled:
        call.phone(ua.Hangup(call.name(leg.id), reason_header(reason)))


def tear_down(call: Call) -> State:
    """Hang up on the caller, free the audio."""
    assert call.outcome is not None
    player.forget(call)
    if call.caller.phase is Phase.ASKED:
        call.caller.move("refuse")
        call.phone(ua.Reject(call.name(call.caller.id), call.outcome.sip_status))
    else:
        hang_up(call, call.caller, call.outcome.reason)
    call.out.append(do.CloseCall())
    call.arm(on.ReapDue(), REAP_MS)
    return State.CLOSING


def settle_down(call: Call) -> State:
    """Whether all is over: every leg, and the audio."""
    if call.audio_open or any(leg.phase is not Phase.GONE for leg in call.legs.values()):
        return State.CLOSING
    call.disarm()
    return State.ENDED


def _audio_gone(call: Call, senders: Senders) -> None:
    """The audio is freed; nothing more comes into the recording: hand it over."""
    if call.audio_open and call.talk is not None and call.talk.recording:
        call.out.append(do.File(_job(call, senders)))
    call.audio_open = False


def _job(call: Call, senders: Senders) -> Job:
    talk, house = call.talk, call.house
    assert talk is not None
    caller, agent = talk.ports
    one, other = (senders.get(port, Sender()) for port in talk.ports)
    whose = (tuple(sorted(one.places)), tuple(sorted(other.places)), one.last_ms, other.last_ms)
    return Job(call.id, house.tenant, house.spool, talk.recording, caller, agent, talk.bridged_ms, talk.ms, *whose)


# ---- rows of the table ------------------------------------------------------------------------------------------
def on_caller_gone(call: Call, event: on.CallerGone, now: int) -> State:
    """The caller's leg is over: no more words, and one thing less to wait for."""
    call.caller.move("over")
    if call.playing is Playing.FAREWELL:
        return tear_down(call)
    return settle_down(call)


def on_prompt_over(call: Call, event: on.PromptOver, now: int) -> State:
    """The last words are said, or more are to come."""
    return tear_down(call) if player.step(call) is Playing.FAREWELL else State.CLOSING


def on_play_started(call: Call, event: on.PlayStarted, now: int) -> State:
    """The last words have a length."""
    player.started(call, event)
    return State.CLOSING


def on_play_failed(call: Call, event: on.PlayFailed, now: int) -> State:
    """No last words, then."""
    return State.CLOSING if player.stale(call, event) else tear_down(call)


def on_end_now(call: Call, event: on.EndNow, now: int) -> State:
    """No time for last words."""
    return tear_down(call) if call.playing is Playing.FAREWELL else State.CLOSING


def on_audio_closed(call: Call, event: on.AudioClosed, now: int) -> State:
    """The audio is freed."""
    _audio_gone(call, event.senders)
    return settle_down(call)


def on_reap(call: Call, event: on.ReapDue, now: int) -> State:
    """Something never said that it ended: it has ended."""
    for leg in call.legs.values():
        leg.phase = Phase.GONE
    _audio_gone(call, {})
    return settle_down(call)


def on_offered(call: Call, event: on.Offered, now: int) -> State:
    """An agent for a caller who is leaving: back with the agent, untouched."""
    call.tell(Settle(call.id, call.next_version(), event.offer, failed=Reason.REASON_CALLER_LEFT))
    return call.state


def on_record_failed(call: Call, event: on.RecordFailed, now: int) -> State:
    """There is no recording to hand over."""
    if call.talk is not None and call.talk.recording == event.name:
        call.talk.recording = ""
        body = {"reason": "REASON_MEDIA_FAILED", "detail": "not started", "talk_ms": call.talk.ms}
        call.write(now, "recording_failed", body, name=NO_RECORDING)
    return call.state


def on_recording_done(call: Call, event: on.RecordingDone, now: int) -> State:
    """The vault has it, or has not."""
    talk, got = call.talk, event.result
    if talk is None or not talk.recording:
        return call.state
    talk.recording = ""
    agent = talk.agent
    if isinstance(got, Filed):
        sizes = {"duration_ms": got.duration_ms, "talk_ms": talk.ms, "bytes": got.bytes, "started_ms": talk.bridged_ms}
        call.write(now, "recorded", {"path": got.path, "sha256": got.sha256, "detail": got.note, **sizes}, agent, RECORDING)
    else:
        call.write(now, "recording_failed", {"reason": got.reason, "detail": got.detail, "talk_ms": talk.ms}, agent, NO_RECORDING)
    return call.state

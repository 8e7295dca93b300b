"""The caller wants an agent and waits: music, the place in the line now and then, `9` back to the menu.

The router knows the call by its Enqueue. While no router is there nothing changes for the caller; the session asserts the
call anew when one is back.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tierline.common.v1.common_pb2 import Reason, Result

from media.call import events as on
from media.call import outcome, player, wish
from media.call.call import Call, Playing, State, Wait
from media.call.closing import drop, finish, settle, tell_beaten
from media.call.frames import Cancel, Enqueue
from media.call.ports import QueueRule

MUSIC_DELAY_MS = 300  # a caller who is offered at once is spared a beginning of music, rtpengine the work
RETRY_MS = 2_000
MOST_FAULTS = 3
BACK = "9"
_DEFAULT = QueueRule()


def rule(call: Call) -> QueueRule:
    """What is configured for the call's queue."""
    return call.house.queues.get(call.wait.enqueue.queue, _DEFAULT) if call.wait else _DEFAULT


def enter(call: Call, queue: str, priority: int, now: int) -> State:
    """Into the line."""
    enqueue = Enqueue(call.id, call.next_version(), queue, priority, now, call.profile())
    call.wait = Wait(enqueue, announce=rule_of(call, queue).position_every_ms > 0)
    call.faults = 0
    call.turned_away = Reason.REASON_UNSPECIFIED
    call.tell(enqueue)
    call.arm(on.MusicDue(), MUSIC_DELAY_MS)
    return wait_on(call)


def enter_again(call: Call) -> None:
    """Into the line that the caller waits in, with the old time: the router took the call out of it, or will."""
    assert call.wait is not None
    call.wait.enqueue = replace(call.wait.enqueue, version=call.next_version())
    call.tell(call.wait.enqueue)


def rule_of(call: Call, queue: str) -> QueueRule:
    """What is configured for a queue."""
    return call.house.queues.get(queue, _DEFAULT)


def wait_on(call: Call) -> State:
    """(Again) nobody rings for this caller."""
    every = rule(call).position_every_ms
    if every:
        call.arm(on.PositionDue(), every)
    return State.QUEUEING


def fault(call: Call, now: int) -> State:
    """The audio failed us, not the agents: give them back, try again in a while, not for ever."""
    let_go(call)
    call.faults += 1
    if call.faults >= MOST_FAULTS:
        return finish(call, now, outcome.NO_AUDIO)
    call.arm(on.RetryDue(), RETRY_MS)
    return wait_on(call)


def let_go(call: Call) -> None:
    """Nobody shall ring for this caller any more, through no fault of the agents."""
    for ring in tuple(call.rings):
        settle(call, ring, Reason.REASON_CALLER_LEFT)
        drop(call, ring, Reason.REASON_NO_ANSWER)
    tell_beaten(call)


def music(call: Call) -> None:
    """Music, unless something else plays."""
    if call.playing is Playing.NOTHING:
        player.play(call, Playing.MUSIC, call.sounds.music())


def _announce(call: Call) -> None:
    """Say the position, if it is known, wanted and nothing is being said."""
    if call.playing is not Playing.NOTICE:
        player.play(call, Playing.NOTICE, _position(call))


def _position(call: Call) -> tuple[Path, ...]:
    """What to say of the position; () while it is not known or was said already."""
    wait = call.wait
    if wait is None or not wait.announce or not wait.position:
        return ()
    wait.announce = False
    minutes = -(-wait.expected_ms // 60_000)
    expected = call.sounds.expected(minutes, call.language) if minutes else ()
    return (*call.sounds.position(wait.position, call.language), *expected, *wish.offer(call, rule(call).callback_from_ms))


# ---- rows of the table (RINGING and BRIDGING share some) --------------------------------------------------------
def on_queued(call: Call, event: on.Queued, now: int) -> State:
    """The place in the line. The first one is told together with the music, so that a call taken at once is not talked over."""
    assert call.wait is not None
    call.wait.position, call.wait.expected_ms = event.position, event.expected_ms
    if call.state is State.QUEUEING and on.MusicDue not in call.timers:
        _announce(call)
    return call.state


def on_music_due(call: Call, event: on.MusicDue, now: int) -> State:
    """Still waiting: what is going on and at which place, once; then music. While a seat rings, music is enough."""
    if call.state is State.QUEUEING and call.wait is not None and not call.wait.told:
        call.wait.told = True
        player.play(call, Playing.NOTICE, (*call.sounds.transfer(call.language), *_position(call)))
    music(call)
    return call.state


def on_position_due(call: Call, event: on.PositionDue, now: int) -> State:
    """Ask for the place anew; the answer is told to the caller."""
    assert call.wait is not None
    call.wait.announce = True
    call.tell(call.wait.enqueue)
    call.arm(on.PositionDue(), rule(call).position_every_ms)
    return State.QUEUEING


def on_retry(call: Call, event: on.RetryDue, now: int) -> State:
    """After trouble with the audio: into the line again, with the old time."""
    enter_again(call)
    return State.QUEUEING


def on_prompt_over(call: Call, event: on.PromptOver, now: int) -> State:
    """What was said is said: music."""
    if player.step(call) is not Playing.NOTHING:
        music(call)
    return call.state


def on_play_started(call: Call, event: on.PlayStarted, now: int) -> State:
    """It has a length."""
    player.started(call, event)
    return call.state


def on_play_failed(call: Call, event: on.PlayFailed, now: int) -> State:
    """Try the music again in a while."""
    if not player.stale(call, event):
        player.forget(call)
        call.arm(on.MusicDue(), RETRY_MS)
    return call.state


def on_refused(call: Call, event: on.Refused, now: int) -> State:
    """The router will not queue this call: say so and part. Other frames that had no effect need no answer here."""
    if event.frame not in ("enqueue", "assert"):
        return State.QUEUEING
    end = outcome.system(Result.RESULT_FAILED, event.reason)
    return finish(call, now, end, call.sounds.unavailable(call.language))


def turned_away(call: Call, event: on.TurnedAway) -> bool:
    """Whether the caller's queue takes the caller no more; then nobody rings, and the menu says what there is to say."""
    if call.wait is None or call.wait.enqueue.queue != event.queue:
        return False  # of a queue that the caller has left meanwhile
    for ring in tuple(call.rings):  # the router has closed the offers in the same step
        call.past[ring.offer.offer] = Reason.REASON_UNSPECIFIED
        drop(call, ring, Reason.REASON_NO_ANSWER)
    call.turned_away = event.reason
    return True


def on_gone(call: Call, event: on.CallerGone, now: int) -> State:
    """The caller gave up."""
    call.caller.move("over")
    return finish(call, now, outcome.caller_left(waited=True, talked=False, lost=event.lost))


def leave(call: Call) -> None:
    """Out of the line, the call goes on."""
    call.tell(Cancel(call.id, call.next_version(), Reason.REASON_CALLER_LEFT))

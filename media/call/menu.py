"""The caller in the menu: the runner says what to do, this carries it into the call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tierline.common.v1.common_pb2 import Reason, Result

from media.call import events as on
from media.call import outcome, player, queueing
from media.call.call import Call, Playing, State
from media.call.closing import finish
from media.ivr import api as ivr


def begin(call: Call, now: int, menu: str = "") -> State:
    """Enter the menu, at its start or at `menu`; what was pressed ahead is taken."""
    ahead, call.digits = call.digits, ""
    state = feed(call, ivr.Start(menu), now)
    for digit in ahead:
        if state is State.MENU:
            state = feed(call, ivr.Digit(digit), now)
    return state


def feed(call: Call, event: ivr.Event, now: int) -> State:
    """Let the runner go on. Prompts that are not published are over at once: that is told to the runner in turn."""
    state = State.MENU
    for _ in range(MOST_TURNS):
        silent = False
        for command in call.menu.handle(event, now):
            if isinstance(command, ivr.Play):
                silent = not _play(call, command)
            elif isinstance(command, ivr.EnterQueue | ivr.Goodbye):
                state, silent = _leave(call, command, now), False
            else:
                _CARRY[type(command)](call, command, now)
        if not silent:
            return state
        event = ivr.Played()
    return finish(call, now, outcome.MENU_END)


MOST_TURNS = 50  # a menu without a single prompt must not turn for ever


def _play(call: Call, command: ivr.Play) -> bool:
    sounds, language = call.sounds, call.language
    files = tuple(file for name in command.prompts for file in sounds.prompt(name, language))
    if not files:
        player.hush(call)
    return player.play(call, Playing.MENU, files)


def _stop(call: Call, command: ivr.StopPlay, now: int) -> None:
    player.hush(call)


def _wait(call: Call, command: ivr.Wait, now: int) -> None:
    call.key_ms = command.ms
    if command.ms and not call.caller.quiet:
        call.arm(on.MenuTimeout(), command.ms)
    else:
        call.disarm(on.MenuTimeout)


def _chosen(call: Call, command: ivr.Chosen, now: int) -> None:
    call.turned_away = Reason.REASON_UNSPECIFIED
    call.menu_path = (*call.menu_path, command.item)
    call.write(now, "menu_chosen", {"menu": command.menu, "item": command.item, "language": command.language})


def _bad_input(call: Call, command: ivr.BadInput, now: int) -> None:
    call.write(now, "digits", {"menu": command.menu, "what": command.what, "tries": command.tries})


_CARRY: dict[type, Callable[[Call, Any, int], None]] = {
    ivr.StopPlay: _stop,
    ivr.Wait: _wait,
    ivr.Chosen: _chosen,
    ivr.BadInput: _bad_input,
}


def _leave(call: Call, command: ivr.EnterQueue | ivr.Goodbye, now: int) -> State:
    call.disarm(on.MenuTimeout)
    call.key_ms = 0
    if isinstance(command, ivr.EnterQueue):
        return queueing.enter(call, command.queue, command.priority, now)
    return finish(call, now, _refused(call) or (outcome.NO_INPUT if command.no_input else outcome.MENU_END))


def _refused(call: Call) -> outcome.Outcome | None:
    """The end of a caller whom a queue did not take and who chose nothing else since."""
    return outcome.system(Result.RESULT_REFUSED, call.turned_away) if call.turned_away else None


# ---- rows of the table ------------------------------------------------------------------------------------------
def on_digit(call: Call, event: on.CallerDigit, now: int) -> State:
    """A key."""
    return feed(call, ivr.Digit(event.digit), now)


def on_timeout(call: Call, event: on.MenuTimeout, now: int) -> State:
    """No key in time."""
    return feed(call, ivr.TimedOut(), now)


def on_prompt_over(call: Call, event: on.PromptOver, now: int) -> State:
    """A file is over, maybe the last one."""
    return feed(call, ivr.Played(), now) if player.step(call) is Playing.MENU else State.MENU


def on_play_started(call: Call, event: on.PlayStarted, now: int) -> State:
    """A prompt has a length."""
    call.mute = 0
    player.started(call, event)
    return State.MENU


def on_play_failed(call: Call, event: on.PlayFailed, now: int) -> State:
    """One prompt less to hear; a caller who hears nothing at all is not kept."""
    if player.stale(call, event):
        return State.MENU
    call.mute += 1
    if call.mute >= MOST_MUTE:
        return finish(call, now, outcome.NO_AUDIO)
    return feed(call, ivr.Played(), now) if player.step(call) is Playing.MENU else State.MENU


MOST_MUTE = 3  # prompts in a row that did not play


def on_gone(call: Call, event: on.CallerGone, now: int) -> State:
    """Served, or had enough."""
    call.caller.move("over")
    return finish(call, now, _refused(call) or outcome.caller_left(waited=False, talked=False, lost=event.lost))


def turned_away(call: Call, reason: Reason.ValueType, now: int) -> State:
    """Out of the line, against the caller's wish: the flow has what is said, and whether the menu goes on after it."""
    player.hush(call)
    call.disarm()
    call.wait = None
    return feed(call, ivr.TurnedAway(_WHY.get(reason, ivr.FULL)), now)


_WHY = {
    Reason.REASON_CLOSED: ivr.CLOSED,
    Reason.REASON_EMERGENCY: ivr.EMERGENCY,
    Reason.REASON_QUEUE_FULL: ivr.FULL,
    Reason.REASON_WAITED_TOO_LONG: ivr.WAITED,
}


def back(call: Call, now: int) -> State:
    """Out of the line, to the menu that the caller chose the queue in."""
    player.hush(call)
    call.disarm()
    call.wait = None
    return begin(call, now, call.menu.menu)

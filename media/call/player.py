"""What the caller hears: a row of files one after the other, then what comes next is decided by the state.

rtpengine tells how long a file is but not when it ends, so each file has a timer. A file that does not play counts as over:
the caller misses a sentence, not the call.

Nothing is sent to a caller who holds: what should play waits, and begins anew when the caller is back.
"""

from __future__ import annotations

from pathlib import Path

from media.call import commands as do
from media.call import events as on
from media.call.call import Call, Playing

FOR_EVER = 10_000  # rounds of the music


def play(call: Call, what: Playing, files: tuple[Path, ...]) -> bool:
    """Play these in order; False if there is nothing to play (then nothing has changed, what played plays on)."""
    if not files:
        return False
    call.disarm(on.PromptOver)
    call.playing, call.rest = what, files[1:]
    _start(call, files[0], FOR_EVER if what is Playing.MUSIC else 1)
    return True


def _start(call: Call, file: Path, repeat: int) -> None:
    call.op += 1
    call.file = file
    if not call.caller.quiet:
        call.out.append(do.Play(file, repeat, call.op))


def pause(call: Call) -> None:
    """The caller holds."""
    if call.playing is not Playing.NOTHING:
        call.disarm(on.PromptOver)
        call.op += 1  # news of what played until now are stale
        call.out.append(do.StopPlay())


def resume(call: Call) -> None:
    """The caller is back: what should play begins anew."""
    if call.file is not None:
        _start(call, call.file, FOR_EVER if call.playing is Playing.MUSIC else 1)


def hush(call: Call) -> None:
    """Silence."""
    if call.playing is not Playing.NOTHING:
        call.out.append(do.StopPlay())
        forget(call)


def forget(call: Call) -> None:
    """What played is over, or does not matter any more."""
    call.disarm(on.PromptOver)
    call.playing, call.file, call.rest = Playing.NOTHING, None, ()


def started(call: Call, event: on.PlayStarted) -> None:
    """The length is known: have the end told. Music has none; what was replaced meanwhile does not count."""
    if event.op == call.op and call.playing not in (Playing.MUSIC, Playing.NOTHING):
        call.arm(on.PromptOver(), event.ms)


def stale(call: Call, event: on.PlayFailed) -> bool:
    """Whether the failure is about something that should not play any more."""
    return event.op != call.op or call.playing is Playing.NOTHING


def step(call: Call) -> Playing:
    """A file is over: start the next one (NOTHING), or tell what has come to its end."""
    if call.rest:
        file, call.rest = call.rest[0], call.rest[1:]
        _start(call, file, 1)
        return Playing.NOTHING
    done = call.playing
    forget(call)
    return done

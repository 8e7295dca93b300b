"""A waiting caller asks to be called back, and hangs up: the router keeps the place from then on. What follows: callback.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tierline.common.v1.common_pb2 import Reason, Result

from media.call import events as on
from media.call import outcome, player
from media.call.call import Call, Playing, State
from media.call.closing import part
from media.call.frames import Callback, Cancel

GONE = outcome.system(Result.RESULT_SELF_SERVED, Reason.REASON_HANGUP)  # of this node's part; the call has no end yet


def offer(call: Call, from_ms: int) -> tuple[Path, ...]:
    """What tells a caller of the callback, if the wait is that long, the number known and the flow has it; the key counts then."""
    wait = call.wait
    if wait is None or not from_ms or not call.menu.callback_key or not _number(call):
        return ()
    if 0 < wait.expected_ms < from_ms:  # 0: nobody knows, for nobody is there
        return ()
    files = call.sounds.callback_offer(call.language)
    wait.callback = wait.callback or bool(files)
    return files


def _number(call: Call) -> str:
    """The caller's, if the carrier vouches for it (it may be somebody else's) and it may be dialled; else nothing is offered."""
    who, house = call.person, call.house
    sure = who.asserted or who.trunk in house.trust_from
    return who.calling if sure and not house.destinations.refusal(who.calling) else ""


def wished(call: Call, digit: str) -> bool:
    """Whether this key asks for a callback now."""
    return call.wait is not None and call.wait.callback and digit == call.menu.callback_key


def ask(call: Call) -> State:
    """The router keeps the place from here on; a word to the caller, who may hang up."""
    assert call.wait is not None
    known = call.wait.enqueue
    profile = replace(known.profile, callback=True)
    call.tell(Callback(replace(known, version=call.next_version(), profile=profile), _number(call)))
    call.wait = None
    return part(call, GONE, call.sounds.callback_noted(call.language))


def on_refused(call: Call, event: on.Refused, now: int) -> State:
    """The router takes no callback of this caller, who is on the way out: out of the line, the reason for the ledger. Who still
    listens hears that it is not possible."""
    if event.frame != "callback":
        return call.state
    call.tell(Cancel(call.id, call.next_version(), event.reason))
    if call.playing is Playing.FAREWELL and (words := call.sounds.unavailable(call.language)):
        player.play(call, Playing.FAREWELL, words)
    return call.state

"""The table itself: total where it has to be, and nothing in it that cannot be reached."""

from __future__ import annotations

from typing import get_args

import pytest
from tierline.common.v1.common_pb2 import Reason

from media.call import events as on
from media.call.call import State
from media.call.leg import MOVES, Phase, audio_port
from media.call.outcome import customer_failure, seat_failure
from media.call.table import TABLE

# Timers and rtpengine's answers come only where they were asked for; these may come at any time in a call that lives.
ANY_TIME = [
    on.CallerGone,
    on.CallerDigit,
    on.Offered,
    on.TurnedAway,
    on.Withdrawn,
    on.Refused,
    on.Released,
    on.EndNow,
    on.Queued,
    on.Reoffered,
]


def _reached(start: State) -> set[State]:
    seen, todo = {start}, [start]
    while todo:
        for row in TABLE[todo.pop()].values():
            todo += row.to - seen
            seen |= row.to
    return seen


def test_every_state_can_be_reached_and_left() -> None:
    """From the first state all others follow, and from each the end."""
    assert _reached(State.OPENING) | _reached(State.SEATING) == set(State)
    assert all(State.ENDED in _reached(state) for state in State)
    assert _reached(State.ENDED) == {State.ENDED}


def test_what_may_come_at_any_time_has_a_row_everywhere() -> None:
    """The caller, the router and the house do not know our state."""
    missing = [(state, kind.__name__) for state in State for kind in ANY_TIME if kind not in TABLE[state]]
    # a call in talk is answered by on_offered; what it does with digits is nothing, but it is told
    assert missing == []


def test_every_event_is_taken_somewhere() -> None:
    """No event class without a row."""
    taken = {kind for rows in TABLE.values() for kind in rows}
    assert set(get_args(on.Event)) <= taken


def test_a_leg_never_comes_back() -> None:
    """A leg that is gone stays gone, one that hangs can only go."""
    assert not [move for (phase, move) in MOVES if phase is Phase.GONE]
    assert {to for (phase, _), to in MOVES.items() if phase is Phase.HANGING} == {Phase.HANGING, Phase.GONE}


def test_audio_port() -> None:
    """The port of the first audio line; 0 where there is none to be read."""
    assert audio_port(b"v=0\r\nm=audio 31000/2 RTP/AVP 8\r\nm=audio 5 RTP/AVP 8\r\n") == 31000
    assert audio_port(b"v=0\r\nm=video 4 RTP/AVP 96\r\n") == 0
    assert audio_port(b"m=audio x RTP/AVP 8") == 0


def test_an_unknown_status_blames_the_seat() -> None:
    """Whatever the final status, it has a reason that the router knows."""
    known = {Reason.REASON_NO_ANSWER, Reason.REASON_BUSY, Reason.REASON_DECLINED, Reason.REASON_NOT_REGISTERED}
    known |= {Reason.REASON_UNREACHABLE, Reason.REASON_OVERLOAD}
    assert {seat_failure(status, rang) for status in range(300, 700) for rang in (True, False)} == known


@pytest.mark.parametrize(
    ("reason", "statuses"),
    [
        (Reason.REASON_DECLINED, (302, 433, 480, 603, 607, 608)),
        (Reason.REASON_BUSY, (486, 600)),
        (Reason.REASON_NOT_REGISTERED, (404, 410)),
        (Reason.REASON_UNREACHABLE, (403, 408, 487, 488, 606)),
    ],
)
def test_what_a_phone_says_is_what_the_agent_is_told(reason: Reason.ValueType, statuses: tuple[int, ...]) -> None:
    """Do not disturb, busy, not registered and no answer of any kind are four reasons, whether the phone rang first or not."""
    assert {seat_failure(status, rang=False) for status in statuses} == {reason}
    rang_out = {408, 487}
    assert {seat_failure(status, rang=True) for status in statuses if status not in rang_out} == {reason}
    assert {seat_failure(status, rang=True) for status in rang_out} == {Reason.REASON_NO_ANSWER}


def test_a_customer_who_is_called_back_is_no_seat() -> None:
    """A customer's 404 is a number that cannot be reached, and declining is busy: tried again as before."""
    assert {customer_failure(status, rang=False) for status in (486, 600, 603)} == {Reason.REASON_BUSY}
    assert {customer_failure(status, rang=False) for status in (404, 408, 480, 500)} == {Reason.REASON_UNREACHABLE}

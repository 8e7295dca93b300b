"""A call of one centre at an agent of another: what is said between them, and the two state machines.

Theory. A *placement* is one attempt to have a waiting call answered elsewhere. Its id "<call>.p<n>" tells the attempts of the
call apart (n goes up), and is the OfferId of the remote offer at both ends. Each end has a machine of its own, because either may
lose sight of the other; every frame may come twice, late or never, so each event is either in the table or without effect.

HOME: beside a waiting (or offered) call. At most one placement of a call is open, so never two places. Every state but NONE and
TALKING has the timer `p:<call>`. WANTED: it will ask, or, if the call rings here by then, the wish is GONE. ASKED: a Place is
out; asking anew gives the old id up first. RINGING: an agent is reserved there and our media node dials; the call keeps its place
in the line meanwhile. TALKING: that agent answered first. GONE is whatever takes the call from where it waits: answered here,
hung up, moved, lost. What is GONE, or asked anew, is released there.

THERE: a reserved agent, as an offer without a media node. RESERVED ends by its timer if nobody speaks. UP: our own edge saw the
seat answer (docs/adr/0106) but the home has not confirmed; if it cannot (the link is cut), the timer takes it for talking, and a
BYE a moment later for the end of a talk. TALKING ends by the home's Release, by the BYE that our edge sees, by the agent's own
hand, or because the home does not hold it any more.

Lua gets these tables rendered as its own (store/scripts.py), so there is one source.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

_PLACEMENT = re.compile(r"^(.+)\.p(\d+)$")


class HomeState(StrEnum):
    """Of a call, at the centre that holds it."""

    NONE = "none"
    WANTED = "wanted"
    ASKED = "asked"
    RINGING = "ringing"
    TALKING = "talking"


class HomeEvent(StrEnum):
    """What happens to it."""

    WANT = "want"  # it waits where its ladder lets it go to the nation
    ASK = "ask"  # the timer
    PLACED = "placed"
    NO_PLACE = "no_place"
    ANSWERED = "answered"  # our media node has bridged it with the seat there
    FAILED = "failed"  # the seat there did not take it, or that centre gave up
    LOST = "lost"  # no link to the others
    TALK = "talk"  # re-asserted or late: it talks there, whatever we believed
    GONE = "gone"  # it does not wait any more


_S, _E = HomeState, HomeEvent
HOME: MappingProxyType[HomeState, dict[HomeEvent, HomeState]] = MappingProxyType(
    {
        _S.NONE: {_E.WANT: _S.WANTED, _E.TALK: _S.TALKING, _E.GONE: _S.NONE},
        _S.WANTED: {_E.WANT: _S.WANTED, _E.ASK: _S.ASKED, _E.TALK: _S.TALKING, _E.GONE: _S.NONE},
        _S.ASKED: {
            _E.WANT: _S.ASKED,
            _E.ASK: _S.ASKED,
            _E.PLACED: _S.RINGING,
            _E.NO_PLACE: _S.WANTED,
            _E.LOST: _S.WANTED,
            _E.TALK: _S.TALKING,
            _E.GONE: _S.NONE,
        },
        _S.RINGING: {
            _E.WANT: _S.RINGING,
            _E.PLACED: _S.RINGING,
            _E.ANSWERED: _S.TALKING,
            _E.FAILED: _S.WANTED,
            _E.LOST: _S.WANTED,
            _E.TALK: _S.TALKING,
            _E.GONE: _S.NONE,
        },
        _S.TALKING: {_E.TALK: _S.TALKING, _E.GONE: _S.NONE},
    }
)


class ThereState(StrEnum):
    """Of a placement, at the centre whose agent it is."""

    NONE = "none"
    RESERVED = "reserved"
    UP = "up"
    TALKING = "talking"
    OVER = "over"  # before anybody talked
    DONE = "done"  # after a talk: nothing begins it again


class ThereEvent(StrEnum):
    """What happens to it."""

    RESERVE = "reserve"
    UP = "up"  # our edge saw the seat answer
    CONFIRM = "confirm"  # the home bridged it
    EXPIRE = "expire"  # the timer
    RELEASE = "release"  # the home gives it up, or the talk is over
    DOWN = "down"  # our edge saw the dialog fail or end
    UNHELD = "unheld"  # the home says what it holds, and this is not among it
    BY_HAND = "by_hand"  # the agent says that nobody is there


_T, _V = ThereState, ThereEvent
_ENDS = {_V.RELEASE: _T.OVER, _V.DOWN: _T.OVER, _V.UNHELD: _T.OVER}
_DONE = dict.fromkeys((_V.RELEASE, _V.DOWN, _V.UNHELD, _V.BY_HAND), _T.DONE)
THERE: MappingProxyType[ThereState, dict[ThereEvent, ThereState]] = MappingProxyType(
    {
        _T.NONE: {_V.RESERVE: _T.RESERVED},
        _T.RESERVED: {**_ENDS, _V.RESERVE: _T.RESERVED, _V.UP: _T.UP, _V.CONFIRM: _T.TALKING, _V.EXPIRE: _T.OVER},
        _T.UP: {**_ENDS, _V.RESERVE: _T.UP, _V.UP: _T.UP, _V.CONFIRM: _T.TALKING, _V.EXPIRE: _T.TALKING},
        _T.TALKING: {
            **_DONE,
            _V.RESERVE: _T.TALKING,
            _V.UP: _T.TALKING,
            _V.CONFIRM: _T.TALKING,
        },
        _T.OVER: {_V.CONFIRM: _T.TALKING},  # an answer to what we closed last still counts: people talk
        _T.DONE: {},
    }
)


def placement_id(call: str, n: int) -> str:
    """The id of a call's n-th attempt."""
    return f"{call}.p{n}"


def placement_of(offer: str) -> tuple[str, int] | None:
    """Call and number of a placement's id; None for an offer of our own."""
    found = _PLACEMENT.match(offer)
    return (found[1], int(found[2])) if found else None


def agent_there(agent: str, centre: str) -> str:
    """How an agent of another centre is called here; no agent of ours has such an id."""
    return f"{agent}@{centre}"


def centre_of(agent: str) -> str:
    """Whose agent that is, "" for one of ours."""
    return agent.rpartition("@")[2] if "@" in agent else ""


@dataclass(frozen=True, slots=True)
class PlaceWanted:
    """Look for an agent elsewhere."""

    placement: str
    call: str
    queue: str
    skill: str
    level: int  # the worst that fits
    priority: int
    entered_ms: int
    expires_ms: int  # nobody is to be reserved for longer
    profile: bytes = b""
    not_at: tuple[str, ...] = ()  # centres that just failed
    expected_ms: int = 0  # how long it will wait still here; 0: not known


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The seat there answered and is bridged."""

    placement: str
    answered_ms: int


@dataclass(frozen=True, slots=True)
class Released:
    """The placement is over."""

    placement: str
    reason: str
    side: str = "SIDE_UNSPECIFIED"
    ended_ms: int = 0


CentreFrame = PlaceWanted | Confirmed | Released


@dataclass(frozen=True, slots=True)
class ToCentre:
    """A frame for another centre, by the router that holds the links. `centre` "": for whoever chooses."""

    centre: str
    holder: str
    frame: CentreFrame


@dataclass(frozen=True, slots=True)
class Reservation:
    """Another centre asks for an agent."""

    home: str
    centre: str  # we
    wanted: PlaceWanted
    share: int = 100  # per cent of our agents of the skill that we lend
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """The answer: an agent is reserved, or `refused` says why not."""

    placement: str
    agent: str = ""
    seat: str = ""
    expires_ms: int = 0
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Placements:
    """What we hold as home with a centre."""

    centre: str
    ringing: tuple[str, ...] = ()
    talking: tuple[str, ...] = ()


@dataclass(slots=True)
class Remote:
    """Beside a call at home: its placement."""

    state: HomeState = HomeState.NONE
    n: int = 0  # attempts so far
    placement: str = ""  # asked, ringing or talking
    centre: str = ""
    agent: str = ""  # as agent_there names it
    seat: str = ""
    uri: str = ""
    skill: str = ""
    level: int = 0
    again: int = 0  # when to ask (wanted, asked)
    expires: int = 0  # ringing
    not_at: tuple[str, ...] = ()  # centres that failed since somebody last had nobody
    told: str = ""  # why there was no place, as the ledger knows it
    last: str = ""  # the placement that rang last and is closed
    last_agent: str = ""
    last_centre: str = ""


@dataclass(slots=True)
class Guest:
    """Beside a call of another centre: for whom our agent is reserved."""

    home: str
    skill: str
    n: int  # which attempt of the call
    up: int = 0  # when our edge saw the seat answer
    missed: int = 0  # since when the home does not name it

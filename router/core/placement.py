"""A placement beside a call at home, and a guest's row there: the small steps. One source with Lua's include/placement.lua;
remote.py has the theory, overflow.py the verbs. Called by lines.py (a call waits where the nation may answer), moves.py and
leave.py (it does not wait any more)."""

from __future__ import annotations

from router.core.call import CallState
from router.core.desk import Call, Desk
from router.core.events import Offer, Withdraw
from router.core.remote import (
    HOME,
    CentreFrame,
    HomeEvent,
    HomeState,
    PlaceWanted,
    Released,
    Remote,
    ToCentre,
    placement_id,
)

ELSEWHERE = "REASON_ANSWERED_ELSEWHERE"
NOT_AT = 3  # so many centres that failed are remembered


def to_centre(d: Desk, centre: str, frame: CentreFrame) -> None:
    """By the router that holds the links; without one nobody can be told (Holding tells it later)."""
    holder, until = d.links
    if holder and d.now < until:
        d.effects.append(ToCentre(centre, holder, frame))


def seek(d: Desk, c: Call, skill: str, level: int, expected_ms: int) -> None:
    """A call waits where its ladder lets it go to the nation: ask, unless that is under way or was in vain a moment ago."""
    r = c.remote = c.remote or Remote()
    r.skill, r.level = skill, level
    to = HOME[r.state].get(HomeEvent.WANT)
    if to is None or r.state is HomeState.RINGING:
        return
    r.state = to
    if d.now >= r.again:
        ask(d, c, r, expected_ms)
    else:
        d.due.add(f"p:{c.id}", r.again)


def wants_place(c: Call) -> bool:
    """Its timer is to ask."""
    return c.remote is not None and c.remote.state in (HomeState.WANTED, HomeState.ASKED)


def ask(d: Desk, c: Call, r: Remote, expected_ms: int) -> None:
    """Under a new id; an older ask without an answer is given up."""
    to = HOME[r.state][HomeEvent.ASK]
    if r.state is HomeState.ASKED:
        to_centre(d, "", Released(r.placement, "REASON_EXPIRED"))
    r.state, r.n, r.again = to, d.newer(r.n), d.now + d.times.place_ms
    r.placement = placement_id(c.id, r.n)
    d.due.add(f"p:{c.id}", r.again)
    until = d.now + d.queues[c.queue].ring_ms
    head = (r.placement, c.id, c.queue, r.skill, r.level, c.prio, c.entered, until)
    to_centre(d, "", PlaceWanted(*head, c.profile, r.not_at, expected_ms))


def tell_remote(d: Desk, c: Call) -> None:
    """The open remote offer, to the call's node; again if it was told before."""
    r = c.remote
    if r is not None and r.state is HomeState.RINGING:
        d.emit(c.node, Offer(c.id, r.placement, r.agent, r.seat, r.expires, r.centre, r.uri))


def close_remote(d: Desk, c: Call, r: Remote, why: str, tell: bool) -> None:
    """The remote offer is over, not answered."""
    d.call_fact(c, "offer_failed", {"queue": c.queue, "offer": r.placement, "reason": why}, r.agent)
    if tell:
        d.emit(c.node, Withdraw(c.id, r.placement, why))
    r.last, r.last_agent, r.last_centre = r.placement, r.agent, r.centre
    d.away.discard(c.id)


def failed(d: Desk, c: Call, why: str, tell: bool, event: HomeEvent = HomeEvent.FAILED) -> None:
    """The seat there did not take it, or that centre gave up: look for another one at the next tick."""
    r = c.remote
    if r is None or r.state is not HomeState.RINGING:
        return
    close_remote(d, c, r, why, tell)
    to_centre(d, r.centre, Released(r.placement, why))
    r.not_at = (*r.not_at, r.centre)[-NOT_AT:]
    r.state, r.again = HOME[r.state][event], d.now
    r.placement = r.centre = r.agent = r.seat = r.uri = ""
    r.expires = 0
    d.due.add(f"p:{c.id}", d.now)


def gone(d: Desk, c: Call, why: str, tell: bool = False, ended_ms: int = 0, side: str = "SIDE_UNSPECIFIED") -> None:
    """The call does not wait any more, or its talk there is over: what is open elsewhere ends."""
    r = c.remote
    if r is None or r.state is HomeState.NONE:
        return
    d.due.remove(f"p:{c.id}")
    if r.state is HomeState.RINGING:
        close_remote(d, c, r, why, tell)
    if r.placement:
        to_centre(d, r.centre, Released(r.placement, why, side, ended_ms))
    d.away.discard(c.id)
    r.state, r.again, r.not_at = HOME[r.state][HomeEvent.GONE], 0, ()
    r.placement = r.centre = r.agent = r.seat = r.uri = ""
    r.expires = 0


def guest_back(d: Desk, c: Call, why: str) -> None:
    """The agent of a guest is gone, its offer closed: the home must look for another one."""
    guest_out(d, c)
    c.state = CallState.LEFT
    d.keep(c)
    if c.guest is not None:
        to_centre(d, c.guest.home, Released(c.last_offer, why, "SIDE_AGENT", d.now))


def guest_in(d: Desk, c: Call) -> None:
    """It counts among those we lend to."""
    g = c.guest
    if g is not None and c.id not in d.guests.setdefault(g.home, set()):
        d.guests[g.home].add(c.id)
        d.lent[g.skill] = d.lent.get(g.skill, 0) + 1


def guest_out(d: Desk, c: Call) -> None:
    """Not any more; its door at the edge is shut."""
    g = c.guest
    if g is not None and c.id in d.guests.get(g.home, ()):
        d.guests[g.home].discard(c.id)
        d.lent[g.skill] -= 1
        d.doors.pop(f"{c.id}.p{g.n}", None)

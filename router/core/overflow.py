"""Verbs of calls that are answered by another centre, at home and there. Each validates, changes rows, and leaves effects and facts
in the desk; see store/overflow.py for what they promise, remote.py for the theory."""

from __future__ import annotations

from collections.abc import Sequence

from router.core import agent as agents
from router.core.agent import AgentEvent, AgentState
from router.core.call import LIVE, CallState
from router.core.desk import Agent, Call, Desk
from router.core.enter import bridge, force_talk
from router.core.leave import close_offer, over, release_agent
from router.core.lines import expected
from router.core.moves import agent_to
from router.core.placement import failed, gone, guest_back, guest_in, guest_out, tell_remote, to_centre
from router.core.placing import SkillLoad, lendable
from router.core.pools import first_free
from router.core.remote import (
    HOME,
    THERE,
    Guest,
    Held,
    HomeEvent,
    HomeState,
    Placements,
    PlaceWanted,
    Released,
    Remote,
    Reservation,
    ThereEvent,
    ThereState,
    agent_there,
    placement_of,
)

# The agent's own fault; that a seat cannot be reached may be the way's.
SEAT_FAILED = ("REASON_NO_ANSWER", "REASON_BUSY", "REASON_DECLINED", "REASON_NOT_REGISTERED")
LOST = "REASON_LINK_LOST"
HUNG_UP = "REASON_HANGUP"  # a home says so of talks alone


# ---- links
def hold_links(d: Desk, holder: str, ttl_ms: int) -> bool:
    """A lease."""
    if d.links[0] not in ("", holder) and d.now < d.links[1]:
        return False
    d.links = (holder, d.now + ttl_ms)
    return True


def loads(d: Desk) -> tuple[SkillLoad, ...]:
    """All skills that queues ask for."""
    found = []
    for skill in sorted(d.plan.layouts):
        queues = [q.rule.id for q in d.plan.queues.values() if q.rule.skill == skill]
        waiting = sum(len(d.waiting(queue)) for queue in queues)
        staffed, free = d.staffed.get(skill, 0), d.ready(skill)
        wait_ms = 0 if free or not queues else _expected(d, min(queues))
        found.append(SkillLoad(skill, staffed, free, waiting, wait_ms, d.lent.get(skill, 0)))
    return tuple(found)


def _expected(d: Desk, queue: str) -> int:
    """Of a call that would enter now."""
    return expected(d, Call("", queue=queue, entered=d.now), len(d.waiting(queue)))


def placements(d: Desk) -> tuple[Placements, ...]:
    """What rings or talks elsewhere, by centre."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    for call in sorted(d.away):
        r = d.calls[call].remote
        if r is not None:
            ringing, talking = found.setdefault(r.centre, ([], []))
            (talking if r.state is HomeState.TALKING else ringing).append(r.placement)
    return tuple(Placements(centre, tuple(a), tuple(b)) for centre, (a, b) in sorted(found.items()))


# ---- at home
def _at_home(d: Desk, placement: str) -> tuple[Call, Remote] | None:
    """The call whose open placement it is."""
    named = placement_of(placement)
    c = d.call(named[0]) if named else None
    return (c, c.remote) if c is not None and c.remote is not None and c.remote.placement == placement else None


def placed(d: Desk, by: str, placement: str, agent: str, seat: str, uri: str, expires_ms: int) -> None:
    """An agent of the centre `by` is reserved."""
    found = _at_home(d, placement)
    if found is None or found[1].state is not HomeState.ASKED or found[0].state is not CallState.WAITING:
        _decline(d, by, placement, found)
        return
    c, r = found
    r.state = HOME[r.state][HomeEvent.PLACED]
    r.centre, r.agent, r.seat, r.uri, r.expires = by, agent_there(agent, by), seat, uri, expires_ms
    r.told = ""
    d.away.add(c.id)
    d.due.add(f"p:{c.id}", expires_ms + d.times.grace_ms)
    waited = max(0, d.now - c.entered)
    body = {"queue": c.queue, "offer": placement, "centre": by, "seat": seat, "waited_ms": waited}
    d.call_fact(c, "placed", body, r.agent)
    tell_remote(d, c)


def _decline(d: Desk, by: str, placement: str, found: tuple[Call, Remote] | None) -> None:
    """Nobody waits for it: the call is answered, over, or rings a seat of ours."""
    if found is not None and found[1].state in (HomeState.RINGING, HomeState.TALKING):
        return
    to_centre(d, by, Released(placement, "REASON_ANSWERED_ELSEWHERE"))
    if found is not None:
        found[1].state, found[1].placement = HOME[found[1].state][HomeEvent.NO_PLACE], ""


def no_place(d: Desk, placement: str, reason: str, again_ms: int) -> None:
    """Nobody is free elsewhere. The ledger is told once of each reason; staying here because that is better is none.

    If seats elsewhere were tried in vain since the last time (the way to their edges may be broken), that is not repeated at once.
    """
    found = _at_home(d, placement)
    if found is None or found[1].state is not HomeState.ASKED:
        return
    c, r = found
    _unplaced(d, c, r, d.now + (max(again_ms, d.times.failed_ms) if r.not_at else again_ms))
    if reason not in ("REASON_UNSPECIFIED", r.told):
        r.told = reason
        d.call_fact(c, "place_failed", {"queue": c.queue, "reason": reason})


def _unplaced(d: Desk, c: Call, r: Remote, again: int) -> None:
    r.state, r.placement, r.again, r.not_at = HOME[r.state][HomeEvent.NO_PLACE], "", again, ()
    d.due.add(f"p:{c.id}", r.again)


def links_lost(d: Desk, still: Sequence[str]) -> None:
    """What rings elsewhere than at `still` is taken back."""
    for call in sorted(d.away):
        c = d.calls[call]
        if c.remote is not None and c.remote.centre not in still:
            failed(d, c, LOST, True, HomeEvent.LOST)


def remote_due(d: Desk, c: Call) -> None:
    """The timer of a placement that is not to be asked for now. A call that rings here wants nobody elsewhere any more; when it
    waits again, the rules of that moment say whether it asks."""
    if c.remote is not None and c.remote.state is HomeState.RINGING:
        failed(d, c, "REASON_EXPIRED", True)
    else:
        gone(d, c, "REASON_EXPIRED")


# ---- there
def there_state(c: Call | None, placement: str) -> ThereState:
    """Of a placement, by the row of its call."""
    if c is None or c.guest is None:
        return ThereState.NONE
    if c.state is CallState.OFFERED and c.offer == placement:
        return ThereState.UP if c.guest.up else ThereState.RESERVED
    if c.state is CallState.TALKING and c.offer == placement:
        return ThereState.TALKING
    if c.last_offer != placement:
        return ThereState.NONE
    return ThereState.DONE if c.offer == placement else ThereState.OVER


def _of_home(c: Call, by: str) -> bool:
    """Whether `by` may speak of a guest as its home: its home, or "" the nation, which passes on what it has checked."""
    return c.guest is not None and by in ("", c.guest.home)


def _there(d: Desk, placement: str, event: ThereEvent) -> tuple[Call, ThereState] | None:
    """The guest and where the event leads; None: it has no effect."""
    named = placement_of(placement)
    c = d.call(named[0]) if named else None
    to = THERE[there_state(c, placement)].get(event)
    return (c, to) if c is not None and to is not None else None


def reserve(d: Desk, what: Reservation) -> Held:
    """An agent for another centre's call."""
    d.need_rules()
    w = what.wanted
    named = placement_of(w.placement)
    c = d.call(named[0]) if named else None
    if there_state(c, w.placement) in (ThereState.RESERVED, ThereState.UP, ThereState.TALKING) and c is not None:
        a = d.agents[c.agent]
        return Held(w.placement, a.id, a.seat, c.expires)
    why, found = _refusal(d, what, c), None
    if not why:
        found = first_free(d, w.skill, w.level)
        why = "" if found else "REASON_BUSY"
    if found is None or named is None:
        return Held(w.placement, refused=why or "REASON_BAD_MESSAGE")
    return _reserve(d, what, c or Call(named[0]), found, named[1])


def _refusal(d: Desk, what: Reservation, c: Call | None) -> str:
    """Why nobody is reserved, before we look who is free."""
    w = what.wanted
    if c is not None and (c.state in LIVE or c.last_offer == w.placement):
        return "REASON_ANSWERED_ELSEWHERE"
    if w.expires_ms <= d.now:
        return "REASON_EXPIRED"
    if what.paused:
        return "REASON_CLOSED"
    if not _queue_for(d, w):
        return "REASON_UNKNOWN_QUEUE"
    return "REASON_OVERLOAD" if d.lent.get(w.skill, 0) >= lendable(d.staffed.get(w.skill, 0), what.share) else ""


def _queue_for(d: Desk, w: PlaceWanted) -> str:
    """Ours of that name, else the first that asks for the skill."""
    if w.queue in d.plan.queues:
        return w.queue
    return min((q.rule.id for q in d.plan.queues.values() if w.skill in q.skills), default="")


def _reserve(d: Desk, what: Reservation, c: Call, a: Agent, n: int) -> Held:
    w = what.wanted
    c.guest = Guest(what.home, w.skill, n)
    c.queue, c.prio, c.entered, c.profile = _queue_for(d, w), w.priority, w.entered_ms, w.profile
    c.state, c.offer, c.agent, c.expires = CallState.OFFERED, w.placement, a.id, w.expires_ms
    c.node, c.answered = "", 0
    guest_in(d, c)
    d.doors[w.placement] = f"{what.home} {a.seat}"
    waited = max(0, d.now - c.entered)
    body = {"queue": c.queue, "offer": c.offer, "home": what.home, "centre": what.centre, "seat": a.seat, "waited_ms": waited}
    d.call_fact(c, "placed", body, a.id)
    a.call, a.offer = c.id, c.offer
    agent_to(d, a, AgentState(agents.step(a.state, AgentEvent.OFFER)))
    d.due.add(f"o:{c.id}", c.expires + d.times.grace_ms)
    d.keep(c)
    return Held(w.placement, a.id, a.seat, c.expires)


def confirm(d: Desk, placement: str, answered_ms: int, by: str) -> None:
    """The home bridged it. Late, it still counts, unless the agent has another call since."""
    found = _there(d, placement, ThereEvent.CONFIRM)
    if found is None or found[0].state is CallState.TALKING or not _of_home(found[0], by):
        return
    c = found[0]
    if c.state is CallState.OFFERED:
        bridge(d, c, d.agents[c.agent], placement, answered_ms, AgentEvent.ANSWERED)
        return
    a = d.agents[c.last_agent]
    if a.state not in (AgentState.OFFERED, AgentState.TALKING):
        guest_in(d, c)
        force_talk(d, c, placement, c.last_agent, answered_ms)


def end_there(d: Desk, c: Call, event: AgentEvent, why: str, ended_ms: int, side: str) -> None:
    """The placement is over at our end."""
    guest_out(d, c)
    if c.state is CallState.OFFERED:
        close_offer(d, c, event, why, tell=False)
    else:
        c.last_offer, c.last_agent = c.offer, c.agent
        release_agent(d, c, ended_ms, side)
    over(d, c, CallState.LEFT)


def released(d: Desk, placement: str, reason: str, side: str, ended_ms: int, by: str) -> None:
    """The other centre gives it up: the one that reserved, or the home."""
    home = _at_home(d, placement)
    if home is not None and home[1].state is HomeState.RINGING and by in ("", home[1].centre):
        failed(d, home[0], reason, True)
    elif home is not None and home[1].state is HomeState.ASKED and by == "":
        _unplaced(d, *home, d.now)
    found = _there(d, placement, ThereEvent.RELEASE)
    if found is not None and _of_home(found[0], by):
        if reason == HUNG_UP:
            _unconfirmed(d, found[0])
        event = AgentEvent.FAILED if reason in SEAT_FAILED else AgentEvent.WITHDRAWN
        end_there(d, found[0], event, reason, ended_ms, side)


def _unconfirmed(d: Desk, c: Call) -> None:
    """The talk is over and its Confirm never came: it began when our edge saw the seat answer. Both ledgers count it."""
    if c.guest is not None and there_state(c, c.offer) is ThereState.UP:
        bridge(d, c, d.agents[c.agent], c.offer, c.guest.up, AgentEvent.ANSWERED)


def guest_due(d: Desk, c: Call) -> None:
    """The timer of a reservation. Its seat was seen to answer: people talk, though the home could not say so. Else the home never
    spoke, so it is not the agent's fault."""
    if c.guest is None:
        return
    if THERE[there_state(c, c.offer)][ThereEvent.EXPIRE] is ThereState.TALKING:
        _unconfirmed(d, c)
        return
    close_offer(d, c, AgentEvent.WITHDRAWN, "REASON_EXPIRED", tell=False)
    guest_back(d, c, "REASON_EXPIRED")


def held(d: Desk, home: str, ringing: Sequence[str], talking: Sequence[str]) -> None:
    """What a home holds with us. Twice not named, with time between: it has forgotten it."""
    for call in sorted(d.guests.get(home, ())):
        c = d.calls[call]
        placement, g = c.offer, c.guest
        if g is None:
            continue
        if placement in talking:
            confirm(d, placement, g.up or d.now, home)
        if placement in talking or placement in ringing:
            g.missed = 0
        elif not g.missed:
            g.missed = d.now
        elif d.now - g.missed >= d.times.unheld_ms and _there(d, placement, ThereEvent.UNHELD):
            end_there(d, c, AgentEvent.WITHDRAWN, LOST, d.now, "SIDE_SYSTEM")


def dialogs(d: Desk, limit: int) -> int:
    """Take in what our edge saw."""
    seen, d.dialogs = d.dialogs[:limit], d.dialogs[limit:]
    for text in seen:
        what, placement, at, detail = (*text.split(" "), "", "", "")[:4]
        if what in _SAW and at.isdigit():
            _SAW[what](d, placement, int(at), detail)
    return len(seen)


def _saw_up(d: Desk, placement: str, at_ms: int, detail: str) -> None:
    """The seat answered: the home must confirm soon."""
    found = _there(d, placement, ThereEvent.UP)
    if found is not None and found[1] is ThereState.UP and found[0].guest is not None and not found[0].guest.up:
        found[0].guest.up = at_ms
        d.due.add(f"o:{found[0].id}", d.now + d.times.up_ms)


def _saw_failed(d: Desk, placement: str, at_ms: int, detail: str) -> None:
    """The seat did not answer: the home says why, or else it soon ends by the timer."""
    found = _there(d, placement, ThereEvent.EXPIRE)
    if found is not None and found[1] is ThereState.OVER:
        d.due.add(f"o:{found[0].id}", d.now + d.times.grace_ms)


def _saw_over(d: Desk, placement: str, at_ms: int, detail: str) -> None:
    """A BYE passed."""
    found = _there(d, placement, ThereEvent.DOWN)
    if found is not None:
        if found[0].guest is not None and at_ms - found[0].guest.up >= d.times.talked_ms:
            _unconfirmed(d, found[0])
        side = detail if detail in ("SIDE_AGENT", "SIDE_CALLER") else "SIDE_UNSPECIFIED"
        end_there(d, found[0], AgentEvent.WITHDRAWN, HUNG_UP, at_ms, side)


_SAW = {"up": _saw_up, "failed": _saw_failed, "over": _saw_over}


def by_hand(d: Desk, a: Agent) -> bool:
    """The agent says that nobody is there (any more); whether it was a talk with another centre's caller."""
    c = d.call(a.call)
    if a.state is not AgentState.TALKING or c is None or _there(d, c.offer, ThereEvent.BY_HAND) is None:
        return False
    placement, home = c.offer, c.guest.home if c.guest else ""
    end_there(d, c, AgentEvent.WITHDRAWN, "REASON_HANGUP", d.now, "SIDE_AGENT")
    to_centre(d, home, Released(placement, "REASON_HANGUP", "SIDE_AGENT", d.now))
    return True

"""One call: what is known of it, and the few things its states do over and over. What happens when stands in `table.py`.

A call is fed events (`table.handle`) and collects commands; it reads no clock and does no I/O. Times are UTC ms.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tierline.common.v1.common_pb2 import Reason

from media.call import commands as do
from media.call import events as on
from media.call.frames import Assert, Enqueue, Frame, Held, Home, Profile
from media.call.leg import CALLER, LegState, Phase
from media.call.outcome import Outcome
from media.call.ports import House, Menu, Sounds
from media.ua import api as ua
from ops.facts import Fact
from ops.ids import CallId, LegId


class State(StrEnum):
    """Where a call is."""

    OPENING = "opening"  # the INVITE is not confirmed
    MENU = "menu"
    QUEUEING = "queueing"
    RINGING = "ringing"  # a seat rings, the caller still waits
    RACING = "racing"  # a seat of ours and one of another centre ring
    BRIDGING = "bridging"  # the agent picked up, the two do not hear each other yet
    SEATING = "seating"  # a callback: the seat of the agent who takes it rings
    DIALLING = "dialling"  # a callback: the agent has picked up, the customer's phone is called
    TALKING = "talking"
    CLOSING = "closing"  # the outcome stands, legs and audio are going
    ENDED = "ended"


class Playing(StrEnum):
    """What the caller hears from us."""

    NOTHING = ""
    MENU = "menu"
    NOTICE = "notice"  # an announcement while waiting; music follows
    MUSIC = "music"
    FAREWELL = "farewell"  # the last words; then we hang up


@dataclass(frozen=True, slots=True)
class Person:
    """Who calls, from the INVITE."""

    calling: str
    called: str
    trunk: str
    home: Home
    routed: bool  # the edge had the router's answer
    arrived_ms: int
    vip: int = 0  # level, 0: none
    asserted: bool = False  # the carrier asserts `calling`


@dataclass(slots=True)
class Wait:
    """The caller wants an agent."""

    enqueue: Enqueue
    told: bool = False  # that we are looking for an agent
    announce: bool = False  # say the position when it comes
    position: int = 0
    expected_ms: int = 0  # how long it will probably take, 0: not known
    callback: bool = False  # the caller was told which key asks for a callback


@dataclass(slots=True)
class Ring:
    """A seat that was offered: it rings, or (then it is the only one) its agent has picked up."""

    offer: on.Offered
    leg: LegState
    since_ms: int
    alerting_ms: int = 0  # since when its phone alerts, 0: it does not

    def alerts(self, now: int) -> None:
        """Its phone answered 1xx, the first time or again."""
        self.leg.move("progress")
        self.alerting_ms = self.alerting_ms or now

    def alerted_for(self, now: int) -> int:
        """How long its phone has alerted, -1: not at all."""
        return now - self.alerting_ms if self.alerting_ms else -1

    @property
    def timer(self) -> on.RingOver | on.AwayRingOver:
        """The end of its ringing: a seat of ours and one of another centre may ring at the same time."""
        return on.AwayRingOver() if self.offer.centre else on.RingOver()


@dataclass(slots=True)
class Talk:
    """A conversation."""

    agent: str
    bridged_ms: int
    recording: str = ""  # name, "" if not recorded
    ports: tuple[int, int] = (0, 0)  # caller, agent
    ended_ms: int = 0

    @property
    def ms(self) -> int:
        """How long it took."""
        return max(0, self.ended_ms - self.bridged_ms)


@dataclass(slots=True)
class Call:
    """The data of one call. Only the functions of media/call touch it."""

    id: CallId
    house: House
    person: Person
    menu: Menu
    sounds: Sounds
    state: State = State.OPENING
    out: list[do.Command] = field(default_factory=list)
    legs: dict[LegId, LegState] = field(default_factory=dict)
    timers: set[type[on.Timer]] = field(default_factory=set)
    facts: int = 0  # written so far
    life: str = ""  # stands before the numbers of a callback's facts: another node wrote those of the call before
    number: str = ""  # of the customer we call back; "": the caller has called us
    version: int = 0  # of what the router knows
    # menu
    answered: bool = False  # we sent 200
    late_offer: bool = False  # the INVITE asked for our offer
    digits: str = ""  # pressed before the menu began
    menu_path: tuple[str, ...] = ()
    key_ms: int = 0  # how long the menu waits for a key, while the caller holds
    # what plays
    playing: Playing = Playing.NOTHING
    file: Path | None = None  # the one that plays, or will once the caller does not hold any more
    rest: tuple[Path, ...] = ()
    op: int = 0
    mute: int = 0  # prompts in a row that did not play
    # the agent
    wait: Wait | None = None
    rings: list[Ring] = field(default_factory=list)  # at most one seat of ours and one of another centre
    beaten: str = ""  # the offer that rang as well when the other one was answered, until the router is told
    turned_away: Reason.ValueType = Reason.REASON_UNSPECIFIED  # why a queue did not take the caller, until the next choice
    past: dict[str, Reason.ValueType] = field(default_factory=dict)  # offers that are over, and how we settled them
    faults: int = 0  # audio failures in a row while an agent was wanted
    contested: bool = False  # the router was told once that it is wrong about the conversation
    talk: Talk | None = None
    outcome: Outcome | None = None
    audio_open: bool = True  # until AudioClosed

    # ---- commands -----------------------------------------------------------------------------------------------
    def phone(self, command: ua.Command) -> None:
        """Tell the user agent."""
        self.out.append(do.Phone(command))

    def name(self, leg: LegId) -> ua.Leg:
        """The user agent's name of a leg of ours."""
        return ua.Leg(self.id, leg)

    def tell(self, frame: Frame) -> None:
        """Tell the router."""
        self.out.append(do.Tell(frame))

    def next_version(self) -> int:
        """The version of a frame that changes something."""
        self.version += 1
        return self.version

    def write(self, now: int, kind: str, body: dict[str, Any], agent: str = "", name: str = "") -> None:
        """Write a fact; fields with default values are left out of `body`. `name`: in place of its number.

        A call that another node may still take (we never answered it) names its facts after this node, so that they
        cannot be mistaken for that node's.
        """
        self.facts += 1
        number = name or (f"{self.life}{self.facts}" if self.answered else f"{self.house.node}:{self.facts}")
        slim = {key: value for key, value in body.items() if value}
        source = f"media:{self.house.node}"
        self.out.append(do.Write(Fact(f"{self.id}:m:{number}", now, self.house.tenant, source, kind, slim, self.id, agent)))

    def arm(self, timer: on.Timer, after_ms: int) -> None:
        """Have `timer` come back."""
        self.timers.add(type(timer))
        self.out.append(do.Arm(timer, after_ms))

    def disarm(self, *timers: type[on.Timer]) -> None:
        """Forget these timers; all when none is named."""
        for timer in timers or tuple(self.timers):
            if timer in self.timers:
                self.timers.discard(timer)
                self.out.append(do.Disarm(timer))

    # ---- what is so ---------------------------------------------------------------------------------------------
    @property
    def caller(self) -> LegState:
        """The caller's leg."""
        return self.legs[CALLER]

    @property
    def ring(self) -> Ring:
        """The seat whose agent has picked up. Only in states that have exactly one."""
        (one,) = self.rings
        return one

    def ring_of(self, leg: LegId) -> Ring | None:
        """What rings on this leg."""
        return next((ring for ring in self.rings if ring.leg.id == leg), None)

    def ring_named(self, offer: str) -> Ring | None:
        """What rings for this offer."""
        return next((ring for ring in self.rings if ring.offer.offer == offer), None)

    def ring_at(self, away: bool) -> Ring | None:
        """What rings at home, or (`away`) at another centre."""
        return next((ring for ring in self.rings if bool(ring.offer.centre) is away), None)

    @property
    def language(self) -> str:
        """What the caller wants to be spoken to in."""
        return self.menu.language

    @property
    def done(self) -> bool:
        """Nothing more comes: the legs are gone and the recording is filed, or was none."""
        return self.state is State.ENDED and (self.talk is None or not self.talk.recording)

    def profile(self) -> Profile:
        """What the agent shall know."""
        who = self.person
        head = (who.calling, who.called, who.trunk, who.home, self.language, self.menu_path)
        return Profile(*head, who.arrived_ms, who.vip, bool(self.number))

    def held(self) -> Assert | None:
        """What the router has to know after it forgot everything; None if it need not know this call."""
        if self.wait is None or self.state in (State.MENU, State.CLOSING, State.ENDED):
            return None
        ring = self.ring_at(away=False) or self.ring_at(away=True)  # of two that ring the one at home: the other is in the books
        if ring is None:
            return Assert(Held.WAITING, self.wait.enqueue)
        state, since = (Held.TALKING, self.talk.bridged_ms) if self.talk else (Held.RINGING, ring.since_ms)
        return Assert(state, self.wait.enqueue, ring.offer.offer, ring.offer.agent, since)


def home_of(text: str) -> Home:
    """Header X-Tierline-Home: `country;province;city;carrier`, each percent-encoded UTF-8. What is missing is ""."""
    parts = [unquote(part.strip()) for part in text.split(";")][:4]
    return Home(*parts)


def level_of(text: str) -> int:
    """Header X-Tierline-Vip: a whole number; anything else is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0


def new_call(call: CallId, house: House, invited: on.Invited, now: int) -> Call:
    """A call as it is when its INVITE arrives."""
    head = invited.headers
    person = Person(
        invited.calling,
        invited.called,
        head.get("x-tierline-trunk", ""),
        home_of(head.get("x-tierline-home", "")),
        head.get("x-tierline-routed", "") == "router",
        now,
        level_of(head.get("x-tierline-vip", "")),
        invited.asserted,
    )
    made = Call(call, house, person, *house.greet(invited.called))
    made.late_offer = not invited.sdp
    made.legs[CALLER] = LegState(CALLER, Phase.ASKED)
    made.caller.begin(invited.sdp)
    return made


def call_back(call: CallId, house: House, back: on.CallBack) -> Call:
    """A call whose customer we are to call, as it is when an agent is offered for it."""
    who = back.profile
    person = Person(who.calling, who.called, who.trunk, who.home, True, who.arrived_ms, who.vip)
    made = Call(call, house, person, *house.greet(who.called), state=State.SEATING)
    made.menu.language = who.language or made.menu.language
    made.menu_path, made.answered, made.number = who.menu_path, True, back.number
    made.version, made.life = back.version, f"k{back.version}:"
    made.wait = Wait(Enqueue(call, back.version, back.queue, back.priority, back.entered_ms, made.profile()))
    made.legs[CALLER] = LegState(CALLER, Phase.OPENING)
    return made

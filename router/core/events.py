"""What the store answers: frames for media nodes and views. Enum values travel by name, times are UTC ms."""

from __future__ import annotations

from dataclasses import dataclass

from router.core.remote import ToCentre

ASKER = ""  # holder: the stream the message came by


@dataclass(frozen=True, slots=True)
class Queued:
    """Where a call stands in its line."""

    call: str
    position: int  # from 1
    waiting: int
    expected_ms: int = 0  # how long it will probably wait still


@dataclass(frozen=True, slots=True)
class CallBack:
    """A customer to be called back: what a node that has no such call must know of it."""

    number: str
    version: int
    queue: str
    priority: int
    entered_ms: int
    tries: int
    profile: bytes = b""


@dataclass(frozen=True, slots=True)
class Offer:
    """Ring this agent's seat for this call."""

    call: str
    offer: str
    agent: str
    seat: str
    expires_ms: int
    centre: str = ""  # whose agent; "": ours
    uri: str = ""  # what to dial for another centre's
    callback: CallBack | None = None  # the node has no such call: it makes one


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Stop ringing."""

    call: str
    offer: str
    reason: str


@dataclass(frozen=True, slots=True)
class Release:
    """The call is not ours any more."""

    call: str
    reason: str


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """The queue takes the call not (any more)."""

    call: str
    queue: str
    reason: str
    closed: str = ""  # text of an emergency closing


Frame = Queued | Offer | Withdraw | Release | TurnedAway


@dataclass(frozen=True, slots=True)
class ToNode:
    """A frame for a media node, by the router that holds its stream (ASKER: by the stream that asked)."""

    node: str
    holder: str
    frame: Frame


@dataclass(frozen=True, slots=True)
class CallSeen:
    """A call as it is now."""

    call: str
    state: str
    queue: str = ""
    agent: str = ""
    priority: int = 0
    entered_ms: int = 0
    answered_ms: int = 0
    profile: bytes = b""


@dataclass(frozen=True, slots=True)
class AgentSeen:
    """An agent as it is now."""

    agent: str
    state: str
    seat: str = ""
    reason: str = ""
    since_ms: int = 0
    next: str = ""
    until_ms: int = 0  # end of after-call work
    skills: tuple[tuple[str, int], ...] = ()
    version: int = 0
    call: CallSeen | None = None


Effect = ToNode | AgentSeen | ToCentre


@dataclass(frozen=True, slots=True)
class QueueSeen:
    """A line as it is now."""

    queue: str
    waiting: int
    oldest_entered_ms: int  # of the one at the head; 0 if nobody waits
    ready: int
    talking: int
    callbacks: int  # of those who wait, who are to be called back
    resting: int  # to be called back as well, but not yet again: in no line between two tries


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """A media node as it is now."""

    node: str
    uri: str
    epoch: int
    session: int
    draining: bool
    calls: int
    routed: int  # calls sent to it since its last heartbeat
    seen_ms: int
    holder: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a call goes: to a node, or refused for a reason."""

    node: str = ""
    uri: str = ""
    refused: str = ""
    vip: int = 0  # level of a VIP caller


@dataclass(frozen=True, slots=True)
class Expired:
    """What serving the timers did."""

    effects: tuple[Effect, ...]
    offers: int = 0
    after_calls: int = 0
    nodes: int = 0
    more: bool = False  # the limit was reached: ask again at once
    next_ms: int = 0  # when the earliest timer is due now; 0: there is none

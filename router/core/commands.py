"""What is asked of the store, one line of meaning per field. Enum values travel by name (REASON_HANGUP), times are UTC ms."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class From:
    """Which session of which media node a message came by."""

    node: str
    session: int  # number that hello gave out


@dataclass(frozen=True, slots=True)
class Enqueue:
    """A call enters a line, or repeats it."""

    call: str
    version: int
    queue: str
    priority: int  # 0..99, -1: the queue's own
    entered_ms: int
    profile: bytes = b""  # serialised routing.v1.CallProfile, kept as it is


@dataclass(frozen=True, slots=True)
class Assert:
    """A node's truth about one call."""

    state: str  # wait, ring, talk: the event of core/call.py
    enqueue: Enqueue
    offer: str = ""
    agent: str = ""
    since_ms: int = 0


@dataclass(frozen=True, slots=True)
class End:
    """The call is over."""

    call: str
    version: int
    reason: str  # name of common.v1.Reason
    side: str  # name of common.v1.Side
    ended_ms: int


@dataclass(frozen=True, slots=True)
class Hello:
    """A media node opens its session."""

    node: str
    uri: str
    epoch: int
    draining: bool
    calls: int
    holder: str  # id of the router that holds the stream


@dataclass(frozen=True, slots=True)
class RouteAsk:
    """Where does this call go?"""

    call: str
    trunk: str
    calling: str
    called: str
    diversion: str
    home: tuple[str, str, str, str]  # country, province, city, carrier
    listed_as: tuple[str, ...]  # keys under which the caller may stand in the blacklist, most exact first
    refused: str = ""  # refused already for this reason: only the fact is to be written


@dataclass(frozen=True, slots=True)
class QueueRule:
    """A configured queue."""

    id: str
    skill: str
    priority: int
    ring_ms: int
    after_ms: int  # 0: no after-call work


@dataclass(frozen=True, slots=True)
class Rules:
    """What all routers of a centre must agree on. The higher generation wins; the same one may be written again."""

    generation: int
    digest: str
    queues: tuple[QueueRule, ...]
    blacklist: tuple[tuple[str, int], ...]  # key -> until ms, 0 for ever


@dataclass(frozen=True, slots=True)
class Times:
    """Times that verbs need."""

    lost_ms: int = 10_000  # a node silent so long has lost its calls
    grace_ms: int = 3_000  # over the ring time before the router gives up on a media node's settle
    gap_ms: int = 3_000  # nobody served the timers for so long: an outage, nodes and offers get a second chance
    keep_ms: int = 300_000  # calls that are over stay known so long

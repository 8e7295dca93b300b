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
    city: str = ""  # home city of the caller, for the ring "city"
    customer: str = ""  # who calls, as a key that is the same at the next call; "" unknown
    agent: str = ""  # the agent it is meant for, "" none
    vip: int = 0  # level of a VIP caller, 0 none
    closed: str = ""  # REASON_CLOSED or REASON_EMERGENCY: nobody may enter now; who is in the line already stays


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
class Stage:
    """A rung of a queue's ladder: from `after_ms` of its wait on a call may go to these agents."""

    after_ms: int
    skill: str
    level: int = 9  # the worst that fits
    ring: str = "centre"  # city, centre, nation


@dataclass(frozen=True, slots=True)
class QueueRule:
    """A configured queue."""

    id: str
    skill: str
    priority: int
    ring_ms: int
    after_ms: int  # 0: no after-call work
    policy: str = "highest_skill"  # one of core/policy.POLICIES
    stages: tuple[Stage, ...] = ()  # in the order of after_ms, the first at 0; (): everybody with the skill
    vip_stages: tuple[Stage, ...] = ()  # of VIP callers; (): as the others
    own_ms: int = 0  # how long a call waits for its given or the customer's last agent alone
    max_waiting: int = 0  # 0: no limit
    max_wait_ms: int = 0  # 0: no limit


@dataclass(frozen=True, slots=True)
class Book:
    """The version of the rule book (ops/rulebook.py) that rules were made of, as it is kept beside them."""

    sha256: str = ""  # of the document; "": the rules are nobody's version (tests, simulation), and any version is newer
    who: str = ""
    why: str = ""
    document: str = ""  # JSON


@dataclass(frozen=True, slots=True)
class Rules:
    """What all routers of a centre must agree on. The higher generation wins; the same one may be written again."""

    generation: int  # version of the rule book
    digest: str
    queues: tuple[QueueRule, ...]
    blacklist: tuple[tuple[str, int], ...]  # key -> until ms, 0 for ever
    vip: tuple[tuple[str, int], ...] = ()  # key (as in the blacklist) -> level
    weights: tuple[tuple[str, int], ...] = ()  # agent -> share under weighted_random, where it is not 1
    cities: tuple[tuple[str, str], ...] = ()  # agent -> city of its seat, where it has one
    priority_worth_ms: int = 120_000  # a point of priority is worth so much waiting
    skills: tuple[tuple[str, tuple[tuple[str, int], ...]], ...] = ()  # agent -> skills; who is logged in has them at once
    book: Book = Book()


@dataclass(frozen=True, slots=True)
class Times:
    """Times that verbs need."""

    lost_ms: int = 10_000  # a node silent so long has lost its calls
    grace_ms: int = 3_000  # over the ring time before the router gives up on a media node's settle
    pause_ms: int = 2_000  # an agent whose offer failed through our fault gets no other one for so long
    gap_ms: int = 3_000  # nobody served the timers for so long: an outage, nodes and offers get a second chance
    look_ms: int = 500  # routers look at the timers so often; one that is due sooner they are told
    keep_ms: int = 300_000  # calls that are over stay known so long
    place_ms: int = 3_000  # a call that asked for another centre's agent and got no answer asks again
    failed_ms: int = 2_000  # a call that rang in vain elsewhere and then found nobody asks again no sooner
    up_ms: int = 5_000  # a seat of ours has answered another centre's caller: the home must confirm within this
    talked_ms: int = 1_000  # a seat of ours that was hung up on so long after its answer has talked, though nobody confirmed
    unheld_ms: int = 8_000  # what a home does not name for so long it has forgotten
    outside_ms: int = 10_000  # the edge lets a callback out so long after its offer
    callback_tries: int = 3  # so often a customer is called back
    callback_every_ms: int = 300_000  # with so much time between
    callback_number_day: int = 3  # callbacks to one number in a day (UTC)
    callback_day: int = 2_000  # and of the whole centre
    last_ms: int = 30 * 86_400_000  # a customer's last agent is remembered so long

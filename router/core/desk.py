"""The whole state of a centre's queues as plain data: rows, lines, timers, facts. No I/O, no clock.

This is the model that the Lua scripts are held against (tests/contract/test_store_stateful.py runs both with the same messages) and
what a simulation in virtual time runs on. The modules above it do the work: pools (where ready agents stand), lines (where calls
wait), moves (agents and offers), leave (how calls go), enter (how calls come), refile (new rules), verbs_* (what is asked from
outside). All share one step: `begin(now, asker)` .. `done()`. What a step writes goes to `facts`; a simulation that does not want
them sets `recording` to False and saves a third of the work.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from ops.facts import Fact
from router.core.agent import AgentState
from router.core.call import LIVE, CallState
from router.core.commands import Book, From, QueueRule, Times
from router.core.errors import ConfigMissing, UnknownAgent, UnknownQueue
from router.core.events import ASKER, AgentSeen, CallSeen, Effect, Frame, NodeSeen, QueueSeen, ToNode
from router.core.expect import Flow
from router.core.line import Line
from router.core.plan import ANY, Plan
from router.core.remote import Guest, Remote


@dataclass(slots=True)
class Agent:
    """An agent's row. `lined`: stands under its skills as ready."""

    id: str
    state: AgentState
    seat: str = ""
    reason: str = ""
    next: str = ""
    call: str = ""
    offer: str = ""
    skills: tuple[tuple[str, int], ...] = ()
    since: int = 0
    idle: int = 0
    until: int = 0
    ver: int = 0
    took: int = 0  # calls answered in this login
    idles: int = 0  # idle periods of this login that ended with a call,
    idled: int = 0  # and their sum, ms
    busy: int = 0  # since when the call at hand takes the agent; 0: none does
    lined: bool = False


@dataclass(slots=True)
class Call:
    """A call's row."""

    id: str
    state: CallState = CallState.UNKNOWN
    queue: str = ""
    offer: str = ""
    agent: str = ""
    node: str = ""
    last_offer: str = ""
    last_agent: str = ""
    prio: int = 0
    entered: int = 0
    answered: int = 0
    ver: int = 0  # the node's
    rv: int = 0  # ours
    sess: int = 0
    expires: int = 0
    profile: bytes = b""
    line: str = ""  # where it waits, besides the line of its queue: a class line or own:<agent>
    rung: int = 0  # stage of the ladder, OWN while it waits for its own agent
    own: str = ""  # the agent it is meant for, while it is
    city: str = ""
    customer: str = ""
    vip: int = 0
    callback: str = ""  # number to be called; "": the caller is (or was) on the line
    listed: str = ""  # keys under which that number may stand in the blacklist, with blanks between
    trunk: str = ""  # callback: by which it goes out; "any": by any
    tries: int = 0  # callback: so often an agent has taken it
    dialling: int = 0  # callback, talking: the agent has picked up, the customer not yet
    away: str = ""  # why its queue turned it away
    remote: Remote | None = None  # its placement elsewhere
    guest: Guest | None = None  # it is another centre's, an agent of ours is reserved for it
    gone_at: int = 0  # forgotten then; 0 while it lives


def fact_base(c: Call) -> str:
    """What ids of facts of a call begin with: the home's and those of centres that answer for it must differ."""
    return f"{c.id}:x{c.guest.n}" if c.guest else f"{c.id}:r"


@dataclass(slots=True)
class Node:
    """A media node's row."""

    id: str
    uri: str = ""
    epoch: int = 0
    sess: int = 0
    draining: bool = False
    calls: int = 0
    routed: int = 0
    seen: int = 0
    lost: bool = False
    holder: str = ""


@dataclass
class Desk:
    """All rows of one tenant. `facts` grows; who reads it may cut it."""

    tenant: str
    source: str
    times: Times
    agents: dict[str, Agent] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    queues: dict[str, QueueRule] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)  # queues that take no new calls
    plan: Plan = field(default_factory=Plan)  # the rules compiled
    black: dict[str, int] = field(default_factory=dict)
    generation: int = -1  # of the rules; -1: none yet
    digest: str = ""
    book: Book = field(default_factory=Book)  # the version of the rules
    vip: dict[str, int] = field(default_factory=dict)
    wait: dict[str, Line] = field(default_factory=dict)  # by queue
    lines: dict[str, Line] = field(default_factory=dict)  # class lines, and own:<agent>
    pools: dict[str, Line] = field(default_factory=dict)  # ready agents by "<order>:<skill>:<band>:<city or *>"
    clocks: dict[str, float] = field(default_factory=dict)  # of pools in the order `random`
    last: dict[str, tuple[str, int]] = field(default_factory=dict)  # customer -> last agent, known until
    staffed: dict[str, int] = field(default_factory=dict)  # by skill: agents who are neither away nor logged out
    flows: dict[str, Flow] = field(default_factory=dict)  # by queue
    due: Line = field(default_factory=Line)
    talking: dict[str, int] = field(default_factory=dict)
    tick: int = 0
    facts: list[Fact] = field(default_factory=list)
    links: tuple[str, int] = ("", 0)  # router that holds the links to other centres, and until when
    away: set[str] = field(default_factory=set)  # calls that ring or talk elsewhere
    guests: dict[str, set[str]] = field(default_factory=dict)  # home centre -> calls an agent of ours is reserved for
    lent: dict[str, int] = field(default_factory=dict)  # by skill: agents with calls of others
    doors: dict[str, str] = field(default_factory=dict)  # placement -> "<home> <seat>", for our edge (ops/keys.placement)
    outside: dict[str, str] = field(default_factory=dict)  # call -> "<number> <trunk>", for our edge (ops/keys.outside)
    dialogs: list[str] = field(default_factory=list)  # what our edge saw (ops/keys.dialogs)
    back_to: dict[str, str] = field(default_factory=dict)  # number -> the callback it asked for last
    back_day: int = 0
    back_count: dict[str, int] = field(default_factory=dict)  # of that day: by number, and "" all
    recording: bool = True
    graves: deque[tuple[int, str]] = field(default_factory=deque)  # calls that are over, by the time they are forgotten
    now: int = 0
    asker: str = ""
    effects: list[Effect] = field(default_factory=list)

    def begin(self, now_ms: int, by: From | None = None) -> None:
        """A step begins."""
        self.now, self.asker, self.effects = now_ms, by.node if by else "", []

    def done(self) -> list[Effect]:
        """What the step is to tell."""
        effects, self.effects = self.effects, []
        return effects

    def newer(self, was: int) -> int:
        """The next of a count that others remember: not one that was given out before the store forgot its last moments."""
        return max(was + 1, self.now)

    def agent(self, agent: str) -> Agent:
        """Raises UnknownAgent."""
        row = self.agents.get(agent)
        if row is None:
            raise UnknownAgent(agent)
        return row

    def agent_or_new(self, agent: str, state: AgentState) -> Agent:
        """An unknown one begins in `state`, without a seat."""
        row = self.agents.get(agent)
        if row is None:
            row = self.agents[agent] = Agent(agent, state, since=self.now, idle=self.now)
        return row

    def call(self, call: str) -> Call | None:
        """None if it is unknown or forgotten."""
        row = self.calls.get(call)
        if row is not None and 0 < row.gone_at <= self.now:
            del self.calls[call]
            return None
        return row

    def call_or_new(self, call: str) -> Call:
        """A new one is in no state that lasts: the verb gives it one and keeps it."""
        return self.call(call) or Call(call)

    def queue(self, queue: str) -> QueueRule:
        """Raises UnknownQueue, ConfigMissing."""
        self.need_rules()
        if queue not in self.queues:
            raise UnknownQueue(queue)
        return self.queues[queue]

    def need_rules(self) -> None:
        """A store without rules was emptied: nothing it says is true yet. Raises ConfigMissing."""
        if self.generation < 0:
            raise ConfigMissing("the store has no configuration")

    def waiting(self, queue: str) -> Line:
        """The line of a queue."""
        line = self.wait.get(queue)
        if line is None:
            line = self.wait[queue] = Line()
        return line

    def keep(self, c: Call) -> None:
        """The row stays; over calls for a while."""
        self.calls[c.id] = c
        if c.state in LIVE:
            c.gone_at = 0
            return
        c.gone_at = self.now + self.times.keep_ms
        self.graves.append((c.gone_at, c.id))
        while self.graves[0][0] <= self.now:
            self.call(self.graves.popleft()[1])

    def fact(self, kind: str, id_: str, at_ms: int, body: dict[str, Any], call: str = "", agent: str = "") -> None:
        """Write one; defaults are left out of the body."""
        if not self.recording:
            return
        slim = {k: v for k, v in body.items() if v not in ("", 0, None, "REASON_UNSPECIFIED", "SIDE_UNSPECIFIED")}
        self.facts.append(Fact(id_, at_ms, self.tenant, self.source, kind, slim, call, agent))

    def call_fact(self, c: Call, kind: str, body: dict[str, Any], agent: str = "") -> None:
        """A fact numbered by our version of the call."""
        c.rv += 1
        if self.recording:
            self.fact(kind, f"{fact_base(c)}:{self.now}:{c.rv}", self.now, body, c.id, agent)

    def emit(self, node: str, frame: Frame) -> None:
        """Tell a node; one without a stream is not told (it asserts its calls when it is back)."""
        holder = ASKER
        if not node:  # a guest: its home is told, not a node
            return
        if node != self.asker:
            holder = self.nodes[node].holder if node in self.nodes else ""
            if not holder:
                return
        self.effects.append(ToNode(node, holder, frame))

    # ---- views
    def see_call(self, call: str) -> CallSeen | None:
        """As the console sees it."""
        c = self.call(call) if call else None
        return CallSeen(c.id, c.state, c.queue, c.agent, c.prio, c.entered, c.answered, c.profile) if c else None

    def see(self, a: Agent) -> AgentSeen:
        """As the console sees it."""
        call = self.see_call(a.call)
        return AgentSeen(a.id, a.state, a.seat, a.reason, a.since, a.next, a.until, a.skills, a.ver, call)

    def see_queue(self, queue: str) -> QueueSeen:
        """As the console sees it."""
        line = self.waiting(queue)
        head = line.first()
        oldest = self.calls[head[1]].entered if head else 0
        numbers = (len(line), oldest, self.ready(self.queues[queue].skill), self.talking.get(queue, 0))
        back = sum(1 for _, call in line if self.calls[call].callback)
        return QueueSeen(queue, *numbers, back, sum(1 for at, member in self.due if self._rests(member, queue)))

    def _rests(self, timer: str, queue: str) -> bool:
        c = self.calls.get(timer[2:]) if timer[0] == "w" else None
        return c is not None and c.queue == queue and bool(c.callback) and not c.line

    def ready(self, skill: str) -> int:
        """How many agents of a skill are ready."""
        there = self.plan.layout(skill)
        names = (f"{there.orders[0]}:{skill}:{band}:{ANY}" for band in there.bands)
        return sum(len(self.pools[name]) for name in names if name in self.pools)

    def see_node(self, n: Node) -> NodeSeen:
        """As an operator sees it."""
        return NodeSeen(n.id, n.uri, n.epoch, n.sess, n.draining, n.calls, n.routed, n.seen, n.holder)

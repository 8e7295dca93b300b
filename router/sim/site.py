"""One centre in virtual time: a real Desk (router/core), driven by what callers, seats and clocks would do to it.

Theory. The desk decides everything; this module is the world around it. A caller comes (`enqueue`), hears offers being made, is
answered after the seats' time (`settle`), talks as long as chance gave it (`end`), or gives up when its patience is over. What
a media node would be told comes as effects and is carried out at once; what goes to other centres is handed to the nation
(nation.py). The desk's timers are served in the very millisecond they are due.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ops.facts import Fact
from router.core import verbs_calls, verbs_nodes
from router.core.commands import End, Enqueue, From, Hello, Rules, Times
from router.core.desk import Desk
from router.core.events import AgentSeen, Effect, Frame, Offer, Queued, Release, ToNode, TurnedAway, Withdraw
from router.sim.agenda import Agenda
from router.sim.back import Callbacks
from router.sim.scenario import Seats
from router.sim.tally import Count, Tally
from router.sim.traffic import Arrival

LONG_MS = 1 << 45
TIMES = Times(lost_ms=LONG_MS, gap_ms=LONG_MS, keep_ms=60_000)  # the twin's media nodes do not fail
FACTS = 4096  # facts are handed on in bunches
GOLDEN = 0.6180339887498949  # spreads the offers of one call evenly over 0..1
Sink = Callable[[list[Fact]], None]


@dataclass(slots=True)
class Caller:
    """A caller from the first word to the last."""

    id: str
    came: Arrival
    counts: tuple[Count, ...]
    at_ms: int
    version: int = 0
    expected_ms: int = -1  # told on entering; -1: not told
    ringing: dict[str, Offer] = field(default_factory=dict)
    offers: int = 0
    answered_ms: int = -1
    agent: str = ""
    over: bool = False
    back: bool = False  # has hung up and is to be called back
    dialling: str = ""  # the offer under which the customer's phone rings
    tries: int = 0  # so often it has

    def say(self) -> int:
        """Version of the next message about it."""
        self.version += 1
        return self.version


class Site:
    """A centre. `home` tells the site index of an agent."""

    def __init__(self, name: str, agenda: Agenda, tally: Tally, seats: Seats, home: dict[str, int], sink: Sink | None) -> None:
        self.name, self.agenda, self.tally, self.seats, self.home = name, agenda, tally, seats, home
        self.desk = Desk("main", f"router:{name}", TIMES)
        self.callers: dict[str, Caller] = {}
        self.by = From("m1", 1)
        self.sink = sink
        self.desk.recording = sink is not None
        self.abroad: Callable[[Effect], None] | None = None  # what goes to other centres
        self.changed: Callable[[], None] | None = None  # after each step: a report may be due
        self.missed: Callable[[str], None] = lambda agent: None  # an agent, ours or another centre's, let it ring
        self._armed = LONG_MS
        self.backs = Callbacks(self)
        self._carry: dict[type, Callable[[Any], None]] = {
            Queued: self._queued,
            Offer: self._offered,
            Withdraw: self._withdrawn,
            Release: self._released,
            TurnedAway: self._turned_away,
        }

    def open(self, rules: Rules) -> None:
        """The rules, and the media node that all callers of the twin are at."""
        self.step(None, verbs_nodes.sync_config, rules)
        self.step(self.by, verbs_nodes.hello, Hello(self.by.node, "", 1, False, 0, self.name))

    # ---- one step of the desk and what follows of it
    def step(self, by: From | None, verb: Callable[..., Any], *args: Any) -> Any:
        """Call a verb now, do what it says; its answer. Raises what the verb raises: the twin says nothing that is not allowed."""
        self.desk.begin(self.agenda.now, by)
        answer = verb(self.desk, *args)
        self._follow(self.desk.done())
        return answer

    def _follow(self, effects: list[Effect] | tuple[Effect, ...]) -> None:
        for effect in effects:
            if type(effect) is ToNode:
                self._tell(effect.frame)
            elif type(effect) is not AgentSeen and self.abroad is not None:
                self.abroad(effect)
        if len(self.desk.facts) > FACTS:
            self.flush()
        self._arm()
        if self.changed is not None:
            self.changed()

    def flush(self) -> None:
        """Hand the facts on."""
        facts, self.desk.facts = self.desk.facts, []
        if self.sink is not None:
            self.sink(facts)

    def _arm(self) -> None:
        head = self.desk.due.first()
        if head is not None and head[0] < self._armed:
            self._armed = int(head[0])
            self.agenda.at(self._armed, self._serve, self._armed)

    def _serve(self, at_ms: int) -> None:
        if at_ms != self._armed:
            return
        self._armed = LONG_MS
        more = True
        while more:
            self.desk.begin(self.agenda.now)
            done = verbs_nodes.expire(self.desk, 100)
            more = done.more
            self._follow(done.effects)

    # ---- callers
    def arrive(self, number: int, came: Arrival) -> None:
        """A caller asks for an agent."""
        now = self.agenda.now
        counts = self.tally.offer(came, f"{came.queue} VIP" if came.vip else came.queue)
        caller = Caller(f"{self.name}-{number}", came, counts, now)
        self.callers[caller.id] = caller
        words = Enqueue(
            caller.id, caller.say(), came.queue, -1, now, b"", came.city, came.customer, came.agent, came.vip
        )  # fmt: skip
        self.step(self.by, verbs_calls.enqueue, self.by, words)
        if caller.answered_ms < 0 and not caller.over:
            self.agenda.at(now + came.patience_ms, self._give_up, caller)

    def _give_up(self, caller: Caller) -> None:
        if caller.answered_ms >= 0 or caller.over or caller.back:
            return
        for count in caller.counts:
            count.abandoned += 1
            count.left_ms += self.agenda.now - caller.at_ms
        self._learn(caller)
        self.end(caller, "REASON_HANGUP")

    def end(self, caller: Caller, reason: str, side: str = "SIDE_CALLER") -> None:
        """It is over: hung up, or cut off."""
        if caller.over:
            return
        caller.over = True
        end = End(caller.id, caller.say(), reason, side, self.agenda.now)
        self.step(self.by, verbs_calls.end, end)
        del self.callers[caller.id]

    def _learn(self, caller: Caller) -> None:
        if caller.counts and caller.expected_ms > 0:
            self.tally.expected(caller.came.queue, caller.expected_ms, self.agenda.now - caller.at_ms)

    def cut(self, agents: set[str]) -> None:
        """The seats of these agents are gone: their talks end."""
        for caller in [one for one in self.callers.values() if one.agent in agents and one.answered_ms >= 0]:
            self.end(caller, "REASON_UNREACHABLE", "SIDE_SYSTEM")
        for caller in [one for one in self.callers.values() if one.agent in agents and one.dialling]:
            self.backs.failed(caller, caller.dialling, "REASON_UNREACHABLE")

    # ---- what the media node is told
    def _tell(self, frame: Frame) -> None:
        self._carry[type(frame)](frame)

    def _queued(self, frame: Queued) -> None:
        caller = self.callers.get(frame.call)
        if caller is not None and caller.expected_ms < 0:
            caller.expected_ms = frame.expected_ms
            self.backs.told(caller, frame)

    def _offered(self, frame: Offer) -> None:
        caller = self.callers.get(frame.call)
        if caller is None:
            return
        caller.ringing[frame.offer] = frame
        caller.offers += 1
        if (caller.came.chance + GOLDEN * caller.offers) % 1 * 1000 < self.seats.missed_per_mille:
            self.agenda.at(frame.expires_ms, self._missed, caller, frame)
        elif self.seats.answer_ms:
            self.agenda.at(self.agenda.now + self.seats.answer_ms, self._answered, caller, frame)
        else:
            self._answered(caller, frame)

    def _missed(self, caller: Caller, frame: Offer) -> None:
        if caller.ringing.pop(frame.offer, None) is None or caller.over:
            return
        self.tally.missed += 1
        args = (frame.call, caller.say(), frame.offer, "REASON_NO_ANSWER")
        self.step(self.by, verbs_calls.settle_failed, *args)
        self.missed(frame.agent.partition("@")[0])

    def _answered(self, caller: Caller, frame: Offer) -> None:
        if frame.offer not in caller.ringing or caller.over:
            return
        if caller.back:
            self.backs.picked(caller, frame)
            return
        now, caller.agent, caller.answered_ms = self.agenda.now, frame.agent.partition("@")[0], self.agenda.now
        caller.ringing.clear()
        args = (frame.call, caller.say(), frame.offer, now)
        self.step(self.by, verbs_calls.settle_answered, *args)
        self._count_answer(caller)
        self.agenda.at(now + caller.came.handling_ms, self.end, caller, "REASON_HANGUP")

    def _count_answer(self, caller: Caller) -> None:
        if caller.counts:
            self.tally.answer(caller.counts, self.agenda.now - caller.at_ms, self.home[caller.agent] != caller.came.site)
            self.tally.took(caller.agent, caller.came.handling_ms)
        self._learn(caller)

    def _withdrawn(self, frame: Withdraw) -> None:
        caller = self.callers.get(frame.call)
        if caller is not None:
            caller.ringing.pop(frame.offer, None)

    def _released(self, frame: Release) -> None:
        raise AssertionError(f"{self.name} gave {frame.call} up: {frame.reason}")

    def _turned_away(self, frame: TurnedAway) -> None:
        caller = self.callers.get(frame.call)
        if caller is None or caller.over:
            return
        for count in caller.counts:
            count.turned_away += 1
        self.agenda.at(self.agenda.now, self.end, caller, frame.reason, "SIDE_SYSTEM")

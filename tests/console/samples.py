"""Facts as the edge, router and media node write them, for whole calls of several fates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ops.facts import Fact
from ops.ids import uuid7

HOME = {"country": "CN", "province": "四川", "city": "成都", "carrier": "中国移动"}


class CallFacts:
    """Builds the facts of one call; `at` moves on by hand. Every method adds the facts of that step."""

    def __init__(self, at: int, n: int = 0, tenant: str = "main") -> None:
        self.call = uuid7(at, n.to_bytes(10, "big"))
        self.at, self.tenant = at, tenant
        self.facts: list[Fact] = []
        self.calling = f"138{n % 10**8:08d}"
        self._media = 0
        self._version = 0
        self.entered = 0
        self.offers = 0

    def add(self, kind: str, source: str, fact_id: str, agent: str = "", **body: Any) -> CallFacts:
        """Any fact of this call at the present time."""
        self.facts.append(Fact(fact_id, self.at, self.tenant, source, kind, body, self.call, agent))
        return self

    def wait(self, ms: int) -> CallFacts:
        """Let time pass."""
        self.at += ms
        return self

    def edge(self, kind: str, what: str, **body: Any) -> CallFacts:
        """A fact of the edge."""
        return self.add(kind, "edge:edge1", f"{self.call}:e:{what}", edge="edge1", **body)

    def media(self, kind: str, **body: Any) -> CallFacts:
        """A fact of the media node."""
        self._media += 1
        return self.add(kind, "media:m1", f"{self.call}:m:{self._media}", **body)

    def router(self, kind: str, agent: str = "", **body: Any) -> CallFacts:
        """A fact of the router."""
        self._version += 1
        return self.add(kind, "router:r1", f"{self.call}:r:{self.at}:{self._version}", agent, **body)

    def arrive(self, status: int = 200) -> CallFacts:
        """INVITE at the edge, routed, answered by the media node."""
        who = {"trunk": "telecom", "calling": self.calling, "called": "95500"}
        self.edge("edge_invite", "invite", **who, source_address="127.0.0.2", sip_call_id="x@y").wait(2)
        self.router("routed", **who, home=HOME, node="m1").wait(5)
        self.media("call_started", node="m1", **who, home=HOME, routed=True).wait(2)
        return self.edge("edge_outcome", "outcome", sip_status=status, sip_reason="OK", routed_by="router")

    def choose(self, item: str = "bill", menu: str = "main") -> CallFacts:
        """A menu choice after three seconds."""
        return self.wait(3000).media("menu_chosen", menu=menu, item=item, language="zh")

    def enqueue(self, queue: str = "bills") -> CallFacts:
        """Into the queue."""
        self.wait(1000)
        self.entered = self.at
        return self.router("enqueued", queue=queue, priority=5, entered_ms=self.at)

    def offer(self, agent: str = "a1", queue: str = "bills", seat: str = "8001") -> CallFacts:
        """Offered to an agent."""
        self.offers += 1
        self.router("offered", agent, queue=queue, offer=self.offer_id, seat=seat, waited_ms=self.at - self.entered)
        return self.state(agent, "offered", "ready", seat)

    @property
    def offer_id(self) -> str:
        """Id of the last offer."""
        return f"{self.call}-o{self.offers}"

    def fail_offer(self, agent: str = "a1", reason: str = "NO_ANSWER", queue: str = "bills") -> CallFacts:
        """The seat did not answer."""
        self.wait(20_000).router("offer_failed", agent, queue=queue, offer=self.offer_id, reason=f"REASON_{reason}")
        return self.state(agent, "not_ready", "offered", reason=reason.lower())

    def bridge(self, agent: str = "a1", queue: str = "bills") -> CallFacts:
        """Answered after four seconds."""
        waited = self.wait(4000).at - self.entered
        self.router("bridged", agent, queue=queue, offer=self.offer_id, waited_ms=waited, bridged_ms=self.at)
        return self.state(agent, "talking", "offered")

    def end(
        self, agent: str = "a1", talk: int = 30_000, side: str = "CALLER", queue: str = "bills", record: bool = True
    ) -> CallFacts:
        """Conversation, hang-up, after-call work, recording."""
        self.wait(talk)
        outcome = {"result": "RESULT_ANSWERED", "reason": "REASON_HANGUP", "side": f"SIDE_{side}", "sip_status": 200}
        self.media("call_ended", outcome=outcome, talk_ms=talk, language="zh", menu_path=["bill"])
        self.wait(1).router("agent_released", agent, queue=queue, talk_ms=talk, side=f"SIDE_{side}")
        self.state(agent, "after_call", "talking")
        if record:
            path = f"2026/01/02/{self.call}-{self.at - talk}.wav"
            size = {"duration_ms": talk, "talk_ms": talk, "bytes": talk * 32, "started_ms": self.at - talk}
            self.wait(300).media("recorded", path=path, sha256="ab" * 32, **size)
        return self

    def abandon(self, queue: str = "bills") -> CallFacts:
        """The caller hangs up while waiting."""
        waited = self.wait(7000).at - self.entered
        self.router("left_queue", queue=queue, reason="REASON_CALLER_LEFT", waited_ms=waited)
        outcome = {"result": "RESULT_ABANDONED", "reason": "REASON_HANGUP", "side": "SIDE_CALLER", "sip_status": 200}
        return self.media("call_ended", outcome=outcome, language="zh", menu_path=["bill"])

    def wish(self, queue: str = "bills") -> CallFacts:
        """The caller wants to be called back, and hangs up."""
        return self.wait(2000).router("callback_asked", queue=queue)

    def dial(self, agent: str = "a1", tries: int = 1, queue: str = "bills") -> CallFacts:
        """The agent has picked up, the customer's phone is called."""
        self.wait(900).router("callback_dialled", agent, queue=queue, offer=self.offer_id, trunk="telecom", tries=tries)
        return self.state(agent, "talking", "offered")

    def miss(self, agent: str = "a1", tries: int = 1, last: bool = False, queue: str = "bills") -> CallFacts:
        """The customer does not answer; `last`: it is given up."""
        self.wait(9000).router("agent_released", agent, queue=queue, talk_ms=9000, side="SIDE_CALLER")
        again = {} if last else {"again_ms": self.at + 300_000}
        self.router("callback_failed", agent, queue=queue, offer=self.offer_id, reason="REASON_NO_ANSWER", tries=tries, **again)
        if not last:
            return self
        outcome = {"result": "RESULT_ABANDONED", "reason": "REASON_NO_ANSWER", "side": "SIDE_SYSTEM"}
        self.router("left_queue", queue=queue, reason="REASON_NO_ANSWER", waited_ms=self.at - self.entered)
        return self.router("call_ended", outcome=outcome)

    def state(self, agent: str, state: str, previous: str, seat: str = "8001", reason: str = "") -> CallFacts:
        """The agent's state changes."""
        self._version += 1
        fact_id = f"{agent}:r:{self.at}:{self._version}"
        body = {"state": state, "previous": previous, "reason": reason, "seat": seat}
        shown = {name: value for name, value in body.items() if value}
        self.facts.append(Fact(fact_id, self.at, self.tenant, "router:r1", "agent_changed", shown, "", agent))
        return self


def answered(at: int, n: int = 0, agent: str = "a1") -> CallFacts:
    """A whole answered and recorded call."""
    return CallFacts(at, n).arrive().choose().enqueue().offer(agent).bridge(agent).end(agent)


def missed_then_answered(at: int, n: int = 0) -> CallFacts:
    """First seat does not answer, the second does."""
    return (
        CallFacts(at, n).arrive().choose().enqueue().offer("a1").fail_offer("a1").offer("a2").bridge("a2").end("a2", side="AGENT")
    )


def abandoned(at: int, n: int = 0) -> CallFacts:
    """The caller leaves while waiting."""
    return CallFacts(at, n).arrive().choose().enqueue().abandon()


def refused(at: int, n: int = 0) -> CallFacts:
    """A blacklisted caller."""
    made = CallFacts(at, n)
    who = {"trunk": "telecom", "calling": made.calling, "called": "95500"}
    made.edge("edge_invite", "invite", **who, source_address="127.0.0.2", sip_call_id="x@y").wait(2)
    made.router("routed", **who, home=HOME, refused="REASON_BLACKLISTED").wait(1)
    return made.edge("edge_outcome", "outcome", sip_status=603, sip_reason="Decline", routed_by="router")


def placed_out(at: int, n: int = 0) -> CallFacts:
    """At home: a caller of ours whom an agent of another centre answered."""
    made = CallFacts(at, n).arrive().choose().enqueue()
    made.offers += 1
    made.router("placed", "b1@hunan", queue="bills", offer=made.offer_id, centre="hunan", seat="2001", waited_ms=2000)
    return made.bridge("b1@hunan").end("b1@hunan")


def guest(at: int, n: int = 0, answered_here: bool = True) -> CallFacts:
    """There: another centre's caller for whom an agent of ours was reserved, and talked unless somebody else was first."""
    made = CallFacts(at, n)
    made.offers, made.entered = 1, at - 5000
    made.router("placed", "b1", queue="bills", offer=made.offer_id, home="hubei", centre="hunan", seat="2001", waited_ms=5000)
    leg = f"{made.call}.p1:lent"
    made.add("edge_invite", "edge:edge1", f"{leg}:e:invite", edge="edge1", trunk="hubei", called="2001", calling=made.calling)
    if not answered_here:
        made.wait(900).router("offer_failed", "b1", queue="bills", offer=made.offer_id, reason="REASON_ANSWERED_ELSEWHERE")
        return made.add("edge_outcome", "edge:edge1", f"{leg}:e:outcome", edge="edge1", sip_status=487, routed_by="placement")
    made.wait(900).add("edge_outcome", "edge:edge1", f"{leg}:e:outcome", edge="edge1", sip_status=200, routed_by="placement")
    made.router("bridged", "b1", queue="bills", offer=made.offer_id, waited_ms=5900, bridged_ms=made.at)
    return made.wait(30_000).router("agent_released", "b1", queue="bills", talk_ms=30_000, side="SIDE_CALLER")


def day(at: int, calls: int) -> Iterator[CallFacts]:
    """A mixture of calls, one every 20 ms."""
    makers = (answered, answered, missed_then_answered, abandoned, refused)
    for n in range(calls):
        yield makers[n % len(makers)](at + 20 * n, n)


def called_back(at: int) -> CallFacts:
    """A caller who asked for a callback, was busy at the first try and talked at the second, to the same agent."""
    made = CallFacts(at).arrive().choose().enqueue()
    made.router("callback_asked", queue="bills")
    made.wait(60_000).offer()
    made.router("callback_dialled", "a1", queue="bills", offer=made.offer_id, trunk="t1", tries=1)
    made.wait(8000).router("agent_released", "a1", queue="bills", talk_ms=8000, side="SIDE_CALLER")
    again = made.at + 300_000
    made.router("callback_failed", queue="bills", offer=made.offer_id, reason="REASON_BUSY", tries=1, again_ms=again)
    made.wait(300_000).offer()
    made.router("callback_dialled", "a1", queue="bills", offer=made.offer_id, trunk="t1", tries=2)
    return made.bridge().end()

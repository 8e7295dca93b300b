"""A country in virtual time: centres with their memory stores, media nodes, seats and edges, and a national router, over a link
that tests cut, delay, duplicate and reorder (tests/kit/link.py). The protocol is the product's own code."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tierline.federation.v1 import federation_pb2 as pb

from ops.clock import ManualClock
from ops.facts import Fact
from router.core.commands import End, Enqueue, From, Hello, QueueRule, Rules, Stage, Times
from router.core.errors import RouterError
from router.core.events import Effect, Offer, Release, ToNode, Withdraw
from router.core.remote import ToCentre
from router.federation import frames, gate
from router.federation.clerk import Clerk, Ours, Terms
from router.federation.links import Links
from router.federation.national import National
from router.federation.pace import Pace
from router.federation.traffic import Traffic
from router.store.memory import MemoryStore
from tests.kit.link import Address, Link

START = 1_760_000_000_000
NATION = "nation"
TICK_MS, HOLDING_MS, LOST_MS = 100, 5_000, 2_000
QUEUE = QueueRule("sales", "sales", 10, 8_000, 2_000, stages=(Stage(0, "sales"), Stage(1_000, "sales", 9, "nation")))
RULES = Rules(1, "one", (QUEUE,), ())


@dataclass(slots=True)
class Skewed:
    """A clock that goes wrong by `ms`."""

    right: ManualClock
    ms: int = 0

    def now_ms(self) -> int:
        return self.right.now_ms() + self.ms

    def mono_ms(self) -> int:
        return self.right.mono_ms()


@dataclass(slots=True)
class Call:
    """What the media node at home knows of a call."""

    id: str
    version: int = 1
    offers: dict[str, Offer] = field(default_factory=dict)
    talks: str = ""
    over: bool = False
    bridged: int = 0


class Centre:
    """A province: store, router, one media node, its seats and edge. `answers`: ms until a seat answers, None: never."""

    def __init__(self, country: Country, name: str, neighbours: Sequence[str] = ()) -> None:
        self.country, self.name = country, name
        self.store = MemoryStore("main", "r1", Times())
        realms = {one: f"{one}.example" for one in (*country.names, name)}
        ours = Ours("main", name, f"{name}.example", nation=NATION, realms=realms)
        self.terms = Terms(penalty_ms=1_000)
        self.clock = Skewed(country.clock, country.skew.get(name, 0))
        self.clerk = Clerk(self.store, self.post, self.clock, ours, lambda: self.terms)
        self.traffic = Traffic(self.clerk, Links(NATION, dict.fromkeys(neighbours, ""), name), self._push, country.run)
        self.neighbours = tuple(neighbours)
        self.pace, self.theirs = Pace(), Pace()
        self.calls: dict[str, Call] = {}
        self.rings: dict[str, tuple[str, str]] = {}  # placement -> seat state, home: our seats for others' calls
        self.answers: int | None = 300
        self.alarms: list[tuple[int, int, Callable[[], None]]] = []
        self.beat = START
        self.serial = 0
        self.lost_at: dict[str, int] = {}
        country.run(self._begin())

    async def _begin(self) -> None:
        await self.store.start(RULES, lambda _: None, lambda: None)
        await self.store.expire(100, self.now)
        await self.store.hold_links("r1", 10**9, self.now)
        session, _ = await self.store.hello(Hello("m1", "sip:m1", START, False, 0, "r1"), self.now)
        self.by = From("m1", session)

    @property
    def now(self) -> int:
        """As this centre knows it; alarms go by the country's time."""
        return self.clock.now_ms()

    @property
    def facts(self) -> list[Fact]:
        return self.store.desk.facts

    # ---- Node of the link
    def deadline(self) -> int | None:
        return min([self.beat, *(at for at, _, _ in self.alarms)])

    def tick(self, now: int) -> None:
        for alarm in sorted(a for a in self.alarms if a[0] <= now):
            self.alarms.remove(alarm)
            alarm[2]()
        if self.beat <= now:
            self.beat = now + TICK_MS
            self.country.run(self._beat())

    async def _beat(self) -> None:
        self.post((await self.store.expire(100, self.now)).effects)
        await self.store.heartbeat(self.by, False, 1, self.now)
        self.post((await self.store.dialogs(100, self.now))[1])
        report = await self.clerk.report()
        if NATION in self.traffic.links.open and self.pace.due(report, self.now):
            self._push(NATION, pb.FromCentre(report=report))
        if self.theirs.due(report, self.now):
            for name in self.country.centres:
                if self.name in self.country.centres[name].neighbours and self.country.joined(name, self.name):
                    self.country.send(self.name, name, pb.ToCentre(report=report))
        if self.now % HOLDING_MS < TICK_MS:
            await self.traffic.holding()
        for peer, at in tuple(self.lost_at.items()):
            if self.clock.mono_ms() >= at:
                del self.lost_at[peer]
                await self.traffic.lost()

    def receive(self, now: int, data: bytes, source: Address, transport: str) -> None:
        _, _, body = data.partition(b"\n")
        if source[0] == NATION and self.name not in self.country.linked:
            return  # it was under way when the link was cut
        if transport == "sip":
            self._sip(source[0], body.decode())
        elif transport == "down":
            self.traffic.frame(source[0], pb.ToCentre.FromString(body))
        else:
            self.country.run(self._neighbour(source[0], pb.FromCentre.FromString(body)))

    async def _neighbour(self, peer: str, frame: pb.FromCentre) -> None:
        """What our service does for a neighbour: NeighbourRole without its streams."""
        try:
            gate.sense(frame)
        except gate.Refused:
            return
        if frame.WhichOneof("body") == "place":
            held = await self.clerk.reserve(peer, frame.place)
            self.country.send(self.name, peer, frames.placed(held, self.name, self.clerk.uri(held)))
        elif frame.WhichOneof("body") not in ("report", "hello"):
            await self.clerk.take(peer, frame)

    def _push(self, peer: str, frame: pb.FromCentre) -> None:
        self.country.up(self.name, peer, frame)

    # ---- links as streams have them
    def open(self, peer: str) -> None:
        self.lost_at.pop(peer, None)
        self.pace.anew()
        self.traffic.opened(peer)
        self.country.run(self.traffic.holding())

    def close(self, peer: str) -> None:
        if peer in self.traffic.links.open:
            self.traffic.closed(peer)
            self.lost_at[peer] = self.clock.mono_ms() + LOST_MS

    # ---- what verbs tell
    def post(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, ToCentre):
                self.traffic.send(effect)
            elif isinstance(effect, ToNode):
                self._media(effect.frame)

    def do(self, verb: Callable[..., Any], *words: Any) -> None:
        """A verb, its effects delivered; a refusal does nothing."""

        async def work() -> None:
            try:
                self.post(await verb(*words, self.now))
            except RouterError as error:
                self.country.refused.append(f"{verb.__name__}: {error}")

        self.country.run(work())

    def later(self, ms: int, what: Callable[[], None]) -> None:
        self.serial += 1
        self.alarms.append((self.clock.mono_ms() + ms, self.serial, what))

    # ---- the media node
    def enqueue(self) -> Call:
        self.serial += 1
        call = Call(f"{self.name}-{self.serial}")
        self.calls[call.id] = call
        self.do(self.store.enqueue, self.by, Enqueue(call.id, 1, "sales", -1, self.now))
        return call

    def hang_up(self, call: Call, side: str = "SIDE_CALLER") -> None:
        if call.over:
            return
        call.over = True
        call.version += 1
        for offer in tuple(call.offers):
            self._stop(call, offer)
        if call.talks:
            self._end_leg(call, side)
        self.do(self.store.end, self.by, End(call.id, call.version, "REASON_HANGUP", side, self.now))

    def _end_leg(self, call: Call, side: str) -> None:
        if ".p" in call.talks:
            self.country.sip(self.name, call.talks, f"bye {call.talks} {side}")

    def _media(self, frame: object) -> None:
        call = self.calls.get(getattr(frame, "call", ""))
        if call is None or isinstance(frame, Release):
            return
        if isinstance(frame, Withdraw):
            self._stop(call, frame.offer)
        elif isinstance(frame, Offer) and frame.offer not in call.offers:
            if call.over or call.talks:
                return
            call.offers[frame.offer] = frame
            if frame.centre:
                self.country.routes[frame.offer] = (self.name, frame.centre)
                self.country.sip(self.name, frame.offer, f"invite {frame.offer}")
            elif self.answers is not None:
                self.later(self.answers, lambda: self._answered(call, frame.offer))

    def _stop(self, call: Call, offer: str) -> None:
        if call.offers.pop(offer, None) is not None and ".p" in offer:
            self.country.sip(self.name, offer, f"cancel {offer}")

    def _answered(self, call: Call, offer: str) -> None:
        if offer not in call.offers or call.talks or call.over:
            if ".p" in offer:
                self.country.sip(self.name, offer, f"bye {offer} SIDE_CALLER")
            return
        call.talks, call.version, call.bridged = offer, call.version + 1, call.bridged + 1
        del call.offers[offer]
        for other in tuple(call.offers):
            self._stop(call, other)
        self.do(self.store.settle_answered, self.by, call.id, call.version, offer, self.now)

    def _failed(self, call: Call, offer: str, reason: str) -> None:
        if call.offers.pop(offer, None) is not None and not call.over:
            call.version += 1
            self.do(self.store.settle_failed, self.by, call.id, call.version, offer, reason)

    # ---- the edge and the seats there; the answers of the seat at home
    def _sip(self, peer: str, text: str) -> None:
        what, placement, *detail = text.split(" ")
        if what in ("ok", "busy", "over"):
            call = self.calls[placement.rpartition(".p")[0]]
            if what == "ok":
                self._answered(call, placement)
            elif what == "busy":
                self._failed(call, placement, "REASON_BUSY")
            else:
                self.hang_up(call, "SIDE_AGENT")
        elif what == "invite":
            self._invited(peer, placement)
        elif placement in self.rings:
            state, _ = self.rings.pop(placement)
            seen = "over" if state == "up" else "failed"
            self._saw(f"{seen} {placement} {self.now} {detail[0] if detail else ''}".rstrip())

    def _invited(self, peer: str, placement: str) -> None:
        if placement in self.rings:
            return
        if not self.store.desk.doors.get(placement, "").startswith(peer + " "):
            self.country.sip(self.name, placement, f"busy {placement}")
            return
        self.rings[placement] = ("ringing", peer)
        if self.answers is not None:
            self.later(self.answers, lambda: self._picked_up(placement))

    def _picked_up(self, placement: str) -> None:
        if self.rings.get(placement, ("", ""))[0] == "ringing":
            self.rings[placement] = ("up", self.rings[placement][1])
            self._saw(f"up {placement} {self.now} 200")
            self.country.sip(self.name, placement, f"ok {placement}")

    def seat_hangs_up(self, placement: str) -> None:
        """The agent there ends the talk at the telephone."""
        if self.rings.pop(placement, ("", ""))[0] == "up":
            self._saw(f"over {placement} {self.now} SIDE_AGENT")
            self.country.sip(self.name, placement, f"over {placement}")

    def _saw(self, text: str) -> None:
        self.store.desk.dialogs.append(text)

    # ---- agents
    def agent(self, name: str, ready: bool = True) -> None:
        self.do(self.store.login, name, f"8{name}", (("sales", 1),))
        if ready:
            self.do(self.store.ready, name)

    def busy(self) -> list[str]:
        """Agents in an offer or talk."""
        return sorted(a.id for a in self.store.desk.agents.values() if a.state in ("offered", "talking"))


class Nation:
    """The national router."""

    def __init__(self, country: Country) -> None:
        self.country = country
        self.clock = Skewed(country.clock, country.skew.get(NATION, 0))
        self.logic = National({})
        self.beat = START

    def deadline(self) -> int | None:
        return self.beat

    def tick(self, now: int) -> None:
        if self.beat <= now:
            self.beat = now + TICK_MS
            self.country.pass_on(self.logic.tick(self.clock.now_ms()))

    def receive(self, now: int, data: bytes, source: Address, transport: str) -> None:
        if source[0] not in self.country.linked:
            return
        frame = pb.FromCentre.FromString(data.partition(b"\n")[2])
        with contextlib.suppress(gate.Refused):  # as FederationService does
            gate.sense(frame)
            self.country.pass_on(self.logic.take(source[0], frame, self.clock.now_ms()))

    def restart(self) -> None:
        """A new process: it knows nothing."""
        self.logic = National({})
        for name in self.country.centres:
            if name in self.country.linked:
                self.logic.joined(name)


class Country:
    """Centres by name, all linked to the nation at first. Frames carry "<from> <to>\\n" before them, for the rules of the link."""

    def __init__(self, *names: str, neighbours: bool = False, skew: Mapping[str, int] | None = None) -> None:
        """`skew`: centre (or the nation) -> ms by which its clock is ahead."""
        self.clock = ManualClock(START)
        self.skew = skew or {}
        self.link = Link(self.clock, 2)
        self.loop = asyncio.new_event_loop()
        self.linked: set[str] = set()  # centres with a link to the nation
        self.apart: set[tuple[str, str]] = set()  # pairs of centres without SIP or direct links
        self.lost: set[tuple[str, str]] = set()  # (from, to): frames of links that get lost though nobody has noticed yet
        self.routes: dict[str, tuple[str, str]] = {}  # placement -> home, there
        self.refused: list[str] = []
        self._running = False
        self._queue: list[Coroutine[Any, Any, None]] = []
        self.nation = Nation(self)
        self.names = names
        self.centres: dict[str, Centre] = {}
        for name in names:
            self.centres[name] = Centre(self, name, [n for n in names if n != name] if neighbours else ())
        self.link.join((NATION, 0), self.nation)
        for name, centre in self.centres.items():
            self.link.join((name, 0), centre)
        for name, centre in self.centres.items():
            self.join(name)
            for peer in centre.neighbours:
                centre.open(peer)

    def __getitem__(self, name: str) -> Centre:
        return self.centres[name]

    def close(self) -> None:
        self.loop.close()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """The memory store never waits, so a piece of work is done when this returns; one started by another runs after it."""
        self._queue.append(work)
        if self._running:
            return
        self._running = True
        while self._queue:
            self.loop.run_until_complete(self._queue.pop(0))
        self._running = False

    def wait(self, ms: int) -> None:
        self.link.run(ms)

    # ---- frames
    def up(self, centre: str, peer: str, frame: pb.FromCentre) -> None:
        if peer == NATION and centre in self.linked:
            self._send(centre, NATION, frame.SerializeToString(), "up")
        elif peer != NATION and self.joined(centre, peer):
            self._send(centre, peer, frame.SerializeToString(), "side")

    def send(self, source: str, to: str, frame: pb.ToCentre) -> None:
        self._send(source, to, frame.SerializeToString(), "down")

    def pass_on(self, out: Sequence[tuple[str, pb.ToCentre]]) -> None:
        for to, frame in out:
            if to in self.linked:
                self.send(NATION, to, frame)

    def sip(self, source: str, placement: str, text: str) -> None:
        home, there = self.routes[placement]
        to = there if source == home else home
        if self.joined(home, there):
            self._send(source, to, text.encode(), "sip")

    def _send(self, source: str, to: str, data: bytes, kind: str) -> None:
        if kind != "sip" and (source, to) in self.lost:
            return
        self.link.send((source, 0), (to, 0), f"{source} {to} {kind}\n".encode() + data, kind)

    def joined(self, one: str, other: str) -> bool:
        return (one, other) not in self.apart and (other, one) not in self.apart

    # ---- what tests do to links
    def join(self, name: str) -> None:
        self.linked.add(name)
        self.nation.logic.joined(name)
        self.centres[name].open(NATION)

    def cut(self, name: str) -> None:
        """The link to the nation is gone; what is under way is lost."""
        self.linked.discard(name)
        self.pass_on(self.nation.logic.left(name, self.nation.clock.now_ms()))
        self.centres[name].close(NATION)

    def fall_silent(self, name: str, ways: Sequence[tuple[str, str]], home_ms: int, nation_ms: int) -> None:
        """Frames of these ways get lost from now on; the centre notices after `home_ms`, the nation after `nation_ms`."""
        self.lost.update(ways)
        centre = self.centres[name]

        def nation_notices() -> None:
            self.linked.discard(name)
            self.pass_on(self.nation.logic.left(name, self.nation.clock.now_ms()))

        centre.later(home_ms, lambda: centre.close(NATION))
        centre.later(nation_ms, nation_notices)

    def mend(self, name: str) -> None:
        """What fell silent goes on."""
        self.lost.clear()
        self.join(name)

    def trouble(self, *, duplicate: bool = False, slow_ms: int = 0, match: bytes = b"") -> None:
        """Frames of centres (not SIP) that hold `match` come twice, or late."""

        def frames(data: bytes) -> bool:
            return data.partition(b"\n")[0].endswith((b" up", b" down", b" side")) and match in data

        if duplicate:
            self.link.duplicate(frames, apart_ms=max(5, slow_ms))
        else:
            self.link.slow(frames, slow_ms)

    # ---- what must hold
    def stuck(self) -> list[str]:
        """Agents that are still in a call; to be asked when all calls are over."""
        return [f"{agent}@{name}" for name, centre in self.centres.items() for agent in centre.busy()]

    def facts(self) -> dict[str, list[Fact]]:
        return {name: centre.facts for name, centre in self.centres.items()}

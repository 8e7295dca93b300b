"""A media node in virtual time: the real call logic and the real book of debts (media/), phones that answer when told to.

What it says to a router travels over a link as the bytes of gRPC messages; a stream that breaks loses what was on its way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tierline.routing.v1 import routing_pb2 as pb

from media.call import commands as do
from media.call import events as on
from media.call.call import Call, State, call_back, new_call
from media.call.engine import UNKNOWN
from media.call.frames import Assert, End, Frame
from media.call.leg import CALLER
from media.call.ports import House, QueueRule
from media.call.table import handle
from media.ivr import api as ivr
from media.record.api import Filed
from media.rpc.debts import Debts
from media.rpc.wire import from_router, to_router
from media.ua import api as ua
from ops.facts import Fact
from ops.ids import CallId, LegId
from tests.media.call import world as calls
from tests.properties.net import Net, Stream
from tests.router.kit import NODES

QUEUES = ("general", "bills", "tech")  # by the key that the caller presses
BEAT_MS, SILENCE_MS, BACKOFF_MS = 2_000, 6_000, 100


class Short(calls.Silence):
    """Nobody waits for the end of a prompt: nothing is played here."""

    def callback_noted(self, language: str) -> tuple[Path, ...]:
        return ()


class Menu(calls.Menu):
    """One key a queue."""

    def handle(self, event: ivr.Event, now_ms: int) -> list[ivr.Command]:
        if isinstance(event, ivr.Digit) and event.digit in "012":
            return [ivr.StopPlay(), ivr.EnterQueue(QUEUES[int(event.digit)])]
        return super().handle(event, now_ms)


def house(node: str) -> House:
    """Of one node: nothing is recorded, closing words are none."""
    queues = {queue: QueueRule(5_000, False, 1) for queue in QUEUES}
    return replace(calls.house(record=False), node=node, greet=_greet, queues=queues)


def _greet(called: str) -> tuple[Menu, calls.Sounds]:
    return Menu(called), Short()


CITIES = ("", "wuhan", "yichang")


@dataclass
class Live:
    """A call and what is under way for it."""

    call: Call
    timers: dict[type, tuple[int, on.Timer]] = field(default_factory=dict)
    legs: dict[LegId, str] = field(default_factory=dict)  # phones that ring or talk for it, but the caller's own: which
    rings: set[LegId] = field(default_factory=set)  # those of them that ring
    after: on.Offered | None = None  # a callback of the same call, for when this one is over (media/call/engine.py)


class MediaNode:
    """One process. `phones`: seat -> the leg that has it now, shared by all nodes: a phone has one call."""

    def __init__(self, net: Net, name: str, phones: dict[str, tuple[str, LegId]]) -> None:
        self.net, self.name, self.phones = net, name, phones
        self.address = (name, 1)
        self.calls: dict[str, Live] = {}
        self.facts: list[Fact] = []
        self.strange: list[do.Strange] = []
        self.debts = Debts()
        self.stream: Stream | None = None
        self.epoch = net.now
        self._seq = self._tries = 0
        self._heard = self._beat = self._again = net.now
        net.join(self.address, self)

    # ---- callers and phones -----------------------------------------------------------------------------------------
    def comes(self, call: str, key: str, who: int = 0) -> None:
        """A caller: answered, through the menu, into a line. One of six customers, some of a city, one a VIP."""
        home = f"CN;;{CITIES[who % 3]};"
        headers = {"x-tierline-trunk": "t1", "x-tierline-home": home, "x-tierline-vip": "2" if who % 6 == 5 else ""}
        invited = on.Invited("4001234", f"1381234567{who % 6}", calls.SDP, headers, asserted=True)
        self.calls[call] = Live(new_call(CallId(call), house(self.name), invited, self.net.now))
        self.feed(call, invited, on.CallerDigit(key))

    def presses(self, call: str, key: str) -> None:
        """A key: 9 leaves the line."""
        self.feed(call, on.CallerDigit(key))

    def leaves(self, call: str) -> None:
        """The caller hangs up."""
        self.feed(call, on.CallerGone())

    def ringing(self) -> list[tuple[str, LegId]]:
        """Phones that ring, oldest first."""
        return [(call, leg) for call, live in self.calls.items() for leg in live.legs if leg in live.rings]

    def picks_up(self, call: str, leg: LegId) -> None:
        """The agent, or the customer who is called back."""
        self.calls[call].rings.discard(leg)
        self.feed(call, on.SeatAnswered(leg, calls.SDP))

    def declines(self, call: str, leg: LegId, status: int) -> None:
        """The phone says no."""
        self._free(call, leg)
        self.feed(call, on.SeatFailed(leg, status))

    def puts_down(self, call: str) -> None:
        """The agent hangs up."""
        live = self.calls[call]
        for leg in [leg for leg in live.legs if leg != CALLER]:
            self._free(call, leg)
            self.feed(call, on.SeatGone(leg))

    def _free(self, call: str, leg: LegId) -> None:
        seat = self.calls[call].legs.pop(leg, "")
        self.calls[call].rings.discard(leg)
        if self.phones.get(seat) == (call, leg):
            del self.phones[seat]

    def of(self, *states: State) -> list[str]:
        """Calls in these states, oldest first."""
        return [call for call, live in self.calls.items() if live.call.state in states]

    # ---- the call's commands ------------------------------------------------------------------------------------------
    def feed(self, call: str, *events: on.Event) -> None:
        """Give a call these, and then what follows from them."""
        todo = deque(events)
        while todo and call in self.calls:
            live = self.calls[call]
            for command in handle(live.call, todo.popleft(), self.net.now):
                todo.extend(self._carry_out(live, command))
            if live.call.done:
                for leg in list(live.legs):
                    self._free(call, leg)
                del self.calls[call]
                if live.after is not None:
                    self._back(call, live.after)

    def _back(self, call: str, event: on.Offered) -> bool:
        """Make a call to a customer, now or when what we have of the call is over; False: we are making it."""
        live = self.calls.get(call)
        assert event.callback is not None
        if live is None:
            self.calls[call] = Live(call_back(CallId(call), house(self.name), event.callback))
            self.feed(call, event)
        elif live.call.number and live.call.state is not State.CLOSING:
            return False
        else:
            live.after = event
        return True

    def _carry_out(self, live: Live, command: do.Command) -> list[on.Event]:
        match command:
            case do.Tell(frame):
                self._tell(frame)
            case do.Arm(timer, after):
                live.timers[type(timer)] = (self.net.now + after, timer)
            case do.Disarm(kind):
                del live.timers[kind]
            case do.Write(fact):
                self.facts.append(fact)
            case do.Strange():
                self.strange.append(command)
            case do.Phone(asked):
                return self._phone(live, asked)
        return _at_once(live, command)

    def _phone(self, live: Live, asked: ua.Command) -> list[on.Event]:
        call = live.call.id
        match asked:
            case ua.Answer():
                return [on.CallerConfirmed(b"")]
            case ua.Invite(leg, target):
                return self._ring(live, leg.leg, target.removeprefix("sip:").partition("@")[0])
            case ua.Hangup(leg) | ua.Reject(leg) if leg.leg == CALLER:
                self._free(call, CALLER)
                return [on.CallerGone()]
            case ua.Hangup(leg):
                talks = live.call.state is not State.RINGING
                self._free(call, leg.leg)
                return [on.SeatGone(leg.leg) if talks else on.SeatFailed(leg.leg, 487)]
        return []

    def _ring(self, live: Live, leg: LegId, seat: str) -> list[on.Event]:
        if seat in self.phones:
            return [on.SeatFailed(leg, 486)]
        self.phones[seat] = (live.call.id, leg)
        live.legs[leg] = seat
        live.rings.add(leg)
        return [on.SeatProgress(leg, 180)]

    # ---- the stream to a router ----------------------------------------------------------------------------------------
    def _tell(self, frame: Frame) -> None:
        order = self.debts.owe(frame)
        if self.stream is not None:
            self._send([(order, frame)])

    def _send(self, frames: Sequence[tuple[int, Frame | pb.MediaFrame]]) -> None:
        assert self.stream is not None
        self.stream.send(pb.ToRouter(frames=[self._numbered(order, frame) for order, frame in frames]).SerializeToString())

    def _numbered(self, order: int, frame: Frame | pb.MediaFrame) -> pb.MediaFrame:
        self._seq += 1
        if isinstance(frame, pb.MediaFrame):
            frame.seq = self._seq
            return frame
        self.debts.sent(self._seq, order, frame)
        return to_router(self._seq, frame)

    def held(self) -> list[Assert]:
        """What a router must be told, the longest waiting first."""
        held = [one for live in self.calls.values() if (one := live.call.held())]
        return sorted(held, key=lambda one: (one.enqueue.entered_ms, one.call))

    def repeat(self) -> None:
        """Say again what is owed, as a node may that is unsure."""
        if self.stream is not None and len(self.debts):
            self._send(self.debts.restart(()))

    def _connect(self) -> None:
        self._tries += 1
        self.stream = self.net.connect(self, self._tries)
        if self.stream is None:
            self._again = self.net.now + BACKOFF_MS
            return
        self._seq, self._heard = 0, self.net.now
        hello = pb.Hello(tenant="main", node=self.name, uri=NODES[self.name], epoch=self.epoch, calls=len(self.calls))
        self._send([(0, pb.MediaFrame(hello=hello)), *self.debts.restart(self.held())])

    def broken(self, stream: Stream) -> None:
        """The stream is over."""
        if self.stream is stream:
            self.stream, self._again = None, self.net.now + BACKOFF_MS

    def message(self, stream: Stream, data: bytes) -> None:
        """From the router, in order."""
        if stream is not self.stream:
            return
        self._heard = self.net.now
        message = pb.ToMedia.FromString(data)
        for frame in message.frames:
            got = from_router(frame, 0, self.debts.frame)
            if got is None:
                continue
            if isinstance(got[1], on.Offered) and got[1].callback is not None and self._back(got[0], got[1]):
                continue
            if got[0] in self.calls:
                self._forget(*got)
                self.feed(*got)
            elif isinstance(got[1], on.Offered):
                self._nobody(got[0])
        self.debts.acked(message.ack)

    def _forget(self, call: str, event: on.FromRouter) -> None:
        live = self.calls[call]
        if live.after is not None and isinstance(event, on.Withdrawn) and live.after.offer == event.offer:
            live.after = None

    def _nobody(self, call: str) -> None:
        """An offer for a call that is not here: End, as media/call/engine.py says it."""
        self._tell(End(call, 1, UNKNOWN, self.net.now))

    def dies(self) -> None:
        """kill -9, and a new process: its calls are gone, what it owed too."""
        for call, live in self.calls.items():
            for leg in list(live.legs):
                self._free(call, leg)
        self.calls.clear()
        self.debts, self.epoch = Debts(), max(self.net.now, self.epoch + 1)
        if self.stream is not None:
            self.stream.cut()

    # ---- Node of tests/kit/link.py ---------------------------------------------------------------------------------------
    def receive(self, now: int, data: bytes, source: tuple[str, int], transport: str) -> None:
        """A datagram of a stream."""
        self.net.arrived(self.address, data, transport)

    def tick(self, now: int) -> None:
        """Timers of calls, heartbeat, reconnect."""
        due = [(at, call, kind) for call, live in self.calls.items() for kind, (at, _) in live.timers.items() if at <= now]
        for _, call, kind in sorted(due, key=lambda d: (d[0], d[1], d[2].__name__)):
            live = self.calls.get(call)
            if live is not None and kind in live.timers:
                self.feed(call, live.timers.pop(kind)[1])
        if self.stream is not None and now - self._heard > SILENCE_MS:
            self.stream.cut()
        if self.stream is None and now >= self._again:
            self._connect()
        if now >= self._beat + BEAT_MS:
            self._beat = now
            if self.stream is not None:
                self._send([(0, pb.MediaFrame(heartbeat=pb.Heartbeat(calls=len(self.calls))))])

    def deadline(self) -> int | None:
        """The next of them."""
        timers = [at for live in self.calls.values() for at, _ in live.timers.values()]
        stream = self._again if self.stream is None else self._heard + SILENCE_MS + 1
        return min([*timers, stream, self._beat + BEAT_MS])


def _at_once(live: Live, command: do.Command) -> list[on.Event]:
    """What rtpengine and the vault answer: everything works, at once."""
    match command:
        case do.OpenCaller():
            return [on.CallerOpened(calls.CALLER_SDP)]
        case do.OpenSeat(leg):
            return [on.SeatOpened(leg, calls.SEAT_SDP)]
        case do.Connect(leg):
            return [on.Paired(leg)]
        case do.CloseCall():
            return [on.AudioClosed()]
        case do.File():
            return [on.RecordingDone(Filed(live.call.id, "x", "x", 1, 1))]
    return []

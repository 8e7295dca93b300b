"""Parts for an engine that a test plays by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry

from media.call import events as on
from media.call.engine import Engine, Parts
from media.call.frames import Frame
from media.call.meters import Meters
from media.record.api import Filed, Job, NotFiled
from media.rtp import api as rtp
from media.ua import api as ua
from media.ua.errors import SipError
from ops.clock import SystemClock
from ops.facts import Fact
from ops.ids import CallId, LegId
from tests.media.call.world import CALLER_SDP, SDP, SEAT_SDP, house

CALL = CallId("0199aaaa-0000-7000-8000-000000000001")
A, B1 = ua.Leg(CALL, LegId("a")), ua.Leg(CALL, LegId("b1"))


class Phones:
    """A user agent that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[ua.Command] = []
        self.refuses: type | None = None  # kind of command that makes no sense at the moment
        self.tell: ua.Listener = lambda event: None

    def do(self, command: ua.Command) -> None:
        self.told.append(command)
        if self.refuses is not None and isinstance(command, self.refuses):
            raise SipError("not now")

    def listen(self, listener: ua.Listener) -> None:
        self.tell = listener


class Audio:
    """An rtpengine that says yes, but for the verbs in `broken`."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.sources: dict[ua.Leg, str] = {}
        self.broken: dict[str, rtp.RtpError] = {}
        self.press: Callable[[rtp.Digit], None] = lambda digit: None

    def _did(self, verb: str) -> None:
        self.done.append(verb)
        if verb in self.broken:
            raise self.broken[verb]

    def located(self, leg: ua.Leg, source: str) -> None:
        self.sources[leg] = source

    async def open_inbound(self, leg: ua.Leg, sdp: bytes) -> bytes:
        self._did("open_inbound")
        return CALLER_SDP

    async def open_outbound(self, leg: ua.Leg) -> bytes:
        self._did("open_outbound")
        return SEAT_SDP

    async def answered(self, leg: ua.Leg, sdp: bytes) -> None:
        self._did("answered")

    async def offer(self, leg: ua.Leg) -> bytes:
        self._did("offer")
        return SDP

    async def reoffer(self, leg: ua.Leg, sdp: bytes, music: Path | None = None) -> bytes:
        self._did("reoffer")
        return SDP

    async def pair(self, one: ua.Leg, other: ua.Leg) -> None:
        self._did("pair")

    async def connect(self, one: ua.Leg, other: ua.Leg, sdp: bytes, recorded: bool = False) -> None:
        self._did("connect")

    async def park(self, leg: ua.Leg) -> None:
        self._did("park")

    async def play(self, leg: ua.Leg, file: Path, repeat: int = 1) -> int:
        self._did("play")
        return 60_000

    async def stop(self, leg: ua.Leg) -> None:
        self._did("stop")

    async def record(self, leg: ua.Leg, name: str) -> None:
        self._did("record")

    async def stop_record(self, leg: ua.Leg) -> None:
        self._did("stop_record")

    async def look(self, leg: ua.Leg) -> rtp.LegAudio:
        return rtp.LegAudio(0, 0, 0)

    async def close(self, leg: ua.Leg) -> None:
        self._did("close")

    async def close_call(self, leg: ua.Leg) -> rtp.Senders:
        self._did("close_call")
        return {}

    def on_digit(self, listener: Callable[[rtp.Digit], None]) -> None:
        self.press = listener


class Vault:
    """Files everything."""

    async def file(self, job: Job) -> Filed | NotFiled:
        return Filed(job.call, "2026/11/22/x.wav", "ab", job.talk_ms, 44)


class Router:
    """Keeps the frames."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def send(self, frame: Frame) -> None:
        self.frames.append(frame)


class Ledger:
    """Keeps facts and leases."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.owned: set[str] = set()

    def write(self, fact: Fact) -> None:
        self.facts.append(fact)

    def own(self, call: str) -> None:
        self.owned.add(call)

    def disown(self, call: str) -> None:
        self.owned.discard(call)

    def kinds(self) -> list[str]:
        """What happened, in order."""
        return [fact.kind for fact in self.facts]


class Set:
    """An engine with all of the above."""

    def __init__(self, max_calls: int = 10) -> None:
        self.phones, self.audio, self.vault, self.router, self.ledger = Phones(), Audio(), Vault(), Router(), Ledger()
        self.registry = CollectorRegistry()
        meters = Meters(self.registry)
        parts = Parts(self.phones, self.audio, self.vault, self.router, self.ledger, SystemClock(), meters)
        self.engine = Engine(house(), parts, max_calls)
        self.clock = parts.clock

    def invite(self, call: CallId = CALL, sdp: bytes = SDP) -> None:
        """A caller."""
        self.phones.tell(ua.IncomingCall(ua.Leg(call, LegId("a")), "4001234", "13812345678", sdp, {}, ("127.0.0.1", 5060)))

    def offer(self, ring_ms: int = 20_000) -> None:
        """An agent for the call."""
        self.engine.on_router(CALL, on.Offered("o1", "alice", "8001", self.clock.now_ms() + ring_ms))

    def said(self, kind: type) -> list[ua.Command]:
        """What the user agent was told, of one kind."""
        return [command for command in self.phones.told if isinstance(command, kind)]

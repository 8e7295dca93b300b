"""A call in virtual time: its commands are kept and answered by hand, its timers fire when the test moves on."""

from __future__ import annotations

from pathlib import Path

from media.call import commands as do
from media.call import events as on
from media.call.call import Call, State, new_call
from media.call.frames import Frame
from media.call.leg import CALLER
from media.call.ports import House, QueueRule
from media.call.table import handle
from media.ivr import api as ivr
from media.record.api import Filed
from media.ua import api as ua
from ops.facts import Fact
from ops.ids import CallId, LegId

T0 = 1_760_000_000_000
SDP = b"v=0\r\nm=audio 30000 RTP/AVP 8\r\n"
CALLER_SDP = b"v=0\r\nm=audio 31000 RTP/AVP 8\r\n"
SEAT_SDP = b"v=0\r\nm=audio 31002 RTP/AVP 8\r\n"


class Menu:
    """A menu of one level: 0 and 1 are queues, # says goodbye, two silent times end it. Only a full line leads back to it."""

    def __init__(self, called: str = "") -> None:
        self.tries = 0
        self.parting = False
        self.language = "zh"
        self.menu = "main"
        self.callback_key = "1"

    def handle(self, event: ivr.Event, now_ms: int) -> list[ivr.Command]:
        match event:
            case ivr.Start():
                return [ivr.Play(("welcome", "choose"))]
            case ivr.Played():
                return [ivr.Goodbye()] if self.parting else [ivr.Wait(5000)]
            case ivr.TurnedAway(why):
                self.parting = why != ivr.FULL
                return [ivr.Play((why,))]
            case ivr.Digit("0" | "1" as digit):
                chosen = ivr.Chosen("main", "agent" if digit == "0" else "bills", "zh")
                return [ivr.StopPlay(), chosen, ivr.EnterQueue("general" if digit == "0" else "bills")]
            case ivr.Digit("#"):
                return [ivr.StopPlay(), ivr.Goodbye()]
            case ivr.Digit():
                return [ivr.StopPlay(), ivr.BadInput("main", "wrong", 1), ivr.Play(("choose",))]
        self.tries += 1
        return [ivr.Goodbye(no_input=True)] if self.tries > 1 else [ivr.BadInput("main", "none", 1), ivr.Play(("choose",))]


class Sounds:
    """Every prompt is one file of its name."""

    def prompt(self, name: str, language: str) -> tuple[Path, ...]:
        return (Path(f"{name}.{language}.au"),)

    def music(self) -> tuple[Path, ...]:
        return (Path("music.au"),)

    def transfer(self, language: str) -> tuple[Path, ...]:
        return (Path("transfer.au"),)

    def position(self, position: int, language: str) -> tuple[Path, ...]:
        return (Path("you_are.au"), Path(f"{position}.au"))

    def expected(self, minutes: int, language: str) -> tuple[Path, ...]:
        return (Path(f"wait_{minutes}.au"),)

    def unavailable(self, language: str) -> tuple[Path, ...]:
        return (Path("unavailable.au"),)

    def callback_offer(self, language: str) -> tuple[Path, ...]:
        return (Path("press_1.au"),)

    def callback_noted(self, language: str) -> tuple[Path, ...]:
        return (Path("noted.au"),)

    def ring_back(self) -> tuple[Path, ...]:
        return (Path("ring_back.au"),)

    def closing(self, language: str) -> tuple[Path, ...]:
        return (Path("closing.au"),)


class Silence(Sounds):
    """Nothing is published but the menu."""

    def closing(self, language: str) -> tuple[Path, ...]:
        return ()


def house(sounds: Sounds | None = None, record: bool = True) -> House:
    """A node as the tests have it."""
    heard = sounds or Silence()
    queues = {"general": QueueRule(20_000, True, ring_ms=20_000), "bills": QueueRule(0, False)}
    return House(
        "main", "m1", "tierline.local", "sip:127.0.0.1:5060", Path("spool"), lambda called: (Menu(called), heard), record, queues
    )


class World:
    """One call and everything it asked for. `feed` gives it an event, `later` lets time pass."""

    def __init__(self, sdp: bytes = SDP, sounds: Sounds | None = None, record: bool = True, vip: str = "") -> None:
        headers = {"x-tierline-trunk": "t1", "x-tierline-home": "CN;%E5%B9%BF%E4%B8%9C;;", "x-tierline-routed": "router"}
        headers["x-tierline-vip"] = vip
        self.now = T0
        self.invited = on.Invited("4001234", "13812345678", sdp, headers)
        self.call: Call = new_call(CallId("c1"), house(sounds, record), self.invited, self.now)
        self.done: list[do.Command] = []
        self.timers: dict[type, tuple[int, on.Timer]] = {}
        self.fresh = 0

    # ---- driving ------------------------------------------------------------------------------------------------
    def feed(self, *events: on.Event) -> World:
        """Give it these, one by one."""
        for event in events:
            for command in handle(self.call, event, self.now):
                self._take(command)
            assert set(self.timers) == self.call.timers
        return self

    def _take(self, command: do.Command) -> None:
        self.done.append(command)
        if isinstance(command, do.Arm):
            self.timers[type(command.timer)] = (self.now + command.after_ms, command.timer)
        elif isinstance(command, do.Disarm):
            del self.timers[command.timer]

    def later(self, ms: int) -> World:
        """Let time pass; what is due fires in its order."""
        end = self.now + ms
        while due := sorted((at, kind.__name__) for kind, (at, _) in self.timers.items() if at <= end):
            at, name = due[0]
            kind = next(k for k in self.timers if k.__name__ == name)
            self.now = at
            self.feed(self.timers.pop(kind)[1])
        self.now = end
        return self

    # ---- the usual way ------------------------------------------------------------------------------------------
    def menu(self) -> World:
        """Up to the menu."""
        return self.feed(self.invited, on.CallerOpened(CALLER_SDP), on.CallerConfirmed(b""))

    def queueing(self) -> World:
        """Up to the line."""
        return self.menu().feed(on.CallerDigit("0"))

    def offer(self, name: str = "o1", ring_ms: int = 20_000) -> on.Offered:
        """An agent."""
        return on.Offered(name, "alice", "8001", self.now + ring_ms)

    def away(self, name: str = "c1.p1", ring_ms: int = 20_000) -> on.Offered:
        """An agent of another centre."""
        return on.Offered(name, "bob", "8009", self.now + ring_ms, "hunan", f"sip:8009@hunan.tierline;placement={name}")

    def racing(self) -> World:
        """A seat of ours (b1) and one of another centre (b2) ring."""
        b2 = LegId("b2")
        return self.ringing().feed(self.away(), on.SeatOpened(b2, SEAT_SDP), on.SeatProgress(b2, 180))

    def ringing(self) -> World:
        """Up to the seat's 180."""
        return self.queueing().feed(self.offer(), on.SeatOpened(LegId("b1"), SEAT_SDP), on.SeatProgress(LegId("b1"), 180))

    def bridging(self) -> World:
        """Up to the seat's 200."""
        return self.ringing().feed(on.SeatAnswered(LegId("b1"), SDP))

    def talking(self) -> World:
        """Up to the conversation."""
        return self.bridging().feed(on.Paired(LegId("b1")))

    def close(self, seats: int = 1) -> World:
        """Let everything answer that is waited for."""
        self.feed(*(on.SeatGone(LegId(f"b{n + 1}")) for n in range(seats)))
        return self.feed(on.CallerGone(), on.AudioClosed())

    def filed(self) -> World:
        """The vault has the recording."""
        return self.feed(on.RecordingDone(Filed(self.call.id, "2026/01/01/c1.wav", "ab", 5000, 160_044)))

    # ---- looking ------------------------------------------------------------------------------------------------
    @property
    def state(self) -> State:
        """Where the call is."""
        return self.call.state

    def new(self) -> list[do.Command]:
        """What it asked for since the last time."""
        got, self.fresh = self.done[self.fresh :], len(self.done)
        return got

    def facts(self, kind: str = "") -> list[Fact]:
        """What it wrote."""
        return [c.fact for c in self.done if isinstance(c, do.Write) and kind in ("", c.fact.kind)]

    def frames(self) -> list[Frame]:
        """What it told the router."""
        return [c.frame for c in self.done if isinstance(c, do.Tell)]

    def sip(self) -> list[ua.Command]:
        """What it told the user agent."""
        return [c.command for c in self.done if isinstance(c, do.Phone)]

    def files(self) -> list[str]:
        """What it played."""
        return [c.file.name for c in self.done if isinstance(c, do.Play)]

    def verbs(self, kind: type) -> list[do.Command]:
        """What it asked of rtpengine, of one kind."""
        return [c for c in self.done if isinstance(c, kind)]


def caller_leg(world: World) -> ua.Leg:
    """The caller's leg."""
    return ua.Leg(world.call.id, CALLER)

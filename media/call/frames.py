"""What a call tells the router: the frames of tierline/routing/v1 as the call sees them; `media/rpc/wire.py` writes them."""

from __future__ import annotations

from enum import Enum

from tierline.common.v1.common_pb2 import Reason

from media.call.outcome import Outcome
from ops.values import dataclass


@dataclass(frozen=True, slots=True)
class Home:
    """Home area of the caller's number; "" is unknown."""

    country: str = ""
    province: str = ""
    city: str = ""
    carrier: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """What the agent is told about the call."""

    calling: str
    called: str
    trunk: str
    home: Home
    language: str
    menu_path: tuple[str, ...]
    arrived_ms: int
    vip: int = 0  # level of a VIP caller
    callback: bool = False  # we call the customer


@dataclass(frozen=True, slots=True)
class Enqueue:
    """The caller wants an agent. The same version again asks for the position."""

    call: str
    version: int
    queue: str
    priority: int  # -1: the queue's own
    entered_ms: int
    profile: Profile


class Held(Enum):
    """As what the node holds a call (Assert.State)."""

    WAITING = "waiting"
    RINGING = "ringing"
    TALKING = "talking"


@dataclass(frozen=True, slots=True)
class Assert:
    """The truth about a call that the router may have lost or got wrong."""

    state: Held
    enqueue: Enqueue
    offer: str = ""
    agent: str = ""
    since_ms: int = 0

    @property
    def call(self) -> str:
        """The call it is about."""
        return self.enqueue.call


@dataclass(frozen=True, slots=True)
class Settle:
    """How an offer went: answered_ms, or why not; of a callback first that the agent picked up (dialling_ms, trunk)."""

    call: str
    version: int
    offer: str
    answered_ms: int = 0
    failed: Reason.ValueType = Reason.REASON_UNSPECIFIED
    dialling_ms: int = 0
    trunk: str = ""


@dataclass(frozen=True, slots=True)
class Callback:
    """The caller hangs up and is to be called back: the call keeps its place."""

    enqueue: Enqueue
    number: str

    @property
    def version(self) -> int:
        """Of the wish."""
        return self.enqueue.version

    @property
    def call(self) -> str:
        """The call it is about."""
        return self.enqueue.call


@dataclass(frozen=True, slots=True)
class Cancel:
    """The caller leaves the line without an agent; the call goes on elsewhere."""

    call: str
    version: int
    reason: Reason.ValueType


@dataclass(frozen=True, slots=True)
class End:
    """The call is over."""

    call: str
    version: int
    outcome: Outcome
    ended_ms: int


Frame = Enqueue | Assert | Settle | Callback | Cancel | End

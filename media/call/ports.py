"""What the call needs of the house around it, beside the api modules of ua, rtp, ivr and record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from media.call.frames import Frame
from media.ivr import api as ivr
from ops.facts import Fact
from ops.numbering import Destinations


class Menu(Protocol):
    """One caller's walk through the menu (media/ivr/runner.py)."""

    language: str  # what the prompts of the last commands are to be spoken in

    @property
    def callback_key(self) -> str:
        """The key of a waiting caller who wants to be called back; "" there is none."""

    @property
    def menu(self) -> str:
        """Where the caller is: where to start again after the queue."""

    def handle(self, event: ivr.Event, now_ms: int) -> list[ivr.Command]:
        """What to do now, in order."""


class Sounds(Protocol):
    """Published prompts. What is not published is (): nothing is played, the call goes on."""

    def prompt(self, name: str, language: str) -> tuple[Path, ...]:
        """The prompt of that name."""

    def music(self) -> tuple[Path, ...]:
        """What waiting callers hear."""

    def transfer(self, language: str) -> tuple[Path, ...]:
        """`We are connecting you`: the caller has to wait."""

    def position(self, position: int, language: str) -> tuple[Path, ...]:
        """`You are number .. in the line`."""

    def expected(self, minutes: int, language: str) -> tuple[Path, ...]:
        """`You will wait about .. minutes`, from 1; () where the flow does not tell it."""

    def unavailable(self, language: str) -> tuple[Path, ...]:
        """The queue that the caller chose cannot take the call."""

    def callback_offer(self, language: str) -> tuple[Path, ...]:
        """`Press .. and we call you back`; () where the flow does not have it."""

    def callback_noted(self, language: str) -> tuple[Path, ...]:
        """`We will call you back, goodbye`."""

    def ring_back(self) -> tuple[Path, ...]:
        """What an agent hears while the customer's phone rings."""

    def closing(self, language: str) -> tuple[Path, ...]:
        """What a caller hears when the agent has hung up."""


class Router(Protocol):
    """The way to the router (media/rpc/session.py)."""

    def send(self, frame: Frame) -> None:
        """Send it, now or when a router is there again; never raises."""


class Ledger(Protocol):
    """The way to Redis (media/rpc/outbox.py). Nothing raises, nothing is lost while Redis is away."""

    def write(self, fact: Fact) -> None:
        """A fact, in order."""

    def own(self, call: str) -> None:
        """This node owns the dialogs of the call from now on."""

    def disown(self, call: str) -> None:
        """It is over."""


@dataclass(frozen=True, slots=True)
class QueueRule:
    """What a media node knows of a queue. A queue that it does not know gets these defaults: the router decides."""

    position_every_ms: int = 20_000  # 0: never
    record: bool = True
    callback_from_ms: int = 0  # who will probably wait longer may ask to be called back; 0: nobody may
    ring_ms: int = 0  # a seat rings so long; 0: not known, whatever it rings is long enough


@dataclass(frozen=True, slots=True)
class House:
    """What all calls of a node share."""

    tenant: str
    node: str
    realm: str  # SIP domain of seats
    edge: str  # next hop to seats: sip:host:port
    spool: Path  # where this node's rtpengine writes recordings
    greet: Callable[[str], tuple[Menu, Sounds]]  # by the called number: what is published now
    record: bool = True
    queues: Mapping[str, QueueRule] = field(default_factory=dict)
    destinations: Destinations = field(default_factory=Destinations)  # numbers that callbacks may dial
    trust_from: frozenset[str] = frozenset()  # trunks whose From is as good as an assertion

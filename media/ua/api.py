"""What the call logic sees of SIP: commands in, events out, legs by name. `media/net/endpoint.py` is the one implementation.

A leg is one dialog (or the INVITE that may become one). The endpoint does by itself: transactions, retransmissions, 100 Trying,
PRACK, ACK, digest answers to 401/407, OPTIONS, BYE of forked or late 2xx, session refresh, 481/491/500 answers, `INFO` 200s.
Everything else is an event. After `Ended` or `Failed` no event of that leg follows and the leg is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import NamedTuple, Protocol

from ops.ids import CallId, LegId
from ops.values import dataclass


class Leg(NamedTuple):
    """The name of a leg: its call and which one in the call. A tuple, because it is a key of most tables."""

    call: CallId
    leg: LegId


# ---- events -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class IncomingCall:
    """A new INVITE. The leg is `a`; the call id is X-Tierline-Call if there, else new. Answer, reject or ring it."""

    leg: Leg
    called: str  # user of the Request-URI, unescaped
    calling: str  # user of P-Asserted-Identity, else From; "" if withheld
    sdp: bytes  # b"" for a late offer
    headers: Mapping[str, str]  # by lower-case name: x-tierline-*, and as they came diversion, history-info, user-to-user
    source: tuple[str, int]
    peer: str = ""  # address that the INVITE came from before the edge; so in all events with an SDP
    asserted: bool = False  # `calling` is of P-Asserted-Identity


@dataclass(frozen=True, slots=True)
class Progress:
    """A provisional answer (101-199) to our INVITE."""

    leg: Leg
    status: int
    sdp: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """Our INVITE was answered 2xx; the ACK is sent by the endpoint."""

    leg: Leg
    sdp: bytes
    peer: str = ""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The ACK to our 2xx came; `sdp` if it carried the answer to a late offer."""

    leg: Leg
    sdp: bytes
    peer: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """Our INVITE failed: 3xx-6xx, 408 for no answer at all (timer B), 487 after our cancel."""

    leg: Leg
    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Reoffer:
    """re-INVITE or UPDATE with an offer (b"": none): answer with AcceptOffer or RejectOffer. Hold is seen by its direction."""

    leg: Leg
    sdp: bytes
    peer: str = ""


@dataclass(frozen=True, slots=True)
class Info:
    """An INFO, already answered 200 (what cannot be used is refused by the endpoint). A key press is `digit`, never in logs."""

    leg: Leg
    content_type: str
    body: bytes
    digit: str  # one of 0-9*#A-D, "" if it is no key press


@dataclass(frozen=True, slots=True)
class Ended:
    """The leg is over. remote: the other side ended it (BYE, or CANCEL before we answered); else we, or time ran out."""

    leg: Leg
    remote: bool
    cancelled: bool = False  # CANCEL before the answer
    lost: bool = False  # no ACK, dead session timer, 481: nobody there any more
    reason: str = ""  # RFC 3326 Reason header as it came


@dataclass(frozen=True, slots=True)
class Reanswered:
    """The end of our Reinvite: 2xx with the peer's answer, or the refusal (408: none came); the dialog stays as it was then."""

    leg: Leg
    status: int
    sdp: bytes
    peer: str = ""


Event = IncomingCall | Progress | Answered | Confirmed | Failed | Reoffer | Reanswered | Info | Ended


# ---- commands ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Ring:
    """Provisional answer to an incoming INVITE."""

    leg: Leg
    status: int = 180


@dataclass(frozen=True, slots=True)
class Answer:
    """200 to an incoming INVITE."""

    leg: Leg
    sdp: bytes


@dataclass(frozen=True, slots=True)
class Reject:
    """Final refusal of an incoming INVITE, 300-699."""

    leg: Leg
    status: int
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Invite:
    """Call somebody. Failed with 408 follows after `timeout_ms` without a final answer (the endpoint cancels)."""

    leg: Leg
    target: str  # Request-URI
    caller: str  # user part of From and P-Asserted-Identity
    sdp: bytes
    display: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    route: str = ""  # next hop as sip:host:port;transport=, "" resolves the target
    timeout_ms: int = 30_000


@dataclass(frozen=True, slots=True)
class Hangup:
    """End the leg in whatever state: reject 480, CANCEL or BYE. `reason`: value of a Reason header.

    Ended follows at once (the BYE is the endpoint's business); for an unanswered INVITE of ours Failed 487 when it ends.
    """

    leg: Leg
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AcceptOffer:
    """200 to a Reoffer."""

    leg: Leg
    sdp: bytes


@dataclass(frozen=True, slots=True)
class RejectOffer:
    """488 or another refusal of a Reoffer; the dialog stays as it was."""

    leg: Leg
    status: int = 488


@dataclass(frozen=True, slots=True)
class SendInfo:
    """Send an INFO inside the dialog."""

    leg: Leg
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Reinvite:
    """Offer anew inside the dialog; Reanswered follows. Glare (491) is repeated by the endpoint as RFC 3261 §14.1 says."""

    leg: Leg
    sdp: bytes


@dataclass(frozen=True, slots=True)
class Refresh:
    """Ask inside the dialog whether anybody is there: a session refresh, which changes nothing. 408, 481 or no answer at all in
    `patience_ms` (0: the 32 s of the transaction) ends the leg: Ended, lost. A leg that is not up is left alone."""

    leg: Leg
    patience_ms: int = 0


Command = Ring | Answer | Reject | Invite | Hangup | AcceptOffer | RejectOffer | SendInfo | Reinvite | Refresh
Listener = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Credentials:
    """Answers to a digest challenge (RFC 7616)."""

    user: str
    password: str = field(repr=False)


class UserAgent(Protocol):
    """What media/call and media/phone use. A command for an unknown leg is logged and has no effect: it crossed an Ended."""

    def do(self, command: Command) -> None:
        """Carry out a command now."""

    def listen(self, listener: Listener) -> None:
        """Where events go, in order, one at a time, never from inside `do`."""

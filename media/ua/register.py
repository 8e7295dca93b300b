"""Registration (RFC 3261 §10): one binding, refreshed before it runs out, tried again when refused.

`Registration` is a machine: trying -> up -> trying (refresh) ..., waiting after a refusal, leaving -> gone.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from media.ua.api import Credentials
from media.ua.context import Context, token
from media.ua.errors import SipError
from media.ua.headers import count, name_addr
from media.ua.message import Response
from media.ua.table import Table
from media.ua.tables import On
from media.ua.timer import Timer
from media.ua.uri import parse_uri
from media.ua.wire import Draft, hop_of, route_hop
from ops.values import dataclass

RETRY_MS = (2_000, 4_000, 8_000, 16_000, 30_000)  # pauses after refusals, the last one for ever


@dataclass(frozen=True, slots=True)
class Register:
    """Register `aor` at `registrar` (both SIP URIs). `route`: next hop, "" as in the settings or as the registrar says."""

    aor: str
    registrar: str
    credentials: Credentials | None = None
    expires_s: int = 300
    route: str = ""


@dataclass(frozen=True, slots=True)
class Registered:
    """What became of a registration: seconds > 0: bound so long; 0: not bound, `status` says why (408: nobody answered)."""

    aor: str
    seconds: int
    status: int


class At(StrEnum):
    """States."""

    TRYING = "trying"
    UP = "up"
    WAITING = "waiting"
    LEAVING = "leaving"
    GONE = "gone"


class Ev(StrEnum):
    """Events."""

    GRANTED = "2xx"
    BRIEF = "423"
    REFUSED = "refused"
    DUE = "timer"
    LEAVE = "command unregister"


class Act(StrEnum):
    """Actions."""

    SEND = "send REGISTER"
    REMOVE = "send REGISTER with Expires 0"
    TELL_UP = "tell that it is bound"
    TELL_DOWN = "tell that it is not"
    TELL_GONE = "tell that it was removed"
    REFRESH_LATER = "timer for the refresh"
    RETRY_LATER = "timer for the next try"
    STOP = "stop the timer"


_T, _U, _W, _L, _G = At.TRYING, At.UP, At.WAITING, At.LEAVING, At.GONE
REGISTRATION: Table[At, Ev, Act] = Table(
    "registration",
    {
        (_T, Ev.GRANTED): (_U, (Act.TELL_UP, Act.REFRESH_LATER)),
        (_T, Ev.BRIEF): (_T, (Act.SEND,)),
        (_T, Ev.REFUSED): (_W, (Act.TELL_DOWN, Act.RETRY_LATER)),
        (_T, Ev.LEAVE): (_L, (Act.STOP, Act.REMOVE)),
        (_U, Ev.DUE): (_T, (Act.SEND,)),
        (_U, Ev.LEAVE): (_L, (Act.STOP, Act.REMOVE)),
        (_W, Ev.DUE): (_T, (Act.SEND,)),
        (_W, Ev.LEAVE): (_G, (Act.STOP, Act.TELL_GONE)),
        (_L, Ev.GRANTED): (_G, (Act.TELL_GONE,)),
        (_L, Ev.BRIEF): (_G, (Act.TELL_GONE,)),
        (_L, Ev.REFUSED): (_G, (Act.TELL_GONE,)),
    },
    {
        _T: (Ev.DUE,),
        _U: (Ev.GRANTED, Ev.BRIEF, Ev.REFUSED),
        _W: (Ev.GRANTED, Ev.BRIEF, Ev.REFUSED),
        _L: (Ev.DUE, Ev.LEAVE),
        _G: tuple(Ev),
    },
)


class Registration:
    """One binding. `tell` hears of every change. Raises SipError for URIs that cannot be used."""

    def __init__(self, context: Context, command: Register, tell: Callable[[Registered], None]) -> None:
        self.context, self.command, self._tell = context, command, tell
        route = command.route or context.settings.route
        self._hop = route_hop(route) if route else hop_of(parse_uri(command.registrar))
        user = parse_uri(command.aor).user
        self._contact = f"sip:{user}@{context.contact}" + (";transport=tcp" if self._hop.transport == "tcp" else "")
        self._call_id, self._tag = token() + token(), token()
        self._seq, self._expires, self._refusals, self._round = 0, command.expires_s, 0, 0
        self._granted, self._status = 0, 0
        self._timer: Timer | None = None
        self.state = At.TRYING
        if command.credentials is not None:
            context.accounts[parse_uri(command.aor).number] = command.credentials

    def start(self, now: int) -> None:
        """Send the first REGISTER."""
        self._send(now, None)

    def leave(self, now: int) -> None:
        """Take the binding away."""
        self.step(now, Ev.LEAVE)

    def retire(self) -> None:
        """Say and send no more: another registration of the address takes over."""
        self._stop(0, None)
        self._round += 1

    def step(self, now: int, event: Ev) -> None:
        """Run the machine."""
        self.state, acts = REGISTRATION.step(self.state, event)
        for act in acts:
            _ACTS[act](self, now, None)

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def _ask(self, now: int, expires: int) -> None:
        command = self.command
        self._round += 1
        this = self._round
        addresses = (f"<{command.aor}>;tag={self._tag}", f"<{command.aor}>")
        draft = Draft("REGISTER", command.registrar, addresses, self._call_id, self._next_seq(), self._hop)
        draft.lines = [f"Contact: <{self._contact}>", f"Expires: {expires}"]

        def heard(now: int, response: Response | None, on: On) -> None:
            if this == self._round and on is not On.PROVISIONAL:  # answers to a REGISTER that was overtaken say nothing
                self._heard(now, response)

        self.context.ask(now, draft, self._next_seq, heard, command.credentials)

    def _heard(self, now: int, response: Response | None) -> None:
        self._status = response.status if response else 408
        if response is not None and response.status < 300:
            self._granted = self._seconds(response)
            self._refusals = 0
            self.step(now, Ev.GRANTED)
        elif response is not None and response.status == 423 and self._longer(response):
            self.step(now, Ev.BRIEF)
        else:
            self.step(now, Ev.REFUSED)

    def _seconds(self, response: Response) -> int:
        """What was granted: at our Contact, else in Expires, else what we asked for (RFC 3261 §10.2.4)."""
        try:
            for element in response.elements("contact"):
                address = name_addr(element)
                if address.uri == self._contact and "expires" in address.params:
                    return count(address.params["expires"], "expires")
            given = response.get("expires")
            return count(given, "Expires") if given else self._expires
        except SipError:
            return self._expires

    def _longer(self, response: Response) -> bool:
        try:
            least = count(response.get("min-expires"), "Min-Expires", 86_400)
        except SipError:
            return False
        longer, self._expires = least > self._expires, max(least, self._expires)
        return longer

    # ---- acts ---------------------------------------------------------------------------------------------------
    def _send(self, now: int, _: object) -> None:
        self._timer = None
        self._ask(now, self._expires)

    def _remove(self, now: int, _: object) -> None:
        self._ask(now, 0)

    def _up(self, _now: int, _: object) -> None:
        self._tell(Registered(self.command.aor, self._granted, self._status))

    def _down(self, _now: int, _: object) -> None:
        self._tell(Registered(self.command.aor, 0, self._status))

    def _refresh_later(self, now: int, _: object) -> None:
        self._timer = self.context.later(now, max(1, self._granted) * 800, self._due)

    def _retry_later(self, now: int, _: object) -> None:
        pause = RETRY_MS[min(self._refusals, len(RETRY_MS) - 1)]
        self._refusals += 1
        self._timer = self.context.later(now, pause, self._due)

    def _due(self, now: int, _: object) -> None:
        self._timer = None
        self.step(now, Ev.DUE)

    def _stop(self, _now: int, _: object) -> None:
        self.context.stop(self._timer)
        self._timer = None


_ACTS: dict[Act, Callable[[Registration, int, Any], None]] = {
    Act.SEND: Registration._send,
    Act.REMOVE: Registration._remove,
    Act.TELL_UP: Registration._up,
    Act.TELL_DOWN: Registration._down,
    Act.TELL_GONE: Registration._down,
    Act.REFRESH_LATER: Registration._refresh_later,
    Act.RETRY_LATER: Registration._retry_later,
    Act.STOP: Registration._stop,
}

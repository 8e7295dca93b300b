"""Session timers (RFC 4028): agreed in each INVITE and UPDATE, refreshed at half time by one side, dead without.

A caller that knows no session timers is refreshed by us (§9): it answers a re-INVITE or UPDATE as any other, or is not there.
"""

from __future__ import annotations

from media.ua.errors import BadHeader
from media.ua.headers import count, parameters
from media.ua.message import Message, Request, Response
from media.ua.settings import Settings
from media.ua.tables import TIMEOUT
from ops.values import dataclass


@dataclass(frozen=True, slots=True)
class Session:
    """What was agreed. seconds 0: no timer."""

    seconds: int = 0
    ours: bool = False  # we refresh

    @property
    def refresh_ms(self) -> int:
        """When the refresher acts, ms after the last refresh (RFC 4028 §7.2)."""
        return self.seconds * 500

    @property
    def death_ms(self) -> int:
        """When the session is over without a refresh (RFC 4028 §10): who waits for it gives up a little before the end; who
        refreshes waits to the end, and as long as an answer may take."""
        if self.ours:
            return max(self.seconds * 1000, self.refresh_ms + TIMEOUT + 1000)
        return (self.seconds - min(32, self.seconds // 3)) * 1000


NONE = Session()


@dataclass(frozen=True, slots=True)
class Expires:
    """A Session-Expires value."""

    seconds: int
    refresher: str  # uac, uas, "": open


def expires_of(message: Message) -> Expires | None:
    """Read Session-Expires; None without one. Raises BadHeader."""
    value = message.get("session-expires")
    if not value:
        return None
    number, semicolon, tail = value.partition(";")
    refresher = parameters(semicolon + tail).get("refresher", "").lower()
    if refresher not in ("", "uac", "uas"):
        raise BadHeader("Session-Expires refresher is neither uac nor uas")
    return Expires(count(number, "Session-Expires"), refresher)


def min_se(message: Message) -> int:
    """Min-SE in seconds, 0 without one. Raises BadHeader."""
    value = message.get("min-se").partition(";")[0]
    return count(value, "Min-SE") if value else 0


def too_small(request: Request, settings: Settings) -> bool:
    """Whether the request must be answered 422 with our Min-SE (RFC 4028 §9). Raises BadHeader."""
    expires = expires_of(request)
    return expires is not None and expires.seconds < settings.min_session_s


def agree(request: Request, settings: Settings) -> tuple[Session, list[str]]:
    """As the answering side: what holds from our 2xx on, and the header lines that say so. Raises BadHeader."""
    asked, can = expires_of(request), "timer" in request.options("supported")
    if asked is None:
        if not settings.session_s:
            return NONE, []
        return _say(Session(max(settings.session_s, min_se(request)), ours=True), require=False)
    ours = not can or asked.refresher == "uas"
    return _say(Session(asked.seconds, ours), require=can)


def _say(session: Session, require: bool) -> tuple[Session, list[str]]:
    lines = [f"Session-Expires: {session.seconds};refresher={'uas' if session.ours else 'uac'}"]
    return session, [*lines, "Require: timer"] if require else lines


def agreed(response: Response) -> Session:
    """As the asking side: what a 2xx says; one that cannot be read counts as none."""
    try:
        expires = expires_of(response)
    except BadHeader:
        return NONE
    if expires is None or not expires.seconds:
        return NONE
    return Session(max(expires.seconds, 3), expires.refresher != "uas")


def kept(response: Response, before: Session) -> Session:
    """What a 2xx to a refresh says; a peer that knows no session timers says nothing, and is refreshed by us as before."""
    now = agreed(response)
    return before if now == NONE and before.ours else now


def longer(response: Response, before: Session) -> Session:
    """What to ask for after a 422: no shorter than its Min-SE."""
    try:
        return Session(max(before.seconds, min_se(response)), before.ours)
    except BadHeader:
        return before


def ask_lines(seconds: int, settings: Settings, refresher: str = "") -> list[str]:
    """Header lines for a request of ours; none for 0 seconds."""
    if not seconds:
        return []
    mark = f";refresher={refresher}" if refresher else ""
    return [f"Session-Expires: {seconds}{mark}", f"Min-SE: {min(seconds, settings.min_session_s)}"]

"""What incoming and outgoing INVITE usages share: the dialog's requests in both directions, its offers, its session timer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from media.ua import api, identity, session
from media.ua.bodies import ACCEPTED, find, is_multipart
from media.ua.context import Context, nobody
from media.ua.dialog import Dialog
from media.ua.dtmf import ACCEPT, DIGITS, told
from media.ua.errors import SipError
from media.ua.headers import safe
from media.ua.message import Message, Request, Response
from media.ua.offers import GONE, REFRESH_AGAIN_MS, Offers
from media.ua.table import Table
from media.ua.tables import On
from media.ua.timer import Timer
from media.ua.transaction import Server
from media.ua.uri import escape_user
from media.ua.usage_tables import Act, Ev, Is
from media.ua.waiting import AckWait
from media.ua.wire import ALLOW, SDP, Answering, Draft

_SDP = frozenset([SDP])
Acts = dict[Act, Callable[[Any, int, Any], None]]


def sdp_of(message: Message) -> bytes:
    """The session description a message carries, alone or as one of several parts; b"" without one."""
    return part_of(message, _SDP)[1]


def part_of(message: Message, wanted: frozenset[str]) -> tuple[str, bytes]:
    """Kind and body of what a message carries of these kinds; the first of several parts. ("", b"") if there is nothing."""
    kind = message.content_type
    if not message.body or kind in wanted or not is_multipart(kind):
        return (kind, message.body) if message.body and kind in wanted else ("", b"")
    for one in wanted:
        try:
            body = find(message.get("content-type"), message.body, frozenset([one])).body
        except SipError:  # as good as no body: who sent it waits in vain for what it wanted
            return "", b""
        if body is not None:
            return one, body
    return "", b""


def reason_line(reason: str) -> list[str]:
    """A Reason header (RFC 3326), if there is a reason. Raises UnsafeText."""
    return ["Reason: " + safe(reason)] if reason else []


class Usage:
    """One leg. `step` runs the table of the subclass; its acts do the work."""

    __slots__ = (
        "_patience", "_session_timer",
        "contact", "context", "credentials", "dialog", "dialogs", "leg", "local_sdp", "offers", "peer_allows",
        "session", "state", "waiting",
    )  # fmt: skip
    TABLE: ClassVar[Table[Is, Ev, Act]]
    ACTS: ClassVar[Acts] = {}

    def __init__(self, context: Context, leg: api.Leg, state: Is, transport: str) -> None:
        self.context, self.leg, self.state = context, leg, state
        self.dialog: Dialog | None = None
        self.dialogs: dict[str, Dialog] = {}  # by the peer's tag, early ones too
        self.waiting: AckWait | None = None
        self.offers = Offers(self)
        self.credentials: api.Credentials | None = None
        self.peer_allows: frozenset[str] = frozenset()
        self.local_sdp = b""
        self.session = session.NONE
        self._session_timer: Timer | None = None
        self._patience: Timer | None = None  # who was asked whether anybody is there has so long to answer
        mark = ";transport=tcp" if transport == "tcp" and not context.settings.contact_host else ""
        self.contact = f"Contact: <sip:{escape_user(leg.call)}.{escape_user(leg.leg)}@{context.contact}{mark}>"
        context.legs[leg] = self

    def step(self, now: int, event: Ev, item: Any = None) -> None:
        """Run the machine. Raises NotInTable for a command that makes no sense in this state."""
        self.state, acts = self.TABLE.step(self.state, event)
        for act in acts:
            self.ACTS[act](self, now, item)

    # ---- requests of the peer inside the dialog -----------------------------------------------------------------
    def request(self, now: int, request: Request, server: Server) -> None:
        """A request of the peer: in order or 500, then by its method."""
        dialog = self.dialogs.get(request.from_tag)
        if dialog is None or not dialog.in_order(request):
            self.context.respond(now, server, Answering(500 if dialog else 481))
            return
        handler = self._BY_METHOD.get(request.method)
        if handler is None:
            self.context.respond(now, server, Answering(481))
        else:
            handler(self, now, request, server)

    def _bye(self, now: int, request: Request, server: Server) -> None:
        self.step(now, Ev.BYE, (request, server))

    def _offer(self, now: int, request: Request, server: Server) -> None:
        try:
            if session.too_small(request, self.context.settings):
                lines = [f"Min-SE: {self.context.settings.min_session_s}"]
                self.context.respond(now, server, Answering(422, lines=lines))
                return
            self.dialogs[request.from_tag].refresh(request)
        except SipError as error:
            self.context.respond(now, server, Answering(400, reason=str(error)))
            return
        self.offers.incoming(now, request, server)

    def _info(self, now: int, request: Request, server: Server) -> None:
        if "info-package" in request.index:
            self.context.respond(now, server, Answering(469, lines=["Recv-Info:"]))  # RFC 6086 §4.2.2: we know none
            return
        kind, body = part_of(request, DIGITS)
        digit, status = told(kind or request.content_type, body or request.body)
        self.context.respond(now, server, Answering(status, lines=["Accept: " + ACCEPT] if status == 415 else []))
        if status == 200 and self.state is not Is.OVER and self.leg in self.context.legs:
            self.context.events.append(api.Info(self.leg, request.content_type, request.body, digit))

    def _options(self, now: int, _request: Request, server: Server) -> None:
        lines = [self.contact, "Allow: " + ALLOW, "Accept: " + ACCEPTED, "Supported: 100rel, timer"]
        self.context.respond(now, server, Answering(200, lines=lines))

    def _prack(self, now: int, _request: Request, server: Server) -> None:
        self.context.respond(now, server, Answering(481))

    def prack(self, now: int, request: Request, server: Server) -> None:
        """A PRACK; only the incoming usage can have asked for one."""
        self._prack(now, request, server)

    _BY_METHOD: ClassVar[dict[str, Callable[[Usage, int, Request, Server], None]]] = {
        "BYE": _bye,
        "INVITE": _offer,
        "UPDATE": _offer,
        "INFO": _info,
        "OPTIONS": _options,
        "PRACK": lambda self, now, request, server: self.prack(now, request, server),
    }

    def ack(self, now: int, request: Request) -> None:
        """The ACK to a 2xx of ours, to the INVITE or to a re-INVITE."""
        waiting = self.waiting
        if waiting is None or waiting.cseq != request.cseq:
            return
        waiting.stop()
        self.waiting = None
        late = self.offers.acked()
        self.step(now, Ev.ACK, request)
        if self.state is Is.UP and not waiting.first and late and self.leg in self.context.legs:
            self.context.events.append(confirmed(self.leg, request))

    def cancel(self, now: int, request: Request, server: Server) -> None:
        """A CANCEL for an INVITE of the peer that is still open: the first one or a re-INVITE."""
        if not self.offers.cancel(now, server):
            self.step(now, Ev.CANCEL, request)

    # ---- requests of ours inside the dialog ---------------------------------------------------------------------
    def ask(self, now: int, draft: Draft, tell: Callable[[int, Response | None, On], None] = nobody) -> None:
        """Send a request inside the dialog other than ACK."""
        assert self.dialog is not None
        self.context.ask(now, draft, self.dialog.next_seq, tell, self.credentials)

    def send_info(self, now: int, command: api.SendInfo) -> None:
        """Send an INFO; a peer that does not know the dialog any more ends it."""
        if self.dialog is None:
            return
        draft = self.dialog.draft("INFO")
        draft.body, draft.content_type = command.body, safe(command.content_type)
        self.ask(now, draft, self.heard)

    def heard(self, now: int, response: Response | None, _on: On) -> None:
        """The answer to a request inside the dialog: 481, 408 and silence mean nobody is there (RFC 5057 §5.1)."""
        if response is None or response.status in GONE:
            self.step(now, Ev.LOST)

    def no_ack(self, now: int) -> None:
        """Nobody acknowledged our 2xx."""
        self.waiting = None
        self.step(now, Ev.NO_ACK)

    # ---- session timer ------------------------------------------------------------------------------------------
    def hold_session(self, now: int, agreed: session.Session) -> None:
        """Start the session timer anew as agreed."""
        self.context.stop(self._session_timer)
        self.session, self._session_timer = agreed, None
        if not agreed.seconds:
            return
        if agreed.ours:
            self._session_timer = self.context.later(now, agreed.refresh_ms, self._refresh)
        else:
            self._session_timer = self.context.later(now, agreed.death_ms, self._expire)

    def _refresh(self, now: int, _: object) -> None:
        self._session_timer = self.context.later(now, self.session.death_ms - self.session.refresh_ms, self._expire)
        self.offers.refresh(now)

    def _expire(self, now: int, _: object) -> None:
        self._session_timer = None
        self.step(now, Ev.LOST)

    def refresh_again(self, now: int, delay_ms: int = REFRESH_AGAIN_MS) -> None:
        """A refresh was refused by somebody who is there, or could not be sent: try again soon, the session does not end by it."""
        if self.session.ours and self.state is Is.UP:
            self.context.stop(self._session_timer)
            self._session_timer = self.context.later(now, delay_ms, self._refresh)

    def probe(self, now: int, patience_ms: int) -> None:
        """Command Refresh."""
        if self.state is not Is.UP:
            return
        if patience_ms and self._patience is None:
            self._patience = self.context.later(now, patience_ms, self._impatient)
        self.offers.refresh(now)

    def alive(self) -> None:
        """Somebody is there."""
        self.context.stop(self._patience)
        self._patience = None

    def _impatient(self, now: int, _: object) -> None:
        self._patience = None
        self.step(now, Ev.LOST)

    # ---- acts ---------------------------------------------------------------------------------------------------
    def add_dialog(self, dialog: Dialog) -> None:
        """Get the requests of this dialog from now on."""
        self.dialogs[dialog.key[2]] = dialog
        self.context.dialogs[dialog.key] = self

    def act_ok(self, now: int, item: tuple[Request, Server]) -> None:
        """Answer a BYE."""
        self.context.respond(now, item[1], Answering(200))

    def act_bye(self, now: int, item: object) -> None:
        """Send BYE on the dialog, with the reason of a Hangup."""
        if self.dialog is not None:
            draft = self.dialog.draft("BYE")
            draft.lines = reason_line(self.bye_reason(item))
            self.ask(now, draft)

    def bye_reason(self, item: object) -> str:
        """Value of Reason for a BYE or CANCEL."""
        return item.reason if isinstance(item, api.Hangup) else ""

    def act_ended(self, _now: int, _item: object) -> None:
        """Tell that we ended it."""
        self.tell_over(api.Ended(self.leg, remote=False))

    def act_lost(self, _now: int, _item: object) -> None:
        """Tell that nobody is there any more."""
        self.tell_over(api.Ended(self.leg, remote=False, lost=True))

    def act_remote(self, _now: int, item: tuple[Request, Server]) -> None:
        """Tell that they ended it."""
        self.tell_over(api.Ended(self.leg, remote=True, reason=item[0].get("reason")))

    def tell_over(self, event: api.Event) -> None:
        """The last event of the leg: its name is free afterwards."""
        if self.context.legs.pop(self.leg, None) is not None:
            self.context.events.append(event)

    def act_forget(self, now: int, _item: object) -> None:
        """Let go of everything but what repeats of a 2xx need."""
        self.alive()
        self.context.stop(self._session_timer)
        self._session_timer = None
        if self.waiting is not None:
            self.waiting.stop()
            self.waiting = None
        self.offers.stop(now)
        for dialog in self.dialogs.values():
            self.context.dialogs.pop(dialog.key, None)
        self.dialogs = {}
        self.local_sdp = b""


def confirmed(leg: api.Leg, ack: Request) -> api.Confirmed:
    """The event of an ACK. Nearly all come without an SDP: then nobody asks where it came from."""
    sdp = sdp_of(ack)
    return api.Confirmed(leg, sdp, identity.source_of(ack, "") if sdp else "")


COMMON: Acts = {
    Act.OK: Usage.act_ok,
    Act.BYE: Usage.act_bye,
    Act.TELL_ENDED: Usage.act_ended,
    Act.TELL_LOST: Usage.act_lost,
    Act.TELL_REMOTE: Usage.act_remote,
    Act.FORGET: Usage.act_forget,
}

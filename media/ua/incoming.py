"""A call that comes in: the UAS side of an INVITE usage."""

from __future__ import annotations

from typing import ClassVar

from media.ua import api, identity, session
from media.ua.context import Context, token
from media.ua.dialog import as_server
from media.ua.headers import safe
from media.ua.message import Request
from media.ua.reliable import Reliable
from media.ua.transaction import Server
from media.ua.usage import COMMON, Acts, Usage, confirmed, sdp_of
from media.ua.usage_tables import INCOMING, Act, Ev, Is, Talk
from media.ua.waiting import AckWait
from media.ua.wire import ALLOW, Answering
from ops.ids import CallId, LegId


class Incoming(Usage):
    """One incoming INVITE and the dialog it makes. Raises SipError from a request that cannot make a dialog."""

    __slots__ = ("agreed", "cseq", "invite_key", "late", "record_routes", "reliable", "server", "session_lines", "tag")
    TABLE = INCOMING

    def __init__(self, context: Context, now: int, request: Request, server: Server) -> None:
        self.tag = token()
        dialog = as_server(request, self.tag)
        self.agreed, self.session_lines = session.agree(request, context.settings)
        call = CallId(identity.call_of(request, context.new_call))
        if api.Leg(call, LegId("a")) in context.legs:
            call = CallId(context.new_call())  # the same call came twice on different dialogs: keep them apart
        super().__init__(context, api.Leg(call, LegId("a")), Is.RINGING, server.hop.transport)
        self.dialog = dialog
        self.record_routes = ["Record-Route: " + route for route in dialog.routes]
        self.add_dialog(dialog)
        self.server: Server = server
        self.late = not sdp_of(request)
        self.offers.begin(Talk.THEIRS)
        self.peer_allows = request.options("allow")
        wants = "100rel" in request.options("require")
        self.reliable = Reliable(context, server, request.cseq, self._no_prack) if wants else None
        self.invite_key, self.cseq = server.key, request.cseq
        context.invites[server.key] = self
        self._tell(request, server)

    def _tell(self, request: Request, server: Server) -> None:
        headers = identity.told_headers(request)
        source = (server.hop.host, server.hop.port)
        self.context.events.append(
            api.IncomingCall(
                self.leg,
                identity.called(request),
                identity.calling(request),
                sdp_of(request),
                headers,
                source,
                identity.source_of(request, server.hop.host),
                identity.asserted(request),
            )
        )

    def _no_prack(self, now: int) -> None:
        self.step(now, Ev.NO_PRACK)

    def prack(self, now: int, request: Request, server: Server) -> None:
        """A PRACK."""
        status = self.reliable.prack(now, request) if self.reliable else 481
        self.context.respond(now, server, Answering(status))

    # ---- acts ---------------------------------------------------------------------------------------------------
    def _final(self, now: int, what: Answering) -> bytes:
        if self.reliable is not None:
            self.reliable.stop()
        self.context.invites.pop(self.invite_key, None)
        return self.context.respond(now, self.server, what)

    def act_ring(self, now: int, item: api.Ring) -> None:
        """Send the provisional answer of a Ring."""
        what = Answering(item.status, self.tag, [*self.record_routes, self.contact, "Allow: " + ALLOW])
        if self.reliable is not None and item.status > 100:
            self.reliable.send(now, what)
        else:
            self.context.respond(now, self.server, what)

    def act_answer(self, now: int, item: api.Answer) -> None:
        """Send the 200 and repeat it until the ACK."""
        self.local_sdp = item.sdp
        lines = [self.contact, "Allow: " + ALLOW, "Supported: 100rel, timer", *self.session_lines]
        server = self.server
        server.tell_ack = self.ack  # from peers that reuse the branch of the INVITE
        data = self._final(now, Answering(200, self.tag, [*self.record_routes, *lines], item.sdp))
        wait = AckWait(self.context.wheel, self.context.transactions, server, data, self.no_ack)
        self.waiting = wait.start(now, self.cseq, first=True)
        self.offers.first_answer(self.late)
        self.hold_session(now, self.agreed)

    def act_refuse(self, now: int, item: api.Reject) -> None:
        """Send the refusal of a Reject."""
        lines = [f"{safe(name)}: {safe(value)}" for name, value in item.headers]
        self._final(now, Answering(item.status, self.tag, lines, reason=safe(item.reason)))

    def act_480(self, now: int, item: api.Hangup) -> None:
        """Refuse because of a Hangup."""
        self._final(now, Answering(480, self.tag, ["Reason: " + safe(item.reason)] if item.reason else []))

    def act_487(self, now: int, _item: object) -> None:
        """Refuse because it was cancelled."""
        self._final(now, Answering(487, self.tag))

    def act_504(self, now: int, _item: object) -> None:
        """Refuse because no PRACK came."""
        self._final(now, Answering(504, self.tag))

    def act_confirmed(self, _now: int, item: Request) -> None:
        """Tell that the ACK came."""
        self.context.events.append(confirmed(self.leg, item))

    def act_cancelled(self, _now: int, item: Request | tuple[Request, Server]) -> None:
        """Tell that they gave up before the answer."""
        request = item[0] if isinstance(item, tuple) else item
        self.tell_over(api.Ended(self.leg, remote=True, cancelled=True, reason=request.get("reason")))

    ACTS: ClassVar[Acts] = {
        **COMMON,
        Act.RING: act_ring,
        Act.ANSWER: act_answer,
        Act.REFUSE: act_refuse,
        Act.REFUSE_480: act_480,
        Act.REFUSE_487: act_487,
        Act.REFUSE_504: act_504,
        Act.TELL_CONFIRMED: act_confirmed,
        Act.TELL_CANCELLED: act_cancelled,
    }

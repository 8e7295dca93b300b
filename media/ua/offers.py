"""Offers inside a dialog: re-INVITE and UPDATE both ways, glare, session refresh (RFC 3261 §14, RFC 3311, RFC 4028 §10)."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from media.ua import api, session
from media.ua.errors import SipError
from media.ua.identity import source_of
from media.ua.message import Request, Response
from media.ua.sdp import is_sdp
from media.ua.tables import On
from media.ua.timer import Timer
from media.ua.transaction import Server
from media.ua.usage_tables import OFFERS, Is, Say, Talk, Turn
from media.ua.waiting import AckWait
from media.ua.wire import ALLOW, SDP, Answering

if TYPE_CHECKING:
    from media.ua.usage import Usage

GLARE_TRIES = 4
REFRESH_AGAIN_MS = 10_000
GONE = (408, 481)  # RFC 5057 §5.1


class Offers:
    """Whose offer is open in a dialog, and what answers it."""

    __slots__ = ("_late", "_open", "_quiet", "_retry", "_sdp", "_tries", "talk", "usage")

    def __init__(self, usage: Usage) -> None:
        self.usage = usage
        self.talk = Talk.STABLE
        self._open: tuple[Request, Server] | None = None  # their re-INVITE or UPDATE that waits for a command
        self._late = False  # our 2xx is the offer, the ACK brings the answer
        self._sdp = b""  # our offer that is out
        self._quiet = False  # it is a session refresh: nobody is told
        self._tries = 0
        self._retry: Timer | None = None

    def step(self, now: int, turn: Turn, item: Any = None) -> None:
        """Run the table."""
        self.talk, acts = OFFERS.step(self.talk, turn)
        for act in acts:
            _ACTS[act](self, now, item)

    # ---- the INVITE that makes the dialog -----------------------------------------------------------------------
    def begin(self, talk: Talk) -> None:
        """The first INVITE went out or came in: its offer is open (an INVITE without one counts as theirs)."""
        self.talk = talk

    def first_answer(self, late: bool) -> None:
        """It was answered 2xx; `late`: our 2xx is the offer."""
        self.talk, self._late = (Talk.OURS, True) if late else (Talk.STABLE, False)

    def acked(self) -> bool:
        """The ACK to a 2xx of ours came; True if it must bring the answer to a late offer."""
        late, self._late = self._late, False
        if late:
            self.talk = Talk.STABLE
        return late

    # ---- theirs -------------------------------------------------------------------------------------------------
    def incoming(self, now: int, request: Request, server: Server) -> None:
        """A re-INVITE or UPDATE. An UPDATE without offer only refreshes the session: 200 at once."""
        fault = is_sdp(request.body) if request.body else ""
        if fault:
            self.usage.context.respond(now, server, Answering(488, lines=[_warning(self.usage, fault)]))
        elif request.method == "UPDATE" and not request.body:
            self._accept(now, (request, server), b"")
        else:
            self.step(now, Turn.OFFER, (request, server))

    def accept(self, now: int, sdp: bytes) -> None:
        """Command AcceptOffer."""
        late = self._open is not None and not self._open[0].body
        self.step(now, Turn.ACCEPT_LATE if late else Turn.ACCEPT, sdp)

    def reject(self, now: int, status: int) -> None:
        """Command RejectOffer."""
        self.step(now, Turn.REJECT, status)

    def cancel(self, now: int, server: Server) -> bool:
        """A CANCEL came for the INVITE of `server`; True if that is the open re-INVITE."""
        if self._open is None or self._open[1] is not server:
            return False
        self.step(now, Turn.WITHDRAW, 487)
        return True

    def _tell(self, _now: int, item: tuple[Request, Server]) -> None:
        request, server = self._open = item
        if request.method == "INVITE":
            self.usage.context.invites[server.key] = self.usage
        self.usage.context.events.append(api.Reoffer(self.usage.leg, request.body, source_of(request, server.hop.host)))

    def _say_retry(self, now: int, item: tuple[Request, Server]) -> None:
        lines = [f"Retry-After: {random.randint(0, 10)}"]
        self.usage.context.respond(now, item[1], Answering(500, lines=lines))

    def _say_glare(self, now: int, item: tuple[Request, Server]) -> None:
        self.usage.context.respond(now, item[1], Answering(491))

    def _say_accept(self, now: int, sdp: bytes) -> None:
        if self._open is not None:
            item, self._open = self._open, None
            self._late = not item[0].body
            self._accept(now, item, sdp)

    def _say_refuse(self, now: int, status: int) -> None:
        if self._open is not None:
            (_, server), self._open = self._open, None
            self.usage.context.invites.pop(server.key, None)
            self.usage.context.respond(now, server, Answering(status))

    def _accept(self, now: int, item: tuple[Request, Server], sdp: bytes) -> None:
        (request, server), usage = item, self.usage
        usage.context.invites.pop(server.key, None)
        try:
            agreed, lines = session.agree(request, usage.context.settings)
        except SipError:
            agreed, lines = session.NONE, []
        usage.local_sdp = sdp or usage.local_sdp
        what = Answering(200, lines=[usage.contact, "Allow: " + ALLOW, "Supported: 100rel, timer", *lines], body=sdp)
        data = usage.context.respond(now, server, what)
        if request.method == "INVITE":
            if usage.waiting is not None:
                usage.waiting.stop()
            wait = AckWait(usage.context.wheel, usage.context.transactions, server, data, usage.no_ack)
            usage.waiting = wait.start(now, request.cseq, first=False)
        usage.hold_session(now, agreed)

    # ---- ours ---------------------------------------------------------------------------------------------------
    def reinvite(self, now: int, sdp: bytes) -> None:
        """Command Reinvite."""
        self._tries = 0
        self.step(now, Turn.SEND, (sdp, False))

    def refresh(self, now: int) -> None:
        """Refresh the session: by UPDATE without offer where the peer knows it, else by re-INVITE with what we said last. While
        another offer is open that has to wait."""
        usage = self.usage
        if "update" in usage.peer_allows and usage.dialog is not None:
            draft = usage.dialog.draft("UPDATE")
            draft.lines = [usage.contact, "Supported: timer", *self._asked(usage.session.seconds)]
            usage.ask(now, draft, self._refreshed)
        elif self.talk is Talk.STABLE and usage.local_sdp and self._retry is None:
            self._tries = 0
            self.step(now, Turn.SEND, (usage.local_sdp, True))
        else:
            self._refresh_later(now)

    def _refresh_later(self, now: int) -> None:
        """Another offer is open: the session goes on running meanwhile."""
        if self._retry is None:
            self._retry = self.usage.context.later(now, REFRESH_AGAIN_MS, self._refresh_now)

    def _refresh_now(self, now: int, _: object) -> None:
        self._retry = None
        self.refresh(now)

    def _asked(self, seconds: int) -> list[str]:
        """Who refreshes from now on is who does it already."""
        held = self.usage.session
        refresher = ("uac" if held.ours else "uas") if held.seconds else ""
        return session.ask_lines(seconds, self.usage.context.settings, refresher)

    def _refreshed(self, now: int, response: Response | None, on: On) -> None:
        usage = self.usage
        if usage.state is not Is.UP:
            return
        if response is not None and response.status > 100:  # 100 is said by the next hop
            usage.alive()
        if on is On.SUCCESS and response is not None:
            usage.hold_session(now, session.kept(response, usage.session))
        elif on is not On.PROVISIONAL:
            self._not_refreshed(now, response, on)

    def _not_refreshed(self, now: int, response: Response | None, on: On) -> None:
        """408, 481 and silence mean that nobody is there. Everything else is said by somebody, or by a network that comes back."""
        usage = self.usage
        if on is not On.NO_TRANSPORT and (response is None or response.status in GONE):
            usage.heard(now, response, on)
            return
        if response is not None and response.status in (405, 501):
            usage.peer_allows -= {"update"}
        if response is not None and response.status == 422:
            usage.session = session.longer(response, usage.session)
        usage.refresh_again(now, self._glare_pause() if response is not None and response.status == 491 else REFRESH_AGAIN_MS)

    def _send(self, now: int, item: tuple[bytes, bool]) -> None:
        usage = self.usage
        if usage.dialog is None or usage.state is not Is.UP:
            self.talk = Talk.STABLE
            return
        self._sdp, self._quiet = item
        draft = usage.dialog.draft("INVITE")
        seconds = usage.session.seconds or usage.context.settings.session_s
        draft.lines = [
            usage.contact,
            "Allow: " + ALLOW,
            "Supported: 100rel, timer",
            *self._asked(seconds),
        ]
        draft.body, draft.content_type = self._sdp, SDP
        usage.ask(now, draft, self._answered)

    def _answered(self, now: int, response: Response | None, on: On) -> None:
        """The answer to our re-INVITE; a repeated 2xx gets its ACK again."""
        usage = self.usage
        if response is not None and response.status > 100:  # 100 is said by the next hop
            usage.alive()
        if on is On.PROVISIONAL or usage.dialog is None:
            return
        if on is On.SUCCESS and response is not None:
            self._acknowledge(response)
            if self.talk is Talk.OURS and usage.state is Is.UP:
                usage.local_sdp = self._sdp
                usage.hold_session(now, session.kept(response, usage.session))
                self._settle(now, response.status, response.body, source_of(response, ""))
        elif usage.state is Is.UP:
            self._refused(now, response, on)

    def _acknowledge(self, response: Response) -> None:
        dialog = self.usage.dialog
        assert dialog is not None
        try:
            dialog.refresh(response)
        except SipError:
            self.usage.context.count.malformed += 1
        self.usage.context.send(dialog.draft("ACK", response.cseq))

    def _refused(self, now: int, response: Response | None, on: On) -> None:
        if response is not None and response.status == 491 and self._tries < GLARE_TRIES:
            self._tries += 1
            self._retry = self.usage.context.later(now, self._glare_pause(), self._try_again)
            self.talk = Talk.STABLE  # an offer of theirs may come meanwhile
            return
        self._settle(now, response.status if response else 408, b"")
        if self._quiet:
            self._not_refreshed(now, response, on)
        else:
            self.usage.heard(now, response, on)

    def _glare_pause(self) -> int:
        """RFC 3261 §14.1: 2.1-4 s for the side that made the Call-ID, 0-2 s for the other, in steps of 10 ms."""
        low, high = (210, 400) if self.usage.TABLE.name.startswith("outgoing") else (0, 200)
        return 10 * random.randint(low, high)

    def _try_again(self, now: int, _: object) -> None:
        self._retry = None
        self.step(now, Turn.SEND, (self._sdp, self._quiet))

    def _settle(self, now: int, status: int, sdp: bytes, peer: str = "") -> None:
        self.step(now, Turn.SETTLED)
        if not self._quiet:
            self.usage.context.events.append(api.Reanswered(self.usage.leg, status, sdp, peer))

    def _busy(self, now: int, item: tuple[bytes, bool]) -> None:
        if item[1]:
            self._refresh_later(now)
        else:
            self.usage.context.events.append(api.Reanswered(self.usage.leg, 491, b""))

    def stop(self, now: int) -> None:
        """The dialog is over: what is open is answered, what is planned is dropped."""
        self.usage.context.stop(self._retry)
        self._retry = None
        if self._open is not None:
            self.step(now, Turn.REJECT, 487)


def _warning(usage: Usage, text: str) -> str:
    return f'Warning: 399 {usage.context.settings.host} "{text}"'


_ACTS: dict[Say, Any] = {
    Say.TELL: Offers._tell,
    Say.RETRY: Offers._say_retry,
    Say.GLARE: Offers._say_glare,
    Say.ACCEPT: Offers._say_accept,
    Say.REFUSE: Offers._say_refuse,
    Say.TERMINATE: Offers._say_refuse,
    Say.SEND: Offers._send,
    Say.BUSY: Offers._busy,
}

"""A call that goes out: the UAC side of an INVITE usage."""

from __future__ import annotations

from typing import ClassVar

from media.ua import api, identity, session
from media.ua.context import Context, authorize, token
from media.ua.dialog import Dialog, as_client, seen
from media.ua.digest import Challenge
from media.ua.errors import BadHeader, SipError
from media.ua.headers import count, safe
from media.ua.message import Response
from media.ua.tables import TIMEOUT, On
from media.ua.timer import Timer
from media.ua.transaction import Client
from media.ua.uri import escape_user, parse_uri
from media.ua.usage import COMMON, Acts, Usage, reason_line, sdp_of
from media.ua.usage_tables import OUTGOING, Act, Ev, Is, Talk
from media.ua.wire import ALLOW, Draft, Packet, hop_of, route_hop

TRIES = 5  # repeats of an INVITE for credentials or a longer session interval


class Outgoing(Usage):
    """One outgoing INVITE and the dialogs it makes. Raises SipError for a target or route that cannot be sent to."""

    __slots__ = (
        "acks", "auth", "call_id", "client", "command", "early", "early_sdp", "hop", "limit", "reason", "seconds", "seq", "tag",
        "tried", "tries", "verdict",
    )  # fmt: skip
    TABLE = OUTGOING

    def __init__(self, context: Context, now: int, command: api.Invite) -> None:
        route = command.route or context.settings.route
        hop = route_hop(route) if route else hop_of(parse_uri(command.target))
        self.command, self.seq, self.tries = command, 1, 0
        self.call_id, self.tag = token() + token(), token()
        self.seconds = context.settings.session_s
        super().__init__(context, command.leg, Is.CALLING, hop.transport)
        self.hop = hop
        self.credentials = context.accounts.get(command.caller) or context.settings.credentials
        self.tried: Challenge | None = None
        self.auth: list[str] = []
        self.early: dict[str, int] = {}  # last RSeq by the peer's tag
        self.acks: dict[str, Packet] = {}  # by the peer's tag, for repeats of their 2xx
        self.early_sdp = b""  # answer in a reliable 1xx
        self.verdict: tuple[int, str] | None = None  # why it fails, whatever they say
        self.reason = ""
        self.local_sdp = command.sdp
        self.offers.begin(Talk.OURS)
        self.client: Client | None = None
        first = self._draft()  # may raise: nothing is armed or sent by then
        self.limit: Timer | None = context.later(now, command.timeout_ms, self._expired)
        self._send(now, first)

    # ---- the INVITE ---------------------------------------------------------------------------------------------
    def _send(self, now: int, draft: Draft) -> None:
        draft.auth = self.auth
        self.client = self.context.begin(now, draft, self._heard)

    def _draft(self) -> Draft:
        command, home = self.command, self.context.settings.home
        from_ = identity.from_value(command.caller, safe(command.display), home, self.tag)
        draft = Draft("INVITE", safe(command.target), (from_, f"<{command.target}>"), self.call_id, self.seq, self.hop)
        lines = [
            self.contact,
            "Allow: " + ALLOW,
            "Supported: 100rel, timer",
            *session.ask_lines(self.seconds, self.context.settings),
        ]
        if command.caller:
            lines.append(f"P-Asserted-Identity: <sip:{escape_user(command.caller)}@{home}>")
        else:
            lines.append("Privacy: id")
        draft.lines = lines + [f"{safe(name)}: {safe(value)}" for name, value in command.headers]
        draft.body = command.sdp
        return draft

    def _heard(self, now: int, response: Response | None, on: On) -> None:
        if response is None:
            if on is On.NO_TRANSPORT:
                self.verdict = self.verdict or (503, "Service Unavailable")
            self.step(now, Ev.SILENCE if on is On.B else Ev.BROKEN)
        elif on is On.PROVISIONAL:
            if self._in_turn(response):
                self.step(now, Ev.PROVISIONAL, response)
        elif on is On.SUCCESS:
            self.step(now, Ev.SUCCESS, response)
        else:
            self.step(now, Ev.AGAIN if self._can_repeat(response) else Ev.FAILURE, response)

    def _can_repeat(self, response: Response) -> bool:
        if self.state not in (Is.CALLING, Is.EARLY) or self.tries >= TRIES:
            return False
        if response.status in (401, 407) and self.credentials is not None:
            draft = self._draft()
            self.tried = authorize(draft, response, self.credentials, self.tried)
            self.auth = draft.auth
            return self.tried is not None
        return response.status == 422 and self._longer(response)

    def _longer(self, response: Response) -> bool:
        try:
            wanted = session.min_se(response)
        except BadHeader:
            return False
        if wanted <= self.seconds:
            return False
        self.seconds = wanted
        return True

    def _in_turn(self, response: Response) -> bool:
        """Whether a 1xx is to be looked at; a reliable one in its turn gets its PRACK, repeats and others do not (RFC 3262 §4)."""
        rseq = response.get("rseq")
        if response.status == 100 or not rseq or "100rel" not in response.get("require").lower():
            return True
        try:
            number = count(rseq, "RSeq")
        except BadHeader:
            return False
        last = self.early.get(response.to_tag)
        if not response.to_tag or (last is not None and number != last + 1):
            return False
        self.early[response.to_tag] = number
        return True

    def _expired(self, now: int, _: object) -> None:
        self.limit = None
        self.step(now, Ev.EXPIRED)

    def _cancel_done(self, now: int, _: object) -> None:
        self.limit = None
        self.step(now, Ev.CANCEL_DONE)

    # ---- acts ---------------------------------------------------------------------------------------------------
    def act_note(self, now: int, response: Response) -> None:
        """Keep the early dialog, take its Contact, send the PRACK if it wants one."""
        tag = response.to_tag
        if response.status == 100 or not tag:
            return
        dialog = self.dialogs.get(tag)
        if dialog is None:
            if len(self.dialogs) >= 20:  # nobody forks so wide in earnest
                return
            dialog = self._new_dialog(response)
            self.add_dialog(dialog)
        self.peer_allows = response.options("allow") or self.peer_allows
        if tag in self.early and response.get("rseq"):
            self.early_sdp = sdp_of(response) or self.early_sdp
            draft = dialog.draft("PRACK")
            draft.lines = [f"RAck: {self.early[tag]} {response.cseq} INVITE"]
            self.context.ask(now, draft, dialog.next_seq, self._pracked, self.credentials)

    def _pracked(self, _now: int, _response: Response | None, _on: On) -> None:
        """A refused PRACK changes nothing: the final answer decides."""

    def _new_dialog(self, response: Response) -> Dialog:
        try:
            return as_client(response, self.seq, self.command.target)
        except SipError:  # a Record-Route that cannot be read: go where we called
            self.context.count.malformed += 1
            response.index.pop("record-route", None)
            return as_client(response, self.seq, self.command.target)

    def act_progress(self, _now: int, response: Response) -> None:
        """Tell of a 101-199."""
        if response.status > 100:
            self.context.events.append(api.Progress(self.leg, response.status, sdp_of(response)))

    def act_ack(self, now: int, response: Response) -> None:
        """Make the dialog of the 2xx the one, acknowledge it."""
        self._stop_limit()
        early = self.dialogs.get(response.to_tag)
        dialog = early if early is not None and early.seen == seen(response) else self._new_dialog(response)
        if early is not None:
            dialog.seq, dialog.remote_seq = max(early.seq, self.seq), early.remote_seq
        for other in self.dialogs.values():
            self.context.dialogs.pop(other.key, None)
        self.dialogs = {}
        self.dialog = dialog
        self.add_dialog(dialog)
        self._acknowledge(dialog, response)

    def _acknowledge(self, dialog: Dialog, response: Response) -> None:
        draft = dialog.draft("ACK", response.cseq)
        draft.auth = self.auth
        self.acks[response.to_tag] = self.context.send(draft)

    def act_ack_again(self, now: int, response: Response) -> None:
        """A repeated 2xx gets its ACK again; the 2xx of another fork is acknowledged and ended (RFC 3261 §13.2.2.4)."""
        packet = self.acks.get(response.to_tag)
        if packet is not None:
            self.context.count.retransmitted += 1
            self.context.out.append(packet)
        elif len(self.acks) < 20:
            dialog = self._new_dialog(response)
            self._acknowledge(dialog, response)
            self.context.ask(now, dialog.draft("BYE"), dialog.next_seq, lambda *_: None, self.credentials)

    def act_answered(self, now: int, response: Response) -> None:
        """Tell that they answered."""
        self.peer_allows = response.options("allow") or self.peer_allows
        self.offers.first_answer(late=False)
        self.hold_session(now, session.agreed(response))
        self.context.events.append(
            api.Answered(self.leg, sdp_of(response) or self.early_sdp, identity.source_of(response, self.hop.host))
        )

    def act_cancel(self, now: int, item: object) -> None:
        """Send CANCEL; without an end in 32 s the leg is given up."""
        self._stop_limit()
        self.limit = self.context.later(now, TIMEOUT, self._cancel_done)
        if self.client is not None:
            self.context.cancel(now, self.client, reason_line(self.reason))

    def act_repeat(self, now: int, _item: object) -> None:
        """The INVITE again, with credentials or a longer interval."""
        self.tries += 1
        self.seq += 1
        for dialog in self.dialogs.values():
            self.context.dialogs.pop(dialog.key, None)
        self.dialogs, self.early = {}, {}
        self._send(now, self._draft())

    def act_mark_expired(self, _now: int, _item: object) -> None:
        """It rang too long."""
        self.verdict = (408, "Request Timeout")

    def act_mark_cancelled(self, _now: int, item: object) -> None:
        """We do not want it any more."""
        self.verdict = (487, "Request Terminated")
        self.reason = self.bye_reason(item)

    def bye_reason(self, item: object) -> str:
        """The reason of the Hangup, even where BYE goes out later than it."""
        return super().bye_reason(item) or self.reason

    def act_failed(self, _now: int, response: Response | None) -> None:
        """Tell that it came to nothing."""
        self._stop_limit()
        status, reason = self.verdict or ((response.status, response.reason) if response else (408, "Request Timeout"))
        self.tell_over(api.Failed(self.leg, status, reason))

    def _stop_limit(self) -> None:
        self.context.stop(self.limit)
        self.limit = None

    ACTS: ClassVar[Acts] = {
        **COMMON,
        Act.NOTE: act_note,
        Act.TELL_PROGRESS: act_progress,
        Act.ACK: act_ack,
        Act.ACK_AGAIN: act_ack_again,
        Act.TELL_ANSWERED: act_answered,
        Act.CANCEL: act_cancel,
        Act.REPEAT: act_repeat,
        Act.MARK_EXPIRED: act_mark_expired,
        Act.MARK_CANCELLED: act_mark_cancelled,
        Act.TELL_FAILED: act_failed,
    }

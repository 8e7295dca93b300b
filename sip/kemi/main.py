"""What Kamailio loads: the script object and its hooks. Wires the rooms and does nothing else.

One request's way: gate (admit.py) -> by method: CANCEL | in a dialog (dialog.py) | REGISTER (register.py) | INVITE of a trunk
(route.py), of a media node (seat.py, between.py to another centre's seat, outbound.py to a carrier), of another centre
(between.py).
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import traceback
from collections.abc import Callable
from pathlib import Path

import KSR

from sip.kemi import settings as config
from sip.kemi.account import Accounts
from sip.kemi.admit import STRANGER, Gate, Peer, Refusal, Side
from sip.kemi.asker import Asker, Line
from sip.kemi.between import Between
from sip.kemi.dialog import Dialogs
from sip.kemi.outbound import Outbound
from sip.kemi.register import Registrar
from sip.kemi.route import Inbound
from sip.kemi.seat import Seats
from sip.kemi.web import Web

PR_SET_PDEATHSIG = 1
NO_UTF8 = Refusal(400, "Not UTF-8", "utf8")
FAULT = Refusal(500, "Server Internal Error", "fault")
UNKNOWN_TRUNK = Refusal(403, "Unknown Trunk", "unknown_trunk")
OUTSIDE_DIALOG = Refusal(405, "Method Not Allowed", "method")


class Script:
    """Methods with names that start in ksr_ are called by Kamailio (hooks.py)."""

    def __init__(self, settings: config.Settings) -> None:
        accounts = Accounts(settings)
        line = Line(settings)
        seats = Seats(settings)
        self._gate = Gate(settings, accounts)
        self._asker = Asker(settings, line, accounts)
        self._inbound = Inbound(settings, accounts, line, seats)
        self._seats = seats
        self._outbound = Outbound(settings, accounts)
        self._between = Between(settings, accounts, seats)
        self._dialogs = Dialogs(settings, self._between)
        self._registrar = Registrar(settings, seats)
        self._web = Web(settings)
        self._main = os.getpid()

    def child_init(self, rank: int) -> int:
        """In each process, the main one too. Those forked die with it: an orphan would keep the ports.

        The main process must not die with its own parent: when the supervisor is killed, calls go on.
        """
        if os.getpid() != self._main:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        gc.collect()
        gc.freeze()
        return 0

    def ksr_request_route(self, msg: object) -> int:
        """Every SIP request."""
        peer = STRANGER
        try:
            peer = self._gate.sender()
            refusal = self._gate.verdict(peer) or self._request(peer)
        except UnicodeDecodeError:
            refusal = NO_UTF8
        except Exception:  # noqa: BLE001 - the last one who can answer; told in the log with its trace
            KSR.err(f"request of {KSR.kx.get_srcip()} failed: {traceback.format_exc()}\n")
            refusal = FAULT
        if refusal:
            self._gate.refuse(peer, refusal)
        return 1

    def _request(self, peer: Peer) -> Refusal | None:
        KSR.force_rport()
        if KSR.is_CANCEL():
            if KSR.tm.t_check_trans() > 0:
                KSR.tm.t_relay()
            return None
        if KSR.siputils.has_totag() > 0:
            self._dialogs.request(peer)
            return None
        if KSR.tm.t_check_trans() == 0:
            return None
        return self._fresh(peer)

    def _fresh(self, peer: Peer) -> Refusal | None:
        if KSR.is_REGISTER():
            self._registrar.register()
        elif KSR.is_OPTIONS() and KSR.is_myself_ruri():
            KSR.sl.send_reply(200, "OK")
        elif KSR.is_ACK():
            return None
        elif not KSR.is_INVITE():
            return OUTSIDE_DIALOG
        elif peer.side is Side.TRUNK:
            self._inbound.invite(peer)
        elif peer.side is Side.MEDIA:
            self._dial(peer)
        elif peer.side is Side.CENTRE:
            self._between.lent(peer)
        else:
            return UNKNOWN_TRUNK
        return None

    def _dial(self, node: Peer) -> None:
        """A media node calls a customer, or a seat: ours, or another centre's by its realm."""
        wanted = self._outbound.wanted()
        if wanted:
            self._outbound.invite(node, wanted)
            return
        edge = self._between.edge_of(KSR.pv.gete("$rd"))
        if edge:
            self._between.away(node, edge)
        else:
            self._seats.invite(node)

    def ksr_asker(self, msg: object, event: str = "") -> int:
        """The asker process; never returns."""
        self._asker.run()
        return 1

    def ksr_resume(self, msg: object, event: str = "") -> int:
        """A suspended INVITE goes on."""
        return self._safely(self._inbound.resume)

    def ksr_reply(self, msg: object, *rest: object) -> int:
        """A reply to a carrier's INVITE."""
        return self._safely(self._inbound.reply)

    def ksr_failure(self, msg: object, *rest: object) -> int:
        """A carrier's INVITE has failed so far."""
        return self._safely(self._inbound.failure)

    def ksr_reply_dialog(self, msg: object, *rest: object) -> int:
        """A reply inside a dialog."""
        return self._safely(lambda: self._dialogs.reply(self._gate.sender()))

    def ksr_reply_seat(self, msg: object, *rest: object) -> int:
        """A reply of a seat to an INVITE."""
        return self._safely(self._seats.reply)

    def ksr_reply_away(self, msg: object, *rest: object) -> int:
        """A reply of another centre's seat to our INVITE."""
        return self._safely(self._between.away_reply)

    def ksr_failure_away(self, msg: object, *rest: object) -> int:
        """Another centre's seat has failed."""
        return self._safely(self._between.away_failure)

    def ksr_reply_lent(self, msg: object, *rest: object) -> int:
        """A reply of our seat to another centre's INVITE."""
        return self._safely(self._between.lent_reply)

    def ksr_failure_lent(self, msg: object, *rest: object) -> int:
        """Our seat has failed another centre's INVITE."""
        return self._safely(self._between.lent_failure)

    def ksr_reply_out(self, msg: object, *rest: object) -> int:
        """A carrier's reply to a call of ours."""
        return self._safely(self._outbound.reply)

    def ksr_failure_out(self, msg: object, *rest: object) -> int:
        """A call of ours to a carrier has failed."""
        return self._safely(self._outbound.failure)

    def ksr_xhttp_event(self, msg: object, event: str = "") -> int:
        """An HTTP request."""
        return self._safely(self._web.request)

    def ksr_websocket_event(self, msg: object, event: str = "") -> int:
        """A WebSocket closed; usrloc drops its contacts by itself."""
        return 1

    @staticmethod
    def _safely(hook: Callable[[], None]) -> int:
        """Outside the request route an exception costs this step only, and is told."""
        try:
            hook()
        except Exception:  # noqa: BLE001 - Kamailio would log it without a trace and go on
            KSR.err(f"hook failed: {traceback.format_exc()}\n")
        return 1


def mod_init() -> Script:
    """Called once before the fork."""
    return Script(config.load(Path(os.environ[config.ENV])))

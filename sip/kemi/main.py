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
from urllib.parse import unquote

import KSR

from sip.kemi import settings as config
from sip.kemi.account import Accounts
from sip.kemi.admit import Gate, Peer, Refusal, Side
from sip.kemi.asker import Asker, Line
from sip.kemi.between import Between
from sip.kemi.dialog import Dialogs
from sip.kemi.outbound import Outbound
from sip.kemi.route import Inbound
from sip.kemi.seat import Seats

PR_SET_PDEATHSIG = 1
SIDES = {"trunk": Side.TRUNK, "media": Side.MEDIA, "centre": Side.CENTRE}


class Script:
    """Public methods are called by Kamailio: python_exec("name") in sip/routes."""

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

    # ---- called by python_exec of the routes (sip/routes)
    @staticmethod
    def _peer() -> Peer:
        """Who sends, as route ADMIT found out."""
        return Peer(SIDES.get(KSR.pv.gete("$avp(side)"), Side.OTHER), unquote(KSR.pv.gete("$avp(peer)")))

    def proof(self, msg: object) -> int:
        """A request over TCP from the host of a media node: is it that node's?"""
        peer = self._gate.sender()
        if peer.side is Side.MEDIA:
            KSR.pv.sets("$avp(side)", "media")
            KSR.pv.sets("$avp(peer)", peer.name)
        return 1

    def refused(self, msg: object) -> int:
        """A new INVITE is refused by $var(status) and $var(reason)."""
        refusal = Refusal(int(KSR.pv.get("$var(status)")), KSR.pv.gete("$var(reason)"), "")
        return self._safely(lambda: self._gate.account(self._peer(), refusal))

    def dialog(self, msg: object) -> int:
        """A request inside a dialog."""
        return self._safely(lambda: self._dialogs.request(self._peer()))

    def inbound(self, msg: object) -> int:
        """A new INVITE of a trunk."""
        return self._safely(lambda: self._inbound.invite(self._peer()))

    def lent(self, msg: object) -> int:
        """A new INVITE of another centre."""
        return self._safely(lambda: self._between.lent(self._peer()))

    def dial(self, msg: object) -> int:
        """A new INVITE of a media node."""
        return self._safely(lambda: self._dial(self._peer()))

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

    def asker(self, msg: object) -> int:
        """The asker process; never returns."""
        self._asker.run()
        return 1

    def resume(self, msg: object) -> int:
        """A suspended INVITE goes on."""
        return self._safely(self._inbound.resume)

    def reply(self, msg: object) -> int:
        """A reply to a carrier's INVITE."""
        return self._safely(self._inbound.reply)

    def failure(self, msg: object) -> int:
        """A carrier's INVITE has failed so far."""
        return self._safely(self._inbound.failure)

    def reply_dialog(self, msg: object) -> int:
        """A reply inside a dialog."""
        return self._safely(lambda: self._dialogs.reply(self._gate.sender()))

    def reply_seat(self, msg: object) -> int:
        """A reply of a seat to an INVITE."""
        return self._safely(self._seats.reply)

    def reply_away(self, msg: object) -> int:
        """A reply of another centre's seat to our INVITE."""
        return self._safely(self._between.away_reply)

    def failure_away(self, msg: object) -> int:
        """Another centre's seat has failed."""
        return self._safely(self._between.away_failure)

    def reply_lent(self, msg: object) -> int:
        """A reply of our seat to another centre's INVITE."""
        return self._safely(self._between.lent_reply)

    def failure_lent(self, msg: object) -> int:
        """Our seat has failed another centre's INVITE."""
        return self._safely(self._between.lent_failure)

    def reply_out(self, msg: object) -> int:
        """A carrier's reply to a call of ours."""
        return self._safely(self._outbound.reply)

    def failure_out(self, msg: object) -> int:
        """A call of ours to a carrier has failed."""
        return self._safely(self._outbound.failure)

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

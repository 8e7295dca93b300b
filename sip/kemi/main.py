"""What Kamailio loads: the script object and its hooks. Wires the rooms and does nothing else.

Routing is native (sip/routes); Python is entered for the question to the router and for accounting lines.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import socket
import traceback
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import KSR

from sip.kemi import settings as config
from sip.kemi.account import Accounts
from sip.kemi.asker import Asker, Line
from sip.kemi.route import Inbound

PR_SET_PDEATHSIG = 1


def keep_ports() -> None:
    """Nobody else may bind the UDP ports of this process.

    Kamailio opens them with SO_REUSEADDR. On Linux another process of any user may then bind the same port with it too, and gets
    all that is sent there.
    """
    for path in Path("/proc/self/fd").iterdir():
        try:
            held = socket.socket(fileno=os.dup(int(path.name)))
        except OSError:
            continue  # no socket, or the folder's own
        with held:
            if held.family in (socket.AF_INET, socket.AF_INET6) and held.type is socket.SOCK_DGRAM:
                held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)


class Script:
    """Public methods are called by Kamailio: python_exec("name") in sip/routes."""

    def __init__(self, settings: config.Settings) -> None:
        accounts = Accounts(settings)
        line = Line(settings)
        self._asker = Asker(settings, line, accounts)
        self._inbound = Inbound(settings, accounts, line)
        self._main = os.getpid()

    def child_init(self, rank: int) -> int:
        """In each process, the main one too. Those forked die with it: an orphan would keep the ports.

        The main process must not die with its own parent: when the supervisor is killed, calls go on.
        """
        keep_ports()
        if os.getpid() != self._main:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        gc.collect()
        gc.freeze()
        return 0

    # ---- called by python_exec of the routes (sip/routes)
    @staticmethod
    def _trunk() -> str:
        """The trunk that sends; "" if it is none."""
        return unquote(KSR.pv.gete("$avp(peer)")) if KSR.pv.gete("$avp(side)") == "trunk" else ""

    def refused(self, msg: object) -> int:
        """A new INVITE is refused by $var(status) and $var(reason)."""
        return self._safely(lambda: self._inbound.refused(self._trunk()))

    def ask(self, msg: object) -> int:
        """A new INVITE of a trunk: account, suspend, ask. $var(asked): 1 asked, 0 not handed over, -1 not suspended."""
        KSR.pv.seti("$var(asked)", -1)
        return self._safely(lambda: self._inbound.ask(self._trunk()))

    def entered(self, msg: object) -> int:
        """A line for the INVITE at hand."""
        return self._safely(self._inbound.entered)

    def ended(self, msg: object) -> int:
        """A line for its final answer."""
        return self._safely(self._inbound.ended)

    def asker(self, msg: object) -> int:
        """The asker process; never returns."""
        self._asker.run()
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

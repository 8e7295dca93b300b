"""The question about a carrier's INVITE, and the accounting lines. All else of a call is native script (sip/routes)."""

from __future__ import annotations

from urllib.parse import unquote

import KSR

from ops.numbers import number_of
from sip.kemi import headers
from sip.kemi.account import Accounts, Entry, text
from sip.kemi.asker import Line, Question
from sip.kemi.settings import Settings

ASKED, NOT_HANDED_OVER = 1, 0  # $var(asked)


class Inbound:
    """Calls from carriers."""

    def __init__(self, settings: Settings, accounts: Accounts, line: Line) -> None:
        self._settings = settings
        self._accounts = accounts
        self._line = line

    def ask(self, trunk: str) -> None:
        """Account for the INVITE, suspend its transaction, hand the question over."""
        entry = self._entry(trunk)
        self._accounts.entered(entry)
        KSR.pv.sets("$avp(call)", entry.call)
        KSR.pv.sets("$avp(leg)", entry.call)
        if KSR.tmx.t_suspend() < 0:
            return
        index, label = KSR.pv.get("$T(id_index)"), KSR.pv.get("$T(id_label)")
        asked = self._line.ask(Question(index, label, entry, self._diversion()))
        KSR.pv.seti("$var(asked)", ASKED if asked else NOT_HANDED_OVER)

    def _entry(self, trunk: str) -> Entry:
        calling = headers.calling_of(text("$ai"), text("$fu"), text("$hdr(Privacy)"))
        return Entry(self._accounts.new_call(), trunk, number_of(text("$rU")), calling)

    @staticmethod
    def _diversion() -> str:
        first = text("$hdr(Diversion)")
        return headers.diversion_of(first, "" if first else text("$(hdr(History-Info)[-1])"))

    def refused(self, trunk: str) -> None:
        """A new INVITE that the edge refuses with $var(status), $var(reason)."""
        entry = self._entry(trunk)
        self._accounts.entered(entry)
        self._accounts.ended(entry.call, int(KSR.pv.get("$var(status)")), text("$var(reason)"), "edge")

    def entered(self) -> None:
        """The INVITE of a leg that is not the call's first."""
        leg, trunk = text("$avp(leg)"), unquote(text("$var(trunk)"))
        self._accounts.entered(Entry(text("$avp(call)"), trunk, text("$rU"), text("$var(calling)"), leg))

    def ended(self) -> None:
        """The final answer of an INVITE."""
        status, reason = int(KSR.pv.get("$var(status)")), text("$var(reason)")
        self._accounts.ended(text("$avp(call)"), status, reason, text("$avp(by)"), text("$avp(leg)"))

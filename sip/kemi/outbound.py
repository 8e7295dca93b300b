"""Out to a carrier: a media node calls a customer back. Only media nodes come here (main.py looks at who sends).

The node names the trunk the customer came by (X-Tierline-Dial); a trunk that takes no calls is replaced by the first that does. The
carrier sees the service number, the edge, and nothing of the inside; accounting lines are named after the call and the trunk.
"""

from __future__ import annotations

import re

import KSR

from sip.kemi import headers, hooks, mask, strip
from sip.kemi.account import Accounts, Entry
from sip.kemi.admit import Peer
from sip.kemi.settings import Settings

DIAL = "X-Tierline-Dial"
RING_MS = 60_000  # the media node gives up earlier
SILENCE_MS = 4000
NUMBER = re.compile(r"\+?[0-9*#]{2,32}\Z")
BY = "callback"  # routed_by of the accounting lines


class Outbound:
    """INVITEs of media nodes to carriers, and what becomes of them."""

    def __init__(self, settings: Settings, accounts: Accounts) -> None:
        self._settings, self._accounts = settings, accounts

    @staticmethod
    def wanted() -> str:
        """The trunk that the node names, "any"; "" if the INVITE is for a seat."""
        return str(KSR.hdr.gete(DIAL))

    def invite(self, node: Peer, wanted: str) -> None:
        """A media node calls a number."""
        if KSR.tm.t_newtran() <= 0:
            return
        trunk, number, call = self._trunk(wanted), KSR.kx.gete_ruser(), KSR.hdr.gete("X-Tierline-Call")
        strip.outwards()
        mask.hide()
        leg = f"{call}:out:{KSR.pv.gete('$ci')}"
        KSR.pv.sets("$avp(call)", call)
        KSR.pv.sets("$avp(out)", leg)
        if headers.call_of(f"{call}.a"):
            self._accounts.entered(Entry(call, trunk, number, KSR.kx.gete_fuser(), leg))
        refusal = self._relay(node, trunk, number)
        if refusal:
            KSR.tm.t_send_reply(*refusal)
            self._ended(*refusal)

    def _trunk(self, wanted: str) -> str:
        there = self._settings.outbound
        return wanted if wanted in there else next(iter(there), "")

    def _relay(self, node: Peer, trunk: str, number: str) -> tuple[int, str] | None:
        if not trunk:
            return 503, "No Trunk Takes Calls"
        if not NUMBER.match(number):
            return 484, "Address Incomplete"
        KSR.tm.t_on_reply(hooks.REPLY_OUT)
        KSR.tm.t_on_failure(hooks.FAILURE_OUT)
        KSR.rr.record_route_params(f";n={node.name}")
        KSR.tm.t_set_fr(RING_MS, SILENCE_MS)
        KSR.pv.sets("$ru", f"sip:{number}@{self._settings.outbound[trunk]}")
        return (503, "Carrier Not Reached") if KSR.tm.t_relay() < 0 else None

    def reply(self) -> None:
        """The carrier answers: nothing of ours may come in."""
        status = KSR.pv.get("$rs")
        if status == 100:
            return
        strip.inwards()
        mask.restore()
        if 200 <= status < 300:
            self._ended(status, KSR.pv.gete("$rr"))

    def failure(self) -> None:
        """The carrier did not take it."""
        self._ended(KSR.pv.get("$T_reply_code") or 500, KSR.pv.gete("$T_reply_reason"))

    def _ended(self, status: int, reason: str) -> None:
        call = KSR.pv.gete("$avp(call)")
        if headers.call_of(f"{call}.a"):
            self._accounts.ended(call, status, reason, BY, KSR.pv.gete("$avp(out)"))

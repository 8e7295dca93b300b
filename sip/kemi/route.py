"""The INVITE of a carrier: account, ask, relay to a media node, try another one, account for the end.

    request --(line, suspend, question)--> asker process --> resume --> relay | refuse | seat
       |                                                       |
       '--(question cannot be handed over)--> resume       failure: 5xx or silence of a node --> next node
    guard timer: never resumed ---------------------------> failure: fallback

AVPs of the transaction: call, trunk, by (who routed), node (where the branch goes), tried (nodes that failed, ";"-separated).
"""

from __future__ import annotations

import KSR

from ops.numbers import number_of
from sip.kemi import headers, hooks, strip
from sip.kemi.account import ROUTED, Accounts, Entry, count, text
from sip.kemi.admit import Peer
from sip.kemi.asker import Answer, Line, Question, go_on
from sip.kemi.seat import Seats
from sip.kemi.settings import Settings

NODES = 1  # the dispatcher's set
ROUND_ROBIN = 4
SILENCE_MS = 1000  # a node that says nothing for so long is given up
RETRY_AFTER = "Retry-After: 5\r\n"


class Inbound:
    """Calls from carriers."""

    def __init__(self, settings: Settings, accounts: Accounts, line: Line, seats: Seats) -> None:
        self._settings = settings
        self._accounts = accounts
        self._line = line
        self._seats = seats

    # ---- in a SIP worker

    def invite(self, peer: Peer) -> None:
        """A new INVITE of a known trunk. Does not block: the answer comes by `resume`."""
        if KSR.tm.t_newtran() <= 0:
            return  # a retransmission that met the first one
        entry = self._entry(peer.name)
        self._accounts.entered(entry)
        strip.inwards()
        KSR.pv.sets("$avp(call)", entry.call)
        KSR.pv.sets("$avp(trunk)", entry.trunk)
        KSR.tm.t_on_failure(hooks.FAILURE)
        KSR.tm.t_set_fr(0, self._settings.guard_ms)
        if KSR.tmx.t_suspend() < 0:
            self.fallback("suspend")
            return
        index, label = KSR.pv.get("$T(id_index)"), KSR.pv.get("$T(id_label)")
        if not self._line.ask(Question(index, label, entry, self._diversion())):
            self._line.answer = Answer(why="handoff")
            go_on(index, label)

    def _entry(self, trunk: str) -> Entry:
        calling = headers.calling_of(text("$ai"), text("$fu"), text("$hdr(Privacy)"))
        return Entry(self._accounts.new_call(), trunk, number_of(text("$rU")), calling)

    @staticmethod
    def _diversion() -> str:
        first = KSR.hdr.gete("Diversion")
        return headers.diversion_of(first, "" if first else KSR.pv.gete("$(hdr(History-Info)[-1])"))

    # ---- in the asker process (or in the worker, if it could not be asked)

    def resume(self) -> None:
        """The router's answer is in `line.answer`, or why there is none."""
        answer, self._line.answer = self._line.answer, None
        KSR.tm.t_reset_fr()
        if answer is None or answer.why:
            self.fallback(answer.why if answer else "no_answer")
        elif answer.refuse:
            self._mark("router", "refuse")
            self._finish(answer.refuse, answer.reason)
        elif answer.seat:
            self._mark("router", "seat")
            self._to_seat(answer.seat)
        else:
            self._mark("router", "media")
            KSR.pv.sets("$avp(home)", answer.home)
            KSR.pv.sets("$avp(vip)", str(answer.vip or ""))
            self._to_named(answer)

    def fallback(self, why: str) -> None:
        """No answer from a router: any live node, the question stays open."""
        self._mark(f"fallback:{why}", f"fallback_{why}")
        self._to_any("")

    @staticmethod
    def _mark(by: str, label: str) -> None:
        KSR.pv.sets("$avp(by)", by)
        count(ROUTED, label)

    def _to_named(self, answer: Answer) -> None:
        """To the router's node, unless the probes call it dead and another one alive: the router may be seconds behind."""
        known = answer.node in self._settings.nodes
        dead = known and KSR.dispatcher.ds_is_active_uri(NODES, answer.uri) < 0
        node = self._live([answer.node]) if dead else ""
        if not node:
            KSR.setdsturi(answer.uri)
        self._relay(node or answer.node)

    def _to_any(self, tried: str) -> None:
        """The next live node that is not in `tried`; if the probes call all dead, whichever was not tried yet."""
        KSR.pv.sets("$avp(tried)", tried)
        failed = tried.split(";")
        node = self._live(failed)
        if not node:
            node = next((name for name in self._settings.nodes if name not in failed), "")
            if not node:
                KSR.hdr.append_to_reply(RETRY_AFTER)
                self._finish(503, "No Media Node")
                return
            KSR.setdsturi(self._settings.nodes[node])
        self._relay(node)

    def _live(self, failed: list[str]) -> str:
        """A node that answers probes and is not in `failed`, set as the destination; "" if there is none."""
        found = KSR.dispatcher.ds_select_dst(NODES, ROUND_ROBIN)
        while found > 0:
            node = self._settings.by_uri.get(KSR.pv.gete("$du"), "")
            if node not in failed:
                return node
            found = KSR.dispatcher.ds_next_dst()
        return ""

    def _relay(self, node: str) -> None:
        KSR.pv.sets("$avp(node)", node)
        KSR.rr.record_route_params(f";n={node}")
        call, trunk, home = KSR.pv.gete("$avp(call)"), KSR.pv.gete("$avp(trunk)"), KSR.pv.gete("$avp(home)")
        KSR.hdr.append(headers.inside(call, trunk, home, KSR.pv.gete("$avp(by)"), KSR.pv.gete("$avp(vip)")) + "\r\n")
        KSR.tm.t_on_reply(hooks.REPLY)
        KSR.tm.t_on_failure(hooks.FAILURE)
        KSR.tm.t_set_fr(0, SILENCE_MS)
        if KSR.tm.t_relay() < 0:
            self._finish(503, "No Media Node")

    def _to_seat(self, seat: str) -> None:
        KSR.tm.t_on_reply(hooks.REPLY)
        KSR.tm.t_on_failure(hooks.FAILURE)
        refusal = self._seats.dial(seat, "")
        if refusal:
            self._finish(*refusal)

    def _finish(self, status: int, reason: str) -> None:
        KSR.tm.t_send_reply(status, reason)
        self._accounts.ended(KSR.pv.gete("$avp(call)"), status, reason, KSR.pv.gete("$avp(by)"))

    # ---- in whichever process a reply or a timer comes up

    def reply(self) -> None:
        """A reply of a node to an INVITE, on its way to the carrier."""
        status = KSR.pv.get("$rs")
        if status == 100:
            return  # not passed on
        strip.outwards()
        if 200 <= status < 300:
            self._accounts.ended(KSR.pv.gete("$avp(call)"), status, KSR.pv.gete("$rr"), KSR.pv.gete("$avp(by)"))

    def failure(self) -> None:
        """All branches have failed, or the guard ran out before the answer came."""
        by, tried = KSR.pv.gete("$avp(by)"), KSR.pv.gete("$avp(tried)")
        canceled = KSR.tm.t_is_canceled() > 0
        if not canceled and not by:
            self.fallback("guard")
        elif not canceled and KSR.pv.gete("$avp(node)") and self._node_failed():
            node = KSR.pv.gete("$avp(node)")
            KSR.warn(f"media node {node} failed a call ({KSR.pv.gete('$T_reply_code')}), trying another\n")
            self._to_any(f"{tried};{node}" if tried else node)
        else:
            status = KSR.pv.get("$T_reply_code") or 500
            reason = KSR.pv.gete("$T_reply_reason")
            self._accounts.ended(KSR.pv.gete("$avp(call)"), status, reason, by or "edge")

    @staticmethod
    def _node_failed() -> bool:
        """A 5xx, or not even a provisional reply in time."""
        if KSR.tm.t_branch_timeout() > 0:
            return KSR.tm.t_branch_replied() < 0
        return KSR.tm.t_check_status("5[0-9][0-9]") > 0

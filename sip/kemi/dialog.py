"""Requests inside a dialog. Towards a media node the owner of the call is asked anew each time (the node may have changed)."""

from __future__ import annotations

from typing import Protocol

import KSR

from ops import keys
from sip.kemi import headers, hooks, mask, strip
from sip.kemi.account import RESOLVED, count
from sip.kemi.admit import Peer, Side
from sip.kemi.settings import Settings

REDIS = "centre"  # the server's name in kamailio.cfg
ASKED = "asked"  # htable: call -> where its last re-INVITE went


class Lent(Protocol):
    """Who wants to know of dialogs of our seats with other centres' callers (between.py)."""

    def bye(self, peer: Peer, placement: str) -> None:
        """A BYE passes; `placement` is "" if it is of any other dialog."""


class Dialogs:
    """Relays requests that carry a To tag."""

    def __init__(self, settings: Settings, lent: Lent) -> None:
        self._settings, self._lent = settings, lent

    def request(self, peer: Peer) -> None:
        """ACK, BYE, re-INVITE and the like."""
        route = KSR.pv.gete("$hdr(Route)")
        routed = KSR.rr.loose_route_mode(1)  # 1: a Contact that names the edge itself is no strict router's trace
        if KSR.is_BYE():
            self._lent.bye(peer, headers.placement_of(route))
        call = headers.call_of(KSR.kx.gete_ruser()) if KSR.is_myself_ruri() else ""
        if call:
            self._inwards(peer, call, route)
        elif routed > 0:
            self._outwards(peer)
        elif KSR.is_ACK():
            if KSR.tm.t_check_trans() > 0:
                KSR.tm.t_relay()
        else:
            KSR.sl.send_reply(481, "Call Does Not Exist")

    def _inwards(self, peer: Peer, call: str, route: str) -> None:
        named = self._settings.nodes.get(headers.node_of(route), "")
        uri = self._answerer(call, named) if KSR.is_ACK() else self._owner(call) or named
        if not uri:
            if not KSR.is_ACK():
                KSR.sl.send_reply(481, "Call Does Not Exist")
            return
        if KSR.is_INVITE():
            KSR.htable.sht_sets(ASKED, call, uri)
        KSR.setdsturi(uri)
        strip.inwards()
        if peer.side is Side.OTHER:
            KSR.nathelper.set_contact_alias()
        self._relay()

    def _outwards(self, peer: Peer) -> None:
        if peer.side is Side.MEDIA:
            strip.outwards()
            mask.hide()
        else:
            strip.inwards()
        if not KSR.isdsturiset():
            KSR.nathelper.handle_ruri_alias()
        self._relay()

    @staticmethod
    def _relay() -> None:
        KSR.tm.t_on_reply(hooks.REPLY_DIALOG)
        if KSR.tm.t_relay() < 0 and not KSR.is_ACK():
            KSR.sl.sl_reply_error()

    def _answerer(self, call: str, named: str) -> str:
        """Whom an ACK is for: who got the INVITE, whoever owns the call now. Saves the question to Redis in each call."""
        return str(KSR.htable.sht_get(ASKED, call) or named or self._owner(call))

    def _owner(self, call: str) -> str:
        """The node that owns the call now, by the lease "<fence> <sip-uri>"; "" if there is none or Redis is away."""
        key = keys.call_owner(self._settings.tenant, call)
        if KSR.ndb_redis.redis_cmd_p1(REDIS, "GET %s", key, "owner") < 0:
            count(RESOLVED, "redis_away")
            return ""
        lease = KSR.pv.gete("$redis(owner=>value)")
        KSR.ndb_redis.redis_free("owner")
        count(RESOLVED, "owner" if lease else "none")
        return str(lease).partition(" ")[2]

    @staticmethod
    def reply(peer: Peer) -> None:
        """A reply inside a dialog, on its way in or out."""
        if peer.side is Side.MEDIA:
            strip.outwards()
        else:
            strip.inwards()
            mask.restore()
        if peer.side is Side.OTHER:
            KSR.nathelper.set_contact_alias()

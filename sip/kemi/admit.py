"""Who sends, and may it pass? Guards in order of cost; each names a refusal, none looks at what comes after it."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple
from urllib.parse import unquote

import KSR

from sip.kemi import headers
from sip.kemi.account import REFUSED, Accounts, Entry, count, text
from sip.kemi.settings import Settings

BANS = "bans"  # htable: address -> 1, expires by itself
WRONG = "wrong"  # htable: address -> wrong passwords in the last minute
ALLOW = "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, INFO, PRACK, UPDATE, REFER, NOTIFY\r\n"
METHODS = frozenset(ALLOW.removeprefix("Allow: ").strip().split(", "))
SCHEMES = ("sip:", "sips:", "tel:")
SCANNERS = ("friendly-scanner", "sipvicious", "sipcli", "sip-scan", "pplsip", "sundayddr", "vaxsipuseragent", "sipsak")
MESSAGE_CHECKS = 1 | 2 | 4 | 32 | 64 | 128 | 256 | 1024 | 16384  # version, scheme, required, CSeq, length, expires, digest, ..
URI_CHECKS = 7


class Side(IntEnum):
    """Groups of the address list; OTHER is in none."""

    OTHER = 0
    TRUNK = 1
    MEDIA = 2
    CENTRE = 3  # the edge of another centre


class Peer(NamedTuple):
    """Who sent the request: its side and its name in the configuration."""

    side: Side
    name: str


class Refusal(NamedTuple):
    """What to answer. Status 0: nothing at all."""

    status: int
    reason: str
    why: str  # label of the counter


SILENCE = Refusal(0, "", "banned")


STRANGER = Peer(Side.OTHER, "")


def ban(why: str) -> None:
    """Hear nothing more from the sender's address for a while."""
    KSR.htable.sht_seti(BANS, KSR.kx.get_srcip(), 1)
    KSR.warn(f"banned {KSR.kx.get_srcip()}: {why}\n")


class Gate:
    """Lets requests in or refuses them."""

    def __init__(self, settings: Settings, accounts: Accounts) -> None:
        self._settings = settings
        self._accounts = accounts
        self._hosts = frozenset(uri.removeprefix("sip:").rpartition(":")[0] for uri in settings.nodes.values())

    def sender(self) -> Peer:
        """The sender by its source address; media nodes and edges of other centres by address and port."""
        group = KSR.permissions.allow_source_address_group()
        if group > 0:
            return Peer(Side(group), unquote(KSR.pv.gete("$avp(peer)")))
        if KSR.is_TCP() and KSR.kx.get_srcip() in self._hosts:
            return self._by_via()
        return STRANGER

    def _by_via(self) -> Peer:
        """A TCP connection of a media node comes from any port of its host; its Via tells the port where it listens.

        So whoever shares a host with media nodes could pass for one over TCP: such hosts must run nothing else (docs/adr/0105).
        """
        sent_by = headers.sent_by(KSR.hdr.gete("Via"))
        node = self._settings.by_uri.get(f"sip:{sent_by}", "")
        return Peer(Side.MEDIA, node) if node else STRANGER

    def verdict(self, peer: Peer) -> Refusal | None:
        """Why not, or None. Raises UnicodeDecodeError when a part that must be read is no UTF-8."""
        if peer.side is Side.OTHER and (stopped := self._stranger()):
            return stopped
        if KSR.kx.get_msglen() > self._settings.max_bytes:
            return Refusal(513, "Message Too Large", "size")
        if KSR.maxfwd.process_maxfwd(70) < 0:
            return Refusal(483, "Too Many Hops", "hops")
        if KSR.kx.get_method() not in METHODS:
            return Refusal(405, "Method Not Allowed", "method")
        if not KSR.pv.gete("$ru").lower().startswith(SCHEMES):
            return Refusal(416, "Unsupported URI Scheme", "scheme")
        if KSR.sanity.sanity_check(MESSAGE_CHECKS, URI_CHECKS) < 0:
            return Refusal(400, "Bad Request", "malformed")
        return None

    def _stranger(self) -> Refusal | None:
        source = KSR.kx.get_srcip()
        if KSR.htable.sht_get(BANS, source) is not None:
            return SILENCE
        agent = KSR.kx.gete_ua().lower()
        if any(name in agent for name in SCANNERS):
            ban("scanner")
            return SILENCE
        if KSR.pike.pike_check_req() < 0:
            ban("flood")
            return SILENCE
        return None

    def refuse(self, peer: Peer, refusal: Refusal) -> None:
        """Answer, count, and account for it if it is a new INVITE (a retransmission only gets its answer again)."""
        if refusal.status == 0:
            count(REFUSED, refusal.why)
            return
        fresh = KSR.is_INVITE() and KSR.siputils.has_totag() < 0
        if fresh and (made := KSR.tm.t_newtran()) == 0:
            return
        count(REFUSED, refusal.why)
        if refusal.status == 405:
            KSR.hdr.append_to_reply(ALLOW)
        if not fresh:
            KSR.sl.send_reply(refusal.status, refusal.reason)
            return
        self._account(peer, refusal)
        if made < 0 or KSR.tm.t_send_reply(refusal.status, refusal.reason) < 0:
            KSR.sl.send_reply(refusal.status, refusal.reason)

    def _account(self, peer: Peer, refusal: Refusal) -> None:
        trunk = peer.name if peer.side is Side.TRUNK else ""
        entry = Entry(self._accounts.new_call(), trunk, text("$rU"), headers.user_of(text("$fu")))
        self._accounts.entered(entry)
        self._accounts.ended(entry.call, refusal.status, refusal.reason, "edge")

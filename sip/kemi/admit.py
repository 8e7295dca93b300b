"""Who sends, and may it pass? Guards in order of cost; each names a refusal, none looks at what comes after it."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple
from urllib.parse import unquote

import KSR

from ops.numbers import number_of
from sip.kemi import headers
from sip.kemi.account import Accounts, Entry, text
from sip.kemi.settings import Settings


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


STRANGER = Peer(Side.OTHER, "")


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

    def account(self, peer: Peer, refusal: Refusal) -> None:
        """Account for a new INVITE that is refused."""
        trunk = peer.name if peer.side is Side.TRUNK else ""
        entry = Entry(
            self._accounts.new_call(), trunk, number_of(text("$rU")), headers.calling_of("", text("$fu"), text("$hdr(Privacy)"))
        )
        self._accounts.entered(entry)
        self._accounts.ended(entry.call, refusal.status, refusal.reason, "edge")

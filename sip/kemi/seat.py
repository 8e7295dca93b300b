"""Towards seats: an INVITE of a media node (or of a router's `seat` answer) to where the seat is registered."""

from __future__ import annotations

import re

import KSR

from sip.kemi import hooks, mask, strip
from sip.kemi.admit import Peer
from sip.kemi.settings import Settings

SILENCE_MS = 4000  # a seat that says nothing for so long is not there; seats may be far away and on a bad line
RING_MS = 180_000  # the media node gives up earlier
NAME = re.compile(r"[A-Za-z0-9._+*#-]{1,64}\Z")


class Seats:
    """Dials seats by the location table."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def aor(self, seat: str) -> str:
        """The address of record: every seat is of the one realm, whatever host its phone was told."""
        return f"sip:{seat}@{self._settings.realm}"

    def invite(self, peer: Peer) -> None:
        """A new INVITE from a media node."""
        if KSR.tm.t_newtran() <= 0:
            return
        strip.outwards()
        mask.hide()
        KSR.tm.t_on_reply(hooks.REPLY_SEAT)
        refusal = self.dial(KSR.kx.gete_ruser(), f";n={peer.name}")
        if refusal:
            KSR.tm.t_send_reply(*refusal)

    def dial(self, seat: str, mark: str) -> tuple[int, str] | None:
        """Relay to all contacts of `seat`; a status and reason if that cannot be. `mark`: parameters of the Record-Route."""
        if not NAME.match(seat) or KSR.registrar.lookup_uri("location", self.aor(seat)) < 0:
            return 404, "Not Registered"
        KSR.rr.record_route_params(mark) if mark else KSR.rr.record_route()
        KSR.tm.t_set_fr(RING_MS, SILENCE_MS)
        return (503, "Seat Not Reached") if KSR.tm.t_relay() < 0 else None

    @staticmethod
    def reply() -> None:
        """A reply of a seat: nothing of ours may come in; what comes from behind a NAT keeps its way back."""
        if KSR.pv.get("$rs") == 100:
            return  # not passed on
        strip.inwards()
        mask.restore()
        KSR.nathelper.set_contact_alias()

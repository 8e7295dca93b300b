"""Calls between centres: our callers to seats of others (away), callers of others to our seats (lent). docs/adr/0106.

    media node --INVITE sip:seat@realm;placement=p--> home edge --> edge there: reserved? --> seat
                                                                        |
                                                    list `dialogs`: up, failed, over --> router there

AVPs of the transaction: placement.
"""

from __future__ import annotations

import KSR

from ops import keys
from ops.clock import SystemClock
from sip.kemi import headers, hooks, mask, strip
from sip.kemi.account import PLACED, Accounts, Entry, count
from sip.kemi.admit import Peer, Side
from sip.kemi.dialog import REDIS
from sip.kemi.seat import RING_MS, Seats
from sip.kemi.settings import Settings

SILENCE_MS = 2000  # an edge that says nothing for so long is not there
MOST_TOLD = 10_000  # entries of the list that nobody takes
BY = "placement"  # routed_by of the accounting lines


class Between:
    """INVITEs between centres, and what their dialogs tell the router."""

    def __init__(self, settings: Settings, accounts: Accounts, seats: Seats) -> None:
        self._settings, self._accounts, self._seats = settings, accounts, seats
        self._clock = SystemClock()

    # ---- at home
    def edge_of(self, realm: str) -> str:
        """host:port of the edge of the centre whose seats are of this realm; "" if it is none we know."""
        return self._settings.centres.get(realm.lower(), "")

    def away(self, node: Peer, edge: str) -> None:
        """A media node calls a seat of another centre: on to the edge there."""
        if KSR.tm.t_newtran() <= 0:
            return
        strip.outwards()
        mask.hide()
        placement = self._entered("away", KSR.pv.gete("$rd"))
        KSR.tm.t_on_reply(hooks.REPLY_AWAY)
        KSR.tm.t_on_failure(hooks.FAILURE_AWAY)
        KSR.rr.record_route_params(f";n={node.name}")
        KSR.tm.t_set_fr(RING_MS, SILENCE_MS)
        KSR.setdsturi(f"sip:{edge}")
        if KSR.tm.t_relay() < 0:
            KSR.tm.t_send_reply(503, "Centre Not Reached")
            self._ended(placement, 503, "Centre Not Reached", "away")

    def away_reply(self) -> None:
        """The other centre's edge answers. The seat's Contact is that edge's to find."""
        if KSR.pv.get("$rs") == 100:
            return
        strip.inwards()
        mask.restore()
        self._replied("away")

    def away_failure(self) -> None:
        """The seat there did not take it."""
        self._failed("away")

    # ---- there
    def lent(self, centre: Peer) -> None:
        """Another centre calls a seat of ours."""
        if KSR.tm.t_newtran() <= 0:
            return
        seat = KSR.kx.gete_ruser()
        strip.inwards()
        placement = self._entered("lent", centre.name)
        KSR.tm.t_on_reply(hooks.REPLY_LENT)
        KSR.tm.t_on_failure(hooks.FAILURE_LENT)
        refusal = self._checked(centre.name, seat, placement) or self._seats.dial(seat, f";p={placement}")
        if refusal:
            KSR.tm.t_send_reply(*refusal)
            self._ended(placement, *refusal, "lent")
            self._tell("failed", placement, str(refusal[0]))

    def _checked(self, centre: str, seat: str, placement: str) -> tuple[int, str] | None:
        """Is this seat reserved for a call of that centre? What to answer if not."""
        if not headers.call_of_placement(placement):
            return 403, "No Placement"
        key = keys.placement(self._settings.tenant, placement)
        if KSR.ndb_redis.redis_cmd_p1(REDIS, "GET %s", key, "placement") < 0:
            return 503, "Placement Not Known Now"
        reserved = KSR.pv.gete("$redis(placement=>value)")
        KSR.ndb_redis.redis_free("placement")
        return None if reserved == f"{centre} {seat}" else (403, "No Such Placement")

    def lent_reply(self) -> None:
        """A seat of ours answers."""
        self._seats.reply()
        self._replied("lent")

    def lent_failure(self) -> None:
        """It did not take it."""
        self._failed("lent")

    def bye(self, peer: Peer, placement: str) -> None:
        """A BYE of such a dialog passes: told when it comes, for the other side may not answer any more."""
        if placement:
            self._tell("over", placement, "SIDE_CALLER" if peer.side is Side.CENTRE else "SIDE_AGENT")

    # ---- both
    def _entered(self, way: str, trunk: str) -> str:
        """Account for the INVITE; its placement, "" if it names none."""
        named = KSR.pv.gete("$(ru{uri.param,placement})")
        call = headers.call_of_placement(named)
        placement = named if call else ""
        KSR.pv.sets("$avp(placement)", placement)
        if placement:
            entry = Entry(call, trunk, KSR.kx.gete_ruser(), KSR.kx.gete_fuser(), _leg(placement, way))
            self._accounts.entered(entry)
        return placement

    def _ended(self, placement: str, status: int, reason: str, way: str) -> None:
        count(PLACED, f"{way}_{status // 100}xx")
        if placement:
            call = headers.call_of_placement(placement)
            self._accounts.ended(call, status, reason, BY, _leg(placement, way))

    def _replied(self, way: str) -> None:
        status, placement = KSR.pv.get("$rs"), KSR.pv.gete("$avp(placement)")
        if 200 <= status < 300:
            self._ended(placement, status, KSR.pv.gete("$rr"), way)
            if way == "lent":
                self._tell("up", placement, str(status))

    def _failed(self, way: str) -> None:
        placement = KSR.pv.gete("$avp(placement)")
        status = KSR.pv.get("$T_reply_code") or 500
        self._ended(placement, status, KSR.pv.gete("$T_reply_reason"), way)
        if way == "lent":
            self._tell("failed", placement, str(status))

    def _tell(self, what: str, placement: str, detail: str) -> None:
        """To the router of this centre. With Redis away it stays untold; the home centre's word comes by the nation."""
        if not placement:
            return
        key, entry = keys.dialogs(self._settings.tenant), f"{what} {placement} {self._clock.now_ms()} {detail}"
        if KSR.ndb_redis.redis_cmd_p2(REDIS, "RPUSH %s %s", key, entry, "told") < 0:
            KSR.warn(f"redis away: the router is not told that placement {placement} is {what}\n")
            return
        length = KSR.pv.get("$redis(told=>value)") or 0
        KSR.ndb_redis.redis_free("told")
        if int(length) > MOST_TOLD:
            KSR.ndb_redis.redis_cmd_p2(REDIS, "LTRIM %s %s -1", key, str(-MOST_TOLD), "told")
            KSR.ndb_redis.redis_free("told")


def _leg(placement: str, way: str) -> str:
    """What accounting lines are named after: the two edges write about the same placement."""
    return f"{placement}:{way}"

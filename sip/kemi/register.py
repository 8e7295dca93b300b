"""Registration of seats: digest (RFC 7616 with MD5, nonce count) against the HA1 that provisioning wrote to Redis."""

from __future__ import annotations

import KSR

from ops import keys
from sip.kemi.account import REGISTERS, count
from sip.kemi.admit import WRONG, ban
from sip.kemi.dialog import REDIS
from sip.kemi.seat import NAME, Seats
from sip.kemi.settings import Settings

NO_USER, WRONG_PASSWORD = -3, -2
RETRY_AFTER = "Retry-After: 5\r\n"
AWAY = None


class Registrar:
    """Answers REGISTER."""

    def __init__(self, settings: Settings, seats: Seats) -> None:
        self._settings = settings
        self._seats = seats

    def register(self) -> None:
        """401 until the digest is right, 403 for another's address, 503 while Redis is away, else 200."""
        seat = KSR.kx.get_au() or ""
        verdict = self._check(seat)
        if verdict is AWAY:
            count(REGISTERS, "redis_away")
            KSR.hdr.append_to_reply(RETRY_AFTER)
            KSR.sl.send_reply(503, "Service Unavailable")
        elif verdict < 0:
            self._challenge(seat, verdict)
        elif KSR.kx.gete_tuser() != seat:
            count(REGISTERS, "mismatch")
            KSR.sl.send_reply(403, "Not Your Address")
        else:
            self._save(seat)

    def _check(self, seat: str) -> int | None:
        """What pv_auth_check says (>= 0: right), AWAY if Redis is."""
        if not NAME.match(seat):
            return NO_USER
        key = keys.seat_auth(self._settings.tenant, seat)
        if KSR.ndb_redis.redis_cmd_p1(REDIS, "HGET %s ha1", key, "seat") < 0:
            return AWAY
        ha1 = KSR.pv.gete("$redis(seat=>value)")
        KSR.ndb_redis.redis_free("seat")
        return KSR.auth.pv_auth_check(self._settings.realm, ha1, 1, 0) if ha1 else NO_USER

    def _challenge(self, seat: str, verdict: int) -> None:
        if seat and verdict in (NO_USER, WRONG_PASSWORD):
            count(REGISTERS, "wrong_password")
            if KSR.htable.sht_inc(WRONG, KSR.kx.get_srcip()) >= self._settings.wrong_passwords:
                ban("wrong passwords")
        else:
            count(REGISTERS, "challenged")
        KSR.auth.auth_challenge(self._settings.realm, 1)

    def _save(self, seat: str) -> None:
        KSR.auth.consume_credentials()
        KSR.nathelper.fix_nated_register()
        if KSR.registrar.save_uri("location", 0, self._seats.aor(seat)) < 0:
            count(REGISTERS, "failed")
            KSR.sl.sl_reply_error()
        else:
            count(REGISTERS, "saved")

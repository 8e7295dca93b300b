"""The rule of overload.py inside the asker process: its clock, and the shared variables of sip/routes/overload.cfg."""

from __future__ import annotations

import asyncio

import KSR

from ops.clock import SystemClock
from sip.kemi.overload import Limits, Overload, Waits
from sip.kemi.routers import now_ms
from sip.kemi.settings import Settings

TICK_S = 0.05
CLOCK = SystemClock()
ADMITTED = "admitted_per_s"
LATE = "late_ms"


class Guard:
    """Limits new calls of trunks while routers or media nodes answer late."""

    def __init__(self, settings: Settings) -> None:
        self._rule = Overload(
            Limits(router_ms=settings.late_router_ms, media_ms=settings.late_media_ms, floor=float(settings.never_below_per_s))
        )
        self._limited = False

    def answered(self, took_ms: int, why: str) -> None:
        """A question was answered, or not (`why`). One that was not counts for nothing here: its call goes by the fallback,
        whether the router is away, hung or slow, and is refused for late media nodes alone."""
        if not why:
            self._rule.answered(took_ms)

    async def run(self) -> None:
        """Look, for as long as the process lives."""
        while True:
            self._look(now_ms())
            await asyncio.sleep(TICK_S)

    def _look(self, now: int) -> None:
        if self._rule.window_over(now):
            media = Waits(_take("answers"), _take("quickest"))
            KSR.xhttp_prom.gauge_set_l1(LATE, str(media.least_ms), "media")
            KSR.xhttp_prom.gauge_set_l1(LATE, str(self._rule.router_wait.least_ms), "router")
            self._rule.judge(now, media, bool(_take("refused")))
            self._tell()
        KSR.pvx.shv_seti("budget", self._rule.budget(now, KSR.pv.get("$shv(budget)")))
        KSR.pvx.shv_seti("looked", CLOCK.now_ms() // 1000)
        KSR.pvx.shv_seti("limited", int(self._limited))

    def _tell(self) -> None:
        rate = self._rule.rate
        KSR.xhttp_prom.gauge_set_l0(ADMITTED, str(0 if rate is None else round(rate)))
        if self._limited != (rate is not None):
            self._limited = rate is not None
            KSR.warn(f"overload: new calls limited to {rate:.0f} a second\n" if rate else "overload is over\n")


def _take(name: str) -> int:
    value = int(KSR.pv.get(f"$shv({name})"))
    KSR.pvx.shv_seti(name, 0)
    return value

"""Callers who would rather be called back, and how that goes: the seat rings first, then the customer picks up or does not.

A caller who is told an expected wait of at least the queue's `callback_from_s` (or that nobody is there who could answer) thinks
for some seconds and hangs up; the desk keeps the place. From then on nothing ends the call but a talk or too many tries
(router/core/callback.py). What a media node does about such a call is done here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.core import verbs_calls
from router.core.call import CallState
from router.core.commands import Enqueue
from router.core.events import Offer, Queued

if TYPE_CHECKING:
    from router.sim.site import Caller, Site

THINKS_MS = 10_000  # hears how long it will take, and decides
PICKS_UP_MS = 6_000  # the customer's phone rings for so long
RINGS_OUT_MS = 30_000  # nobody there
PHI = 0.7548776662466927  # spreads the tries of one caller evenly over 0..1, otherwise than missed offers (site.py)


class Callbacks:
    """Of one site. `from_ms`: queue -> expected wait from which on callers are told of it; queues without it have none."""

    def __init__(self, site: Site) -> None:
        self._site, self.from_ms = site, dict[str, int]()

    def told(self, caller: Caller, frame: Queued) -> None:
        """The caller heard where it stands."""
        queue, desk = caller.came.queue, self._site.desk
        if not caller.came.callback or queue not in self.from_ms:
            return
        nobody = not desk.staffed.get(desk.plan.queues[queue].rule.skill)
        if nobody or frame.expected_ms >= self.from_ms[queue]:
            self._site.agenda.at(self._site.agenda.now + THINKS_MS, self._ask, caller)

    def _ask(self, caller: Caller) -> None:
        if caller.over or caller.answered_ms >= 0 or caller.ringing:
            return
        site, came = self._site, caller.came
        caller.back = True
        for count in caller.counts:
            count.callbacks += 1
        words = Enqueue(caller.id, caller.say(), came.queue, -1, caller.at_ms, b"", came.city, came.customer, came.agent, came.vip)
        site.step(site.by, verbs_calls.callback, site.by, words, words.call, "", "any")

    def picked(self, caller: Caller, frame: Offer) -> None:
        """The agent's seat has answered: the customer is called."""
        site = self._site
        caller.dialling, caller.agent, caller.tries = frame.offer, frame.agent, caller.tries + 1
        caller.ringing.clear()
        site.step(site.by, verbs_calls.dialling, caller.id, caller.say(), frame.offer, site.agenda.now, "twin")
        there = (caller.came.chance + PHI * caller.tries) % 1 < caller.came.picks_up
        after, then = (PICKS_UP_MS, self._reached) if there else (RINGS_OUT_MS, self.failed)
        site.agenda.at(site.agenda.now + after, then, caller, frame.offer)

    def _reached(self, caller: Caller, offer: str) -> None:
        if caller.dialling != offer:
            return
        site, now = self._site, self._site.agenda.now
        caller.dialling, caller.answered_ms = "", now
        site.step(site.by, verbs_calls.settle_answered, caller.id, caller.say(), offer, now)
        for count in caller.counts:
            count.reached += 1
            count.back_ms += now - caller.at_ms
        if caller.counts:
            site.tally.took(caller.agent, caller.came.handling_ms)
        site.agenda.at(now + caller.came.handling_ms, site.end, caller, "REASON_HANGUP")

    def failed(self, caller: Caller, offer: str, reason: str = "REASON_NO_ANSWER") -> None:
        """The customer was not reached: again after a while, or never."""
        if caller.dialling != offer:
            return
        site, caller.dialling, caller.agent = self._site, "", ""
        site.step(site.by, verbs_calls.settle_failed, caller.id, caller.say(), offer, reason)
        call = site.desk.calls.get(caller.id)
        if call is None or call.state is CallState.ENDED:
            caller.over = True
            del site.callers[caller.id]

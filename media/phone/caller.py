"""A caller who follows a plan: calls, presses keys, waits for an agent, talks, hangs up or is hung up on."""

from __future__ import annotations

import asyncio
from pathlib import Path

from media.phone import plan as plans
from media.phone import sound
from media.phone.ear import Ear, Published
from media.phone.line import Line, Over, Phone
from media.phone.plan import Plan, Result

HANGUP_KEY = "#"
GRACE_S = 10.0  # how long an agent who was asked to hang up may take

_ADVICE = {
    403: "the centre does not take this caller or this address: is the number blacklisted, is --bind one of the trunk's addresses?",
    404: "the centre does not have this service number: see 'numbers' in endpoints.json",
    408: "nobody answers there: is the centre up (tierline status), is --edge right?",
    480: "nobody takes the call there",
    488: "the centre cannot use our SDP",
    503: "the centre is full or not ready: tierline status tells which part",
}


class Caller:
    """One call by plan. `line` is open after `start`."""

    def __init__(self, phone: Phone, plan: Plan, target: str, route: str, published: Published) -> None:
        """`target`, `route`: SIP URIs of the service number and of the edge."""
        self.plan = plan
        self.audio = sound.load(plan.audio) if plan.audio is not None else b""
        self.line: Line = phone.call(target, plan.calling, route, timeout_s=plan.give_up + GRACE_S)
        self.agent: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._ear = Ear(published)
        if self.line.port is not None:
            self.line.port.listener.on_sound = self._sound

    def _sound(self, payload: bytes) -> None:
        if not self.agent.done() and self._ear.take(payload, self.line.phone.now()):
            self.agent.set_result(self._ear.heard_at or 0.0)

    async def run(self) -> Result:
        """Carry the plan out to the end of the call."""
        line, give_up = self.line, self.line.began + self.plan.give_up
        gave_up = False
        if await self._until(line.answered, give_up) and line.answered.result():
            await self._dial(give_up)
            if await self._until(self._talk_begins(), give_up):
                await self._talk()
        if not line.over.done():
            gave_up = self.talk_began == 0.0
            line.hang_up()
        return self._result(await line.over, gave_up)

    @property
    def talk_began(self) -> float:
        """When the talk began, 0.0 before it."""
        return self.agent.result() if self.agent.done() else 0.0

    def _talk_begins(self) -> asyncio.Future[float]:
        if self.plan.talk_from == "answer" and not self.agent.done() and not self.line.over.done():
            self.agent.set_result(self.line.phone.now())
        return self.agent

    async def _until(self, what: asyncio.Future[float] | asyncio.Future[bool], deadline: float) -> bool:
        """Wait for something, the end of the call or the deadline; whether it was the first."""
        left = max(0.0, deadline - self.line.phone.now())
        await asyncio.wait([what, self.line.over], timeout=left, return_when=asyncio.FIRST_COMPLETED)
        return what.done() and not self.line.over.done()

    async def _over_within(self, seconds: float) -> bool:
        await asyncio.wait([self.line.over], timeout=max(0.0, seconds))
        return self.line.over.done()

    async def _dial(self, deadline: float) -> None:
        """Press the keys; each waits until the one before is out."""
        for key in plans.keys(self.plan.digits):
            if self.line.over.done() or self.line.phone.now() > deadline:
                return
            if key == plans.PAUSE:
                await self._over_within(plans.PAUSE_S)
                continue
            self.line.press(key, by_info=self.plan.digits_by == "info")
            while self.line.port is not None and self.line.port.talker.pressing and not await self._over_within(0.02):
                pass

    async def _talk(self) -> None:
        if self.line.port is not None:
            self.line.port.talker.say(self.audio, loop=True)
        over = await self._over_within(self.talk_began + self.plan.talk - self.line.phone.now())
        if not over and self.plan.hangup_by == "agent":
            if self.line.port is not None:
                self.line.press(HANGUP_KEY)
            await self._over_within(GRACE_S)

    def _result(self, over: Over, gave_up: bool) -> Result:
        plan, line = self.plan, self.line
        result = self._kind(over, gave_up)
        return Result(
            name=plan.name,
            calling=plan.calling,
            called=plan.called,
            result=result,
            status=200 if line.answered_at else over.status,
            ended_by={"us": "caller", "them": "centre"}.get(over.by, "nobody"),
            reason=over.reason,
            answered_ms=self._ms(line.answered_at),
            agent_ms=self._ms(self.talk_began),
            talk_ms=int((line.ended_at - self.talk_began) * 1000) if self.talk_began else 0,
            total_ms=self._ms(line.ended_at),
            packets=line.port.listener.packets if line.port is not None else 0,
            record=self._record(),
            error=self._error(result, over),
        )

    def _kind(self, over: Over, gave_up: bool) -> str:
        if over.lost or (self.line.answered_at and over.status):
            return "failed"
        if self.talk_began:
            return "talked"
        if gave_up:
            return "gave_up"
        return "ended" if self.line.answered_at else "refused"

    def _error(self, result: str, over: Over) -> str:
        plan = self.plan
        if plan.expect and plan.expect != result:
            return f"expected {plan.expect}, got {result}" + (f" ({over.status} {over.reason})" if over.status else "")
        if result == "failed":
            return over.reason or "the call was lost: the other side is not there any more"
        if result == "refused" and not plan.expect:
            return f"{over.status} {over.reason}: " + _ADVICE.get(over.status, "see the log of the edge (STATE/log)")
        if result == "talked" and plan.hangup_by == "agent" and over.by != "them":
            return (
                f"the agent did not hang up within {GRACE_S:.0f} s (a simulated seat does with --hangup-on '#' or --hangup-after)"
            )
        return ""

    def _ms(self, at: float) -> int:
        return int((at - self.line.began) * 1000) if at else 0

    def _record(self) -> str:
        path: Path | None = self.plan.record
        if path is None or self.line.port is None or not self.line.answered_at:
            return ""
        sound.save(self.line.port.listener, path)
        return str(path)

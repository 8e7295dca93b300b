"""Facts and owner leases on their way to Redis, in one batch a tick.

While Redis is away facts stay here in their order; at the end of the process what is left goes into a file under STATE and is
read again by the next one. A fact may be written twice (its id is the same: the ledger takes it once), never not at all.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from itertools import islice
from pathlib import Path

from media.rpc.pipe import Command, Pipe, RedisAway, RedisRefused
from media.rpc.tick import on_tick
from ops import facts, keys
from ops.facts import Fact

log = logging.getLogger(__name__)
LEASE_S = 120
RENEW_S = 40
MOST = 500  # facts of one batch
FENCE = 1  # of a call's first owner
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0


class Outbox:
    """call.ports.Ledger. `uri`: our SIP URI, for leases. `spool`: the file for what is left over."""

    def __init__(self, pipe: Pipe, tenant: str, uri: str, spool: Path) -> None:
        self._pipe, self._tenant, self._lease, self._spool = pipe, tenant, f"{FENCE} {uri}", spool
        self._facts: deque[str] = deque()
        self._owned: set[str] = set()
        self._leases: dict[str, bool] = {}  # call -> ours or not, not told yet
        self._wake = asyncio.Event()
        self._tick: asyncio.TimerHandle | None = None
        self._renewal: asyncio.TimerHandle | None = None
        self._stream = keys.facts(tenant)
        self.away = False

    # ---- call.ports.Ledger --------------------------------------------------------------------------------------
    def write(self, fact: Fact) -> None:
        """A fact, in order."""
        self._facts.append(facts.encode(fact))
        self._soon()

    def own(self, call: str) -> None:
        """The dialogs of the call are ours."""
        self._owned.add(call)
        self._leases[call] = True
        self._soon()

    def disown(self, call: str) -> None:
        """They are over."""
        self._owned.discard(call)
        self._leases[call] = False
        self._soon()

    def __len__(self) -> int:
        return len(self._facts)

    def _soon(self) -> None:
        if self._tick is None:
            self._tick = on_tick(asyncio.get_running_loop(), self._ticked)

    def _ticked(self) -> None:
        self._tick = None
        self._wake.set()

    # ---- its life -----------------------------------------------------------------------------------------------
    def load(self) -> int:
        """Take over what an earlier process left; how many facts. The file stays until they are in Redis."""
        if not self._spool.exists():
            return 0
        lines = [line for line in self._spool.read_text(encoding="utf-8").splitlines() if _whole(line)]
        self._facts.extendleft(reversed(lines))
        self._soon()
        return len(lines)

    async def run(self) -> None:
        """Write until cancelled."""
        pause, spooled = FIRST_PAUSE_S, self._spool.exists()
        self._renew()
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                while self._facts or self._leases:
                    await self._flush()
                if spooled:
                    self._spool.unlink(missing_ok=True)
                    spooled = False
                pause = FIRST_PAUSE_S
            except RedisAway as error:
                self._told_away(error)
                self._wake.set()
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE_S, pause * 2)

    async def finish(self, seconds: float = 2.0) -> None:
        """After `run` was cancelled: write what is left, or keep it in the file."""
        try:
            async with asyncio.timeout(seconds):
                while self._facts or self._leases:
                    await self._flush()
            self._spool.unlink(missing_ok=True)
        except (RedisAway, TimeoutError) as error:
            self._keep()
            log.warning("Redis is away: facts are kept in a file", extra={"facts": len(self._facts), "why": str(error)})
        self._pipe.close()
        if self._renewal is not None:
            self._renewal.cancel()

    def _keep(self) -> None:
        half = self._spool.with_suffix(".half")
        half.parent.mkdir(parents=True, exist_ok=True)
        half.write_text("".join(f"{line}\n" for line in self._facts), encoding="utf-8")
        half.replace(self._spool)

    def _told_away(self, error: RedisAway) -> None:
        if not self.away:
            log.warning("Redis is away: facts wait", extra={"facts": len(self._facts), "why": str(error)})
        self.away = True

    def _renew(self) -> None:
        """All leases anew, long before they run out."""
        self._leases.update(dict.fromkeys(self._owned, True))
        self._soon()
        self._renewal = asyncio.get_running_loop().call_later(RENEW_S, self._renew)

    # ---- one batch ----------------------------------------------------------------------------------------------
    async def _flush(self) -> None:
        """Nothing is forgotten before its reply is there. Raises RedisAway."""
        count, leases = min(len(self._facts), MOST), dict(self._leases)
        batch: list[Command] = [("XADD", self._stream, "*", keys.FACTS_FIELD, fact) for fact in islice(self._facts, count)]
        batch += [self._lease_command(call, ours) for call, ours in leases.items()]
        try:
            await self._pipe.run(batch)
        except RedisRefused as error:
            log.error("Redis refused a command", extra={"command": str(batch[error.index][0]), "why": str(error)})
            raise RedisAway(str(error)) from error
        for _ in range(count):
            self._facts.popleft()
        for call, ours in leases.items():
            if self._leases.get(call) is ours:
                del self._leases[call]
        if self.away:
            self.away = False
            log.info("Redis is back", extra={"facts": count})

    def _lease_command(self, call: str, ours: bool) -> Command:
        key = keys.call_owner(self._tenant, call)
        return ("SET", key, self._lease, "EX", LEASE_S) if ours else ("DEL", key)


def _whole(line: str) -> bool:
    """A line that is a fact; one that was cut short by a full disk is told and left."""
    try:
        facts.decode(line)
    except facts.BadFact as error:
        log.error("a kept fact cannot be read", extra={"why": str(error)})
        return False
    return True

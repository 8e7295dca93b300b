"""Agents whose page is closed: nobody sees the call that is offered, though the phone may ring.

Only agents who have had a page count: who works with a desk phone and the API alone never had one. A reload or a cut of the
network is shorter than the time that is given.
"""

from __future__ import annotations


class Presence:
    """Live connections of agents, counted. No I/O; times are ms of a monotonic clock."""

    def __init__(self) -> None:
        self._open: dict[str, int] = {}
        self._gone_ms: dict[str, int] = {}

    def came(self, agent: str) -> None:
        """A page of this agent is open."""
        self._open[agent] = self._open.get(agent, 0) + 1
        self._gone_ms.pop(agent, None)

    def went(self, agent: str, now_ms: int) -> None:
        """One of them is not any more."""
        left = self._open.get(agent, 0) - 1
        if left > 0:
            self._open[agent] = left
        elif self._open.pop(agent, None) is not None:
            self._gone_ms[agent] = now_ms

    def overdue(self, now_ms: int, grace_ms: int) -> list[str]:
        """Who has had no page for so long, and was not settled since."""
        return [agent for agent, gone_ms in self._gone_ms.items() if now_ms - gone_ms >= grace_ms]

    def settled(self, agent: str) -> None:
        """Nothing is to be done about this agent until a page was opened and closed again."""
        self._gone_ms.pop(agent, None)

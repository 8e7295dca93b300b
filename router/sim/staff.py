"""The agents of a site through the day: they come, pause, go, and come back from what they missed."""

from __future__ import annotations

from dataclasses import dataclass

from router.core import verbs_agents
from router.core.agent import AgentState
from router.sim.agenda import Agenda
from router.sim.roster import FOREVER_MS, Hired
from router.sim.site import Site


@dataclass(slots=True)
class Worker:
    """An agent. `due`: should be at work now; `cut`: the seat is without power or network."""

    id: str
    seat: str
    skills: tuple[tuple[str, int], ...]
    due: bool = False
    cut: bool = False


class Staff:
    """All workers of a site."""

    def __init__(self, site: Site, agenda: Agenda) -> None:
        self._site, self._agenda, self._begins = site, agenda, agenda.now
        self.workers: dict[str, Worker] = {}
        self._back_ms = site.seats.back_s * 1000

    def hire(self, one: Hired) -> None:
        """One more, with all that the agent will do."""
        worker = Worker(one.id, f"s{one.id}", one.skills)
        self.workers[one.id] = worker
        for start, end in one.spans:
            self._agenda.at(self._begins + start, self._come, worker)
            if end < FOREVER_MS:
                self._agenda.at(self._begins + end, self._go, worker)
        for at, length in one.pauses:
            self._agenda.at(self._begins + at, self._pause, worker, length)

    def _come(self, worker: Worker) -> None:
        worker.due = True
        if not worker.cut:
            self._log_in(worker)

    def _log_in(self, worker: Worker) -> None:
        self._site.step(None, verbs_agents.login, worker.id, worker.seat, worker.skills)
        self._site.step(None, verbs_agents.ready, worker.id)

    def _go(self, worker: Worker) -> None:
        worker.due = False
        if not worker.cut:
            self._site.step(None, verbs_agents.logout, worker.id)

    def _pause(self, worker: Worker, length_ms: int) -> None:
        if worker.due and not worker.cut:
            self._site.step(None, verbs_agents.not_ready, worker.id, "pause")
            self._agenda.at(self._agenda.now + length_ms, self._back, worker)

    def missed(self, agent: str) -> None:
        """The agent let it ring, and will be back after a while."""
        self._agenda.at(self._agenda.now + self._back_ms, self._back, self.workers[agent])

    def _back(self, worker: Worker) -> None:
        """From a pause, or from a call that was missed; during a call as a wish."""
        if worker.due and not worker.cut and self._site.desk.agents[worker.id].state is not AgentState.LOGGED_OUT:
            self._site.step(None, verbs_agents.ready, worker.id)

    def cut(self) -> None:
        """All seats of the site are cut off: talks end, nobody is logged in."""
        for worker in self.workers.values():
            worker.cut = True
        self._site.cut(set(self.workers))
        for worker in self.workers.values():
            if worker.due:
                self._site.step(None, verbs_agents.logout, worker.id)

    def restore(self) -> None:
        """They work again."""
        for worker in self.workers.values():
            worker.cut = False
            if worker.due:
                self._log_in(worker)

"""Who works when: agents with the spans of time in which they take calls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from router.sim.scenario import DAY_S, Crew, Scenario, clock_ms, expanded

DAY_MS = DAY_S * 1000
FOREVER_MS = 1 << 45


@dataclass(frozen=True, slots=True)
class Hired:
    """An agent. Times in ms since the beginning; `spans` do not touch each other."""

    id: str
    site: int
    skills: tuple[tuple[str, int], ...]
    spans: tuple[tuple[int, int], ...]  # from the log-in to the log-out
    pauses: tuple[tuple[int, int], ...] = ()  # (when, how long), inside a span
    city: str = ""
    weight: int = 1


def rostered(scenario: Scenario) -> list[Hired]:
    """All agents of the crews; ids tell site, crew and number: p03.early-07."""
    found: list[Hired] = []
    for index, (name, site) in enumerate(expanded(scenario.site)):
        for number, crew in enumerate(site.crew, 1):
            prefix = f"{name}.{crew.seat or number}"
            found += [_hire(f"{prefix}-{n:02}", index, crew, scenario, (n - 0.5) / crew.agents) for n in range(1, crew.agents + 1)]
    return found


def _hire(agent: str, site: int, crew: Crew, scenario: Scenario, share: float) -> Hired:
    """`share` (0..1) says where in the middle of the shift the pause lies."""
    spans = _spans(crew, scenario)
    pauses = tuple(pause for span in spans if (pause := _pause(span, crew.pause_s * 1000, share)))
    return Hired(agent, site, tuple(crew.skills.items()), spans, pauses, crew.city, crew.weight)


def _spans(crew: Crew, scenario: Scenario) -> tuple[tuple[int, int], ...]:
    start, end, begins = clock_ms(crew.start), clock_ms(crew.end), clock_ms(scenario.begins)
    end += 0 if end > start else DAY_MS
    if end - start >= DAY_MS:
        return ((0, FOREVER_MS),)
    days = range(-1, (begins + scenario.hours * 3_600_000) // DAY_MS + 1)
    spans = ((day * DAY_MS + start - begins, day * DAY_MS + end - begins) for day in days)
    return tuple((max(0, a), b) for a, b in spans if b > 0)


def _pause(span: tuple[int, int], length: int, share: float) -> tuple[int, int] | None:
    start, end = span
    at = start + (end - start) // 4 + int((end - start) / 2 * share)
    return (at, length) if length and end < FOREVER_MS else None


def at_work(agents: Iterable[Hired], at_ms: int) -> int:
    """How many take calls then, by the roster: logged in and not in a pause."""
    return sum(
        any(start <= at_ms < end for start, end in one.spans) and not any(at <= at_ms < at + long for at, long in one.pauses)
        for one in agents
    )

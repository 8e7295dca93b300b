"""A picture for each policy: five ready agents, what is compared and who is taken; and how 5,000 calls were shared out by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from figures.canvas import Axes, box, curve, frame, legend, line, save, text
from figures.lines import rows

LEFT, TOP, STEP = 130, 92, 34


@dataclass(frozen=True)
class Agent:
    """One who stands ready. Times in s."""

    name: str
    idle: int
    level: int
    calls: int
    mean_idle: int
    weight: float


AGENTS = (
    Agent("Wang", 150, 2, 9, 30, 1),
    Agent("Li", 95, 1, 11, 55, 1),
    Agent("Zhang", 60, 1, 7, 40, 2),
    Agent("Liu", 40, 3, 7, 80, 0.5),
    Agent("Chen", 15, 2, 12, 65, 1),
)


@dataclass(frozen=True)
class Way:
    """How a policy chooses. `bar`: length of an agent's bar; `first`: the smallest is taken; `words` stand at the bar."""

    title: str
    what: str
    bar: Callable[[Agent], float]
    first: Callable[[Agent], tuple[float, ...]]
    words: Callable[[Agent], str]


def _share(agent: Agent) -> float:
    return agent.weight / sum(one.weight for one in AGENTS)


WAYS = {
    "longest_idle": Way("the longest ready", "ready for", lambda a: a.idle, lambda a: (-a.idle,), lambda a: f"{a.idle} s"),
    "fewest_calls": Way(
        "fewest calls since log-in, then the longest ready",
        "calls since log-in",
        lambda a: a.calls,
        lambda a: (a.calls, -a.idle),
        lambda a: f"{a.calls} calls, ready {a.idle} s",
    ),
    "highest_skill": Way(
        "the best level, then the longest ready",
        "level (1 is best)",
        lambda a: 4 - a.level,
        lambda a: (a.level, -a.idle),
        lambda a: f"level {a.level}, ready {a.idle} s",
    ),
    "weighted_random": Way(
        "by lot: anybody may be taken",
        "chance, by weight",
        _share,
        lambda a: (-_share(a),),
        lambda a: f"{100 * _share(a):.0f} % (weight {a.weight:g})",
    ),
    "longest_average_idle": Way(
        "the longest mean of idle periods that ended with a call",
        "mean idle period",
        lambda a: a.mean_idle,
        lambda a: (-a.mean_idle,),
        lambda a: f"{a.mean_idle} s (now {a.idle} s)",
    ),
}


def draw() -> None:
    """img/routing-policy-NAME.svg of each."""
    for name, way in WAYS.items():
        parts = [text(20, 28, name, bold=True, size=15), text(20, 50, way.title, "soft")]
        save(f"policy-{name}", (720, 300), f"{name}: {way.title}", parts + _schematic(way, name) + _measured(name))


def _schematic(way: Way, name: str) -> list[str]:
    lot = name == "weighted_random"
    taken = min(AGENTS, key=way.first)
    longest = max(map(way.bar, AGENTS))
    parts = [text(LEFT, TOP - 14, way.what, "soft", size=12)]
    for number, agent in enumerate(AGENTS):
        y, mine = TOP + STEP * number, lot or agent is taken
        length = 90 * way.bar(agent) / longest
        parts.append(text(LEFT - 10, y + 15, agent.name, "ink" if mine else "soft", "end", bold=agent is taken and not lot))
        parts += [
            box(LEFT, y, length, 20, "f2" if mine else "f5", 'rx="2"'),
            text(LEFT + length + 8, y + 15, way.words(agent), size=12),
        ]
        if agent is taken and not lot:
            parts += [
                line((22, y + 10), (48, y + 10), "s2", 3),
                f'<polygon points="46,{y + 4} 58,{y + 10} 46,{y + 16}" class="f2"/>',
            ]
    return parts


def _measured(name: str) -> list[str]:
    found = {(row["case"], row["rule"]): row for row in rows("fairness")}
    axes = Axes(430, 100, 250, 136, 100, 110)
    marks = [(1.0, "1st"), (50.0, "50th"), (100.0, "100th")]
    parts = frame(axes, marks, [(y, str(y)) for y in (0, 50, 100)], y="calls of 100 agents, least busy first")
    for case, style in (("equal talks", "s1"), ("random talks", "s6")):
        row = found.get((case, name))
        if row is not None:
            parts.append(curve(axes, _steps(row["by_agent"]), style, 3, "" if style == "s1" else "6 5"))
    return parts + legend(430, 284, [("equal talks", "f1")]) + legend(550, 284, [("random talks", "f6")])


def _steps(calls: Sequence[int]) -> list[tuple[float, float]]:
    return [(n + 0.5, count) for n, count in enumerate(calls)]

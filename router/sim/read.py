"""Scenario files and rule files. Mistakes are told all at once, each with file, line, key and what to write instead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ops import config, rulebook, text_file
from ops.config import ConfigError, Source
from ops.config_lines import Keys, lines_of
from router.sim.scenario import BREAKS, SHAPES, Load, RuleSet, Scenario, Spread, clock_ms, expanded

RULES = "rules"  # table of a scenario file: a rule book, or the name of a file with one


def scenario(path: Path) -> tuple[Scenario, RuleSet]:
    """A scenario and the rules it stands under. Raises ConfigError."""
    try:
        text = text_file.read(path)
    except (OSError, ValueError) as error:
        raise ConfigError((f"{path}: cannot be read: {error}",)) from error
    data = config.parse(text, path)
    rules = data.pop(RULES, None)
    found = config.tables(Scenario, data, Source(path, lines_of(text)), _fits)
    if isinstance(rules, str):
        return found, rule_set(path.parent / rules)
    if not isinstance(rules, dict):
        raise ConfigError((f'{path}: {RULES} is missing; write {RULES} = "centre.toml", or tables like [[{RULES}.queue]]',))
    return found, RuleSet(rulebook.from_data(rules, Source(path, _below(lines_of(text)))))


def rule_set(path: Path) -> RuleSet:
    """A rule book or the file of a centre. Raises ConfigError."""
    return RuleSet(rulebook.read(path))


def _below(lines: dict[Keys, int]) -> dict[Keys, int]:
    return {keys[1:]: line for keys, line in lines.items() if keys[0] == RULES and len(keys) > 1}


def check(found: Scenario, rules: RuleSet) -> None:
    """Whether the rules know the queues that callers ask for, and somebody has their skills. Raises ConfigError."""
    asked = {load.queue for site in found.site for load in site.load}
    check_queues(found.name, asked, rules)
    queues = {one.id: one.skill for one in rules.book.queue}
    skills = {skill for site in found.site for crew in site.crew for skill in crew.skills}
    lacking = [queue for queue in sorted(asked) if queues[queue] not in skills]
    if lacking:
        raise ConfigError(tuple(f"{found.name}: queue {one} needs the skill {queues[one]}, and no crew has it" for one in lacking))


def check_queues(name: str, asked: Iterable[str], rules: RuleSet) -> None:
    """Whether the rules have all queues that are asked for. Raises ConfigError."""
    queues = {one.id for one in rules.book.queue}
    there = ", ".join(sorted(queues)) or "none"
    wrong = tuple(f"{name}: callers ask for queue {queue}; the rules have {there}" for queue in sorted(set(asked) - queues))
    if wrong:
        raise ConfigError(wrong)


def _fits(found: Scenario) -> Iterator[tuple[Keys, str]]:
    names = {name for name, _ in expanded(found.site)}
    yield from _time(("begins",), found.begins)
    if not 1 <= found.hours <= 24 * 366:
        yield ("hours",), f"{found.hours} is out of range; write a number from 1 to {24 * 366}"
    for n, name in enumerate(found.hot):
        if name not in names:
            yield ("hot", n), f'"{name}" is no site; there are: {", ".join(sorted(names))}'
    for n, outage in enumerate(found.outage):
        if outage.site not in (*names, "*"):
            yield ("outage", n, "site"), f'"{outage.site}" is no site; write one of {", ".join(sorted(names))}, or "*" for all'
        if outage.what not in BREAKS:
            yield ("outage", n, "what"), f'"{outage.what}" is unknown; write {" or ".join(BREAKS)}'
        yield from _time(("outage", n, "start"), outage.start)
        yield from _time(("outage", n, "end"), outage.end)
    yield from _sites(found)


def _sites(found: Scenario) -> Iterator[tuple[Keys, str]]:
    for n, site in enumerate(found.site):
        if site.count < 1:
            yield ("site", n, "count"), "write 1 or more"
        for m, crew in enumerate(site.crew):
            if crew.agents < 1:
                yield ("site", n, "crew", m, "agents"), "write 1 or more"
            yield from _time(("site", n, "crew", m, "start"), crew.start)
            yield from _time(("site", n, "crew", m, "end"), crew.end)
        for m, load in enumerate(site.load):
            yield from _load(("site", n, "load", m), load)


def _load(at: Keys, load: Load) -> Iterator[tuple[Keys, str]]:
    if (load.erlang > 0) == (load.calls_per_hour > 0):
        yield at, "write either calls_per_hour or erlang"
    if load.curve and (min(load.curve) < 0 or sum(load.curve) == 0):
        yield (*at, "curve"), "write weights of 0 and more, not all 0"
    if any(weight < 0 for weight in load.cities.values()) or (load.cities and sum(load.cities.values()) == 0):
        yield (*at, "cities"), "write weights of 0 and more, not all 0"
    for name in ("vip_per_mille", "callback_per_mille", "pick_up_per_mille"):
        if not 0 <= getattr(load, name) <= 1000:
            yield (*at, name), f"{getattr(load, name)} is out of range; write a number from 0 to 1000"
    for name, spread in (("handling", load.handling), ("patience", load.patience)):
        yield from _spread((*at, name), spread)


def _spread(at: Keys, spread: Spread) -> Iterator[tuple[Keys, str]]:
    if spread.mean_s < 1:
        yield (*at, "mean_s"), "write 1 or more"
    if spread.shape not in SHAPES:
        yield (*at, "shape"), f'"{spread.shape}" is unknown; write {" or ".join(SHAPES)}'
    if spread.variation < 1:
        yield (*at, "variation"), "write 1 or more per cent"


def _time(at: Keys, text: str) -> Iterator[tuple[Keys, str]]:
    try:
        clock_ms(text)
    except ValueError:
        yield at, f'"{text}" is no time of the day; write one like "08:30"'

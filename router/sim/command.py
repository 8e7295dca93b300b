"""`tierline sim`: a scenario, or a recorded day, in virtual time."""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

from ops.cli import Command, CommandError
from ops.facts import BadFact
from router.core.policy import POLICIES
from router.sim import day as days
from router.sim import library, read, show, source
from router.sim.library import Plan
from router.sim.roster import at_work
from router.sim.run import Job, Outcome, cores, line, on_stderr, run_all
from router.sim.scenario import RuleSet, Scenario, Seats, Site
from router.sim.tally import PERIOD_MS, Bin

AS_WRITTEN = "as written"


@dataclass(frozen=True, slots=True)
class Case:
    """What is to be simulated, and the rules it stands under."""

    plans: list[Plan]
    day: days.Day | None = None


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "scenario", nargs="?", help=f"{', '.join(library.NAMES)}, a scenario file (.toml) or a recorded day (.jsonl, .jsonl.gz)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--case", action="append", metavar="CASE", help="only this case; may be given several times")
    parser.add_argument("--rule", action="append", metavar="RULE", help="only this rule; may be given several times")
    parser.add_argument("--policy", choices=POLICIES, help="all queues under this policy")
    parser.add_argument("--rules", type=Path, metavar="FILE", help="a rule book or a centre's file in the place of the rules")
    parser.add_argument("--compare", nargs=2, metavar=("A", "B"), help="two rule files or policies, side by side")
    parser.add_argument("--calls", type=int, metavar="N", help="count so many calls, then stop")
    parser.add_argument("--seed", type=int, default=1, help="other callers (default 1)")
    parser.add_argument("--jobs", type=int, default=cores(), metavar="N", help="runs at the same time (default: one a core)")
    parser.add_argument("--expected", action="store_true", help="tell also how good the expected wait was")
    parser.add_argument("--facts", type=Path, metavar="FILE", help="write the facts of the only run, one JSON object a line")
    record = "make a recorded day of facts: a centre's ledger.db, or a file with one a line as on the stream"
    parser.add_argument("--record", nargs=2, type=Path, metavar=("FACTS", "DAY"), help=record)
    parser.add_argument("--on", type=date.fromisoformat, metavar="DATE", help="with --record: only this day, like 2026-11-20")


def _run(args: argparse.Namespace) -> int:
    if args.record:
        facts, made = args.record
        return _record(facts, made, source.span_ms(args.on) if args.on else source.EVER)
    if not args.scenario:
        raise CommandError(f"name a scenario: {', '.join(library.NAMES)}, or a file")
    case = _case(args)
    plans = _narrowed(case.plans, args)
    jobs = [Job(plan, case.day, args.facts) for plan in plans]
    if args.facts and len(jobs) != 1:
        raise CommandError(f"--facts goes with one run, and these are {len(jobs)}; narrow them with --case and --rule")
    found: list[Outcome] = []
    for outcome in run_all(jobs, args.jobs, on_stderr(plans)):
        found.append(outcome)
        if args.json:
            print(json.dumps(_figures(args.scenario, plans[len(found) - 1], outcome), ensure_ascii=False), flush=True)
    if not args.json:
        _tell(args, plans, found, case.day)
    return 0


def _figures(name: str, plan: Plan, outcome: Outcome) -> dict[str, object]:
    """Of the acceptance case exactly what was agreed; of others more."""
    figures = line(outcome)
    if name == "national":
        return figures
    if name == "erlang":
        formula = show.formula(plan, outcome)
        figures |= {"wait": round(outcome.total.all_s, 3), "abandoned_formula": round(100 * formula.abandoned, 3)}
        figures |= {"wait_formula": round(formula.wait_s, 3), "erlang": round(outcome.drawn.erlang, 3)}
    figures |= {"seed": plan.seed, "turned_away": outcome.total.turned_away, "missed": outcome.missed, "spread": outcome.spread}
    figures |= {"places": outcome.places, "seconds": round(outcome.seconds, 1), "cpu_s": round(outcome.cpu_s, 1)}
    if outcome.total.callbacks:
        figures |= {"callbacks": outcome.total.callbacks, "reached": outcome.total.reached, "back": round(outcome.total.back_s, 1)}
    figures |= {"expected": _told(outcome)} | ({"by_agent": outcome.shared} if name == "fairness" else {})
    return figures | ({"quarters": _quarters(outcome)} if plan.calls is None else {})


def _told(outcome: Outcome) -> dict[str, list[list[float]]]:
    """Callers in line of each queue by what they were told: how many, mean told, mean wait, mean error, in s."""

    def row(one: Bin) -> list[float]:
        return [one.calls, *(round(ms / one.calls / 1000, 2) for ms in (one.told_ms, one.real_ms, one.off_ms))]

    return {queue: [row(one) for one in bins if one.calls] for queue, bins in sorted(outcome.expected.items())}


def _quarters(outcome: Outcome) -> list[dict[str, object]]:
    """Of each: time of the day, calls, the load they bring in erlang, agents at work at its beginning; shares in per cent."""
    found: list[dict[str, object]] = []
    for at, one in sorted(outcome.periods.items()):
        there = at_work(outcome.agents, at * PERIOD_MS)
        shares = {"sl20": round(one.sl, 2), "abandoned": round(one.abandonment, 2), "away": round(one.away_share, 2)}
        size = {"calls": one.offered, "erlang": round(one.load_ms / PERIOD_MS, 1), "agents": there}
        found.append({"at": show.clock(at, outcome.begins_ms), **size, **shares, "asa": round(one.asa_s, 2)})
    return found


def _tell(args: argparse.Namespace, plans: Sequence[Plan], found: Sequence[Outcome], day: days.Day | None) -> None:
    print(file=sys.stderr)
    if day is not None:
        print(f"{show.recorded(day, plans[0].scenario.within_s)}\n")
    if args.compare:
        print(show.side_by_side(*found))
    elif args.scenario == "erlang":
        rows = [show.against_formulas(plan, one) for plan, one in zip(plans, found, strict=True)]
        print(show.table(show.ERLANG_HEAD, rows))
    else:
        print(show.outcomes(found))
    if args.expected:
        for one in found:
            for queue, bins in sorted(one.expected.items()):
                print(f"\n{one.case} {one.rule}, queue {queue}: what callers in line were told\n{show.expected(bins)}")


# ---- what is meant
def _case(args: argparse.Namespace) -> Case:
    if args.scenario in library.NAMES:
        plans = library.NAMES[args.scenario]()
        if args.rules or args.compare:
            plans = [plan for plan in plans if plan.rule == plans[0].rule]
        return Case([variant for plan in plans for variant in _variants(args, plan)])
    path = Path(args.scenario)
    if not path.exists():
        raise CommandError(f"no scenario {args.scenario}; there are: {', '.join(library.NAMES)}; or name a file")
    if path.suffix == ".toml":
        scenario, rules = read.scenario(path)
        return Case(_checked(args, Plan(scenario.name, AS_WRITTEN, scenario, rules, None)))
    return _recorded(args, path)


def _recorded(args: argparse.Namespace, path: Path) -> Case:
    if not (args.rules or args.compare):
        raise CommandError("a recorded day says nothing of rules; name some with --rules FILE or --compare FILE FILE")
    try:
        day = days.read(path)
    except days.BadDay as error:
        raise CommandError(str(error)) from error
    hours = max(1, -(-(day.to_ms - day.from_ms) // 3_600_000))
    sites, begins = tuple(Site(name) for name in day.sites), datetime.fromtimestamp(day.from_ms / 1000).strftime("%H:%M")
    seats = Seats(day.answer_ms, day.missed_per_mille)
    scenario = Scenario(path.name.partition(".")[0], sites, hours=hours, begins=begins, seats=seats)
    first = read.rule_set(args.rules or Path(args.compare[0]))
    plans = _variants(args, Plan(scenario.name, AS_WRITTEN, scenario, first, None))
    for plan in plans:
        read.check_queues(plan.rule, {call.queue for call in day.calls}, plan.rules)
    return Case(plans, day)


def _checked(args: argparse.Namespace, plan: Plan) -> list[Plan]:
    plans = _variants(args, plan)
    for one in plans:
        read.check(one.scenario, one.rules)
    return plans


def _variants(args: argparse.Namespace, plan: Plan) -> list[Plan]:
    """The plan under the rules that were asked for."""
    if args.rules:
        plan = replace(plan, rule=args.rules.stem, rules=read.rule_set(args.rules))
    plans = (
        [replace(plan, rule=label, rules=_named(name, plan)) for name, label in _labels(args.compare)] if args.compare else [plan]
    )
    if args.policy:
        plans = [replace(one, rules=with_policy(one.rules, args.policy)) for one in plans]
    return plans


def _labels(names: Sequence[str]) -> list[tuple[str, str]]:
    """Each with what stands at the head of its column: a file without folder and ending, where that tells the two apart."""
    short = [Path(name).stem for name in names]
    return list(zip(names, short if len(set(short)) == len(names) else names, strict=True))


def _named(name: str, plan: Plan) -> RuleSet:
    if name in POLICIES:
        return with_policy(plan.rules, name)
    if name in library.overflow_rules() and plan.scenario.name in library.NAMES:
        return library.overflow_rules()[name]
    return read.rule_set(Path(name))


def with_policy(rules: RuleSet, policy: str) -> RuleSet:
    """All queues under one policy."""
    return replace(rules, book=replace(rules.book, queue=tuple(replace(one, policy=policy) for one in rules.book.queue)))


def _narrowed(plans: list[Plan], args: argparse.Namespace) -> list[Plan]:
    found = [plan for plan in plans if args.case is None or plan.case in args.case]
    found = [plan for plan in found if args.rule is None or plan.rule in args.rule]
    if not found:
        cases, rules = (", ".join(dict.fromkeys(names)) for names in ((p.case for p in plans), (p.rule for p in plans)))
        raise CommandError(f"nothing is left to run; cases: {cases}; rules: {rules}")
    if args.calls is not None and args.calls < 1:
        raise CommandError("--calls wants 1 or more")
    return [replace(plan, calls=args.calls or plan.calls, seed=args.seed) for plan in found]


# ---- facts in, day out
def _record(facts: Path, day: Path, span: tuple[int, int]) -> int:
    try:
        made = days.day_of(source.facts(facts, span), day.name.partition(".")[0])
        if not made.calls:
            raise CommandError(f"{facts}: nobody asked for an agent in it{' on that day' if span != source.EVER else ''}")
        days.write(made, day)
    except BadFact as error:
        raise CommandError(str(error)) from error
    except (OSError, sqlite3.Error) as error:
        raise CommandError(f"{facts}: {error}") from error
    answered = sum(one.outcome == "answered" for one in made.calls)
    agents = len({duty.agent for duty in made.duties})
    print(f"{day}: {len(made.calls):,} calls, {answered:,} of them answered, {agents:,} agents")
    return 0


COMMAND = Command("sim", "a scenario or a recorded day in virtual time: what would these rules have done?", _add_arguments, _run)

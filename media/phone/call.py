"""`tierline call`: real SIP calls as a carrier makes them, one by options or many by a plan file, all in one process."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from media.phone.caller import Caller
from media.phone.ear import Published
from media.phone.line import Phone
from media.phone.network import Network
from media.phone.place import NoCentre, Place, from_state
from media.phone.plan import BadPlan, Plan, Result, load, read
from media.phone.rtp import Ticker
from media.phone.sound import BadSound
from ops import log
from ops.audio import BadAudio
from ops.cli import Command, CommandError
from ops.numbers import mask

Tell = Callable[[Result], None]
_COLUMNS = ("name", "from", "to", "result", "status", "ended by", "agent after", "talked", "in all", "remark")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `tierline call`."""
    where = parser.add_argument_group("where")
    where.add_argument("--state", type=Path, metavar="DIR", help="state folder of a running centre (tierline up)")
    where.add_argument("--edge", metavar="HOST:PORT", help="SIP edge, instead of --state")
    where.add_argument("--bind", metavar="ADDRESS", help="address to call from; must be one of a trunk (default: the first one)")
    where.add_argument(
        "--prompts", type=Path, metavar="DIR", help="published prompts, to tell an agent from them (default: the centre's)"
    )
    what = parser.add_argument_group("what")
    what.add_argument(
        "--plan", type=Path, metavar="FILE", help="JSON list of calls with these options as fields, and 'at': start in s"
    )
    what.add_argument("--from", dest="calling", metavar="NUMBER", help="who calls")
    what.add_argument("--to", dest="called", metavar="NUMBER", help="service number")
    what.add_argument("--trunk", default="", metavar="NAME", help="carrier to come from")
    what.add_argument("--digits", default="", help="keys after the answer, e.g. 1w2 (w waits 0.5 s)")
    what.add_argument("--digits-by", choices=("rtp", "info"), default="rtp", help="RFC 4733 events or SIP INFO (default: rtp)")
    what.add_argument("--audio", metavar="FILE", help="wav to say once the talk begins, in a loop")
    what.add_argument("--talk", type=float, default=5.0, metavar="S", help="talk so long (default: 5)")
    what.add_argument(
        "--talk-from",
        choices=("agent", "answer"),
        default="agent",
        help="talk counts from an agent's first word, or from the answer when the last key is out (default: agent)",
    )
    what.add_argument(
        "--hangup-by", choices=("caller", "agent"), default="caller", help="agent: press # at the end of the talk and wait"
    )
    what.add_argument(
        "--give-up", type=float, default=60.0, metavar="S", help="hang up if no agent is heard so long after the start"
    )
    what.add_argument("--record", metavar="FILE", help="write what was heard as wav")
    parser.add_argument("--json", action="store_true", help="one line of JSON a call instead of a table")


def run(args: argparse.Namespace) -> int:
    """Place the calls; 0 if all went as they should."""
    log.setup("call", "WARNING")
    try:
        plans = load(args.plan) if args.plan else [_from_options(args)]
        place = _place(args)
        published = _published(args, place, plans)
        results = asyncio.run(place_calls(place, plans, args.bind, published, print_result if args.json else print_progress))
    except (BadPlan, NoCentre, BadAudio, BadSound) as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"{error}: is --bind (or the trunk's address) an address of this machine?") from error
    if not args.json:
        print(table(results))
    return 1 if any(result.error for result in results) else 0


def _from_options(args: argparse.Namespace) -> Plan:
    names = ("trunk", "digits", "digits_by", "audio", "talk", "talk_from", "hangup_by", "give_up", "record")
    entry = {name: getattr(args, name) for name in names} | {"from": args.calling, "to": args.called}
    return read(entry, "tierline call (or give --plan FILE)", Path())


def _place(args: argparse.Namespace) -> Place:
    if args.edge:
        return Place(udp=args.edge, trunks={} if args.bind is None else {"bind": (args.bind,)})
    if args.state is None:
        raise NoCentre("which centre? Give --state DIR of a running one, or --edge HOST:PORT with --bind ADDRESS")
    return from_state(args.state)


def _published(args: argparse.Namespace, place: Place, plans: Sequence[Plan]) -> Published:
    folder = args.prompts or place.prompts
    if folder is None or not folder.is_dir():
        if any(plan.talk_from == "agent" for plan in plans):
            raise NoCentre("without published prompts an agent cannot be told from them: give --prompts DIR, or --talk-from answer")
        return Published()
    return Published.folder(folder)


class Carriers:
    """One phone for each address calls come from, opened when first used."""

    def __init__(self, place: Place, bind: str | None) -> None:
        self._place, self._bind, self._ticker = place, bind, Ticker()
        self._phones: dict[str, tuple[Network, Phone]] = {}

    async def phone(self, trunk: str) -> Phone:
        """The phone of a trunk. Raises NoCentre, OSError."""
        address = self._bind or self._place.carrier_address(trunk)
        if address not in self._phones:
            network = await Network.open(address)
            self._phones[address] = network, Phone(network.agent, address, self._ticker)
        return self._phones[address][1]

    async def close(self) -> None:
        """Free all addresses."""
        for network, phone in self._phones.values():
            phone.close()
            await network.close()


async def place_calls(place: Place, plans: Sequence[Plan], bind: str | None, published: Published, tell: Tell) -> list[Result]:
    """Carry out all plans at their times; `tell` hears of each result. Results in the order of the plans."""
    carriers = Carriers(place, bind)
    for plan in plans:
        await carriers.phone(plan.trunk)  # so that a wrong trunk is told before the first call
    loop = asyncio.get_running_loop()
    begin = loop.time()

    async def one(plan: Plan) -> Result:
        await asyncio.sleep(max(0.0, begin + plan.at - loop.time()))
        caller = Caller(await carriers.phone(plan.trunk), plan, f"sip:{plan.called}@{place.udp}", f"sip:{place.udp}", published)
        result = await caller.run()
        tell(result)
        return result

    try:
        return await asyncio.gather(*(one(plan) for plan in plans))
    finally:
        await carriers.close()


def print_result(result: Result) -> None:
    """One line of JSON."""
    print(result.line(), flush=True)


def print_progress(result: Result) -> None:
    """One line for people, while others still talk."""
    print(
        f"  {result.name or mask(result.calling)}: {result.result} after {result.total_ms / 1000:.1f} s",
        file=sys.stderr,
        flush=True,
    )


def table(results: Sequence[Result]) -> str:
    """All results for people."""
    rows = [_COLUMNS, *(_row(result) for result in results)]
    used = [n for n in range(len(_COLUMNS)) if any(row[n] for row in rows[1:])]
    widths = {n: max(len(row[n]) for row in rows) for n in used}
    return "\n".join("  ".join(row[n].ljust(widths[n]) for n in used).rstrip() for row in rows)


def _row(result: Result) -> tuple[str, ...]:
    times = [f"{ms / 1000:.1f} s" if ms else "" for ms in (result.agent_ms, result.talk_ms, result.total_ms)]
    remark = result.error or result.reason or (f"heard: {result.record}" if result.record else "")
    names = (result.name, mask(result.calling), result.called)
    return (*names, result.result, str(result.status or ""), result.ended_by, *times, remark)


COMMAND = Command("call", "place real SIP calls as a carrier does", add_arguments, run)

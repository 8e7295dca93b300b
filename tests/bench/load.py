"""Lean load processes for the call bench: callers, or seats, on our own user agent and without audio.

`python -m tests.bench.load SPEC.json`: reads what to do, prints `ready`, starts on the line `go`, writes its records as JSON to
spec["out"] and prints `done`. Times in records are nanoseconds of the machine's monotonic clock, which all processes share.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from media.phone.line import Line, Phone
from media.phone.network import Network
from ops.lifecycle import tune_gc

Spec = dict[str, Any]
EARLY_S = 0.02
NEXT_KEY_S = 0.3  # two INFO requests at once may overtake each other on UDP


def seat_ends(calling: str) -> bool:
    """Callers and seats agree by the caller's last digit who hangs up."""
    return int(calling[-1]) % 2 == 1


def calling_of(spec: Spec, number: int) -> str:
    """The number-th caller. With `first` 1 and `step` 2 all calls are ended by the seats."""
    return f"138{spec.get('first', 0) + number * spec.get('step', 1):08d}"


def digits_of(spec: Spec, calling: str) -> str:
    """What a caller presses: `digits`, or one of several in turn."""
    digits: str | list[str] = spec["digits"]
    return digits if isinstance(digits, str) else digits[int(calling[-8:]) // spec.get("step", 1) % len(digits)]


def talk_s(spec: Spec, calling: str) -> float:
    """How long a seat talks with this caller: `talk_s`, shorter or longer by the share `spread`, the same each time."""
    part = (int(calling[-8:]) * 7919 % 1000) / 500 - 1
    return float(spec["talk_s"] * (1 + spec.get("spread", 0) * part))


def stays_s(spec: Spec, calling: str) -> float:
    """How long a caller stays after the digits; with `early`, every so many hang up while the seat is being dialled or rings."""
    if spec.get("early") and int(calling[-8:]) % spec["early"] == 0:
        return EARLY_S
    return float(spec["give_up_s"] if seat_ends(calling) else spec["call_s"])


def picks_up(spec: Spec, calling: str, times: int) -> bool:
    """Whether a seat answers; with `deaf`, every so many callers are not answered at the first seat that rings."""
    return not (spec.get("deaf") and times == 1 and int(calling[-8:]) % spec["deaf"] == 0)


async def callers(spec: Spec, go: Callable[[], Awaitable[None]]) -> list[dict[str, Any]]:
    """`rate` calls a second for `seconds` from the trunk's address; digits by INFO right after the answer."""
    network = await Network.open(spec["address"])
    phone = Phone(network.agent, spec["address"])
    records: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    tasks: list[asyncio.Task[None]] = []
    await go()
    begin = loop.time()
    for number in range(int(spec["rate"] * spec["seconds"])):
        await asyncio.sleep(max(0.0, begin + number / spec["rate"] - loop.time()))
        record: dict[str, Any] = {"calling": calling_of(spec, number)}
        records.append(record)
        tasks.append(asyncio.create_task(_one_call(phone, spec, record)))
    await asyncio.gather(*tasks)
    phone.close()
    await network.close()
    return records


async def _one_call(phone: Phone, spec: Spec, record: dict[str, Any]) -> None:
    calling = record["calling"]
    record["invite"] = time.monotonic_ns()
    line = phone.call(f"sip:{spec['called']}@{spec['edge']}", calling, f"sip:{spec['edge']}", timeout_s=20)
    if await line.answered:
        record["answered"] = time.monotonic_ns()
        for n, digit in enumerate(digits_of(spec, calling)):
            if n:
                await asyncio.sleep(NEXT_KEY_S)
            line.press(digit, by_info=True)
        record["digits"] = time.monotonic_ns()
        await asyncio.wait([line.over], timeout=stays_s(spec, calling))
        line.hang_up()
    over = await line.over
    record |= {"over": time.monotonic_ns(), "by": over.by, "status": over.status, "reason": over.reason}


async def seats(spec: Spec, go: Callable[[], Awaitable[None]]) -> list[dict[str, Any]]:
    """Register all seats, answer what comes until `stop`."""
    network = await Network.open(spec["address"], spec["edge"], spec["transport"])
    phone = Phone(network.agent, spec["address"])
    records: list[dict[str, Any]] = []
    tasks: set[asyncio.Task[None]] = set()
    rung: Counter[str] = Counter()

    def take(line: Line) -> None:
        record: dict[str, Any] = {"calling": line.calling, "seat": line.called, "invite": time.monotonic_ns()}
        records.append(record)
        rung[line.calling] += 1
        task = asyncio.create_task(_one_answer(line, spec, record, rung[line.calling]))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    phone.on_call = take
    accounts = []
    for seat in spec["seats"]:
        accounts.append(network.account(seat["seat"], seat["realm"]))
        status = await accounts[-1].register(seat["password"])
        if status != HTTPStatus.OK:
            raise RuntimeError(f"seat {seat['seat']} was refused: {status}")
    await go()
    await _stdin_line()
    if tasks:
        await asyncio.wait(tasks, timeout=10)
    for account in accounts:
        await account.unregister()
    phone.close()
    await network.close()
    return records


async def _one_answer(line: Line, spec: Spec, record: dict[str, Any], times: int) -> None:
    line.ring()
    await asyncio.wait([line.over], timeout=spec["answer_after_s"] if picks_up(spec, record["calling"], times) else None)
    if not line.over.done():
        line.answer()
        record["answered"] = time.monotonic_ns()
        patience = talk_s(spec, record["calling"]) if seat_ends(record["calling"]) else spec["give_up_s"]
        await asyncio.wait([line.over], timeout=patience)
        line.hang_up()
    over = await line.over
    record |= {"over": time.monotonic_ns(), "by": over.by, "lost": over.lost}


async def _stdin_line() -> str:
    return await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


async def _go() -> None:
    print("ready", flush=True)
    await _stdin_line()
    tune_gc()


def main() -> None:
    """Carry out one spec."""
    spec: Spec = json.loads(Path(sys.argv[1]).read_text())
    role = {"callers": callers, "seats": seats}[spec["role"]]
    records = asyncio.run(role(spec, _go))
    Path(spec["out"]).write_text(json.dumps(records))
    print("done", flush=True)


if __name__ == "__main__":
    main()

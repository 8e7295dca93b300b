"""`tierline demo`: a whole province on this machine, its busy hour in small, and the proof that nothing was lost."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ops.cli import Command, CommandError
from ops.demo import overflow
from ops.demo.check import Heard, Verdict
from ops.demo.desk import ApiError
from ops.demo.director import SUPERVISOR, Director
from ops.demo.show import Show, table
from ops.demo.sounds import NoSound
from ops.demo.stage import Stage, StageError
from ops.supervise import commands, files
from ops.supervise.services import ROOT

GUEST_SEAT = "1099"
FOLDERS = 20  # demonstrations at the same time


@dataclass(frozen=True, slots=True)
class Summary:
    """The last line."""

    calls: int
    answered: int
    abandoned: int
    refused: int
    ledger_rows: int
    recordings: int
    audio_ok: int
    unexplained: int  # calls that the audit, the script or a phone cannot explain

    @property
    def held(self) -> bool:
        """Whether all that was claimed came true."""
        return self.unexplained == 0 and self.ledger_rows == self.calls and self.audio_ok == self.recordings == self.answered


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state", type=Path, default=None, metavar="DIR", help="state folder (default: var/demo, or the next free one)"
    )
    parser.add_argument(
        "what",
        nargs="?",
        choices=("province", "overflow"),
        default="province",
        help="a busy hour, or calls between three provinces",
    )
    parser.add_argument("--language", choices=("zh", "en"), default=None, help="of overflow's words (default: by the locale)")
    parser.add_argument("--keep", action="store_true", help="stay up afterwards also when this is no terminal")


def _run(args: argparse.Namespace) -> int:
    """0 when all held; on a terminal it stays up first, until Ctrl-C, unless DEMO_EXIT=1 (overflow always ends by itself)."""
    if args.what == "overflow":
        try:
            return overflow.run(args)
        except (StageError, ApiError, NoSound) as error:
            raise CommandError(str(error)) from error
    folder = files.Folder((args.state or _folder(Path("var"))).absolute())
    stay = args.keep or (sys.stdout.isatty() and os.environ.get("DEMO_EXIT") != "1")
    status = commands.detached(ROOT / "centre.toml", folder, auto_ports=True)
    if status:
        raise CommandError(f"the province did not start; logs are in {folder.path / 'log'}")
    try:
        return asyncio.run(_demo(folder, stay))
    except (StageError, ApiError, NoSound) as error:
        raise CommandError(f"{error}\nlogs of the province are in {folder.path / 'log'}") from error
    except asyncio.CancelledError:
        return 128 + signal.SIGTERM
    finally:
        print("stopping the province", flush=True)
        commands.stop(folder, drain_s=2, aloud=False)


def _folder(base: Path) -> Path:
    """A state folder in which nothing runs, so that a second demonstration does not disturb the first."""
    for number in range(1, FOLDERS + 1):
        path = base / (f"demo{number}" if number > 1 else "demo")
        if files.running(files.Folder(path.absolute())) is None:
            return path
    raise CommandError(f"{FOLDERS} demonstrations run already; `tierline down --state {base / 'demo'}` ends the first")


async def _demo(folder: files.Folder, stay: bool) -> int:
    scratch = folder.path / "demo"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700)
    stage = Stage(folder.path, scratch, files.read(folder.endpoints))
    loop, me = asyncio.get_running_loop(), asyncio.current_task()
    assert me is not None
    for signum in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(signum, me.cancel)
    try:
        verdicts, heard, audit = await Director(stage, Show()).perform()
        summary = summarise(verdicts, heard, audit)
        _report(verdicts, heard, audit)
        print(json.dumps(asdict(summary)), flush=True)
        if stay:
            _invite(stage)
            await _interrupted(loop)
        return 0 if summary.held else 1
    finally:
        await stage.close()


async def _interrupted(loop: asyncio.AbstractEventLoop) -> None:
    """Until Ctrl-C: the way a demonstration that stays up is meant to end."""
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGINT, stop.set)
    await stop.wait()
    print()


def summarise(verdicts: list[Verdict], heard: dict[str, Heard], audit: dict[str, Any]) -> Summary:
    """Counts from the ledger's rows; a call is unexplained if the audit names it or it is not as the script has it."""
    rows = [verdict.row for verdict in verdicts if verdict.row is not None]
    results = [row["result"] for row in rows]
    named = {finding["call"] for finding in audit["findings"]}
    unexplained = named | {verdict.row["id"] if verdict.row else verdict.call.name for verdict in verdicts if verdict.wrong}
    return Summary(
        calls=len(verdicts),
        answered=results.count("answered"),
        abandoned=results.count("abandoned"),
        refused=results.count("refused"),
        ledger_rows=audit["calls"],
        recordings=sum(row["recording"] == "filed" for row in rows),
        audio_ok=sum(one.good for one in heard.values()),
        unexplained=len(unexplained) + audit["open"],
    )


def _report(verdicts: list[Verdict], heard: dict[str, Heard], audit: dict[str, Any]) -> None:
    rows = [_row(verdict, heard) for verdict in verdicts]
    head = ("call", "result", "ended by", "queue", "agent", "waited", "talked", "caller's words", "agent's words", "shows")
    print("\n" + "\n".join(table(head, rows)))
    for verdict in verdicts:
        for text in verdict.wrong:
            print(f"  NOT AS IT SHOULD BE: {verdict.call.name}: {text}")
    for finding in audit["findings"]:
        print(f"  AUDIT: {finding['call']}: {', '.join(finding['codes'])}")
    print()


def _row(verdict: Verdict, heard: dict[str, Heard]) -> tuple[str, ...]:
    call, row = verdict.call, verdict.row
    if row is None:
        return (call.name, "missing", *[""] * 7, call.about)
    one = heard.get(row["id"])
    likeness = (f"{one.caller:.0%}", f"{one.agent:.0%}") if one else ("", "")
    times = (f"{row['waited_ms'] / 1000:.1f} s" if row["queue"] else "", f"{row['talk_ms'] / 1000:.1f} s" if row["talk_ms"] else "")
    return (call.name, row["result"], row["side"], row["queue"], row["agent"], *times, *likeness, call.about)


def _invite(stage: Stage) -> None:
    """What to look at, and how to take part."""
    ends, guest = stage.endpoints, stage.password("seats", "seat", GUEST_SEAT)
    print(f"""The province stays up until Ctrl-C. Open {ends["console"]}
  supervisor: user {SUPERVISOR}, password {stage.password("users", "id", SUPERVISOR)}
  agent:      user guest, password {stage.password("users", "id", "guest")}

To answer calls with a softphone of your own (on this machine), register:
  server {ends["sip"]["udp"]}, transport UDP or TCP; TLS at {ends["sip"]["tls"]} with a self-signed certificate
  user {GUEST_SEAT}, password {guest}, domain {ends["realm"]}
then log in as guest, get ready, and place a call:
  .venv/bin/tierline call --state {stage.state} --from 13800001111 --to {ends["numbers"][0]} --digits 0 --talk 20
""")


COMMAND = Command("demo", "a province, its seats and a busy hour in small, checked call by call", _add_arguments, _run)

"""`tierline up`, `tierline down`, `tierline status`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from ops.cli import Command, CommandError
from ops.clock import SystemClock
from ops.config import load
from ops.country import Country
from ops.supervise import country, files, logs, prepare, proc, resolve
from ops.supervise.machine import State
from ops.supervise.run import Supervisor
from ops.supervise.services import ROOT, services

NOT_RUNNING = 3  # exit status of `status` and `down`


def default_config() -> Path:
    """centre.toml of the current folder, else the example province."""
    here = Path("centre.toml")
    return here if here.exists() else ROOT / "centre.toml"


def state_argument(parser: argparse.ArgumentParser) -> None:
    """--state of every command that works on a centre."""
    parser.add_argument("--state", type=Path, default=Path("var"), metavar="DIR", help="state folder of the centre (default: var)")


def centre_arguments(parser: argparse.ArgumentParser) -> None:
    """--centre and --country of every command that works on a centre of several."""
    parser.add_argument(
        "--centre",
        nargs="+",
        metavar="WHICH",
        help='a centre of a country file: "national", "province NAME" or "all"; its state is in DIR/NAME',
    )
    parser.add_argument("--country", type=Path, default=None, metavar="FILE", help="country file (default: country.toml)")


def _found(args: argparse.Namespace, auto_ports: bool = False) -> tuple[Country, list[str]]:
    """The country and the centres that --centre means."""
    found = country.opened((args.country or country.default_file()).absolute(), args.state.absolute(), auto_ports)
    return found, country.names(found, args.centre)


def _folders(args: argparse.Namespace) -> list[files.Folder]:
    """The state folders that --state and --centre mean."""
    if not args.centre:
        return [files.Folder(args.state.absolute())]
    found, names = _found(args)
    return [files.Folder(found.base / name) for name in names]


class Voice:
    """Lines for people: to the log of the supervisor, and to standard output while somebody listens there."""

    def __init__(self, path: Path, aloud: bool) -> None:
        self.path, self.aloud = path, aloud

    def __call__(self, line: str) -> None:
        """Say one line."""
        log = logs.open_log(self.path)
        os.write(log, f"{line}\n".encode())
        os.close(log)
        if self.aloud:
            try:
                print(line, flush=True)
            except BrokenPipeError:
                self.aloud = False


def _up_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=None, metavar="FILE", help="configuration (default: centre.toml)")
    state_argument(parser)
    centre_arguments(parser)
    parser.add_argument("--detach", action="store_true", help="come back when all is up; `tierline down` ends it")
    parser.add_argument("--auto-ports", action="store_true", help="take another port where one is taken, and say which")
    parser.add_argument("--quiet", action="store_true", help="say nothing on standard output (it is in STATE/log/supervisor.log)")


def _up(args: argparse.Namespace) -> int:
    start = detached if args.detach else up
    if args.centre:
        found, names = _found(args, args.auto_ports)
        if len(names) == 1:
            return start(country.given(found, names[0]), files.Folder(found.base / names[0]), False, not args.quiet)
        if not args.detach:
            raise CommandError("--centre all needs --detach: each centre has a supervisor of its own")
        return all_up(found, not args.quiet)
    folder = files.Folder(args.state.absolute())
    path = (args.config or default_config()).absolute()
    return start(path, folder, args.auto_ports, not args.quiet)


def all_up(found: Country, aloud: bool = True) -> int:
    """Start all centres of a country; 0 when all are up, else the status of one that is not, and none is left running."""
    status = country.up_all(found, aloud)
    if status:
        for name in found.members:
            stop(files.Folder(found.base / name), drain_s=0, aloud=False)
    return status


def up(path: Path, folder: files.Folder, auto_ports: bool, aloud: bool = True) -> int:
    """Start the centre of `path` and watch it until SIGTERM; the exit status."""
    config = load(path)
    held = files.lock(folder)
    if held is None:
        raise CommandError(f"a centre already runs in {folder.path}; `tierline down --state {folder.path}` ends it")
    with held:
        say = Voice(folder.log("supervisor"), aloud)
        say(f"starting {config.centre.name} ({path}) in {folder.path}")
        prepare.clear(folder, say)
        config = prepare.centre(config, folder, auto_ports, say)
        children = services(config, folder.config)
        ready = partial(prepare.announce, config, folder, children)
        try:
            steps, port = prepare.steps(config, folder), config.ports.supervisor_metrics
            return asyncio.run(Supervisor(folder, children, steps, say, ready, metrics_port=port).run())
        finally:
            resolve.claim_file().unlink(missing_ok=True)


def detached(path: Path, folder: files.Folder, auto_ports: bool, aloud: bool = True) -> int:
    """A supervisor in a session of its own; its lines are shown until all is up (0), or it gave up."""
    files.private(folder.path)
    log = folder.log("supervisor")
    words = [sys.executable, "-m", "ops", "up", "--quiet", "--config", str(path), "--state", str(folder.path)]
    words += ["--auto-ports"] if auto_ports else []
    out = logs.open_log(log)
    shown = log.stat().st_size
    child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=ROOT, start_new_session=True)
    os.close(out)
    try:
        while True:
            status = child.poll()
            up_now = files.read(folder.endpoints).get("pids", {}).get("supervisor") == child.pid
            shown = _show(log, shown, aloud)
            if status is not None or up_now:
                return status if status is not None else 0
            time.sleep(0.1)
    except KeyboardInterrupt:
        child.terminate()
        return 130


def _show(log: Path, shown: int, aloud: bool) -> int:
    """Print what was added to the log after `shown` bytes; its new size."""
    with log.open("rb") as file:
        file.seek(shown)
        text = file.read()
    if aloud:
        sys.stdout.write(text.decode("utf-8", "replace"))
        sys.stdout.flush()
    return shown + len(text)


def _down_arguments(parser: argparse.ArgumentParser) -> None:
    state_argument(parser)
    centre_arguments(parser)
    parser.add_argument(
        "--drain", type=float, default=None, metavar="S", help="wait so long for conversations (default: media.drain_s)"
    )


def _down(args: argparse.Namespace) -> int:
    folders = _folders(args)
    stopped = [stop(folder, args.drain) for folder in folders]
    for folder in (one for one, ran in zip(folders, stopped, strict=True) if not ran):
        print(f"no centre runs in {folder.path}", file=sys.stderr)
    return 0 if any(stopped) else NOT_RUNNING


def stop(folder: files.Folder, drain_s: float | None = None, aloud: bool = True) -> bool:
    """Ask the supervisor to stop, show its lines until it has; False when none runs. After `drain_s` conversations are cut."""
    leader = files.running(folder)
    if leader is None:
        return False
    log, clock = folder.log("supervisor"), SystemClock()
    shown = log.stat().st_size if log.exists() else 0
    os.kill(leader.pid, signal.SIGTERM)
    hurry_at = None if drain_s is None else clock.mono_ms() + drain_s * 1000
    while proc.same(leader):
        if hurry_at is not None and clock.mono_ms() >= hurry_at:
            with contextlib.suppress(ProcessLookupError):
                os.kill(leader.pid, signal.SIGTERM)
            hurry_at = None
        time.sleep(0.1)
        shown = _show(log, shown, aloud)
    return True


def _status_arguments(parser: argparse.ArgumentParser) -> None:
    state_argument(parser)
    centre_arguments(parser)
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def _status(args: argparse.Namespace) -> int:
    """0 when all is healthy, 1 when something is not, 3 when nothing runs; of several centres the worst."""
    folders = _folders(args)
    return max(_status_of(folder, args.json, titled=len(folders) > 1) for folder in folders)


def _status_of(folder: files.Folder, as_json: bool, titled: bool) -> int:
    if titled and not as_json:
        print(f"{folder.path.name}:")
    data = files.read(folder.supervisor) if files.running(folder) else {}
    processes = {child["name"]: _process(child) for child in data.get("children", [])}
    good = bool(processes) and all(one["state"] == State.UP.value for one in processes.values())
    if as_json:
        told = {"state": str(folder.path), "running": bool(data), "healthy": good, "processes": processes}
        print(json.dumps(told, ensure_ascii=False))
    elif not data:
        print(f"no centre runs in {folder.path}")
    else:
        _table(processes, files.read(folder.endpoints))
    return (0 if good else 1) if data else NOT_RUNNING


def _process(child: dict[str, Any]) -> dict[str, Any]:
    """One child as people and programs see it; `pid` is None while there is no process."""
    alive = child.get("pid") is not None and proc.same(proc.Leader(child["pid"], child["start"]))
    return {name: child[name] for name in ("state", "restarts", "since_s", "told")} | {"pid": child["pid"] if alive else None}


def _table(processes: dict[str, dict[str, Any]], endpoints: dict[str, Any]) -> None:
    print(f"{'':12}{'state':<11}{'pid':>8}{'restarts':>10}  where")
    for name, one in processes.items():
        print(f"{name:<12}{one['state']:<11}{one['pid'] or '-':>8}{one['restarts']:>10}  {one['told']}")
    if endpoints:
        print(f"console {endpoints['console']}   passwords {endpoints['credentials']}")


UP = Command("up", "start a centre: all its programs, watched and restarted", _up_arguments, _up)
DOWN = Command("down", "stop a centre, conversations first", _down_arguments, _down)
STATUS = Command("status", "what runs, and how it is", _status_arguments, _status)

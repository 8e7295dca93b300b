"""`tierline doctor`: what is missing, what is of the wrong version, what is in the way, and what to do about it."""

from __future__ import annotations

import argparse
import json
import locale
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ops.centre import CentreConfig
from ops.cli import Command
from ops.config import ConfigError, load
from ops.supervise import files, resolve
from ops.supervise.commands import default_config, state_argument

SETUP = "run 'make setup'"
WANTED_MB = 1000
KAMAILIO_MODULES = ("app_python3", "tls", "websocket", "ndb_redis", "xhttp_prom", "jansson")
LIBRARIES = (Path("/usr/lib"), Path("/usr/local/lib"))


@dataclass(frozen=True, slots=True)
class Program:
    """A program we start. `least`: the oldest version that was tried; `why`: what it is for."""

    name: str
    words: tuple[str, ...]
    pattern: str
    least: tuple[int, ...]
    why: str
    needed: bool = True  # to run a centre; the others are for the demonstration and the tests


PROGRAMS = (
    Program("kamailio", ("-v",), r"kamailio (\d+)\.(\d+)\.(\d+)", (5, 6), "the SIP edge"),
    Program("rtpengine", ("--version",), r"Version: .*?(\d+)\.(\d+)\.(\d+)", (10, 5), "audio"),
    Program("redis-server", ("--version",), r"v=(\d+)\.(\d+)\.(\d+)", (7, 0), "state and facts"),
    Program("espeak-ng", ("--version",), r"(\d+)\.(\d+)", (1, 50), "spoken prompts"),
    Program("openssl", ("version",), r"OpenSSL (\d+)\.(\d+)", (1, 1), "a first certificate"),
    Program("sox", ("--version",), r"v(\d+)\.(\d+)", (14,), "sounds of the demonstration", False),
    Program("baresip", ("-h",), r"baresip v?(\d+)\.(\d+)", (1, 0), "real softphones of the demonstration", False),
    Program("sipp", ("-v",), r"SIPp v(\d+)\.(\d+)", (3, 6), "load and torture tests", False),
    Program("chromium", ("--version",), r"(\d+)\.(\d+)", (100,), "tests of the console's page", False),
    Program("promtool", ("--version",), r"version (\d+)\.(\d+)", (2,), "checks of the Prometheus files", False),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. `level`: ok, note (works, but), bad (a centre will not run)."""

    level: str
    what: str
    told: str
    remedy: str = ""


def find(config: CentreConfig, state: Path) -> Iterator[Finding]:
    """All checks, one after the other; nothing is changed."""
    yield from map(program, PROGRAMS)
    yield kamailio_modules(LIBRARIES)
    yield python()
    yield speech_locale()
    yield disk(state)
    yield from ports(config, state)


def program(one: Program) -> Finding:
    """Whether it is there and new enough."""
    level = "bad" if one.needed else "note"
    path = shutil.which(one.name) or shutil.which(one.name, path="/usr/sbin:/usr/local/sbin")
    if path is None:
        return Finding(level, one.name, f"is not installed ({one.why})", SETUP)
    try:
        said = subprocess.run([path, *one.words], capture_output=True, text=True, errors="replace", timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(level, one.name, f"cannot be run: {error}", SETUP)
    match = re.search(one.pattern, said.stdout + said.stderr)
    if match is None:
        return Finding("note", one.name, "does not tell its version", f"look at: {path} {' '.join(one.words)}")
    version = tuple(int(part) for part in match.groups())
    text = ".".join(map(str, version))
    if version < one.least:
        return Finding(level, one.name, f"is {text}; {'.'.join(map(str, one.least))} is the oldest that will do", SETUP)
    return Finding("ok", one.name, text)


def kamailio_modules(libraries: tuple[Path, ...]) -> Finding:
    """Whether the modules of other Debian packages are there."""
    folders = [path for library in libraries for path in library.glob("**/kamailio/modules") if path.is_dir()]
    missing = [name for name in KAMAILIO_MODULES if not any((folder / f"{name}.so").exists() for folder in folders)]
    if missing:
        return Finding("bad", "kamailio modules", f"{', '.join(missing)} not installed", SETUP)
    return Finding("ok", "kamailio modules", ", ".join(KAMAILIO_MODULES))


def python() -> Finding:
    """Kamailio embeds Debian's Python; ours must be of the same version, or compiled wheels do not load inside the proxy."""
    ours = f"{sys.version_info[0]}.{sys.version_info[1]}"
    module = next((path for library in LIBRARIES for path in library.glob("**/kamailio/modules/app_python3.so")), None)
    inside = embedded_python(module)
    if not inside:
        return Finding("note", "python", f"{ours}; which one Kamailio embeds cannot be told")
    if inside != ours:
        remedy = f"make .venv with Python {inside}: rm -rf .venv && make setup"
        return Finding("bad", "python", f"this is {ours}, but Kamailio embeds {inside}: grpcio will not load in the edge", remedy)
    return Finding("ok", "python", f"{ours}, as in Kamailio")


def embedded_python(module: Path | None) -> str:
    """The version of libpython a Kamailio module is linked with, "3.11"; "" when it cannot be told."""
    if module is None:
        return ""
    said = subprocess.run(["ldd", str(module)], capture_output=True, text=True, check=False).stdout
    match = re.search(r"libpython(\d+\.\d+)", said)
    return match[1] if match else ""


def speech_locale() -> Finding:
    """Names and prompts are UTF-8 text."""
    encoding = locale.getpreferredencoding(False)
    if encoding.lower().replace("-", "") != "utf8":
        return Finding("bad", "locale", f"text is read as {encoding}", "set LANG=C.UTF-8")
    return Finding("ok", "locale", encoding)


def disk(state: Path) -> Finding:
    """Room for recordings."""
    there = next(path for path in (state, *state.parents) if path.exists())
    free = shutil.disk_usage(there).free // 1_000_000
    if free < WANTED_MB:
        return Finding(
            "bad",
            "disk",
            f"{free} MB free for {state}",
            f"make room for {WANTED_MB} MB at least; an hour of recorded talk takes 60",
        )
    return Finding("ok", "disk", f"{free / 1000:.0f} GB free for {state}")


def ports(config: CentreConfig, state: Path) -> Iterator[Finding]:
    """What is in the way, unless the centre itself is up."""
    folder = files.Folder(state)
    if leader := files.running(folder):
        yield Finding("ok", "ports", f"the centre is up (supervisor pid {leader.pid})")
        return
    found = [
        Finding("bad", "ports", resolve.describe(*one), "stop it, or start with --auto-ports") for one in resolve.taken(config)
    ]
    yield from found or [Finding("ok", "ports", "all free")]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=None, metavar="FILE", help="configuration (default: centre.toml)")
    state_argument(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def _run(args: argparse.Namespace) -> int:
    """0: a centre will run here; 1: something is in the way."""
    tell: Callable[[Finding], None] = _tell_json if args.json else _tell
    worst = "ok"
    for finding in _findings(args.config or default_config(), args.state.absolute()):
        tell(finding)
        worst = max(worst, finding.level, key=("ok", "note", "bad").index)
    return 1 if worst == "bad" else 0


def _findings(path: Path, state: Path) -> Iterator[Finding]:
    """Of the configuration first; without one, the ports cannot be told."""
    try:
        config = load(path)
    except ConfigError as error:
        yield from (Finding("bad", "configuration", problem) for problem in error.problems)
        return
    yield Finding("ok", "configuration", str(path))
    yield from find(config, state)


def _tell(finding: Finding) -> None:
    mark = {"ok": "ok  ", "note": "note", "bad": "BAD "}[finding.level]
    print(
        f"{mark}  {finding.what:<18}{finding.told}" + (f"\n      {'':18}-> {finding.remedy}" if finding.remedy else ""), flush=True
    )


def _tell_json(finding: Finding) -> None:
    print(json.dumps(asdict(finding), ensure_ascii=False), flush=True)


COMMAND = Command("doctor", "what is missing or in the way on this machine", _add_arguments, _run)

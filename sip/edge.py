"""Starts the edge: `python -m sip.edge --config F` writes its files below STATE/edge and becomes Kamailio (the pid stays)."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import logging
import os
import re
import shlex
import shutil
import signal
import site
import subprocess
import sys
import time
from pathlib import Path

import redis

from ops import log, redis_access
from ops.centre import CentreConfig
from ops.clock import SystemClock
from ops.config import ConfigError, load
from sip.render import HERE, EdgeError, folder_of, write

logger = logging.getLogger(__name__)
MODULES = ("/usr/lib/*/kamailio/modules", "/usr/lib64/kamailio/modules", "/usr/lib/kamailio/modules")
SHARED_MB = "1024"  # address space, not memory: pages count when used. The most connections (sip/limits.cfg) take 0.4 of it
PRIVATE_MB = "16"
GONE_MS = 3000
PIPE_BYTES = 1 << 20  # of log lines that wait for the filter
CLOCK = SystemClock()


def main() -> None:
    """Entry point; ends with status 2 and one line on standard error if the edge cannot be started."""
    parser = argparse.ArgumentParser(prog="python -m sip.edge", description="Start the SIP edge (Kamailio).")
    parser.add_argument("--config", required=True, type=Path, help="the centre's TOML file or its resolved JSON")
    arguments = parser.parse_args()
    log.setup("edge")
    os.umask(0o077)
    try:
        start(load(arguments.config))
    except (ConfigError, EdgeError, OSError) as error:
        print(f"edge: {error}", file=sys.stderr)
        raise SystemExit(2) from error


def start(config: CentreConfig) -> None:
    """Write the files and replace this process by Kamailio."""
    words, environment = command(config)
    for pid in clean_up(config):
        logger.warning("ended an orphan of an earlier run", extra={"pid": pid})
    guard_log()
    os.execvpe(words[0], words, environment)


def guard_log() -> None:
    """From now on standard error goes through sip/log_filter.py; what does not fit into the pipe is lost, and nothing waits for it.

    The filter is no child of this process, since Kamailio ends with any of its children; it ends when all of Kamailio has.
    """
    words = shlex.join([sys.executable, "-IS", str(HERE / "log_filter.py")])
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    os.set_blocking(writer, False)
    subprocess.run(["sh", "-c", f"{words} <&{reader} &"], pass_fds=(reader,), check=True)
    os.dup2(writer, 2)
    os.close(reader)
    os.close(writer)


def command(config: CentreConfig) -> tuple[list[str], dict[str, str]]:
    """The command line and the environment of Kamailio, files written. Raises EdgeError, OSError."""
    kamailio = shutil.which("kamailio", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not kamailio:
        raise EdgeError("kamailio is not installed; `make setup` installs it")
    check_python()
    rendered = write(config)
    # -x fm -X fm: the default allocator took 64 % of the workers' CPU.
    words = [kamailio, "-DD", "-E", "-f", str(rendered.folder / "edge.cfg"), "-P", str(pid_file(rendered.folder))]
    words += ["-x", "fm", "-X", "fm", "-m", SHARED_MB, "-M", PRIVATE_MB]
    words += ["-A", "SHA256"] if config.edge.sha256 else []
    if redis_there(redis_access.url(config, redis_access.EDGE)):
        words += ["-A", "LOCATION_KEPT"]
    else:
        logger.warning("redis away at start: registrations of this run are kept in memory only and end with it")
    return words, {**os.environ, **rendered.environment, "PYTHONPATH": python_path(), "PYTHONDONTWRITEBYTECODE": "1"}


def redis_there(url: str) -> bool:
    """Does Redis answer? Without it Kamailio's location table cannot be opened there, and it would not start at all."""
    try:
        with redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def pid_file(folder: Path) -> Path:
    """Kamailio's pid file; its path in the command line also tells this edge's processes from others'."""
    return folder / "kamailio.pid"


def python_path() -> str:
    """Where the Python inside Kamailio finds ours: the repository, the generated code, this environment's packages."""
    root = HERE.parent
    return os.pathsep.join([str(root), str(root / "proto"), *site.getsitepackages()])


def check_python() -> None:
    """The Python inside Kamailio must be of this one's version, or compiled wheels do not load in it. Raises EdgeError."""
    module = next((path for pattern in MODULES for path in Path("/").glob(f"{pattern[1:]}/app_python3.so")), None)
    if module is None:
        raise EdgeError("Kamailio's module app_python3 is not installed; `make setup` installs it")
    linked = subprocess.run(["ldd", str(module)], capture_output=True, text=True, check=False).stdout
    found = re.search(r"libpython(\d+)\.(\d+)", linked)
    inside = (int(found[1]), int(found[2])) if found else None
    ours = sys.version_info[:2]
    if inside != ours:
        theirs = "of no known version" if inside is None else f"{inside[0]}.{inside[1]}"
        raise EdgeError(
            f"Kamailio's Python is {theirs}, this environment's is {ours[0]}.{ours[1]}: compiled packages would not load"
            f" inside the proxy. Make the environment with Kamailio's version (`make setup` does)."
        )


def clean_up(config: CentreConfig) -> list[int]:
    """Kill what an earlier edge of this very state folder left on the ports and wait until it is gone; its pids.

    Children die with the main process (prctl in child_init); this is for those that a kill -9 caught before that. Raises
    EdgeError if they do not go.
    """
    pid = pid_file(folder_of(config))
    left = leftovers(pid)
    for process in left:
        with contextlib.suppress(ProcessLookupError):  # children end with the main process, maybe right now
            os.kill(process, signal.SIGKILL)
    end = CLOCK.mono_ms() + GONE_MS
    while leftovers(pid):
        if CLOCK.mono_ms() > end:
            raise EdgeError(f"processes {left} of an earlier edge do not end; they hold the ports")
        time.sleep(0.02)
    pid.unlink(missing_ok=True)  # or Kamailio takes whoever has that pid now for itself, and ends
    return left


def leftovers(pid: Path) -> list[int]:
    """Processes with this pid file in their command line, but this one."""
    mark, found = str(pid).encode(), []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it ended meanwhile, or it is somebody else's
        if mark in words:
            found.append(int(entry.name))
    return found


if __name__ == "__main__":
    main()

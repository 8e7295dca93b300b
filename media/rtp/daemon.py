"""Start the rtpengine of one media node: `python -m media.rtp.daemon --config F --index N`.

Takes the lock, makes the folders, saves what an earlier run was recording, then becomes rtpengine (exec: the pid stays).
docs/adr/0402-rtpengine-options.md tells why each option is there.
"""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from media.rtp import own_ports
from ops import log as logs
from ops import redis_access
from ops.centre import CentreConfig
from ops.config import ConfigError, load
from ops.ports import LOOPBACK

log = logging.getLogger(__name__)
BINARY = "rtpengine"
MIN_PORTS = 4  # two legs
MIN_THREADS = 2  # one that waits for Redis must not hold up all sound
ALLOCATOR = "/usr/lib/*/libjemalloc.so.2"  # comes with Debian's Redis


class DaemonError(Exception):
    """rtpengine cannot be started; the text says why and what to do."""


def node_name(index: int) -> str:
    """The media node that the rtpengine belongs to."""
    return f"m{index + 1}"


def spool(config: CentreConfig, index: int) -> Path:
    """The folder it writes recordings to: pcaps/, metadata/, tmp/ below it."""
    return config.spool / node_name(index)


def port_share(config: CentreConfig, index: int) -> tuple[int, int]:
    """First and last RTP port of the node: the range in equal parts, each beginning with an even port (RFC 3550 §11)."""
    low = config.ports.rtp_low + config.ports.rtp_low % 2
    each = (config.ports.rtp_high - low + 1) // config.media.nodes // 2 * 2
    if each < MIN_PORTS:
        raise DaemonError(f"ports.rtp_low..rtp_high is too small for {config.media.nodes} media nodes: widen it")
    return low + index * each, low + (index + 1) * each - 1


def command(config: CentreConfig, index: int) -> list[str]:
    """The command line. Raises DaemonError if the RTP ports do not suffice."""
    low, high = port_share(config, index)
    ports = config.ports
    threads = max(MIN_THREADS, (os.cpu_count() or 1) // config.media.nodes)
    options = {
        "config-file": "none",  # else the package's own file is merged
        "table": -1,  # no kernel module
        "interface": config.media.rtp_address,
        "listen-ng": f"{LOOPBACK}:{ports.ng + index}",
        "dtmf-log-dest": f"{LOOPBACK}:{ports.dtmf + index}",
        "port-min": low,
        "port-max": high,
        "recording-dir": spool(config, index),
        "recording-method": "pcap",
        "redis": f"{LOOPBACK}:{ports.redis_rtpengine}/{index}",
        "redis-connect-timeout": 500,
        "redis-cmd-timeout": 500,
        "redis-allowed-errors": 1,
        "redis-disable-time": 5,
        "delete-delay": 0,
        "timeout": 3600,  # a silent caller on hold music counts as dead
        "log-level": 4,
        "num-threads": threads,  # left to itself it takes four at the least, which get in each other's way on a small machine
        "media-num-threads": threads,
    }
    flags = ["--no-redis-required", "--foreground", "--log-stderr", "--no-log-timestamps"]
    return [BINARY, *(f"--{name}={value}" for name, value in options.items()), *flags]


def environment(config: CentreConfig, pattern: str = ALLOCATOR) -> dict[str, str]:
    """Ours, with the password of its Redis and another allocator if it is installed: a third of rtpengine's CPU
    a call goes into malloc and GLib's slices. Raises OSError."""
    word = redis_access.password(config, redis_access.RTPENGINE)
    base = {**os.environ, **({"RTPENGINE_REDIS_AUTH_PW": word} if word else {})}
    found = sorted(Path("/").glob(pattern.lstrip("/")))
    if not found:
        return base
    before = os.environ.get("LD_PRELOAD", "")
    preload = f"{found[0]}:{before}" if before else str(found[0])
    return {**base, "LD_PRELOAD": preload, "G_SLICE": "always-malloc"}


def take_lock(config: CentreConfig, index: int) -> int:
    """The locked file's descriptor, kept over exec: two instances would bind one ng port without an error. DaemonError if held."""
    path = config.state / "run" / f"rtpengine-{node_name(index)}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise DaemonError(f"rtpengine of {node_name(index)} runs already ({path} is locked): stop it first") from error
    os.set_inheritable(handle, True)
    return handle


def save_pcaps(folder: Path) -> list[Path]:
    """Move what is being recorded out of rtpengine's way, which truncates it when it takes up its calls again. The new names.

    `<call>-<x>.pcap` becomes `<call>-<x>.<n>.pcap`; the parts of a recording sort in the order they were written.
    """
    moved = []
    for pcap in sorted((folder / "pcaps").glob("*.pcap")):
        stem, _, number = pcap.stem.partition(".")
        if number:
            continue
        parts = len(list(pcap.parent.glob(f"{stem}.*.pcap")))
        moved.append(pcap.rename(pcap.with_name(f"{stem}.{parts + 1:03}.pcap")))
    return moved


def main(argv: Sequence[str] | None = None) -> int:
    """Become rtpengine; returns (1) only if that is not possible."""
    parser = argparse.ArgumentParser(description="Start the rtpengine of one media node.")
    parser.add_argument("--config", required=True, type=Path)
    parser.add_argument("--index", type=int, default=0)
    args = parser.parse_args(argv)
    logs.setup(f"rtpengine-{node_name(args.index)}")
    os.umask(0o077)
    try:
        config = load(args.config)
        words = command(config, args.index)
        take_lock(config, args.index)
        spool(config, args.index).mkdir(parents=True, exist_ok=True)
        moved = save_pcaps(spool(config, args.index))
        log.info("start rtpengine", extra={"ng": config.ports.ng + args.index, "saved_pcaps": len(moved)})
        if config.state.is_absolute():
            os.chdir(spool(config, args.index))  # where a core dump goes
        if not own_ports.keep():
            log.warning("other users of this machine could bind rtpengine's ports: no system call filter for this processor")
        os.execvpe(words[0], words, environment(config))  # does not return
    except (ConfigError, DaemonError, OSError) as error:
        log.error("rtpengine not started", extra={"why": str(error)})
    return 1


if __name__ == "__main__":
    sys.exit(main())

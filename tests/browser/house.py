"""Real Redis, real router, real console as processes, on free ports."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

from ops.centre import CentreConfig
from ops.config import dump
from tests.console.desk import centre
from tests.kit.ports import free_port
from tests.kit.redis_server import RedisServer
from tests.kit.wait import until

ROOT = Path(__file__).parents[2]


class House:
    """A centre without telephony. Use as a context manager; `kill`, `spawn` for one process of it."""

    def __init__(self, folder: Path, change_first_passwords: bool = False) -> None:
        self.folder = folder
        self.redis = RedisServer(folder / "redis")
        config = centre(folder / "state", self.redis.port)
        queues = tuple(replace(queue, after_call_s=30, ring_s=20) for queue in config.queue)
        ports = replace(config.ports, router_metrics=free_port())
        own = replace(config.console, change_first_passwords=change_first_passwords)
        self.config: CentreConfig = replace(config, console=own, queue=queues, ports=ports, path=folder / "centre.json")
        self.config.path.write_text(dump(self.config), encoding="utf-8")
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.config.ports.console}"

    def spawn(self, service: str) -> None:
        """Start `python -m SERVICE` and wait until it is healthy."""
        words = [sys.executable, "-m", service, "--config", str(self.config.path)]
        with (self.folder / f"{service}.log").open("ab") as log:
            self.processes[service] = subprocess.Popen(words, cwd=ROOT, stderr=log)
        port = self.config.ports.console if service == "console" else self.config.ports.router_metrics
        until(lambda: _healthy(port), 60, f"{service} is healthy")

    def kill(self, service: str, signum: int = signal.SIGKILL) -> None:
        """End a process."""
        process = self.processes.pop(service)
        os.kill(process.pid, signum)
        process.wait(15)

    def log(self, service: str) -> str:
        """What a process said."""
        return (self.folder / f"{service}.log").read_text(encoding="utf-8")

    def __enter__(self) -> House:
        self.redis.start()
        self.spawn("router")
        self.spawn("console")
        return self

    def __exit__(self, *_: object) -> None:
        for service in list(self.processes):
            self.kill(service, signal.SIGTERM)
        self.redis.stop()


def _healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False

"""A real Redis of the test's own."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import redis

from tests.kit.ports import free_port
from tests.kit.wait import until


class RedisServer:
    """redis-server on a free port; data in `folder` with AOF, so that a restart keeps it. Use as a context manager."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """redis:// URL of it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> RedisServer:
        """Start and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        words = f"redis-server --port {self.port} --bind 127.0.0.1 --save '' --appendonly yes --appendfsync everysec".split()
        self.process = subprocess.Popen([w.strip("'") for w in words] + ["--dir", str(self.folder)], stdout=subprocess.DEVNULL)
        until(self._answers, 30, "redis-server answers")
        return self

    def _answers(self) -> bool:
        try:
            return bool(redis.Redis(port=self.port).ping())
        except redis.RedisError:
            return False

    def stop(self, kill: bool = False) -> None:
        """End it: gently, or with kill -9."""
        if self.process is not None:
            os.kill(self.process.pid, signal.SIGKILL if kill else signal.SIGTERM)
            self.process.wait(10)
            self.process = None

    def __enter__(self) -> RedisServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

"""A real PostgreSQL of the tests' own, on a free port, run by a user that is not root."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg

from tests.kit.ports import free_port
from tests.kit.wait import until

BINARIES = "/usr/lib/postgresql/15/bin"


class PostgresServer:
    """initdb and postgres in a folder of its own. `start`, `stop(kill=True)`, `start` keeps the data; `close` removes it."""

    def __init__(self) -> None:
        # Not where TMPDIR says: that may be a folder that other users cannot enter.
        self.folder = Path(tempfile.mkdtemp(prefix="tierline-pg-", dir="/tmp"))
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        options = ["-D", str(self.folder / "data"), "-U", "tierline", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"]
        subprocess.run([*self._user(), f"{BINARIES}/initdb", *options], check=True, stdout=subprocess.DEVNULL, cwd="/")

    @staticmethod
    def _user() -> list[str]:
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []

    @property
    def url(self) -> str:
        """SQLAlchemy URL of database `postgres`."""
        return f"postgresql+psycopg://tierline@127.0.0.1:{self.port}/postgres"

    def start(self) -> PostgresServer:
        """Start and wait until it takes connections."""
        words = [
            "-D",
            str(self.folder / "data"),
            "-p",
            str(self.port),
            "-h",
            "127.0.0.1",
            "-k",
            "",  # no Unix socket: its path may be no longer than 107 bytes, a folder for temporary files can be
            "-c",
            "shared_buffers=16MB",
        ]
        self.process = subprocess.Popen([*self._user(), f"{BINARIES}/postgres", *words], stderr=subprocess.DEVNULL, cwd="/")
        until(self._answers, 60, "PostgreSQL answers")
        return self

    def _answers(self) -> bool:
        try:
            psycopg.connect(f"host=127.0.0.1 port={self.port} user=tierline dbname=postgres", connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def create(self, name: str) -> str:
        """A new empty database; its URL."""
        with psycopg.connect(f"host=127.0.0.1 port={self.port} user=tierline dbname=postgres", autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url.replace("/postgres", f"/{name}")

    def stop(self) -> None:
        """Immediate shutdown: like a power cut, connections are dropped."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(20)
            self.process = None

    def close(self) -> None:
        """Stop and remove the folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

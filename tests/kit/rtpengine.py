"""A real rtpengine of the test's own, started by the product's launcher."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from media.rtp.ng import NgClient, NgTimeout
from ops.centre import Centre, CentreConfig, Media, Ports
from ops.config import dump
from tests.kit.ports import free_block, free_port
from tests.kit.wait import until_async


def audio_config(state: Path, redis_port: int = 0, rtp_ports: int = 100) -> CentreConfig:
    """A centre of one media node on free ports, with as much in it as audio needs. Without a Redis unless told."""
    low = free_block(rtp_ports)
    ports = Ports(ng=free_port(), dtmf=free_port(), redis_rtpengine=redis_port or free_port())
    ports = replace(ports, rtp_low=low, rtp_high=low + rtp_ports - 1)
    return CentreConfig(Centre("test"), media=Media(), ports=ports, path=state / "centre.json", state=state)


class RtpEngineProcess:
    """`python -m media.rtp.daemon` for node m1 of `config`. Use as an async context manager."""

    def __init__(self, config: CentreConfig) -> None:
        self.config = config
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """What it wrote to standard error."""
        return self.config.state / "rtpengine.log"

    @property
    def pid(self) -> int:
        """Of the process: it stays over the launcher's exec."""
        assert self.process is not None
        return self.process.pid

    async def start(self) -> RtpEngineProcess:
        """Start and wait until it answers a ping."""
        self.config.state.mkdir(parents=True, exist_ok=True)
        self.config.path.write_text(dump(self.config))
        with self.log.open("ab") as log:
            words = [sys.executable, "-m", "media.rtp.daemon", "--config", str(self.config.path)]
            self.process = subprocess.Popen(words, stdout=log, stderr=log)
        ng = NgClient("127.0.0.1", self.config.ports.ng)
        await ng.open()
        try:
            await until_async(lambda: self._answers(ng), 30, "rtpengine answers a ping")
        except BaseException:
            self.stop()
            raise
        finally:
            ng.close()
        return self

    async def _answers(self, ng: NgClient) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"rtpengine ended:\n{self.log.read_text()[-2000:]}"
        try:
            return (await ng.command("ping", {})).get("result") == b"pong"
        except NgTimeout:
            return False

    def stop(self, kill: bool = False) -> None:
        """End it: gently, or with kill -9."""
        if self.process is not None:
            if self.process.poll() is None:
                os.kill(self.process.pid, signal.SIGKILL if kill else signal.SIGTERM)
            self.process.wait(10)
            self.process = None

    async def __aenter__(self) -> RtpEngineProcess:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        self.stop()

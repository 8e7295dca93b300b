"""A service ends when it is asked to, and at once when it is asked twice."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

SERVICE = """
import asyncio, sys
from ops import lifecycle
async def main(stop):
    print("up", flush=True)
    await stop.wait()
    print("stopping", flush=True)
    if sys.argv[1] == "stubborn":
        await asyncio.Event().wait()
lifecycle.run(main)
"""


def told(service: subprocess.Popen[str]) -> str:
    assert service.stdout is not None
    return service.stdout.readline().strip()


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("kind", ["willing", "stubborn"])
def test_one_signal_asks_and_a_second_one_ends(asked: signal.Signals, kind: str) -> None:
    """The first SIGTERM or SIGINT lets the service end by itself with 0; a second one ends what does not, with 128 + signal."""
    words = [sys.executable, "-c", SERVICE, kind]
    with subprocess.Popen(
        words, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as service:
        try:
            assert told(service) == "up"
            service.send_signal(asked)
            assert told(service) == "stopping"
            if kind == "stubborn":
                assert service.poll() is None
                service.send_signal(asked)
            assert service.wait(20) == (0 if kind == "willing" else 128 + asked)
        finally:
            service.kill()

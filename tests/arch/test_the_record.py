"""A run of the tests tells what failed, whatever else goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.arch.tree import ROOT
from tests.kit.wait import until

FAILS = """
import gc

class Late:
    def __init__(self):
        self.me = self

    def __del__(self):
        raise RuntimeError("late")

def test_it():
    gc.collect()
    Late()
    gc.set_threshold(5000)
    assert False, "told"

nodes = [
"""
NODES = "    [1, [2]],\n" * 5000 + "]\n"  # enough nodes for a collection while it is parsed

STAYS = """
import asyncio, pathlib, pytest

HERE = pathlib.Path(__file__).parent

@pytest.fixture
def started():
    (HERE / "started").touch()
    yield
    (HERE / "stopped").touch()

def test_before():
    assert False, "told"

async def test_it(started):
    await asyncio.sleep(100)
"""
STOPS_SLOWLY = """
import pathlib, time, pytest

HERE = pathlib.Path(__file__)

@pytest.fixture
def started():
    HERE.with_suffix(".started").touch()
    yield
    time.sleep(6)
    HERE.with_suffix(".stopped").touch()

def test_it(started):
    time.sleep(100)
"""
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto")


def test_a_failure_is_told_while_garbage_fails(tmp_path: Path) -> None:
    """A failed test whose garbage fails when it is collected ends as a failed test, not as an error of pytest."""
    (tmp_path / "test_fails.py").write_text(FAILS + NODES)
    words = [*PYTEST, "--rootdir", str(tmp_path), str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout[-3000:]
    assert "AssertionError: told" in done.stdout and "INTERNALERROR" not in done.stdout


def test_a_run_that_is_cut_off_tells_what_it_knows(tmp_path: Path) -> None:
    """SIGTERM in the middle of a test: what was started is stopped, and the failures until then are told."""
    (tmp_path / "test_stays.py").write_text(STAYS)
    words = [*PYTEST, "--rootdir", str(tmp_path), str(tmp_path)]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        until((tmp_path / "started").exists, 60, "the second test runs")
        run.send_signal(signal.SIGTERM)
        told, _ = run.communicate(timeout=60)
    assert (tmp_path / "stopped").exists()
    assert run.returncode == 2 and "AssertionError: told" in told and "1 failed" in told


@pytest.mark.parametrize("by", ["Ctrl-C", "SIGTERM"])
def test_a_divided_run_that_is_cut_off_stops_what_it_started(tmp_path: Path, by: str) -> None:
    """Ctrl-C, which reaches workers and controller, or a signal to the controller alone: each worker has as long as it needs for
    stopping what its tests started."""
    files = [tmp_path / f"test_{name}.py" for name in ("one", "other")]
    for file in files:
        file.write_text(STOPS_SLOWLY)
    words = [*PYTEST, "-n", "2", "--dist", "loadgroup", "--rootdir", str(tmp_path), str(tmp_path)]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as run:
        until(lambda: all(file.with_suffix(".started").exists() for file in files), 60, "both tests run")
        if by == "Ctrl-C":
            os.killpg(run.pid, signal.SIGINT)
        else:
            run.send_signal(signal.SIGTERM)
        told, _ = run.communicate(timeout=60)
    assert all(file.with_suffix(".stopped").exists() for file in files), told
    assert run.returncode == 2 and "KeyboardInterrupt" in told

"""A run of the tests tells what failed, whatever else goes wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.arch.tree import ROOT

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


def test_a_failure_is_told_while_garbage_fails(tmp_path: Path) -> None:
    """A failed test whose garbage fails when it is collected ends as a failed test, not as an error of pytest."""
    (tmp_path / "test_fails.py").write_text(FAILS + NODES)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run([*words, "--rootdir", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout[-3000:]
    assert "AssertionError: told" in done.stdout and "INTERNALERROR" not in done.stdout

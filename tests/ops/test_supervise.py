"""The supervisor with real processes: small stand-ins in place of the services."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.supervise import files, proc
from ops.supervise.services import ROOT
from tests.kit.ports import free_port
from tests.kit.wait import until

pytestmark = pytest.mark.real
QUICK = {"start_ms": 4000, "sick_ms": 4000, "first_backoff_ms": 50, "stop_ms": 2000, "kill_ms": 500}


class Centre:
    """A supervisor over stand-ins."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.folder = files.Folder(state)
        self.process: subprocess.Popen[bytes] | None = None
        self.said = state / "said"

    def start(self, **spec: dict[str, Any]) -> None:
        """Start over `spec`; a port is chosen where none is told."""
        self.state.mkdir(mode=0o700, exist_ok=True)
        full = {name: {"port": free_port(), "policy": QUICK} | one for name, one in spec.items()}
        (self.state / "spec.json").write_text(json.dumps(full))
        with self.said.open("ab") as out:
            words = [sys.executable, "-m", "tests.ops.stand_ins", str(self.state), str(self.state / "spec.json")]
            self.process = subprocess.Popen(words, stdout=out, stderr=out, cwd=ROOT, start_new_session=True)

    def up(self) -> dict[str, int]:
        """Wait until all is up; the pids."""
        until(self.folder.endpoints.exists, 20, f"endpoints.json of {self.words()}")
        return self.pids()

    def pids(self) -> dict[str, int]:
        """The pids as endpoints.json tells them now."""
        pids = files.read(self.folder.endpoints).get("pids", {})
        assert isinstance(pids, dict)
        return pids

    def words(self) -> str:
        """All lines for people."""
        return self.said.read_text()

    def status(self) -> subprocess.CompletedProcess[str]:
        """`tierline status --json`."""
        return subprocess.run(
            [sys.executable, "-m", "ops", "status", "--json", "--state", str(self.state)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    def family(self) -> list[proc.Process]:
        """What still runs of it."""
        return proc.family(self.state, files.leaders(self.folder))

    def end(self, signum: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop; its exit status."""
        assert self.process is not None
        self.process.send_signal(signum)
        return self.process.wait(20)


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    """A centre that leaves nothing behind."""
    one = Centre(tmp_path / "state")
    yield one
    if one.process is not None and one.process.poll() is None:
        one.process.kill()
        one.process.wait()
    proc.kill(one.family())


def test_starts_in_order_and_stops_in_stages_with_nothing_left(centre: Centre) -> None:
    """What is needed comes up first, what has the lower stage stops first, and no process, status or endpoints stay."""
    centre.start(b={"needs": ["a"], "stage": 0}, a={"stage": 1, "words": ["--children", "2"]})
    pids = centre.up()
    assert all(os.getsid(pid) == pid for pid in pids.values()), "each child leads a session of its own"
    status = centre.status()
    assert (status.returncode, json.loads(status.stdout)["healthy"]) == (0, True)
    assert centre.end() == 0
    words = centre.words()
    assert words.index("  a ") < words.index("  b ")
    assert words.rindex("  b ") < words.rindex("  a ")
    assert "a           left 2 processes behind: killed" in words
    assert centre.family() == [] and not centre.folder.endpoints.exists()
    assert centre.status().returncode == 3


def test_a_killed_child_comes_back_and_its_orphans_do_not_stay(centre: Centre) -> None:
    """kill -9 of a main process: the processes it forked are killed, it is started anew, endpoints.json tells the new pid."""
    centre.start(a={"words": ["--children", "3"]})
    first = centre.up()["a"]
    old = [one.pid for one in centre.family()]
    assert len(old) == 4
    os.kill(first, signal.SIGKILL)
    until(lambda: centre.pids().get("a") != first, 10, "a new pid")
    until(lambda: json.loads(centre.status().stdout)["healthy"], 10, "all up again")
    now = [one.pid for one in centre.family()]
    assert len(now) == 4 and not set(now) & set(old)
    assert json.loads(centre.status().stdout)["processes"]["a"]["restarts"] == 1


def test_a_deaf_child_is_killed_and_started_again(centre: Centre) -> None:
    """A process that is stopped (SIGSTOP) answers no more: after sick_ms it is killed and replaced."""
    centre.start(a={"policy": QUICK | {"sick_ms": 3500}})
    first = centre.up()["a"]
    os.kill(first, signal.SIGSTOP)
    until(lambda: centre.pids().get("a") != first, 15, "a new pid")
    assert "does not answer" in centre.words()


def test_a_new_supervisor_clears_what_a_killed_one_left(centre: Centre) -> None:
    """kill -9 of the supervisor leaves its children running; the next one on the same folder kills just these, then starts."""
    port = free_port()
    centre.start(a={"words": ["--children", "2"], "port": port})
    centre.up()
    old = {one.pid for one in centre.family()}
    centre.end(signal.SIGKILL)
    assert {one.pid for one in centre.family()} == old, "they go on without it"
    assert centre.status().returncode == 3, "status tells that nobody watches"
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        centre.start(a={"port": port})
        until(lambda: centre.words().count("all up") == 2, 15, "the second start")
        assert "next try" not in centre.words(), "the port was free again"
        assert "cleared     3 processes" in centre.words()
        assert not old & {one.pid for one in centre.family()}
        assert bystander.poll() is None, "what it did not start stays alive"
    finally:
        bystander.kill()
        bystander.wait()


def test_a_session_number_used_again_is_not_ours(centre: Centre) -> None:
    """A noted pid that now belongs to another process (other start time) is left alone."""
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        centre.state.mkdir(mode=0o700)
        found = proc.process(other.pid)
        assert found is not None
        files.write(
            centre.folder.supervisor,
            {"pid": 1, "start": 0, "children": [{"name": "a", "pid": other.pid, "start": found.start - 1}]},
        )
        assert centre.family() == []
        files.write(
            centre.folder.supervisor, {"pid": 1, "start": 0, "children": [{"name": "a", "pid": other.pid, "start": found.start}]}
        )
        assert [one.pid for one in centre.family()] == [other.pid]
    finally:
        other.kill()
        other.wait()
        centre.folder.supervisor.unlink()


def test_a_start_that_fails_says_why_and_leaves_nothing(centre: Centre) -> None:
    """A child that ends while starting is tried three times; then all is stopped, its last words are shown, status is 1."""
    centre.start(good={}, bad={"words": ["--die"]})
    assert centre.process is not None
    assert centre.process.wait(20) == 1
    assert "failed: bad ended 3 times while starting" in centre.words() and "the disk is on fire" in centre.words()
    assert centre.family() == []


def test_a_program_that_is_not_installed_is_told(centre: Centre) -> None:
    """A missing binary is a failed start with its name, not a trace."""
    centre.start(bad={"argv": ["/nonexistent/rtpengine"]})
    assert centre.process is not None
    assert centre.process.wait(20) == 1
    assert "/nonexistent/rtpengine" in centre.words() and "Traceback" not in centre.words()


def test_a_second_wish_ends_a_long_drain(centre: Centre) -> None:
    """A child that would drain for an hour gets a second SIGTERM and is killed soon after; the stop ends."""
    centre.start(a={"words": ["--stubborn"], "policy": QUICK | {"stop_ms": 3_600_000}})
    centre.up()
    assert centre.process is not None
    centre.process.send_signal(signal.SIGTERM)
    until(lambda: json.loads(centre.status().stdout)["processes"]["a"]["state"] == "stopping", 5, "stopping")
    assert centre.end() == 0
    assert centre.family() == []


def test_two_supervisors_never_share_a_folder(centre: Centre) -> None:
    """A second start on the same folder is refused and harms nothing."""
    centre.start(a={})
    pids = centre.up()
    words = [sys.executable, "-m", "ops", "up", "--state", str(centre.state)]
    second = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert second.returncode == 1 and "a centre already runs in" in second.stderr
    assert centre.pids() == pids

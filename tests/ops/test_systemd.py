"""The unit with which systemd runs a centre."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ops.supervise.services import ROOT

UNIT = ROOT / "ops" / "systemd" / "tierline.service"
MOST_EXPOSED = 2.5  # of 10, as systemd counts what a service may do
analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def said(*words: str) -> tuple[int, str]:
    """Status and words of systemd-analyze."""
    done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


@analyze
@pytest.mark.real
def test_the_unit_is_valid(tmp_path: Path) -> None:
    """systemd finds no unknown key and no wrong value, once the paths are those of this checkout."""
    there = tmp_path / "tierline.service"
    text = UNIT.read_text().replace("/opt/tierline/.venv/bin/tierline", shutil.which("true") or "/bin/true")
    there.write_text(text)
    assert said("verify", "--man=no", str(there)) == (0, "")


@analyze
@pytest.mark.real
def test_the_unit_leaves_a_centre_few_rights() -> None:
    """By systemd's own count the centre is exposed little, and each hardening that the document names is there."""
    status, text = said("security", "--offline=true", str(UNIT))
    found = re.search(r"exposure level for tierline.service: ([0-9.]+)", text)
    assert status == 0 and found is not None, text
    assert float(found[1]) <= MOST_EXPOSED


def test_the_unit_keeps_files_for_its_user() -> None:
    """Files, folder and privileges: as tierline up does it, also before it runs."""
    lines = UNIT.read_text().splitlines()
    for line in ("UMask=0077", "StateDirectoryMode=0700", "NoNewPrivileges=yes", "CapabilityBoundingSet=", "ProtectSystem=strict"):
        assert line in lines

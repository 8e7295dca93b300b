"""The doctor's single checks, against programs made for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ops import doctor
from ops.doctor import Program


def made(folder: Path, monkeypatch: pytest.MonkeyPatch, says: str) -> Program:
    """A program `thing` on the path that prints `says`."""
    (folder / "thing").write_text(f"#!/bin/sh\necho '{says}'\n")
    (folder / "thing").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return Program("thing", ("-v",), r"v(\d+)\.(\d+)", (2, 5), "all that matters")


@pytest.mark.parametrize(
    ("says", "level", "told"),
    [("v2.5", "ok", "2.5"), ("v2.4", "bad", "is 2.4; 2.5 is the oldest"), ("hello", "note", "does not tell")],
)
def test_versions_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, level: str, told: str) -> None:
    """New enough is ok, too old is bad with both versions, a silent program is a note."""
    finding = doctor.program(made(tmp_path, monkeypatch, says))
    assert finding.level == level and told in finding.told


def test_what_is_missing_is_told_with_its_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing program is bad when a centre needs it and a note when only a demonstration does; the remedy is the set-up."""
    program = replace(made(tmp_path, monkeypatch, ""), name="no-such-thing")
    assert doctor.program(program) == doctor.Finding(
        "bad", "no-such-thing", "is not installed (all that matters)", "run 'make setup'"
    )
    assert doctor.program(replace(program, needed=False)).level == "note"


def test_missing_kamailio_modules_are_named(tmp_path: Path) -> None:
    """A module whose package is not installed is named."""
    folder = tmp_path / "x86" / "kamailio" / "modules"
    folder.mkdir(parents=True)
    for name in doctor.KAMAILIO_MODULES[1:]:
        (folder / f"{name}.so").touch()
    finding = doctor.kamailio_modules((tmp_path,))
    assert finding.level == "bad" and finding.told == f"{doctor.KAMAILIO_MODULES[0]} not installed"


def test_another_python_inside_kamailio_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    """When Kamailio embeds another minor version than this one, the doctor says that the edge will not run and how to mend it."""
    monkeypatch.setattr(doctor, "embedded_python", lambda _module: "3.9")
    finding = doctor.python()
    assert finding.level == "bad" and "embeds 3.9" in finding.told and "make .venv with Python 3.9" in finding.remedy


def test_little_room_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a gigabyte free is told, for a state folder that is not there yet too."""
    monkeypatch.setattr(doctor, "WANTED_MB", 10**9)
    assert doctor.disk(tmp_path / "not" / "there").level == "bad"

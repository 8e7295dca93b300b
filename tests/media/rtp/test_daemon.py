"""How rtpengine is started, as far as that needs no rtpengine."""

from __future__ import annotations

from pathlib import Path

import pytest

from media.rtp.daemon import environment
from ops.centre import Centre, CentreConfig


def test_the_other_allocator_is_taken_if_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """jemalloc comes before what was preloaded already, and GLib's slices go to it; what else stands in the environment stays."""
    library = tmp_path / "x86" / "libjemalloc.so.2"
    library.parent.mkdir()
    library.touch()
    monkeypatch.setenv("LD_PRELOAD", "/else.so")
    made = environment(CentreConfig(Centre("test")), f"{tmp_path}/*/libjemalloc.so.2")
    assert made["LD_PRELOAD"] == f"{library}:/else.so"
    assert made["G_SLICE"] == "always-malloc"
    assert made["PATH"]


def test_without_it_rtpengine_starts_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No library, no change: nothing is preloaded that the loader would complain of."""
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    monkeypatch.delenv("G_SLICE", raising=False)
    made = environment(CentreConfig(Centre("test")), f"{tmp_path}/*/libjemalloc.so.2")
    assert "LD_PRELOAD" not in made
    assert "G_SLICE" not in made

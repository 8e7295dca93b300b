"""Files of a centre are for its user alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ops.centre import Centre, CentreConfig
from ops.cli import CommandError
from ops.ports import UDP, Use
from ops.supervise import files, resolve


def test_a_new_or_empty_state_folder_becomes_private(tmp_path: Path) -> None:
    """A state folder that is made by the start, or stood there empty and open, has no rights for others."""
    empty = tmp_path / "empty"
    empty.mkdir(mode=0o755)
    for folder in (empty, tmp_path / "new" / "state"):
        files.private(folder)
        assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701, 0o770])
def test_a_filled_state_folder_that_others_may_open_is_refused(tmp_path: Path, mode: int) -> None:
    """What stands in it may have been read already: the start refuses and names the command that closes it."""
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "credentials.json").touch()
    folder.chmod(mode)
    with pytest.raises(CommandError, match=rf"chmod -R go= {folder}"):
        files.lock(files.Folder(folder))


def test_a_folder_of_claims_that_somebody_else_prepared_is_refused(tmp_path: Path) -> None:
    """A link in the place of the folder, an open folder and a file: refused, and what the link leads to is untouched."""
    precious = tmp_path / "precious"
    precious.mkdir()
    link, wide, plain = tmp_path / "link", tmp_path / "wide", tmp_path / "plain"
    link.symlink_to(precious)
    wide.mkdir()
    wide.chmod(0o777)
    plain.touch()
    for folder in (link, wide, plain):
        with pytest.raises(CommandError, match="TMPDIR"), resolve.claims(folder / "1.json"):
            pass
    assert list(precious.iterdir()) == []


def test_links_in_the_folder_of_claims_are_not_followed(tmp_path: Path) -> None:
    """Neither the lock nor a claim is written through a link."""
    folder, precious = tmp_path / "claims", tmp_path / "precious"
    folder.mkdir(mode=0o700)
    precious.write_text("precious")
    own = folder / "1.json"
    own.symlink_to(precious)
    with pytest.raises(OSError, match="symbolic"):
        resolve.claim(own, CentreConfig(Centre("x")))
    (folder / "lock").symlink_to(precious)
    with pytest.raises(OSError, match="symbolic"), resolve.claims(own):
        pass
    assert precious.read_text() == "precious"


def test_a_large_block_of_audio_ports_finds_the_one_room_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """18,000 neighbouring ports beside a running centre's 4,000: found from wherever the search begins."""
    monkeypatch.setattr(resolve, "free", lambda address, port, kinds: True)
    running = set(range(30_000, 34_000))
    wanted = Use(resolve.AUDIO, "audio", "127.0.0.1", 30_000, 18_000, (UDP,))
    for pid in range(1000, 1400, 7):
        monkeypatch.setattr(os, "getpid", lambda pid=pid: pid)
        start = resolve._other(wanted, running)
        assert 34_000 <= start <= 42_000 and start % 2 == 0

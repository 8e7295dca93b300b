"""The state folder of a centre: who runs it, what its children are, what others may read of it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ops.cli import CommandError
from ops.supervise.proc import Leader, process, same


@dataclass(frozen=True, slots=True)
class Folder:
    """Names of the files in a state folder."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved configuration all services read."""
        return self.path / "centre.json"

    @property
    def credentials(self) -> Path:
        """First passwords."""
        return self.path / "credentials.json"

    @property
    def endpoints(self) -> Path:
        """There only while the centre runs and was healthy once."""
        return self.path / "endpoints.json"

    @property
    def supervisor(self) -> Path:
        """The supervisor and its children, for `status`, `down` and for cleaning up after a dead supervisor."""
        return self.path / "supervisor.json"

    def log(self, name: str) -> Path:
        """The log of a child."""
        return self.path / "log" / f"{name}.log"


def write(path: Path, data: Any) -> None:
    """Replace a JSON file in one step."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def read(path: Path) -> dict[str, Any]:
    """A JSON object; {} when the file is not there or was cut short."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def running(folder: Folder) -> Leader | None:
    """The living supervisor of this folder."""
    data = read(folder.supervisor)
    leader = Leader(int(data.get("pid", 0)), int(data.get("start", 0)))
    return leader if leader.pid and same(leader) else None


def leaders(folder: Folder) -> list[Leader]:
    """The children a supervisor noted, whether it lives or not."""
    return [Leader(int(one["pid"]), int(one["start"])) for one in read(folder.supervisor).get("children", []) if one.get("pid")]


def lock(folder: Folder) -> IO[str] | None:
    """Held as long as the file returned is open; None when another supervisor has it. Raises CommandError for a folder that
    others may look into."""
    private(folder.path)
    file = (folder.path / "supervisor.lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def private(folder: Path) -> None:
    """The folder exists and is for its user alone: passwords, numbers and recordings are in it. Raises CommandError."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700, parents=True)
    found = folder.stat()
    if found.st_uid != os.getuid():
        raise CommandError(f"{folder} belongs to another user (uid {found.st_uid}): name a folder of your own with --state")
    if not found.st_mode & 0o077:
        return
    if any(folder.iterdir()):
        mode = stat.filemode(found.st_mode)
        raise CommandError(f"{folder} is open to other users ({mode}) and not empty: run `chmod -R go= {folder}`, then try again")
    folder.chmod(0o700)


def me() -> Leader:
    """This process."""
    found = process(os.getpid())
    return Leader(os.getpid(), found.start if found else 0)

"""Reads the accounting files: whole lines from where it stood, and the removal of what is shipped and finished.

Order of things, which makes a kill -9 at any point harmless: lines are read, written to Redis, then the position is kept. A kill
between the last two writes the same facts again: same ids, same content, counted once by the ledger.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from sip.kemi.journal import SUFFIX

READ_BYTES = 1 << 20  # of one file at once, so that no backlog fills the memory
POSITIONS = "positions.json"


@dataclass(frozen=True, slots=True)
class Batch:
    """Whole lines of one file, and where the file stands once they are written."""

    path: Path
    lines: list[bytes]
    position: int


@dataclass
class Tail:
    """All files of a folder, each with the position up to which it is shipped."""

    folder: Path
    positions: dict[str, int] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path) -> Tail:
        """Go on where the last shipper stood. A lost or broken positions file starts over: repeats are harmless."""
        try:
            data = json.loads((folder / POSITIONS).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            data = {}
        known = data if isinstance(data, dict) else {}
        return cls(folder, {str(name): at for name, at in known.items() if isinstance(at, int)})

    def batches(self) -> list[Batch]:
        """What has not been shipped, at most READ_BYTES a file. A line without its end is left for later."""
        found = []
        for path, size in self._files():
            position = self.positions.get(path.name, 0)
            if size > position:
                batch = _read(path, position)
                if batch.lines:
                    found.append(batch)
        return found

    def _files(self) -> list[tuple[Path, int]]:
        with os.scandir(self.folder) as entries:
            files = [(Path(entry.path), entry.stat().st_size) for entry in entries if entry.name.endswith(SUFFIX)]
        return sorted(files)

    def keep(self, batches: list[Batch]) -> None:
        """The batches are on the stream: never ship them again."""
        self.positions |= {batch.path.name: batch.position for batch in batches}
        part = self.folder / f".{POSITIONS}"
        part.write_text(json.dumps(self.positions), encoding="utf-8")
        part.replace(self.folder / POSITIONS)

    def sweep(self) -> list[Path]:
        """Remove files that are shipped to the end and that no writer holds any more; which."""
        removed = [path for path, _ in self._files() if self._finished(path)]
        for path in removed:
            self.positions.pop(path.name, None)
        if removed:
            self.keep([])
        return removed

    def _finished(self, path: Path) -> bool:
        """Lock it (its writer is gone or has gone on), look at its size again, remove it."""
        fd = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            position = self.positions.get(path.name, 0)
            left = os.pread(fd, READ_BYTES, position)
            if b"\n" in left:
                return False
            path.unlink()  # what is left is nothing, or a line that a full disk or a power cut tore
        except BlockingIOError:
            return False
        finally:
            os.close(fd)
        return True


def _read(path: Path, position: int) -> Batch:
    with path.open("rb") as file:
        file.seek(position)
        block = file.read(READ_BYTES)
    end = block.rfind(b"\n") + 1
    return Batch(path, block[:end].splitlines(), position + end)

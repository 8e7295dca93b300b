"""The folder that rtpengine of one node records into: which files belong to which recording, and what was left there.

rtpengine writes `pcaps/<call>-<x>.pcap`; when it has finished, the last line of `metadata/rtpengine-meta-<call>-<x>.txt` is
the name given to Audio.record (until then the file is `tmp/...tmp`). After a crash there are more parts,
`<call>-<x>.<n>.pcap` (media/rtp/daemon.py). `jobs/` is ours: what is to be filed, until it is.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from media.record.api import Job
from ops.ids import CallId

SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")  # what may stand in a file's name
_STEM = re.compile(r"(.+)-([0-9a-f]+)")


@dataclass(frozen=True, slots=True)
class Recording:
    """The files of one recording. `name`: "" when rtpengine did not live to write it."""

    call: str
    name: str
    pcaps: tuple[Path, ...]
    metadata: tuple[Path, ...]
    finished: bool  # rtpengine has closed it

    def remove(self) -> None:
        """Only once the sound is safe elsewhere."""
        for path in (*self.pcaps, *self.metadata):
            path.unlink(missing_ok=True)

    def set_aside(self, spool: Path) -> Path:
        """What cannot be used is kept for people to look at, out of the way; the folder. Raises OSError."""
        folder = spool / "unusable"
        folder.mkdir(exist_ok=True)
        for path in (*self.pcaps, *self.metadata):
            path.replace(folder / path.name)
        return folder


def recordings(spool: Path, call: str = "") -> list[Recording]:
    """What lies in the spool, of one call or of all. Raises OSError."""
    folder, stems = spool / "pcaps", dict[str, list[Path]]()
    # Hundreds of calls may be recorded now: no Path for each of them.
    names = [entry.name for entry in os.scandir(folder)] if folder.exists() else []
    for name in sorted(name for name in names if name.startswith(call) and name.endswith(".pcap")):
        match = _STEM.fullmatch(name.removesuffix(".pcap").partition(".")[0])
        if match is not None and call in ("", match[1]):
            stems.setdefault(match[0], []).append(folder / name)
    return [_recording(spool, stem, paths) for stem, paths in stems.items()]


def _recording(spool: Path, stem: str, paths: list[Path]) -> Recording:
    done = spool / "metadata" / f"rtpengine-meta-{stem}.txt"
    running = spool / "tmp" / f"rtpengine-meta-{stem}.tmp"
    there = tuple(path for path in (done, running) if path.exists())
    lines = done.read_text(encoding="utf-8", errors="replace").split() if done in there else []
    # The parts end in .001, .002; what is written last has no number.
    ordered = sorted(paths, key=lambda path: (path.name.count(".") == 1, path.name))
    return Recording(stem.rpartition("-")[0], lines[-1] if lines else "", tuple(ordered), there, done.exists())


def find(job: Job) -> Recording | None:
    """The recording of a job: the one of its name, else the only one of its call."""
    there = recordings(job.spool, job.call)
    named = [one for one in there if one.name == job.name]
    if named:
        return named[0]
    return there[0] if len(there) == 1 and not there[0].name else None


# ---- jobs -------------------------------------------------------------------------------------------------------
def as_json(job: Job) -> str:
    """One line."""
    return json.dumps(asdict(job) | {"spool": str(job.spool)}, ensure_ascii=False)


def from_json(text: str | bytes) -> Job:
    """Raises ValueError when it is no job."""
    data: dict[str, Any] = json.loads(text)
    try:
        senders = {name: tuple(data.get(name, ())) for name in ("caller_senders", "agent_senders")}
        return Job(**data | {"spool": Path(data["spool"]), "call": CallId(data["call"])} | senders)
    except (TypeError, KeyError) as error:
        raise ValueError(f"no job: {error}") from error


def _ticket(job: Job) -> Path:
    return job.spool / "jobs" / f"{job.call}-{job.started_ms}.json"


def remember(job: Job) -> None:
    """Note that a recording is to be filed; survives our end. Raises OSError."""
    path = _ticket(job)
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".tmp")
    half.write_text(as_json(job), encoding="utf-8")
    half.replace(path)


def forget(job: Job) -> None:
    """It is filed."""
    _ticket(job).unlink(missing_ok=True)


def remembered(spool: Path) -> Iterator[Job]:
    """Jobs that were not finished; tickets that cannot be read are skipped: their recording is then found as a leftover."""
    for path in sorted((spool / "jobs").glob("*.json")):
        try:
            yield from_json(path.read_bytes())
        except ValueError:
            continue

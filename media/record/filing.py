"""Files one recording: pcap -> stereo WAV in the vault, with its hash and a sidecar. Runs in the worker; plain blocking code.

A file is in the vault whole or not at all (written beside, synced, renamed); a pcap goes only after that.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from media.record import pcap, spool
from media.record.api import Filed, Job, NotFiled
from media.record.pcap import BadPcap, Packets
from media.record.policy import complaint, note
from media.record.stereo import Conversation, Party, Side, conversation
from ops.audio import wav_bytes
from ops.ids import CallId

FAILED, FULL = "REASON_MEDIA_FAILED", "REASON_DISK_FULL"
Free = Callable[[Path], int]


def free_mb(folder: Path) -> int:
    """Free space where a folder is."""
    return shutil.disk_usage(folder).free >> 20


@dataclass(frozen=True, slots=True)
class Store:
    """Where recordings go, and how much space must stay."""

    root: Path
    min_free_mb: int
    free: Free = free_mb


def place(job: Job) -> str:
    """Path of a job's file relative to the vault, by the UTC day it started."""
    day = datetime.fromtimestamp(job.started_ms / 1000, UTC)
    return f"{day:%Y/%m/%d}/{job.call}-{job.started_ms}.wav"


def file(job: Job, store: Store) -> Filed | NotFiled:
    """File a job. Never raises for what a pcap or a disk can do; a repeat gives the same answer."""
    try:
        return _known(job, store) or _file(job, store)
    except OSError as error:
        reason = FULL if error.errno in (errno.ENOSPC, errno.EDQUOT) else FAILED
        return NotFiled(job.call, reason, f"{os.strerror(error.errno or 0)}; the pcap stays in the spool")


def _known(job: Job, store: Store) -> Filed | NotFiled | None:
    """The answer given before, from the sidecar, if this was filed already."""
    target = store.root / place(job)
    sidecar = target.with_suffix(".json")
    if not sidecar.exists():
        return None
    try:
        data: dict[str, Any] = json.loads(sidecar.read_bytes())
        if data["complaint"]:
            return NotFiled(job.call, FAILED, _kept(data["complaint"], place(job)))
        return Filed(job.call, place(job), data["sha256"], data["duration_ms"], data["bytes"], data.get("note", ""))
    except (ValueError, KeyError, TypeError):
        return None  # somebody has touched it: file anew if the pcap is still there


def _file(job: Job, store: Store) -> Filed | NotFiled:
    found = spool.find(job)
    if found is None:
        return NotFiled(job.call, FAILED, "no pcap of that name in the spool")
    store.root.mkdir(parents=True, exist_ok=True)
    if store.free(store.root) < store.min_free_mb:
        return NotFiled(job.call, FULL, f"less than {store.min_free_mb} MB free in the vault; the pcap stays in the spool")
    try:
        heard = conversation(_read(found), *_parties(job), (job.started_ms * 1000, job.talk_ms * 1000))
    except BadPcap as error:
        return NotFiled(job.call, FAILED, f"{error}; set aside in {found.set_aside(job.spool)}")
    wrong, remark = complaint(heard, job), note(heard, job)
    filed = _write(job, store, heard, wrong, remark)
    found.remove()
    return NotFiled(job.call, FAILED, _kept(wrong, filed.path)) if wrong else filed


def _parties(job: Job) -> tuple[Party, Party]:
    """Who spoke. Raises BadPcap for a sender that is none."""
    try:
        caller, agent = (tuple(map(pcap.sender, places)) for places in (job.caller_senders, job.agent_senders))
    except ValueError as error:
        raise BadPcap("the job names a sender that is no address:port") from error
    return Party(job.caller_port, caller), Party(job.agent_port, agent)


def _kept(wrong: str, path: str) -> str:
    return f"{wrong}; what was heard is kept as {path}"


def _read(found: spool.Recording) -> Packets:
    """All parts as one: a crash of rtpengine cuts a recording in two. Parts without a packet do not count."""
    parts = [pcap.read(path) for path in found.pcaps if path.stat().st_size > pcap.FILE_HEADER]
    if not parts:
        raise BadPcap("the pcap is empty")
    if len(parts) == 1:
        return parts[0]
    shift = np.cumsum([0, *(len(part.data) for part in parts[:-1])])
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in pcap.COLUMNS}
    columns["start"] = np.concatenate([part.start + by for part, by in zip(parts, shift, strict=True)])
    return Packets(np.concatenate([part.data for part in parts]), **columns)


def _write(job: Job, store: Store, heard: Conversation, wrong: str, remark: str) -> Filed:
    """The WAV, then its sidecar; both durable when this returns."""
    target = store.root / place(job)
    target.parent.mkdir(parents=True, exist_ok=True)
    data = wav_bytes(heard.samples)
    filed = Filed(job.call, place(job), hashlib.sha256(data).hexdigest(), heard.duration_ms, len(data), remark)
    _put(target, data)
    about = asdict(job) | asdict(filed) | {"spool": "", "complaint": wrong, "first_packet_ms": heard.started_us // 1000}
    about |= {"caller": _about(heard.caller), "agent": _about(heard.agent), "silent_ms": heard.silent_ms}
    _put(target.with_suffix(".json"), (json.dumps(about, ensure_ascii=False, indent=1) + "\n").encode())
    return filed


def _about(side: Side) -> dict[str, int | bool]:
    return asdict(side)


def _put(target: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all, also after a power cut. Raises OSError."""
    half = target.with_name(f".{target.name}.half")
    try:
        with half.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        half.replace(target)
    except OSError:
        half.unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def guess(found: spool.Recording, folder: Path) -> Job:
    """A job for a recording that nobody asked to be filed: the port that was spoken to first is taken for the caller's.

    Raises BadPcap when there are not two parties, OSError.
    """
    packets = _read(found)
    ports = list(dict.fromkeys(packets.port.tolist()))
    if len(ports) < 2:
        raise BadPcap("fewer than two parties")
    call, started_ms = CallId(found.call), int(packets.time_us[0]) // 1000
    return Job(call, "", folder, found.name, ports[0], ports[1], started_ms, talk_ms=0)

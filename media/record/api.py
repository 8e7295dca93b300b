"""What the call logic sees of recordings. `media/record/vault.py` is the implementation; the work runs in a process of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ops.ids import CallId


@dataclass(frozen=True, slots=True)
class Job:
    """One finished recording to be filed."""

    call: CallId
    tenant: str
    spool: Path  # folder rtpengine of this node writes to
    name: str  # as given to Audio.record
    caller_port: int  # LegAudio.port of the caller: left channel
    agent_port: int  # of the agent: right channel
    started_ms: int  # bridged at
    talk_ms: int
    caller_senders: tuple[str, ...] = ()  # address:port that the caller's audio came from; all else is strangers'. (): not known
    agent_senders: tuple[str, ...] = ()
    caller_last_ms: int = 0  # when rtpengine heard the last of the caller, to the second; 0: not known
    agent_last_ms: int = 0


@dataclass(frozen=True, slots=True)
class Filed:
    """Filed and checked: stereo 8 kHz 16-bit WAV, left the caller, right the agent."""

    call: CallId
    path: str  # relative to the vault: YYYY/MM/DD/<call>-<started_ms>.wav
    sha256: str
    duration_ms: int
    bytes: int
    note: str = ""  # what a listener should know: one side silent, a pause


@dataclass(frozen=True, slots=True)
class NotFiled:
    """No usable recording: raises an alarm by itself. `reason`: name of a common.v1.Reason."""

    call: CallId
    reason: str
    detail: str


class Vault(Protocol):
    """Where recordings are kept."""

    async def file(self, job: Job) -> Filed | NotFiled:
        """Turn the pcap of a job into a file; never raises for a bad pcap, a full disk or a dead worker."""

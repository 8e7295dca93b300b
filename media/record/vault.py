"""The vault as the call logic sees it (record.api.Vault): hands jobs to a worker process and takes the answers."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Any

from media.record import spool
from media.record.api import Filed, Job, NotFiled
from ops.centre import CentreConfig
from ops.ids import CallId

log = logging.getLogger(__name__)
ATTEMPTS = 2  # a worker that dies under a job gets it once more
LINE = 4 << 20  # the answer on leftovers names each of them
QUIET_S = 60  # rtpengine writes to a living recording every second
DEAD, BAD = "REASON_MEDIA_FAILED", "REASON_BAD_MESSAGE"


class RecordingVault:
    """One worker. `await start()` is not needed: the first job starts it; `await close()` lets it finish and ends it."""

    def __init__(self, root: Path, min_free_mb: int) -> None:
        self._words = ["-m", "media.record.worker", "--vault", str(root), "--min-free-mb", str(min_free_mb)]
        self._worker: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    @property
    def pid(self) -> int:
        """Of the worker, 0 if none runs."""
        return self._worker.pid if self._worker is not None and self._worker.returncode is None else 0

    async def file(self, job: Job) -> Filed | NotFiled:
        """Turn the pcap of a job into a file; never raises for a bad pcap, a full disk or a dead worker."""
        if spool.SAFE.fullmatch(job.call) is None:
            return NotFiled(job.call, BAD, "the call's id cannot be a file's name")
        try:
            spool.remember(job)
        except OSError as error:
            log.warning("a recording's ticket cannot be written", extra={"call": job.call, "error": str(error)})
        try:
            return _outcome(await self._ask({"do": "file", "job": json.loads(spool.as_json(job))}))
        except (OSError, ValueError, EOFError) as error:
            log.error("a recording was not filed", extra={"call": job.call, "error": repr(error)})
            return NotFiled(job.call, DEAD, "the filing process died; the pcap stays in the spool")

    async def leftovers(self, folder: Path, age_s: int = 0) -> list[Filed | NotFiled]:
        """What an earlier run left in a spool, filed as well as can be. Never raises.

        At the start of a node all of it; later only what is older than `age_s`, so that no job of this run is taken for one.
        """
        try:
            answers = await self._ask({"do": "leftovers", "spool": str(folder), "quiet_s": QUIET_S, "age_s": age_s})
            return [_outcome(one) for one in answers]
        except (OSError, ValueError, EOFError) as error:
            log.error("leftover recordings could not be looked at", extra={"spool": str(folder), "error": repr(error)})
            return []

    async def close(self) -> None:
        """Wait for jobs in hand, then end the worker."""
        async with self._turn:
            if self._worker is not None and self._worker.stdin is not None:
                self._worker.stdin.close()
                await self._worker.wait()
                self._worker = None

    async def _ask(self, request: dict[str, Any]) -> Any:
        """The worker's answer. Raises EOFError when it died, OSError when it cannot be started."""
        line = json.dumps(request, ensure_ascii=False).encode() + b"\n"
        async with self._turn:
            for attempt in range(ATTEMPTS):
                answer = await self._exchange(line)
                if answer:
                    return json.loads(answer)
                log.warning("the filing process died", extra={"attempt": attempt})
        raise EOFError("no answer from the filing process")

    async def _exchange(self, line: bytes) -> bytes:
        """One line there and one back; b"" when the worker died."""
        if self._worker is None or self._worker.returncode is not None:
            pipe = asyncio.subprocess.PIPE
            self._worker = await asyncio.create_subprocess_exec(sys.executable, *self._words, stdin=pipe, stdout=pipe, limit=LINE)
        stdin, stdout = self._worker.stdin, self._worker.stdout
        if stdin is None or stdout is None:
            raise EOFError("the filing process has no pipes")
        try:
            stdin.write(line)
            await stdin.drain()
            answer = await stdout.readline()
        except ConnectionError:
            answer = b""
        if not answer.endswith(b"\n"):
            await self._worker.wait()
            self._worker = None
            return b""
        return answer


def _outcome(answer: dict[str, Any]) -> Filed | NotFiled:
    kind, fields = next(iter(answer.items()))
    fields["call"] = CallId(fields["call"])
    return Filed(**fields) if kind == "filed" else NotFiled(**fields)


def vault_of(config: CentreConfig) -> RecordingVault:
    """The vault of a centre."""
    return RecordingVault(config.vault, config.media.min_free_mb)

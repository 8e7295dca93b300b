"""The process that files recordings, apart from the media node so that its calls never wait for a disk, and of low priority.

One JSON line a request on standard input, one an answer on standard output, in order. Ends with its input: it cannot outlive
the media node.

    {"do": "file", "job": {..}}                 -> {"filed": {..}} or {"not_filed": {..}}
    {"do": "leftovers", "spool": "..", "quiet_s": 60, "age_s": 0} -> [{"filed": {..}} or {"not_filed": {..}}, ..]
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from media.record import filing, spool
from media.record.api import Filed, Job, NotFiled
from media.record.filing import Store
from media.record.pcap import BadPcap
from ops import log as logs
from ops.clock import SystemClock
from ops.ids import CallId

log = logging.getLogger(__name__)
NICE = 10
Answer = dict[str, Any]


def answer(request: dict[str, Any], store: Store) -> Answer | list[Answer]:
    """Do what a request says."""
    if request["do"] == "file":
        return _as_json(_file(spool.from_json(json.dumps(request["job"])), store))
    return [_as_json(one) for one in leftovers(Path(request["spool"]), store, int(request["quiet_s"]), int(request["age_s"]))]


def _file(job: Job, store: Store) -> Filed | NotFiled:
    """File a job; its ticket stays as long as there is a pcap that could still be filed."""
    done = filing.file(job, store)
    if isinstance(done, Filed) or spool.find(job) is None:
        spool.forget(job)
    return done


def leftovers(folder: Path, store: Store, quiet_s: int, age_s: int = 0) -> list[Filed | NotFiled]:
    """File what an earlier run left: jobs first, then recordings that rtpengine has finished or not written to for `quiet_s`.

    What was written to less than `age_s` ago is left to the run that is on.
    """
    now_s = SystemClock().now_ms() / 1000
    jobs = [job for job in spool.remembered(folder) if now_s - (job.started_ms + job.talk_ms) / 1000 >= age_s or not age_s]
    done: list[Filed | NotFiled] = [_file(job, store) for job in jobs]
    asked = {job.call for job in spool.remembered(folder)}
    for found in spool.recordings(folder):
        age = max(0.0, now_s - max(path.stat().st_mtime for path in found.pcaps))  # the file system counts finer than our clock
        if found.call not in asked and age >= age_s and (found.finished or age > quiet_s):
            done.append(_left(found, folder, store))
    return done


def _left(found: spool.Recording, folder: Path, store: Store) -> Filed | NotFiled:
    try:
        job = filing.guess(found, folder)
        return filing.file(job, store)
    except BadPcap as error:
        return NotFiled(CallId(found.call), filing.FAILED, f"left over: {error}; set aside in {found.set_aside(folder)}")
    except OSError as error:
        return NotFiled(CallId(found.call), filing.FAILED, f"left over: {error}")


def _as_json(done: Filed | NotFiled) -> Answer:
    return {"filed" if isinstance(done, Filed) else "not_filed": asdict(done)}


def main() -> int:
    """Answer requests until the input ends."""
    parser = argparse.ArgumentParser(description="Files recordings; started by the media node.")
    parser.add_argument("--vault", required=True, type=Path)
    parser.add_argument("--min-free-mb", required=True, type=int)
    args = parser.parse_args()
    logs.setup("filing")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the media node, which closes our input when it is done
    os.nice(NICE)
    store = Store(args.vault, args.min_free_mb)
    for line in sys.stdin.buffer:
        sys.stdout.write(json.dumps(answer(json.loads(line), store), ensure_ascii=False) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A supervisor over stand-ins, as a process of its own: python -m tests.ops.stand_ins STATE SPEC.json.

SPEC: {"name": {"port": 1, "words": ["--deaf"], "needs": [], "stage": 0, "policy": {"sick_ms": 500}}}
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from ops.supervise import files, prepare
from ops.supervise.machine import Policy
from ops.supervise.run import Supervisor
from ops.supervise.services import Service


def service(name: str, spec: dict[str, Any]) -> Service:
    """One stand-in."""
    return Service(
        name,
        tuple(spec.get("argv") or (sys.executable, "-m", "tests.ops.stand_in", str(spec["port"]), *spec.get("words", []))),
        tuple(spec.get("needs", [])),
        "" if spec.get("argv") else f"http://127.0.0.1:{spec['port']}/healthz",
        stage=spec.get("stage", 0),
        policy=Policy(**spec.get("policy", {})),
    )


def main() -> int:
    """See above; lines for people on standard output, pids in STATE/endpoints.json."""
    folder = files.Folder(Path(sys.argv[1]).absolute())
    spec = json.loads(Path(sys.argv[2]).read_text())
    with files.lock(folder) or sys.exit("locked"):
        prepare.clear(folder, lambda line: print(line, flush=True))
        children = [service(name, one) for name, one in spec.items()]
        supervisor = Supervisor(
            folder,
            children,
            say=lambda line: print(line, flush=True),
            ready=lambda pids: files.write(folder.endpoints, {"pids": pids}),
        )
        return asyncio.run(supervisor.run())


if __name__ == "__main__":
    sys.exit(main())

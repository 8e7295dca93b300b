"""An edge for tests: the real Kamailio by the real launcher, on free ports, from a CentreConfig."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

from ops.centre import Centre, CentreConfig, Edge, Media, Ports, Router, Trunk
from ops.config import dump
from ops.facts import Fact, decode
from ops.node_secret import node_secret
from sip.control import command
from sip.render import label_of
from tests.kit.ports import free_block
from tests.kit.wait import until

ROOT = Path(__file__).parents[2]
CARRIER = "127.0.0.2"  # trunk carrier-a
NETWORK = "127.2.0.0/16"  # trunk carrier-b
STRANGER = "127.0.0.9"  # in no trunk


def ports_of(first: int) -> Ports:
    """All ports of a centre in one block of 40 from `first`."""
    names = ("sip", "tls", "edge_http", "ship_metrics", "redis", "console")
    single = {name: first + n for n, name in enumerate(names)}
    rows = ("router", "router_metrics", "media_sip", "media_metrics", "ng", "dtmf")
    return Ports(**single, **{name: first + 8 + 4 * n for n, name in enumerate(rows)})


def edge_config(state: Path, nodes: int = 2, routers: int = 1, **edge: Any) -> CentreConfig:
    """A centre on free ports with two trunks; keyword arguments are fields of `Edge`."""
    return CentreConfig(
        centre=Centre(name="test"),
        edge=Edge(**({"hold_off_s": 2, "silent_s": 2, "sha256": True} | edge)),
        trunk=(Trunk("carrier-a", (CARRIER,)), Trunk("carrier-b", (NETWORK,))),
        router=Router(instances=routers),
        media=Media(nodes=nodes),
        ports=ports_of(free_block(40)),
        state=state,
        path=state / "centre.toml",
    )


class EdgeKit:
    """Runs `python -m sip.edge`. Use as a context manager; `start` and `kill` may be repeated."""

    def __init__(self, config: CentreConfig) -> None:
        self.config = config
        self.process: subprocess.Popen[bytes] | None = None
        self.file = config.state / "centre.json"
        self.log = config.state / "edge.log"

    @property
    def sip(self) -> tuple[str, int]:
        """Where it listens, UDP and TCP."""
        return self.config.edge.address, self.config.ports.sip

    def start(self, *parent: str) -> EdgeKit:
        """Start, as a child of the command `parent` if given, and wait until it is healthy and its asker process listens."""
        self.config.state.mkdir(parents=True, exist_ok=True)
        self.file.write_text(dump(replace(self.config)), encoding="utf-8")
        words = [*parent, sys.executable, "-m", "sip.edge", "--config", str(self.file)]
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(words, cwd=ROOT, stdout=out, stderr=out)
        until(self.healthy, 60, f"the edge answers /healthz (see {self.log})")
        return self

    def healthy(self) -> bool:
        """Does it answer? AssertionError with the end of its log if it has ended."""
        assert self.process is not None
        assert self.process.poll() is None, f"the edge ended: {self.log.read_text(errors='replace')[-3000:]}"
        try:
            return self.get("/healthz") == "ok\n"
        except (OSError, urllib.error.URLError):
            return False

    def get(self, path: str) -> str:
        """GET from the edge's HTTP port."""
        url = f"http://127.0.0.1:{self.config.ports.edge_http}{path}"
        with urllib.request.urlopen(url, timeout=5) as reply:
            return str(reply.read().decode())

    @property
    def secret(self) -> str:
        """Of the media nodes."""
        return node_secret(self.config.state)

    def label(self, kind: str, name: str) -> str:
        """What stands for a node, trunk or centre in Record-Routes."""
        return label_of((self.config.state / "edge" / "secret").read_text(), kind, name)

    def rpc(self, method: str, *params: Any) -> Any:
        """A JSON-RPC command of Kamailio; its result."""
        return command(self.config.state.absolute() / "edge", method, *params)

    def metric(self, name: str, **labels: str) -> float:
        """A counter's value, 0 if it is not there yet."""
        want = "{" + ", ".join(f'{k}="{v}"' for k, v in labels.items()) + "}" if labels else ""
        for line in self.get("/metrics").splitlines():
            words = line.rsplit(" ", 2)
            if words[0].replace(" ", "") == f"tierline_edge_{name}{want}".replace(" ", ""):
                return float(words[1])
        return 0.0

    def facts(self) -> list[Fact]:
        """All accounting facts in the journal files, in order of writing per process."""
        folder = self.config.state / "edge" / "journal"
        return [decode(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]

    def outcomes(self) -> dict[str, dict[str, Any]]:
        """Call -> body of its edge_outcome."""
        return {fact.call: fact.body for fact in self.facts() if fact.kind == "edge_outcome"}

    def live_nodes(self) -> int:
        """How many media nodes get calls: not found dead by the probes."""
        sets = self.rpc("dispatcher.list")["RECORDS"]
        return sum(dest["DEST"]["FLAGS"][0] not in "ID" for item in sets for dest in item["SET"]["TARGETS"])

    def processes(self) -> list[int]:
        """Pids of all processes of this edge."""
        mark = str(self.config.state.absolute() / "edge" / "kamailio.pid").encode()
        return [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and mark in _words(p)]

    def role(self, pid: int) -> str:
        """What a process of this edge does, by core.psx."""
        found = [item for item in self.rpc("core.psx") if item["PID"] == pid]
        return f"{found[0]['DSC']} {pid}" if found else f"main {pid}"

    def kill(self) -> None:
        """kill -9 of the main process."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        self.process = None
        until(lambda: not self.processes(), 5, "the children died with the main process")

    def stop(self) -> None:
        """SIGTERM; kills if it does not end."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def __enter__(self) -> EdgeKit:
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop. AssertionError if the script took a text for a number: such a sum or comparison is not what it looks like."""
        self.stop()
        log = self.log.read_text(errors="replace")
        assert "conversion to int failed" not in log
        assert "non existing right pvar" not in log


def _words(process: Path) -> list[bytes]:
    try:
        return (process / "cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return []

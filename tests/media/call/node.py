"""A media node with its real neighbours: Redis, rtpengine, our user agent as carrier and as edge with seats behind it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from media.ivr import publish
from media.net.endpoint import Endpoint
from media.ua import api as ua
from media.ua.settings import Settings
from ops import config as configuration
from ops.centre import CentreConfig
from tests.kit.ports import free_block, free_port
from tests.kit.wait import until

SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/AVP 8 101\r\n" \
    b"a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n"  # fmt: skip
FLOW = """
version = "test"
start = "main"
languages = ["en"]
agent = "general"
[menu.main]
prompts = ["welcome"]
[prompts]
welcome.en = "Hello."
wrong_key.en = "No."
no_input.en = "Well?"
goodbye.en = "Bye."
transfer.en = "Hold on."
busy.en = "Busy."
closed.en = "Closed."
position.en = "Number {n}."
position_first.en = "You are next."
position_many.en = "Many."
"""


def prompts(folder: Path) -> None:
    """Publish the smallest menu."""
    flow = folder / "flow.toml"
    folder.mkdir(parents=True, exist_ok=True)
    flow.write_text(FLOW)
    publish.publish(flow, folder / "prompts", ["general"], lambda done, total: None)


def centre(state: Path, redis_port: int) -> CentreConfig:
    """A configuration with ports of its own; `edge` is where the test's seats listen."""
    first, low = free_block(8), free_block(200)
    names = ["sip", "media_sip", "media_metrics", "ng", "dtmf", "redis_rtpengine", "ship_metrics", "edge_http"]
    ports = "".join(f"{name} = {first + n}\n" for n, name in enumerate(names))
    text = f"""
[centre]
name = "test"
[edge]
realm = "test.local"
[ports]
{ports}router_metrics = {free_port()}
redis = {redis_port}
rtp_low = {low}
rtp_high = {low + 199}
[[queue]]
id = "general"
skill = "general"
[[trunk]]
name = "carrier-a"
addresses = ["127.0.0.2"]
"""
    path = state / "centre.toml"
    path.write_text(text)
    made = replace(configuration.load(path), state=state)
    (state / "centre.json").write_text(configuration.dump(made))
    return made


class Child:
    """A process of ours."""

    def __init__(self, state: Path, *words: str) -> None:
        self.log = state / f"{words[1]}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *words, "--config", str(state / "centre.json")],
                stderr=log,
                stdout=log,
                cwd=Path(__file__).parents[3],
            )

    def says(self, text: str, seconds: float = 15) -> None:
        """Return when the log has that text."""
        until(lambda: text in self.log.read_text(errors="replace"), seconds, f"{text!r} in {self.log.name}: {self.log.read_text()}")

    def stop(self, seconds: float = 15) -> int:
        """SIGTERM, and how it ended."""
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGTERM)
        return self.process.wait(seconds)


class Phone:
    """One of our user agents with what it heard."""

    def __init__(self, port: int = 0) -> None:
        self.endpoint = Endpoint(Settings("127.0.0.1", port))
        self.heard: list[ua.Event] = []
        self.endpoint.listen(self.heard.append)

    def last(self, kind: type) -> ua.Event | None:
        """The newest event of a kind."""
        return next((event for event in reversed(self.heard) if isinstance(event, kind)), None)

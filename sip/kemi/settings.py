"""What the script must know, in one frozen object; the launcher writes it as JSON, the script reads it once at start."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ENV = "TIERLINE_EDGE"  # the environment variable that holds the path of the JSON file


@dataclass(frozen=True, slots=True)
class Settings:
    """All of the edge's own settings."""

    edge: str  # name of this edge
    tenant: str
    realm: str  # digest realm and SIP domain of seats
    address: str  # what carriers and seats talk to
    sip_port: int
    tls_port: int
    http_port: int  # metrics and health; loopback only
    journal: str  # folder of the accounting files
    routers: tuple[str, ...]  # unix:PATH or host:port
    nodes: dict[str, str]  # media node -> SIP URI
    deadline_ms: int = 200  # for the router's answer
    guard_ms: int = 1000  # a suspended call goes on by the fallback after so long, whatever became of the question
    in_flight: int = 400  # questions to routers under way; more go to the fallback at once
    late_router_ms: int = 60  # when every answer of a router is later than this, new calls are limited (overload.py)
    late_media_ms: int = 150  # likewise the answers of media nodes to INVITEs
    never_below_per_s: int = 10  # so many new calls a second are taken however late all are
    centres: dict[str, str] = field(default_factory=dict)  # realm of another centre's seats -> host:port of its edge
    outbound: dict[str, str] = field(default_factory=dict)  # trunk -> host:port that takes calls of ours
    identity: tuple[str, ...] = ()  # certificate, key and authority (PEM) for routers on other machines; (): Unix sockets
    by_uri: dict[str, str] = field(init=False, default_factory=dict, compare=False)  # "sip:host:port" -> node

    def __post_init__(self) -> None:
        self.by_uri.update({uri: node for node, uri in self.nodes.items()})

    def dump(self) -> str:
        """JSON that `load` reads back."""
        return json.dumps({k: v for k, v in asdict(self).items() if k != "by_uri"}, indent=1) + "\n"


def load(path: Path) -> Settings:
    """The settings in `path`. Raises OSError, ValueError, TypeError: without them the proxy must not start."""
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
    return Settings(**fields)

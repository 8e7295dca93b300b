"""What a centre consists of: each child, how it is started, what it needs, how its health is asked, when it is stopped."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from ops import redis_access, redis_server
from ops.centre import CentreConfig
from ops.ports import LOOPBACK
from ops.supervise.machine import Policy

ROOT = Path(__file__).resolve().parents[2]  # where `python -m sip.edge` is found


@dataclass(frozen=True, slots=True)
class Service:
    """One child. `health`: an http:// URL that answers 200, unix://SOCKET of a Redis
    that answers PING (`secret`: file with the supervisor's password), or ng://host:port of an rtpengine; "" counts as healthy."""

    name: str
    argv: tuple[str, ...]
    needs: tuple[str, ...] = ()
    health: str = ""
    told: str = ""  # where it is reached, for people
    metrics: str = ""  # URL Prometheus scrapes
    stage: int = 0  # stopped in this order, lowest first
    policy: Policy = field(default_factory=Policy)
    secret: Path | None = None


def services(config: CentreConfig, file: Path) -> tuple[Service, ...]:
    """All children of the centre; `file` is the resolved configuration they read."""
    nodes, routers = range(config.media.nodes), range(config.router.instances)
    if not config.takes_calls:
        return (_redis(config, file), *(_router(config, file, n) for n in routers), _console(config, file))
    return (
        _redis(config, file),
        _redis_rtpengine(config),
        *(_rtpengine(config, file, n) for n in nodes),
        _edge(config, file),
        _ship(config, file),
        *(_router(config, file, n) for n in routers),
        *(_media(config, file, n) for n in nodes),
        _console(config, file),
    )


def _python(module: str, file: Path, index: int | None = None) -> tuple[str, ...]:
    words = (sys.executable, "-m", module, "--config", str(file))
    return words if index is None else (*words, "--index", str(index))


def _redis(config: CentreConfig, file: Path) -> Service:
    """Facts, queues and registrations. By TCP comes the edge alone: Kamailio's registrar knows no Unix socket."""
    socket = redis_access.socket(config)
    return Service(
        "redis", _python("ops.redis_server", file), health=f"unix://{socket}", told=str(socket), stage=6, secret=_secret(config)
    )


def _redis_rtpengine(config: CentreConfig) -> Service:
    """Calls of the rtpengines, for their restart."""
    socket = redis_access.rtpengine_socket(config)
    argv = redis_server.words(config.state / "redis-rtpengine", socket, config.ports.redis_rtpengine)
    told = f"{LOOPBACK}:{config.ports.redis_rtpengine}"
    return Service("redis-rtp", argv, health=f"unix://{socket}", told=told, stage=6, secret=_secret(config))


def _secret(config: CentreConfig) -> Path:
    """Read when it is needed, so that no password stands in a list of services."""
    return redis_access.secret_file(config, redis_access.SUPERVISOR)


def _rtpengine(config: CentreConfig, file: Path, index: int) -> Service:
    """Its figures are told by its media node: it listens for no HTTP."""
    where = f"{LOOPBACK}:{config.ports.ng + index}"
    argv = _python("media.rtp.daemon", file, index)
    return Service(f"rtpengine{index + 1}", argv, ("redis-rtp",), f"ng://{where}", f"ng {where}", stage=5)


def _edge(config: CentreConfig, file: Path) -> Service:
    base = f"http://{LOOPBACK}:{config.ports.edge_http}"
    told = f"sip {config.edge.address}:{config.ports.sip} tls {config.ports.tls}"
    return Service("edge", _python("sip.edge", file), ("redis",), f"{base}/healthz", told, f"{base}/metrics", 1)


def _ship(config: CentreConfig, file: Path) -> Service:
    base = f"http://{LOOPBACK}:{config.ports.ship_metrics}"
    return Service("ship", _python("sip.ship", file), ("redis",), f"{base}/healthz", "", f"{base}/metrics", 2)


def _router(config: CentreConfig, file: Path, index: int) -> Service:
    base = f"http://{LOOPBACK}:{config.ports.router_metrics + index}"
    argv = _python("router", file, index)
    return Service(f"router{index + 1}", argv, ("redis",), f"{base}/healthz", config.routers[index], f"{base}/metrics", 3)


def _media(config: CentreConfig, file: Path, index: int) -> Service:
    """Conversations go on for up to `drain_s` after a stop; ten seconds more, then it is killed."""
    base = f"http://{LOOPBACK}:{config.ports.media_metrics + index}"
    needs = ("redis", "publish", f"rtpengine{index + 1}", *(f"router{n + 1}" for n in range(config.router.instances)))
    policy = Policy(stop_ms=(config.media.drain_s + 10) * 1000)
    told = f"sip {config.media.address}:{config.ports.media_sip + index}"
    name, argv = f"media{index + 1}", _python("media", file, index)
    return Service(name, argv, needs, f"{base}/healthz", told, f"{base}/metrics", 0, policy)


def _console(config: CentreConfig, file: Path) -> Service:
    base = config.console_url
    needs = ("redis", *(f"router{n + 1}" for n in range(config.router.instances)))
    return Service("console", _python("console", file), needs, f"{base}/healthz", base, f"{base}/metrics", 4)

"""Centres as real router processes on one machine, each with its own Redis, and their certificates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ops import certificates
from ops.centre import Centre, CentreConfig, Edge, Federation, Peer, Ports, Queue, Router, Rung, Trunk
from tests.kit.ports import free_block
from tests.kit.redis_server import RedisServer
from tests.router.kit import MEDIA_NODES, router_process, wait_for_router

NATION = "nation"
QUEUE = Queue("sales", "sales", ring_s=5, after_call_s=0, ladder=(Rung(0, "nation"),))


@dataclass
class Site:
    """A centre's files and ports."""

    config: CentreConfig
    folder: Path
    redis: RedisServer

    @property
    def address(self) -> str:
        return self.config.routers[0]

    @property
    def federation(self) -> str:
        return f"127.0.0.1:{self.config.ports.federation}"


def peers(names: dict[str, int], of: str, neighbours: bool) -> tuple[Peer, ...]:
    """All but one; name -> port of its federation service."""
    found = []
    for name, port in names.items():
        if name != of:
            tier = "national" if name == NATION else "province"
            near = neighbours and NATION not in (name, of)
            found.append(Peer(name, tier, f"{name}.example", neighbour=near, federation=f"127.0.0.1:{port}"))
    return tuple(found)


def sites(
    stack: ExitStack, folder: Path, provinces: tuple[str, ...], routers: int = 1, neighbours: bool = False
) -> dict[str, Site]:
    """The nation and its provinces: configured, with a Redis each, no router started."""
    names = {name: free_block(3 * routers) for name in (NATION, *provinces)}
    tls = folder / "tls"
    made = {}
    for name, port in names.items():
        server = stack.enter_context(RedisServer(folder / name / "redis"))
        pair, signer = certificates.issue(tls, name), certificates.authority(tls)
        ours = Federation(f"127.0.0.1:{names[NATION]}", "127.0.0.1", str(pair.certificate), str(pair.private_key))
        config = CentreConfig(
            Centre(name, "national" if name == NATION else "province"),
            edge=Edge(realm=f"{name}.example"),
            trunk=(Trunk("t1", ("127.0.0.2",)),),
            router=Router(instances=routers, ready_needs_phone=False),
            ports=Ports(federation=port, router=port + routers, router_metrics=port + 2 * routers, redis=server.port),
            queue=(QUEUE,),
            peer=peers(names, name, neighbours),
            federation=replace(ours, authority=str(signer.certificate), penalty_ms=0),
            media=MEDIA_NODES,
            path=folder / name / "centre.json",
            state=folder / name,
        )
        made[name] = Site(config, folder / name, server)
    return made


@contextmanager
def running(site: Site, index: int = 0) -> Iterator[int]:
    """One of its routers; its process id."""
    with router_process(site.config, site.folder, index) as process:
        wait_for_router(site.config.routers[index])
        yield process.pid

"""Which ports a centre takes, what for, and on which address: for checks of the file, for `tierline up` and `tierline doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from ops import inner
from ops.centre import CentreConfig

UDP, TCP = "udp", "tcp"
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Use:
    """`count` neighbouring ports from `port` that one key of `[ports]` takes on `address`."""

    key: str  # field of ops.centre.Ports
    what: str
    address: str
    port: int
    count: int
    kinds: tuple[str, ...]

    @property
    def ports(self) -> range:
        """All of them."""
        return range(self.port, self.port + self.count)


def uses(config: CentreConfig) -> tuple[Use, ...]:
    """Every port the centre takes, signalling and control first, audio last."""
    ports, nodes, routers = config.ports, config.media.nodes, config.router.instances
    edge, media = config.edge.address, config.media.address
    both = (UDP, TCP)
    grpc = Use("router", "gRPC of the routers", config.router.address, ports.router, routers, (TCP,))
    between = () if inner.is_loopback(config.router.address) else (grpc,)  # on one machine by Unix sockets
    return (
        Use("sip", "SIP of the edge", edge, ports.sip, 1, both),
        Use("tls", "SIP over TLS and WSS of the edge", edge, ports.tls, 1, (TCP,)),
        Use("edge_http", "metrics of the edge", LOOPBACK, ports.edge_http, 1, (TCP,)),
        Use("ship_metrics", "metrics of the accounting shipper", LOOPBACK, ports.ship_metrics, 1, (TCP,)),
        Use("supervisor_metrics", "metrics of the supervisor", LOOPBACK, ports.supervisor_metrics, 1, (TCP,)),
        *between,
        Use("router_metrics", "metrics of the routers", LOOPBACK, ports.router_metrics, routers, (TCP,)),
        Use("federation", "gRPC between centres", config.federation.address, ports.federation, routers, (TCP,)),
        Use("media_sip", "SIP of the media nodes", media, ports.media_sip, nodes, both),
        Use("media_metrics", "metrics of the media nodes", LOOPBACK, ports.media_metrics, nodes, (TCP,)),
        Use("ng", "control of rtpengine", LOOPBACK, ports.ng, nodes, (UDP,)),
        Use("dtmf", "key presses from rtpengine", LOOPBACK, ports.dtmf, nodes, (UDP,)),
        Use("redis", "Redis", LOOPBACK, ports.redis, 1, (TCP,)),
        Use("redis_rtpengine", "Redis of rtpengine", LOOPBACK, ports.redis_rtpengine, 1, (TCP,)),
        Use("console", "web console", config.console.address, ports.console, 1, (TCP,)),
        Use("rtp_low", "audio", config.media.rtp_address, ports.rtp_low, ports.rtp_high - ports.rtp_low + 1, (UDP,)),
    )


def clashes(config: CentreConfig) -> Iterator[tuple[Use, Use]]:
    """Pairs of uses that want the same port of the same kind on the same address."""
    for one, other in combinations(uses(config), 2):
        same = one.address == other.address or "0.0.0.0" in (one.address, other.address)
        overlap = one.port < other.port + other.count and other.port < one.port + one.count
        if same and overlap and set(one.kinds) & set(other.kinds):
            yield one, other

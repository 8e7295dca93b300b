"""What the configuration says of other centres, as the parts of this package want it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ops.centre import CentreConfig, Peer
from ops.clock import Clock
from router.core.remote import ToCentre
from router.federation.clerk import Clerk, Ours, Terms
from router.federation.holder import Holder
from router.federation.links import Links
from router.federation.server import FederationService, NationRole, NeighbourRole
from router.federation.tls import identity

NATIONAL = "national"


def enabled(config: CentreConfig) -> bool:
    """Whether this centre speaks with others at all."""
    return bool(config.federation.certificate)


def ours_of(config: CentreConfig, now_ms: int) -> Ours:
    """Who we are."""
    edge = f"{config.edge.address}:{config.ports.sip}"
    realms = {peer.name: peer.realm for peer in config.peer} | {config.centre.name: config.edge.realm}
    ours = Ours(config.centre.tenant, config.centre.name, config.edge.realm, edge, epoch=now_ms)
    return replace(ours, nation=nation_of(config), realms=realms)


def nation_of(config: CentreConfig) -> str:
    """Name of the national centre: a peer's, or ours; "" if there is none."""
    if config.centre.tier == NATIONAL:
        return config.centre.name
    return next((peer.name for peer in config.peer if peer.tier == NATIONAL), "")


def targets_of(config: CentreConfig) -> dict[str, str]:
    """Link -> host:port. The national centre places its own calls by a link to itself, as any other."""
    here = f"{config.federation.address}:{config.ports.federation}"
    found = {peer.name: peer.federation for peer in config.peer if peer.neighbour and peer.federation}
    nation = nation_of(config)
    if nation and (config.federation.nation or config.centre.tier == NATIONAL):
        found[nation] = config.federation.nation or here
    return found


def provinces_of(peers: tuple[Peer, ...]) -> dict[str, str]:
    """Centre -> home area it serves."""
    return {peer.name: peer.province for peer in peers}


def terms_of(config: CentreConfig) -> Terms:
    """On what terms we take calls of others."""
    given = config.federation
    return Terms(given.share, given.penalty_ms, given.paused)


def holder_of(config: CentreConfig, id_: str, clerk: Clerk) -> Holder:
    """Our links. Raises OSError if a certificate cannot be read."""
    neighbours = {peer.name: peer.province for peer in config.peer if peer.neighbour}
    links = Links(nation_of(config) if nation_of(config) in targets_of(config) else "", neighbours, config.centre.name)
    return Holder(id_, clerk, links, targets_of(config), identity(config))


def service_of(config: CentreConfig, clerk: Clerk, clock: Clock) -> FederationService:
    """Our service: at the national centre it places, elsewhere it answers neighbours."""
    national = config.centre.tier == NATIONAL
    role = NationRole(provinces_of(config.peer), clock) if national else NeighbourRole(clerk)
    known = frozenset(peer.name for peer in config.peer if national or peer.neighbour) | (
        {config.centre.name} if national else set()
    )
    return FederationService(config.centre.name, config.centre.tenant, known, role, clock)


class Abroad:
    """What dispatch.py knows of this package: effects for other centres, and frames of them that other routers hand over."""

    def __init__(self, holder: Holder, publish: Callable[[str, bytes], None]) -> None:
        self._holder, self._publish = holder, publish

    def send(self, effect: ToCentre) -> None:
        """An effect of a verb."""
        self._holder.send(effect, lambda holder, data: self._publish(holder, b"\n" + data))

    def receive(self, payload: bytes) -> None:
        """From another router."""
        self._holder.receive(payload)

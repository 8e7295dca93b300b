"""What one media node takes from the centre's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from media.call.ports import QueueRule
from media.rpc.rules import rules_of
from media.ua.settings import Settings
from ops.centre import CentreConfig
from ops.ids import NodeId

LARGEST_UDP = 1300  # bytes; longer requests go by TCP (RFC 3261 §18.1.1)


class NoSuchNode(ValueError):
    """The configuration has no node of that index."""


@dataclass(frozen=True, slots=True)
class MediaConfig:
    """One node. `index` counts from 0, `node` is m<index + 1>."""

    centre: CentreConfig
    index: int
    node: NodeId
    uri: str  # where edges send INVITEs
    edge: str  # next hop to seats
    spool: Path  # where this node's rtpengine writes recordings
    unsent: Path  # facts that Redis did not get before the node stopped
    queues: dict[str, QueueRule]

    @property
    def settings(self) -> Settings:
        """For the SIP user agent: Contacts name the call at the edge, not this node."""
        edge, ports = self.centre.edge, self.centre.ports
        return Settings(
            host=self.centre.media.address,
            port=ports.media_sip + self.index,
            contact_host=edge.address,
            contact_port=ports.sip,
            domain=edge.realm,
            agent="Tierline",
            tcp_over=LARGEST_UDP,
        )


def media_config(centre: CentreConfig, index: int) -> MediaConfig:
    """The node's part. Raises NoSuchNode."""
    if not 0 <= index < centre.media.nodes:
        raise NoSuchNode(
            f"there is no media node {index}: [media] nodes = {centre.media.nodes} allows 0 to {centre.media.nodes - 1}"
        )
    node = NodeId(f"m{index + 1}")
    queues = rules_of(centre.queue)
    edge = f"sip:{centre.edge.address}:{centre.ports.sip}"
    unsent = centre.state / f"unsent-{node}.facts"
    return MediaConfig(centre, index, node, centre.media_uris[node], edge, centre.spool / node, unsent, queues)

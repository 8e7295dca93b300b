"""Where a phone's audio may go, and from where it may come. Decided from its SDP, the source of its signalling, and the
configuration; docs/adr/0405-where-audio-goes.md tells why.

Audio goes to the address that the signalling came from, to a trunk's configured media networks, or to where the phone's own audio
was seen to come from; never to a port that the centre itself listens on.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address, ip_network

from media.rtp.api import BadSdp
from ops.centre import CentreConfig
from ops.ports import UDP, uses
from ops.values import dataclass

NOWHERE = "0.0.0.0"  # the old way to hold: nothing is sent there
FIRST_PORT = 1024
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Place:
    """Where the audio of a phone goes."""

    address: str
    port: int
    learned: bool = False  # only for a start: the first packet that comes tells where it really is
    expected: tuple[str, ...] = ()  # addresses that this packet may come from


@dataclass(frozen=True, slots=True)
class Carrier:
    """A trunk with media networks of its own."""

    signalling: tuple[Network, ...]
    media: tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class Places:
    """What the configuration says. `taken`: UDP ports that the centre listens on, by address."""

    carriers: tuple[Carrier, ...] = ()
    taken: tuple[tuple[str, int, int], ...] = ()  # address, first port, last port
    loopback: bool = False  # the centre itself runs on it: a demo, a test

    def place(self, source: str, address: str, port: int) -> Place:
        """Where the audio goes of a phone at `source` whose SDP names `address` and `port`. Raises BadSdp."""
        if address == NOWHERE:
            return Place(address, port)
        self._permitted(address, port)
        media = self._media_networks(source)
        if media:
            if address != source and not _within(address, media):
                raise BadSdp("the audio's address is not in the trunk's media networks")
            return Place(address, port)
        self._permitted(source, port)
        return Place(source, port, learned=True, expected=tuple(dict.fromkeys((source, address))))

    def permits(self, address: str, port: int) -> bool:
        """Whether audio may be sent there at all."""
        try:
            self._permitted(address, port)
        except BadSdp:
            return False
        return True

    def _permitted(self, address: str, port: int) -> None:
        fault = _fault(address, self.loopback)
        if fault:
            raise BadSdp(f"audio cannot go to {fault}")
        if port < FIRST_PORT or port > 65_534:  # RTCP takes the next one
            raise BadSdp("the audio's port is out of range")
        for taken, first, last in self.taken:
            if first - 1 <= port <= last and address == taken:
                raise BadSdp("audio cannot go to a port of this centre")

    def _media_networks(self, source: str) -> tuple[Network, ...]:
        return next((one.media for one in self.carriers if _within(source, one.signalling)), ())


@lru_cache(maxsize=1024)
def _fault(address: str, loopback: bool) -> str:
    """Why nothing may be sent to an address, whoever asks for it; "" if it may."""
    try:
        where = IPv4Address(address)
    except ValueError:
        return "an address that is no IPv4 address"
    kinds = (
        (where.is_multicast, "a multicast address"),
        (where.is_link_local, "a link-local address"),
        (where.is_reserved, "a broadcast or reserved address"),
        (where in IPv4Network("0.0.0.0/8"), "an unspecified address"),
        (where.is_loopback and not loopback, "a loopback address"),
    )
    return next((name for is_so, name in kinds if is_so), "")


def _within(address: str, networks: Iterable[Network]) -> bool:
    try:
        where = ip_address(address)
    except ValueError:
        return False
    return any(where in network for network in networks)


def places_of(config: CentreConfig) -> Places:
    """The places of a centre."""
    loopback = IPv4Address(config.media.rtp_address).is_loopback
    # On loopback phones and rtpengine share one address, and phones take any free port of it, out of the range for audio too.
    used = [use for use in uses(config) if UDP in use.kinds and not (loopback and use.key == "rtp_low")]
    carriers = [
        Carrier(_networks(trunk.addresses), _networks(trunk.media_networks)) for trunk in config.trunk if trunk.media_networks
    ]
    return Places(tuple(carriers), tuple((use.address, use.ports[0], use.ports[-1]) for use in used), loopback)


def _networks(texts: Iterable[str]) -> tuple[Network, ...]:
    return tuple(ip_network(text, strict=False) for text in texts)

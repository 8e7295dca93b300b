"""Who really asks, when a reverse proxy stands in front: only proxies that are configured are believed. Pure.

The proxy's header is read from its right end, where the nearest proxy wrote, and only as far as the addresses are proxies of
ours: what a client writes into the header itself stands further left and is never reached.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ops.centre import Console

FORWARDED = "forwarded"
_HOPS = 20  # of the header, from its end
_LONGEST = 4096
_FOR = re.compile(r'(?:^|[;\s])for="?([^;"\s]+)"?', re.IGNORECASE)
_PROTO = re.compile(r'(?:^|[;\s])proto="?([a-z]+)"?', re.IGNORECASE)
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks: the address, and whether the browser speaks TLS."""

    address: str
    secure: bool


@dataclass(frozen=True, slots=True)
class Proxies:
    """What is configured of reverse proxies."""

    trusted: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
    header: str = "x-forwarded-for"
    always_secure: bool = False  # the public URL is https

    @classmethod
    def of(cls, console: Console) -> Proxies:
        """From the configuration, whose addresses have been checked."""
        trusted = tuple(ipaddress.ip_network(text) for text in console.trusted_proxies)
        return cls(trusted, console.proxy_header, console.public_url.startswith("https://"))

    def client(self, peer: str, secure: bool, forwarded: Sequence[str], proto: str = "") -> Client:
        """`peer`: of the connection; `forwarded`: values of the configured header; `proto`: of X-Forwarded-Proto."""
        address = _address(peer)
        if address is None or not self._trusts(address):
            return Client(peer, secure or self.always_secure)
        hops = ",".join(forwarded)[-_LONGEST:].split(",")[-_HOPS:]
        for hop in reversed(hops):
            found = _address(_for(hop) if self.header == FORWARDED else hop.strip())
            if found is None:
                break
            address = found
            if not self._trusts(address):
                break
        told = _proto(hops[-1]) if self.header == FORWARDED else proto.rpartition(",")[2].strip()
        return Client(str(address), secure or self.always_secure or told.lower() == "https")

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self.trusted)


def _for(hop: str) -> str:
    found = _FOR.search(hop)
    return found[1] if found else ""


def _proto(hop: str) -> str:
    found = _PROTO.search(hop)
    return found[1] if found else ""


def _address(text: str) -> Address | None:
    """ "192.0.2.1", "192.0.2.1:4711", "2001:db8::1" and "[2001:db8::1]:4711"; None for anything else ("unknown", "_hidden")."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, ipaddress.IPv6Address) else found

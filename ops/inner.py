"""How the services of a centre reach its routers: one Unix socket per role on one machine, mutual TLS between machines.

A router serves each role what that role needs and nothing else (docs/security.md). On one machine the role is the socket, which
its group alone may open; between machines it is a name in the certificate.
"""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

EDGE, MEDIA, CONSOLE = "edge", "media", "console"
ROLES = (EDGE, MEDIA, CONSOLE)  # who asks a router
ROUTER = "router"
ERROR = "tierline-error"  # key of the trailing metadata with the name of a router's error
UNIX = "unix:"
SUFFIX = ".inner"  # of names in certificates, so that the certificate of a centre (its own name) is never one of a role
LONGEST = 107  # bytes of a Unix socket's path that the kernel takes


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches it."""
    return ipaddress.ip_address(address).is_loopback


def target(router: str, role: str) -> str:
    """Where `role` reaches a router (one of CentreConfig.routers): the role's own socket, or host:port."""
    if not router.startswith(UNIX):
        return router
    path = Path(router.removeprefix(UNIX))
    return f"{UNIX}{path.parent / role / path.name}.sock"


def certificate_name(role: str) -> str:
    """The DNS name in the certificate of a role."""
    return role + SUFFIX


@dataclass(frozen=True, slots=True)
class Identity:
    """PEM files of one role, for mutual TLS."""

    certificate: Path
    private_key: Path
    authority: Path

    def client(self) -> ssl.SSLContext:
        """For a client that is not grpcio. Raises OSError."""
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(self.authority))
        context.load_cert_chain(str(self.certificate), str(self.private_key))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["h2"])
        return context


def identity(folder: Path, role: str) -> Identity:
    """The role's files in the folder that [router] certificates names."""
    return Identity(folder / f"{role}.pem", folder / f"{role}.key", folder / "authority.pem")

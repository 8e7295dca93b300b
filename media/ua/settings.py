"""What a user agent is told once."""

from __future__ import annotations

from dataclasses import dataclass

from media.ua.api import Credentials


@dataclass(frozen=True, slots=True)
class Settings:
    """Who the user agent is. Times end in their unit."""

    host: str  # our address in Via
    port: int
    contact_host: str = ""  # in Contact; "": host
    contact_port: int = 0
    domain: str = ""  # host part of From and P-Asserted-Identity; "": contact_host
    route: str = ""  # next hop of requests outside of dialogs as sip:host:port;transport=; "": as the target says
    agent: str = ""  # User-Agent and Server; "": no such header
    credentials: Credentials | None = None
    session_s: int = 1800  # session timer offered (RFC 4028); 0: none, and the peer's are still honoured
    min_session_s: int = 90
    tcp_over: int = 0  # requests longer than that many bytes go by TCP (RFC 3261 §18.1.1: 1300); 0: never
    secret: str = ""  # proves to the edge that requests are ours (ops/node_secret.py); "": no proof
    max_usages: int = 20_000  # a new INVITE beyond is answered 503

    @property
    def sent_by(self) -> str:
        """host:port for Via."""
        return f"{bracketed(self.host)}:{self.port}"

    @property
    def contact(self) -> str:
        """host:port for Contact."""
        return f"{bracketed(self.contact_host or self.host)}:{self.contact_port or self.port}"

    @property
    def home(self) -> str:
        """Domain for our addresses."""
        return self.domain or bracketed(self.contact_host or self.host)


def bracketed(host: str) -> str:
    """A host as it stands in URIs: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host

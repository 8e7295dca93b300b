"""A seat's phone for tests: registers over any transport."""

from __future__ import annotations

from typing import Protocol

from tests.sip.sip_client import Address, Message, digest, request, unique


class Wire(Protocol):
    """What a phone talks over."""

    host: str
    port: int

    def send(self, data: str | bytes, to: Address) -> None: ...

    async def final(self, seconds: float = 8.0) -> Message: ...


class Seat:
    """Registers as `seat` with `password`. `via` and `contact` may be set by transports that need others."""

    def __init__(self, endpoint: Wire, edge: Address, realm: str, seat: str, password: str) -> None:
        self.endpoint = endpoint
        self.edge = edge
        self.realm = realm
        self.seat = seat
        self.password = password
        self.transport = "UDP"
        self.contact = f"<sip:{seat}@{endpoint.host}:{endpoint.port}>"
        self.call_id = unique("reg")
        self.cseq = 0
        self.authorization = ""

    async def send(self, authorization: str = "", user: str = "", expires: int = 120, extra: str = "") -> Message:
        """One REGISTER as it is; its answer."""
        self.cseq += 1
        address = f"<sip:{user or self.seat}@{self.realm}>"
        headers = {"From": f"{address};tag=r", "To": address, "Call-ID": self.call_id, "CSeq": f"{self.cseq} REGISTER"}
        headers |= {"Contact": self.contact, "Expires": str(expires)}
        headers |= {"Authorization": authorization} if authorization else {}
        via = f"SIP/2.0/{self.transport} {self.endpoint.host}:{self.endpoint.port}"
        self.endpoint.send(request("REGISTER", f"sip:{self.realm}", via, headers, extra=extra), self.edge)
        return await self.endpoint.final()

    async def register(self, user: str = "", expires: int = 120) -> Message:
        """REGISTER, and again with the digest the challenge asks for; the last answer."""
        first = await self.send(user=user, expires=expires)
        if first.status != 401:
            return first
        self.authorization = digest(first.get("www-authenticate"), self.seat, self.password, f"sip:{self.realm}")
        return await self.send(self.authorization, user=user, expires=expires)

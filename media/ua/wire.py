"""What is sent: drafts of requests, responses to requests, and where they go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from media.ua.errors import SipError
from media.ua.message import Request
from media.ua.uri import Uri, parse_uri

ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK"
SDP = "application/sdp"
REASONS = {
    100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress", 200: "OK",
    202: "Accepted", 300: "Multiple Choices", 301: "Moved Permanently", 302: "Moved Temporarily", 400: "Bad Request",
    401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable",
    407: "Proxy Authentication Required", 408: "Request Timeout", 410: "Gone", 413: "Request Entity Too Large",
    415: "Unsupported Media Type", 416: "Unsupported URI Scheme", 420: "Bad Extension", 421: "Extension Required",
    422: "Session Interval Too Small", 423: "Interval Too Brief", 480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist", 482: "Loop Detected", 483: "Too Many Hops", 484: "Address Incomplete",
    486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here", 491: "Request Pending",
    469: "Bad Info Package",
    500: "Server Internal Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Server Time-out", 505: "Version Not Supported", 513: "Message Too Large", 600: "Busy Everywhere", 603: "Decline",
    604: "Does Not Exist Anywhere", 606: "Not Acceptable", 607: "Unwanted",
}  # fmt: skip


class Hop(NamedTuple):
    """Where a message goes to or came from."""

    transport: str  # udp, tcp
    host: str
    port: int


class Packet(NamedTuple):
    """Bytes to send. `back`: the far end of the connection is lost: try the address that Via names (RFC 3261 §18.2.2)."""

    data: bytes
    hop: Hop
    back: Hop | None = None


def hop_of(uri: Uri) -> Hop:
    """Where a request for this URI is sent, without DNS SRV. Raises SipError for a URI that is no SIP address."""
    if not uri.host:
        raise SipError(f"no way to send to a {uri.scheme} URI")
    return Hop(uri.transport, uri.host.strip("[]"), uri.port or (5061 if uri.transport == "tls" else 5060))


class Draft:
    """A request before it has a Via: what a transaction needs to send it, acknowledge its failure, cancel or repeat it."""

    __slots__ = ("auth", "body", "call_id", "content_type", "cseq", "from_", "hop", "lines", "method", "routes", "to", "uri")

    def __init__(self, method: str, uri: str, addresses: tuple[str, str], call_id: str, cseq: int, hop: Hop) -> None:
        self.method, self.uri, self.call_id, self.cseq, self.hop = method, uri, call_id, cseq, hop
        self.from_, self.to = addresses
        self.routes: tuple[str, ...] = ()
        self.lines: list[str] = []  # whole header lines
        self.auth: list[str] = []
        self.body, self.content_type = b"", SDP

    def sibling(self, method: str, to: str) -> Draft:
        """CANCEL, or ACK to a failure: the same but for method and To (RFC 3261 §9.1, §17.1.1.3)."""
        draft = Draft(method, self.uri, (self.from_, to), self.call_id, self.cseq, self.hop)
        draft.routes = self.routes
        return draft

    def encode(self, via: str, agent: str = "") -> bytes:
        """The bytes."""
        head = [f"{self.method} {self.uri} SIP/2.0", "Via: " + via, *["Route: " + route for route in self.routes]]
        head += ["Max-Forwards: 70", "From: " + self.from_, "To: " + self.to, "Call-ID: " + self.call_id]
        head.append(f"CSeq: {self.cseq} {self.method}")
        head += self.lines
        head += self.auth
        if agent:
            head.append("User-Agent: " + agent)
        return finish(head, self.body, self.content_type)


def finish(head: list[str], body: bytes, content_type: str) -> bytes:
    """Header lines and body as a message."""
    if body:
        head.append("Content-Type: " + content_type)
    head.append(f"Content-Length: {len(body)}\r\n\r\n")
    return "\r\n".join(head).encode("utf-8", "surrogateescape") + body


class Answering(NamedTuple):
    """A response before it is bytes."""

    status: int
    tag: str = ""  # our To tag, where the request has none
    lines: Iterable[str] = ()
    body: bytes = b""
    reason: str = ""
    content_type: str = SDP


def answer(request: Request, what: Answering, agent: str = "") -> bytes:
    """A response (RFC 3261 §8.2.6)."""
    status, index = what.status, request.index
    mark = f";tag={what.tag}" if what.tag and not request.to_tag and status > 100 else ""
    vias = "\r\nVia: ".join(index.get("via", ()))
    from_, to, call_id, cseq = [index[name][0] if name in index else "" for name in ("from", "to", "call-id", "cseq")]
    head = [
        f"SIP/2.0 {status} {what.reason or REASONS.get(status, 'Unspecified')}\r\nVia: {vias}\r\n"
        f"From: {from_}\r\nTo: {to}{mark}\r\nCall-ID: {call_id}\r\nCSeq: {cseq}",
        *what.lines,
    ]
    if agent:
        head.append("Server: " + agent)
    return finish(head, what.body, what.content_type)


def stamp(request: Request, source: Hop) -> Hop:
    """Write `received` and `rport` into the top Via (RFC 3261 §18.2.1, RFC 3581 §4); where responses go without a connection."""
    top = request.top
    if top is None:
        raise SipError("stamp before vitals")
    value = request.lines("via")[0]
    first, rest = (value, "") if "," not in value else _first(value, top.tail)
    rport = ";rport" in top.tail
    if rport:
        head, mark, tail = first.partition(";rport")
        first = f"{head}{mark}={source.port}{tail[tail.find(';') :] if ';' in tail else ''};received={source.host}"
    elif top.host != source.host:
        first = f"{first};received={source.host}"
    else:
        return Hop(source.transport, source.host, top.port or 5060)
    request.lines("via")[0] = first + rest
    if source.transport != "udp":
        return Hop(source.transport, source.host, top.port or 5060)  # where it listens; its connection is `source`
    return Hop(source.transport, source.host, source.port if rport else top.port or 5060)


def _first(value: str, tail: str) -> tuple[str, str]:
    end = value.find(tail) + len(tail) if tail else value.find(",")
    return value[:end].rstrip(), value[end:]


def route_hop(route: str) -> Hop:
    """Where a next hop given as `sip:host:port;transport=` lies. Raises BadUri, SipError."""
    return hop_of(parse_uri(route.strip().strip("<>")))

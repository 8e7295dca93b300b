"""Header names and the shapes of header values (RFC 3261 §20, §25). Readers raise BadHeader and nothing else."""

from __future__ import annotations

import re
from typing import NamedTuple

from media.ua.errors import BadHeader, UnsafeText
from media.ua.uri import Uri, parse_uri

COMPACT = {
    "a": "accept-contact", "b": "referred-by", "c": "content-type", "d": "request-disposition", "e": "content-encoding",
    "f": "from", "i": "call-id", "j": "reject-contact", "k": "supported", "l": "content-length", "m": "contact",
    "n": "identity-info", "o": "event", "r": "refer-to", "s": "subject", "t": "to", "u": "allow-events", "v": "via",
    "x": "session-expires", "y": "identity",
}  # fmt: skip
_USUAL = (
    "Via From To Call-ID CSeq Contact Max-Forwards Content-Type Content-Length Route Record-Route Allow Supported Require "
    "User-Agent Server Expires Authorization Proxy-Authorization WWW-Authenticate Proxy-Authenticate Session-Expires Min-SE "
    "P-Asserted-Identity Privacy Reason RSeq RAck Accept Subject Date Retry-After X-Tierline-Call X-Tierline-Trunk"
)
KNOWN = {name: name.lower() for name in _USUAL.split()} | {k.upper(): v for k, v in COMPACT.items()} | COMPACT
METHODS = frozenset([
    "INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO", "UPDATE", "PRACK", "REGISTER", "NOTIFY", "SUBSCRIBE", "REFER", "MESSAGE",
    "PUBLISH",
])  # fmt: skip
TOKEN = re.compile(r"[A-Za-z0-9.!%*_+`'~-]+\Z")
_SPECIAL = re.compile(r'["\\<>,;]')
_NAME_ADDR = re.compile(r'(?:"((?:[^"\\]|\\.)*)"\s*|([^<"]*))<([^<>]*)>(.*)\Z', re.S)
_BRANCH = re.compile(r";\s*branch\s*=\s*([^;\s\",]+)", re.I)
_UDP = "SIP/2.0/UDP "
_ODD_TAIL = re.compile(r'[\s",]|;[;=]|;\Z')
_USUAL_VIA = re.compile(
    r"SIP/2\.0/(UDP|TCP|TLS|WSS?) ([A-Za-z0-9.-]+)(?::([1-9]\d{0,3}|[1-5]\d{4}))?((?:;[^;,=\"\s]+(?:=[^;,=\"\s]*)?)*)\Z"
)
_VIA = re.compile(r"SIP/2\.0/([A-Za-z0-9-]+) ([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?((?:;.*)?)\Z", re.S | re.I)
_AUTH = re.compile(r'([A-Za-z0-9_-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s",]+)\s*(?:,\s*|\Z)')
_UNSAFE = re.compile(r"[\r\n\0]")
MAX_CSEQ = 2**31 - 1
MAX_KNOWN, LONGEST_KNOWN = 1_000, 64


def canonical(name: str) -> str:
    """Lower-case long form of a header name as it came, compact forms too. Raises BadHeader if it is no token."""
    known = KNOWN.get(name)
    if known is not None:
        return known
    name = name.rstrip(" \t")
    if not TOKEN.match(name):
        raise BadHeader("header name is no token")
    name = name.lower()
    return COMPACT.get(name, name)


def learn(name: str) -> str:
    """As `canonical`; a name that came as it should is known from now on, as long as not too many did. Raises BadHeader."""
    key = canonical(name)
    if len(KNOWN) < MAX_KNOWN and len(name) < LONGEST_KNOWN and name[-1] not in " \t":
        KNOWN[name] = key
    return key


def safe(value: str) -> str:
    """The value itself. Raises UnsafeText if it would break out of its header."""
    if _UNSAFE.search(value):
        raise UnsafeText("CR, LF or NUL in a header value")
    return value


def _split(value: str, mark: str) -> list[str]:
    """Cut at a mark that stands outside of quotes and angle brackets, in one pass: what is blown up must not cost more by it."""
    parts: list[str] = []
    start = depth = 0
    quoted, escaped = False, -1
    for found in _SPECIAL.finditer(value):
        at, sign = found.start(), found[0]
        if at == escaped:
            continue
        if quoted:
            quoted = sign != '"'
            escaped = at + 1 if sign == "\\" else -1
        elif sign == '"':
            quoted = True
        elif sign in "<>":
            depth += 1 if sign == "<" else -1
        elif sign == mark and depth <= 0:
            parts.append(value[start:at].strip())
            start, depth = at + 1, 0
    return [*parts, value[start:].strip()]


def split_list(value: str) -> list[str]:
    """The elements of a comma-separated value; commas in quotes or angle brackets do not part."""
    if "," not in value:
        return [value.strip()]
    if '"' not in value and "<" not in value:
        return [part.strip() for part in value.split(",")]
    if value.count(",") > 500:  # nobody sends that in earnest
        raise BadHeader("too many elements")
    return _split(value, ",")


def parameters(text: str) -> dict[str, str]:
    """`;a=b;lr` as {"a": "b", "lr": ""}: names in lower case, quotes taken off, the first of equal names wins."""
    result: dict[str, str] = {}
    text = text.strip()
    if not text:
        return result
    if text[0] != ";" or text.count(";") > 200:
        raise BadHeader("parameters must start with a semicolon and be under 200")
    for part in _split(text[1:], ";") if '"' in text else text[1:].split(";"):
        name, _, value = part.partition("=")
        name = name.strip().lower()
        if not name:
            raise BadHeader("empty parameter")
        result.setdefault(name, unquote(value.strip()))
    return result


def unquote(value: str) -> str:
    """Take quotes and their backslashes off; other values stay."""
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.S)
    return value


def quote(value: str) -> str:
    """As a quoted string."""
    return '"' + safe(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


class NameAddr(NamedTuple):
    """`"Bob" <sip:b@h>;tag=1` in its parts."""

    display: str
    uri: str  # raw, as between the angle brackets
    tail: str  # raw parameters, "" or from ";" on

    @property
    def parsed(self) -> Uri:
        """The URI. Raises BadUri."""
        return parse_uri(self.uri)

    @property
    def params(self) -> dict[str, str]:
        """Header parameters. Raises BadHeader."""
        return parameters(self.tail)


def name_addr(value: str) -> NameAddr:
    """Read a From, To, Contact, Route.. value of one element. Raises BadHeader."""
    value = value.strip()
    if value[:1] == "<" and value[-1:] == ">" and value.count("<") == value.count(">") == 1 and value[1:-1].strip():
        return NameAddr("", value[1:-1].strip(), "")
    if "<" not in value:
        uri, semicolon, tail = value.partition(";")
        if not uri or " " in uri.strip() or '"' in uri or ">" in uri:
            raise BadHeader("no address")
        return NameAddr("", uri.strip(), semicolon + tail)
    found = _NAME_ADDR.match(value)
    if found is None:
        raise BadHeader("no address in angle brackets")
    quoted, plain, uri, tail = found.groups()
    tail = tail.strip()
    if not uri or (tail and tail[0] != ";"):
        raise BadHeader("empty address, or text after it")
    display = (plain or "").strip() if quoted is None else unquote(f'"{quoted}"')
    return NameAddr(display, uri.strip(), tail)


class Via(NamedTuple):
    """One Via element."""

    transport: str  # lower case
    host: str
    port: int  # 0: not given
    tail: str  # raw parameters

    @property
    def params(self) -> dict[str, str]:
        """Its parameters."""
        return parameters(self.tail)

    @property
    def branch(self) -> str:
        """The branch, "" if there is none (RFC 2543)."""
        found = _BRANCH.search(self.tail)
        return found[1] if found else ""

    @property
    def sent_by(self) -> str:
        """host:port as one word, for comparing."""
        return f"{self.host.lower()}:{self.port or 5060}"


def via(value: str) -> Via:
    """Read one Via element; white space where RFC 3261 allows it. Raises BadHeader."""
    usual = _USUAL_VIA.match(value)
    if usual is not None:
        return Via(usual[1].lower(), usual[2], int(usual[3] or 0), usual[4])
    found = _VIA.match(value)
    if found is None:
        words = " ".join(value.split()).replace(" /", "/").replace("/ ", "/").replace(" :", ":").replace(": ", ":")
        found = _VIA.match(words.replace(" ;", ";"))
    if found is None:
        raise BadHeader("Via cannot be read")
    transport, host, port, tail = found.groups()
    if port and not 0 < int(port) < 65536:
        raise BadHeader("Via port out of range")
    parameters(tail)  # raises for what is none
    return Via(transport.lower(), host, int(port or 0), tail)


_SENT_BY: dict[str, tuple[str, int]] = {}  # as it stands in Via -> host, port: a few neighbours send all there is


def top_via(line: str) -> tuple[Via, str]:
    """The first element of a Via line, and its branch. Raises BadHeader."""
    sent, _, tail = line[12:].partition(";")
    known = _SENT_BY.get(sent)
    branch = tail[7:].partition(";")[0] if tail[:7] == "branch=" else tail.partition(";branch=")[2].partition(";")[0]
    if known is not None and branch and line[:12] == _UDP and _ODD_TAIL.search(tail) is None:
        return Via("udp", known[0], known[1], ";" + tail), branch
    read = via(split_list(line)[0] if "," in line else line)
    if line[:12] == _UDP and len(_SENT_BY) < MAX_KNOWN and len(sent) < LONGEST_KNOWN and _USUAL_VIA.match(line):
        _SENT_BY[sent] = (read.host, read.port)
    return read, read.branch


def cseq(value: str) -> tuple[int, str]:
    """Read a CSeq: number and method. Raises BadHeader."""
    first, _, method = value.partition(" ")
    if method in METHODS and len(first) < 10 and first.isascii() and first.isdigit():
        return int(first), method
    words = value.split()
    if len(words) != 2 or not words[0].isascii() or not words[0].isdigit() or len(words[0]) > 10 or not TOKEN.match(words[1]):
        raise BadHeader("CSeq cannot be read")
    number = int(words[0])
    if number > MAX_CSEQ:
        raise BadHeader("CSeq out of range")
    return number, words[1]


def count(value: str, what: str, limit: int = 2**32 - 1) -> int:
    """A whole number from 0 to `limit`. Raises BadHeader."""
    value = value.strip()
    if not value.isascii() or not value.isdigit() or len(value) > 10 or int(value) > limit:
        raise BadHeader(f"{what} is no number in range")
    return int(value)


def auth_params(value: str) -> tuple[str, dict[str, str]]:
    """`Digest realm="x", qop=auth` -> ("digest", {"realm": "x", "qop": "auth"}). Raises BadHeader."""
    scheme, _, rest = value.strip().partition(" ")
    rest, result, at = rest.strip(), dict[str, str](), 0
    while at < len(rest):
        found = _AUTH.match(rest, at)
        if found is None:
            raise BadHeader("authentication parameters cannot be read")
        result.setdefault(found[1].lower(), unquote(found[2]))
        at = found.end()
    return scheme.lower(), result

"""URIs of RFC 3261 §19.1 (sip, sips) and RFC 3966 (tel), as they came; unknown schemes keep their name only."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import quote

from media.ua.errors import BadUri
from ops.numbers import number_of
from ops.values import dataclass

_SIP = re.compile(
    r"(?:(?P<user>[^@\s]*)@)?(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?(?P<params>(?:;[^?\s]*)?)(?P<headers>(?:\?\S*)?)\Z"
)
_IN_USER = re.compile(r"[@?\s]")  # the semicolon before them does not begin the URI's parameters
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*\Z")
_USER_SAFE = "-_.!~*'()&=+$,;?/"  # unreserved and user-unreserved, RFC 3261 §25.1
_PLAIN = re.compile(r"[A-Za-z0-9_.-]*\Z")


@dataclass(frozen=True, slots=True)
class Uri:
    """A URI in its parts, none of them unescaped. `host` is empty for schemes other than sip and sips."""

    scheme: str  # lower case
    user: str  # user info without the password; the number for tel
    host: str
    port: int  # 0: not given
    params: str  # "" or from the first ";" on
    headers: str  # "" or from "?" on

    def param(self, name: str) -> str | None:
        """A parameter's value, "" if it has none, None if it is not there. Names compare without case."""
        for part in self.params.split(";"):
            key, _, value = part.partition("=")
            if key.strip().lower() == name:
                return value.strip()
        return None

    @property
    def number(self) -> str:
        """The number or name that the user stands for (ops/numbers.py)."""
        return number_of(self.user)

    @property
    def transport(self) -> str:
        """Lower-case transport the URI asks for: "tls" for sips, else its parameter, else "udp"."""
        return "tls" if self.scheme == "sips" else (self.param("transport") or "udp").lower()

    def __str__(self) -> str:
        """The URI as text again."""
        if not self.host:
            return f"{self.scheme}:{self.user}{self.params}"
        port = f":{self.port}" if self.port else ""
        return f"{self.scheme}:{self.user}{'@' if self.user else ''}{self.host}{port}{self.params}{self.headers}"


def escape_user(text: str) -> str:
    """Plain text as the user part of a SIP URI; `*21#` becomes `*21%23`."""
    return text if _PLAIN.match(text) else quote(text, safe=_USER_SAFE)


def parse_uri(text: str) -> Uri:
    """Read a URI. Raises BadUri."""
    bare, semicolon, params = text.partition(";")
    if not semicolon:
        return _parse(bare)
    if _IN_USER.search(params) is not None:
        return _parse(text)
    known = _parse(bare)  # parameters are new with each call (ftag of a Record-Route), the rest is not
    return Uri(known.scheme, known.user, known.host, known.port, ";" + params, "")


@lru_cache(maxsize=512)  # no more: what is not met again within seconds only makes the cache cold
def _parse(text: str) -> Uri:
    scheme, colon, rest = text.partition(":")
    if not colon or not _SCHEME.match(scheme):
        raise BadUri("no scheme")
    scheme = scheme.lower()
    if scheme in ("sip", "sips"):
        return _parse_sip(scheme, rest)
    number, semicolon, params = rest.partition(";")
    if not number or any(c.isspace() for c in rest):
        raise BadUri("empty, or with white space")
    return Uri(scheme, number, "", 0, semicolon + params, "")


def _parse_sip(scheme: str, rest: str) -> Uri:
    found = _SIP.match(rest)
    if found is None:
        raise BadUri("not user@host:port;parameters")
    port = int(found["port"] or 0)
    if port > 65535 or (found["port"] and not port):
        raise BadUri("port out of range")
    user = (found["user"] or "").partition(":")[0]
    if found["user"] is not None and not user:
        raise BadUri("empty user")
    return Uri(scheme, user, found["host"], port, found["params"], found["headers"])

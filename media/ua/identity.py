"""Who calls whom, as an INVITE tells it (RFC 3261, RFC 3325, RFC 3323), and the headers of the platform."""

from __future__ import annotations

import re
from collections.abc import Callable

from media.ua.errors import SipError
from media.ua.headers import name_addr, via
from media.ua.message import Message, Request
from media.ua.uri import escape_user, parse_uri
from ops.numbers import calling_number

OURS = "x-tierline-"
SOURCE = "x-tierline-source"  # the edge tells where a message came from
HANDED_ON = frozenset(["diversion", "history-info", "user-to-user"])  # RFC 5806, 7044, 7433: for the call logic to read
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


def source_of(message: Message, sender: str) -> str:
    """The address that a message came from before the edge, which sent it to us from `sender`.

    The edge names it in a header, else in the Via below its own: `received`, or the sent-by that it found to be right.
    """
    told = message.get(SOURCE)
    if told:
        return told
    try:
        above = [via(value) for value in message.elements("via")[1:2]]
    except SipError:
        return sender
    return (above[0].params.get("received") or above[0].host) if above else sender


def called(request: Request) -> str:
    """The number of the Request-URI."""
    return parse_uri(request.uri).number


def calling(request: Request) -> str:
    """Who calls by P-Asserted-Identity, else by From; "" if withheld (ops/numbers.py)."""
    try:
        privacy = request.get("privacy") if "privacy" in request.index else ""
        values = [*request.elements("p-asserted-identity"), request.get("from")]
        uris = [name_addr(value).parsed for value in values]
    except SipError:
        return ""
    return calling_number([(uri.user, uri.host) for uri in uris], privacy)


def asserted(request: Request) -> bool:
    """Whether the carrier asserts who calls (RFC 3325); a From alone is what the caller's phone wrote."""
    return "p-asserted-identity" in request.index


def told_headers(request: Request) -> dict[str, str]:
    """X-Tierline-* headers and who was called before, by lower-case name; the first of equal ones."""
    return {name: values[0] for name, values in request.index.items() if name.startswith(OURS) or name in HANDED_ON}


def call_of(request: Request, new_call: Callable[[], str]) -> str:
    """The call id the edge gave if it is a UUID, else a new one."""
    given = request.get("x-tierline-call").lower()
    return given if _UUID.match(given) else new_call()


def from_value(caller: str, display: str, domain: str, tag: str) -> str:
    """A From value; without a caller the anonymous one of RFC 3323 §4.1.1.3."""
    if not caller:
        return f'"Anonymous" <sip:anonymous@anonymous.invalid>;tag={tag}'
    name = '"' + display.replace("\\", "\\\\").replace('"', '\\"') + '" ' if display else ""
    return f"{name}<sip:{escape_user(caller)}@{domain}>;tag={tag}"

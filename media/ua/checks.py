"""What is looked at before a request is taken (RFC 3261 §8.2): 505, 405, 501, 416, 420, 415, 488, 400, in that order."""

from __future__ import annotations

from media.ua.bodies import ACCEPTED, find, is_multipart, needed
from media.ua.errors import SipError
from media.ua.message import Request
from media.ua.sdp import is_sdp
from media.ua.session import too_small
from media.ua.settings import Settings
from media.ua.uri import parse_uri
from media.ua.wire import ALLOW, SDP, Answering

ALLOWED = frozenset(ALLOW.split(", "))
KNOWN = frozenset(["REGISTER", "MESSAGE", "SUBSCRIBE", "NOTIFY", "PUBLISH", "REFER"])
SUPPORTED = frozenset(["100rel", "timer"])
PLAIN = frozenset(["BYE", "INFO"])
WANTED = frozenset([SDP])
OFFERING = frozenset(["INVITE", "UPDATE", "PRACK"])


def refusal(request: Request, settings: Settings) -> Answering | None:
    """The answer to a request that cannot be taken, None for one that can."""
    try:
        if request.method in PLAIN and request.to_tag and request.version == "SIP/2.0" and request.uri[:4] == "sip:":
            return _extension(request)  # most requests inside of dialogs: nothing else is looked at
        return _method(request) or _uri(request) or _extension(request) or _content(request) or _interval(request, settings)
    except SipError as error:
        return Answering(400, reason=str(error))


def _method(request: Request) -> Answering | None:
    if request.version != "SIP/2.0":
        return Answering(505)
    if request.method in ALLOWED:
        return None
    return Answering(405 if request.method in KNOWN else 501, lines=["Allow: " + ALLOW])


def _uri(request: Request) -> Answering | None:
    if request.to_tag and request.uri[:4].lower() == "sip:":
        return None  # inside a dialog the tags decide
    scheme = parse_uri(request.uri).scheme
    return None if scheme in ("sip", "sips", "tel") else Answering(416)


def _extension(request: Request) -> Answering | None:
    if "require" not in request.index or request.method == "CANCEL":
        return None
    unknown = sorted(request.options("require") - SUPPORTED)
    return Answering(420, lines=["Unsupported: " + ", ".join(unknown)]) if unknown else None


def _content(request: Request) -> Answering | None:
    if not request.body or request.method not in OFFERING:
        return None
    coding = request.get("content-encoding").lower()
    if coding not in ("", "identity"):
        return Answering(415, lines=["Accept-Encoding: identity"])
    if is_multipart(request.content_type):
        found = find(request.get("content-type"), request.body, WANTED)
        if found.refused:
            return Answering(415, lines=["Accept: " + ACCEPTED])
        _replace(request, found.body or b"")
    if not request.body:
        return None
    if request.content_type == SDP:
        fault = is_sdp(request.body) if request.method == "INVITE" else ""
        return Answering(488, lines=[f'Warning: 399 tierline "{fault}"']) if fault else None
    disposition = request.get("content-disposition")
    if disposition and not needed(disposition):
        request.body = b""
        return None
    return Answering(415, lines=["Accept: " + ACCEPTED])


def _replace(request: Request, sdp: bytes) -> None:
    """Go on as if the request had come with its SDP alone."""
    request.body, request.index["content-type"] = sdp, [SDP]
    request.index.pop("content-disposition", None)


def _interval(request: Request, settings: Settings) -> Answering | None:
    if request.method in ("INVITE", "UPDATE") and too_small(request, settings):
        return Answering(422, lines=[f"Min-SE: {settings.min_session_s}"])
    return None

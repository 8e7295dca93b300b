"""Dialogs (RFC 3261 §12): identity, CSeq both ways, route set, remote target."""

from __future__ import annotations

from typing import NamedTuple

from media.ua.errors import BadHeader, SipError
from media.ua.headers import name_addr
from media.ua.message import Message, Request, Response
from media.ua.uri import Uri, parse_uri
from media.ua.wire import Draft, Hop, hop_of

Key = tuple[str, str, str]  # Call-ID, local tag, remote tag


Seen = tuple[list[str], list[str]]  # Record-Route and Contact lines as they came


class Way(NamedTuple):
    """How requests of ours go: Request-URI, next hop, Route elements."""

    uri: str
    hop: Hop
    routes: tuple[str, ...]


class Dialog:
    """One dialog. Addresses are whole From and To values with their tags, as they stand in requests of ours."""

    __slots__ = ("_way", "call_id", "first", "key", "local", "remote", "remote_seq", "routes", "seen", "seq", "target")

    def __init__(self, key: Key, local: str, remote: str, seq: int, remote_seq: int | None) -> None:
        self.key, self.local, self.remote = key, local, remote
        self.call_id = key[0]
        self.seq = seq  # of our last request
        self.remote_seq = remote_seq  # of the peer's last request, None before the first
        self.routes: tuple[str, ...] = ()
        self.first: Uri | None = None  # of the routes, once read
        self.seen: Seen | None = None  # the headers that routes and target were read from
        self.target = ""
        self._way: Way | None = None

    def next_seq(self) -> int:
        """The CSeq number for a new request of ours."""
        self.seq += 1
        return self.seq

    def in_order(self, request: Request) -> bool:
        """Note the CSeq of the peer's request; False if a later one was here before (RFC 3261 §12.2.2: answer 500)."""
        if self.remote_seq is not None and request.cseq < self.remote_seq:
            return False
        self.remote_seq = request.cseq
        return True

    def refresh(self, message: Message) -> None:
        """Take the peer's new Contact (target refresh); a message without one changes nothing. Raises SipError."""
        uri, self.seen = contact_of(message), None
        if uri and uri != self.target:
            self.target, self._way = uri, None

    def draft(self, method: str, cseq: int = 0) -> Draft:
        """A request inside the dialog (RFC 3261 §12.2.1.1), CSeq counted unless given (ACK). Raises SipError."""
        way = self._way
        if way is None:
            way = self._way = self._find_way()
        draft = Draft(method, way.uri, (self.local, self.remote), self.call_id, cseq or self.next_seq(), way.hop)
        draft.routes = way.routes
        return draft

    def _find_way(self) -> Way:
        if not self.routes:
            return Way(self.target, hop_of(parse_uri(self.target)), ())
        first = self.first or name_addr(self.routes[0]).parsed
        if first.param("lr") is not None:
            return Way(self.target, hop_of(first), self.routes)
        return Way(str(first), hop_of(first), (*self.routes[1:], f"<{self.target}>"))  # strict: RFC 2543's way


def contact_of(message: Message) -> str:
    """URI of the one Contact, "" without one. Raises SipError for one that cannot be used."""
    contacts = message.elements("contact") if "contact" in message.index else None
    if not contacts:
        return ""
    if len(contacts) > 1 or contacts[0] == "*":
        raise BadHeader("want exactly one Contact")
    uri = name_addr(contacts[0]).uri
    hop_of(parse_uri(uri))
    return uri


def seen(message: Message) -> Seen:
    """What a dialog is made of beside its tags: equal in a 180 and its 200, as a rule."""
    return message.lines("record-route"), message.lines("contact")


def as_server(request: Request, tag: str) -> Dialog:
    """The dialog a request opens here (RFC 3261 §12.1.1). Raises SipError if Contact or Record-Route cannot be used."""
    local = f"{request.get('to')};tag={tag}"
    dialog = Dialog((request.call_id, tag, request.from_tag), local, request.get("from"), 0, request.cseq)
    dialog.routes, uris = _routes(request)
    dialog.first = uris[0] if uris else None
    dialog.refresh(request)
    if not dialog.target:
        raise BadHeader("Missing Contact")
    return dialog


def as_client(response: Response, seq: int, sent_to: str) -> Dialog:
    """The dialog a response to our request opens (RFC 3261 §12.1.2). `sent_to`: target in case it has no Contact."""
    key = (response.call_id, response.from_tag, response.to_tag)
    dialog = Dialog(key, response.get("from"), response.get("to"), seq, None)
    routes, uris = _routes(response)
    dialog.routes, dialog.first = routes[::-1], uris[-1] if uris else None
    try:
        dialog.refresh(response)
    except SipError:
        dialog.target = ""  # a peer that answers so is still acknowledged and ended where we called it
    dialog.target = dialog.target or sent_to
    dialog.seen = seen(response)
    return dialog


def _routes(message: Message) -> tuple[tuple[str, ...], list[Uri]]:
    if "record-route" not in message.index:
        return (), []
    routes = tuple(message.elements("record-route"))
    uris = [name_addr(route).parsed for route in routes]
    for uri in uris:
        hop_of(uri)
    return routes, uris

"""Messages, read lazily: the head is cut into lines once, values stay the raw text they came as and are parsed when asked for.

`parse` takes any bytes and never raises: what is no message comes back as `Malformed` with the fault by name, and with the message
as far as it could be read, so that a request can be answered 400. Bytes that are no UTF-8 survive as surrogate escapes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from media.ua import headers as h
from media.ua.errors import BadHeader, SipError

MAX_BYTES = 65_536
MAX_HEADERS = 200
_FOLD = re.compile(r"\r\n[ \t]+")
_STRAY = re.compile(r"[\r\n\0]")
_VERSION = re.compile(r"SIP/\d+\.\d+\Z", re.I)
NEEDED = {"from": "From", "to": "To", "call-id": "Call-ID", "cseq": "CSeq"}
_NEEDED = NEEDED.keys()
_ONCE = frozenset(["from", "to", "call-id", "cseq", "max-forwards", "content-length", "content-type"])
Index = dict[str, list[str]]  # raw values by lower-case long name, one entry a header line, in the order they came
# The shape nearly all From and To values have; what it does not match is read at leisure.
_USUAL_ADDRESS = re.compile(r'(?:"[^"\\<>]*" ?|[^"<>]*)<[^<>]+>(?:;tag=([^;,"\s]+))?\Z')


_STATUS = {str(status): status for status in range(100, 700)}
_USUAL_HOPS = frozenset(map(str, range(256)))
_USUAL_TYPES = frozenset(["application/sdp", "application/dtmf-relay", ""])
_NO_OPTIONS: frozenset[str] = frozenset()


@lru_cache(maxsize=512)
def _options(line: str) -> frozenset[str]:
    """The same few lines come all day."""
    return frozenset(part.lower() for part in h.split_list(line) if part)


class Message:
    """What requests and responses share. `vitals` fills the slots from `via` on; before that they are empty."""

    __slots__ = (
        "body", "branch", "call_id", "cseq", "cseq_method", "from_tag", "index", "repeats", "to_tag", "top", "version",
    )  # fmt: skip

    def __init__(self, version: str = "SIP/2.0") -> None:
        self.index: Index = {}
        self.body, self.version = b"", version
        self.top: h.Via | None = None
        self.branch = self.call_id = self.cseq_method = self.from_tag = self.to_tag = ""
        self.cseq = 0
        self.repeats = False  # some header stands on several lines

    def get(self, name: str) -> str:
        """The first raw value of a header, "" if it is not there. `name` in lower case, long form."""
        values = self.index.get(name)
        return values[0] if values else ""

    def lines(self, name: str) -> list[str]:
        """All raw values of a header, one a line as they came."""
        return self.index.get(name, [])

    def elements(self, name: str) -> list[str]:
        """All elements of a header that may be a list: lines and commas alike. Raises BadHeader."""
        return [part for line in self.index.get(name, ()) for part in h.split_list(line) if part]

    def options(self, name: str) -> frozenset[str]:
        """Option tags or methods of Supported, Require, Allow..: lower case. Raises BadHeader."""
        lines = self.index.get(name)
        if lines is None:
            return _NO_OPTIONS
        return _options(lines[0]) if len(lines) == 1 else _NO_OPTIONS.union(*map(_options, lines))

    @property
    def content_type(self) -> str:
        """Type and subtype in lower case without parameters."""
        value = self.get("content-type")
        return value if value in _USUAL_TYPES else value.partition(";")[0].strip().lower()

    def vitals(self) -> str:
        """Read what every message needs (RFC 3261 §8.1.1) into the slots; the fault in words, "" if there is none."""
        index = self.index
        if "via" not in index:
            return "Missing Via"
        try:
            self.top, self.branch = h.top_via(index["via"][0])
            if not index.keys() >= _NEEDED:
                return "Missing " + next(spelled for name, spelled in NEEDED.items() if name not in index)
            for name in _ONCE.intersection(index) if self.repeats else ():
                if len(index[name]) > 1:
                    return "More than one " + NEEDED.get(name, name.title())
            self._read_vitals(index)
        except SipError as error:
            return str(error)
        return "Bad Call-ID" if not self.call_id or " " in self.call_id else ""

    def _read_vitals(self, index: dict[str, list[str]]) -> None:
        self.call_id = index["call-id"][0]
        self.cseq, self.cseq_method = h.cseq(index["cseq"][0])
        self.from_tag = _tag(index["from"][0], "From")
        self.to_tag = _tag(index["to"][0], "To")
        hops = index.get("max-forwards")
        if hops is not None and hops[0] not in _USUAL_HOPS:
            h.count(hops[0], "Max-Forwards", 255)


def _tag(value: str, name: str) -> str:
    usual = _USUAL_ADDRESS.match(value)
    if usual is not None:
        return usual[1] or ""
    try:
        address = h.name_addr(value)
        return h.parameters(address.tail).get("tag", "") if address.tail else ""
    except BadHeader as error:
        raise BadHeader(f"{name}: {error}") from None


class Request(Message):
    """A request."""

    __slots__ = ("method", "uri")

    def __init__(self, method: str, uri: str, version: str = "SIP/2.0") -> None:
        Message.__init__(self, version)
        self.method, self.uri = method, uri

    def vitals(self) -> str:
        """As for every message; and the CSeq names the method."""
        fault = Message.vitals(self)
        return fault or ("" if self.cseq_method == self.method else "CSeq does not name the method")


class Response(Message):
    """A response; its method is the CSeq's."""

    __slots__ = ("reason", "status")

    def __init__(self, status: int, reason: str) -> None:
        Message.__init__(self)
        self.status, self.reason = status, reason


@dataclass(frozen=True, slots=True)
class Malformed:
    """Bytes that are no proper message."""

    fault: str  # the kind, one word: for counting
    detail: str  # in words, safe to send as a reason phrase
    message: Request | Response | None = None  # as far as it could be read


def parse(data: bytes) -> Request | Response | Malformed:
    """One message from one datagram, or from one frame of a stream. Never raises."""
    if len(data) > MAX_BYTES:
        return Malformed("too_long", "Message Too Long")
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return Malformed("no_end", "Headers Do Not End")
    head = data[:end].decode("utf-8", "surrogateescape")
    return _usual(head, data, end + 4) or _any(head.lstrip("\r\n"), data[end + 4 :])


def _usual(head: str, data: bytes, start: int) -> Request | Response | None:
    """The message if it is written as nearly all are (`Name: value`, names met before, no folding); half the price of `_any`."""
    lines = head.split("\r\n")
    breaks = len(lines) - 1
    if breaks > MAX_HEADERS or head.count("\n") != breaks or head.count("\r") != breaks or "\0" in head or "\t" in head:
        return None
    message = _usual_start(lines[0])
    if message is None or ":  " in head or " \r\n" in head or head[-1] == " ":
        return None
    known, index = h.KNOWN, message.index
    try:
        for line in islice(lines, 1, None):
            name, colon, value = line.partition(": ")
            key = known[name]
            if key in index:
                index[key].append(value)
                message.repeats = True
            elif colon:
                index[key] = [value]
            else:
                return None
    except KeyError:
        return None
    length = index.get("content-length")
    if length is None or length[0] != str(len(data) - start):
        return None
    message.body = data[start:]
    return message


def _usual_start(line: str) -> Request | Response | None:
    first, _, rest = line.partition(" ")
    second, _, third = rest.partition(" ")
    if first == "SIP/2.0":
        status = _STATUS.get(second)
        return None if status is None else Response(status, third)
    return Request(first, second) if third == "SIP/2.0" and first in h.METHODS and second else None


def _any(head: str, body: bytes) -> Request | Response | Malformed:
    if "\r\n " in head or "\r\n\t" in head:
        head = _FOLD.sub(" ", head)
    lines = head.split("\r\n")
    message, fault = _start(lines[0])
    if message is None:
        return fault or Malformed("start_line", "Bad Start Line")
    stray = "\0" in head or head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1
    return _cut(message, _fields(message, lines, stray), body) or fault or message


def _start(line: str) -> tuple[Request | Response | None, Malformed | None]:
    if line[:8].upper() == "SIP/2.0 ":
        words = line.split(" ", 2)
        if len(words[1]) != 3 or not words[1].isascii() or not words[1].isdigit() or not 100 <= int(words[1]) <= 699:
            return None, Malformed("status", "Bad Status Line")
        return Response(int(words[1]), words[2] if len(words) > 2 else ""), None
    words = line.split(" ")
    if len(words) == 3 and (words[2] == "SIP/2.0" or _VERSION.match(words[2])) and h.TOKEN.match(words[0]) and words[1]:
        return Request(words[0], words[1], words[2].upper()), None
    words = line.split()
    if len(words) < 3 or not h.TOKEN.match(words[0]) or not _VERSION.match(words[-1]):
        return None, Malformed("start_line", "Bad Start Line")
    message = Request(words[0], words[1])
    return message, Malformed("start_line", "Bad Request Line", message)


def _fields(message: Request | Response, lines: list[str], stray: bool) -> Malformed | None:
    """Read header lines into the message; the first fault, but all lines that can be read."""
    fault: Malformed | None = None
    index, known = message.index, h.KNOWN
    if len(lines) > MAX_HEADERS + 1:
        fault = Malformed("too_many_headers", "Too Many Headers", message)
        del lines[MAX_HEADERS + 1 :]
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        try:
            if not colon or (stray and _STRAY.search(line)):
                raise BadHeader("no colon, or a stray line end")
            key = known.get(name) or h.learn(name)
            if key in index:
                index[key].append(value.strip(" \t"))
                message.repeats = True
            else:
                index[key] = [value.strip(" \t")]
        except BadHeader as error:
            fault = fault or Malformed("header_line", f"Bad Header Line: {error}", message)
    return fault


def _cut(message: Request | Response, fault: Malformed | None, body: bytes) -> Malformed | None:
    """Give the message its body by Content-Length (RFC 3261 §18.3); without one, all there is."""
    message.body = body
    lengths = message.lines("content-length")
    if fault is not None or not lengths:
        return fault
    try:
        length = h.count(lengths[0], "Content-Length", MAX_BYTES)
    except BadHeader as error:
        return Malformed("content_length", f"Bad Content-Length: {error}", message)
    if length > len(body):
        return Malformed("content_length", "Content-Length Exceeds Message", message)
    message.body = body[:length]
    return None

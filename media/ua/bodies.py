"""Bodies of several parts (RFC 2046 §5.1, RFC 5621): trunks with ISUP (SIP-I, SIP-T) send their offer as one part of several.

    multipart/mixed, /related and others   every part with handling=required must be understood
    multipart/alternative                  one of the parts must be

A part without Content-Disposition is not needed to understand the message: nothing says that it is.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from media.ua.errors import BadHeader
from media.ua.headers import parameters

ACCEPTED = "application/sdp, multipart/*"
MOST_PARTS, MOST_DEPTH = 32, 4  # of a whole body
_FOLD = re.compile(r"\r?\n[ \t]+")
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]\Z")  # RFC 2046 §5.1.1


class BadBody(BadHeader):
    """A body that cannot be taken apart."""


class Part(NamedTuple):
    """One part, itself in one piece."""

    kind: str  # type and subtype in lower case
    body: bytes
    required: bool  # whoever does not understand it must refuse the message
    coded: bool  # it is not there as it is: base64, gzip..


class Found(NamedTuple):
    """What was looked for in a body."""

    body: bytes | None  # of the first part of a wanted kind
    refused: bool  # a part that must be understood is not


def is_multipart(kind: str) -> bool:
    """Whether a content type says that the body has parts."""
    return kind.startswith("multipart/")


def find(content_type: str, body: bytes, wanted: frozenset[str]) -> Found:
    """Look for the first part of a wanted kind. Raises BadBody for a body that is not what it says."""
    left = [MOST_PARTS]
    return _find(content_type, body, wanted, left, MOST_DEPTH)


def _find(content_type: str, body: bytes, wanted: frozenset[str], left: list[int], depth: int) -> Found:
    if not depth:
        raise BadBody("Body Is Nested Too Deep")
    found: bytes | None = None
    refused = False
    for part in _parts(content_type, body, left):
        got = _look(part, wanted, left, depth)
        found = found if found is not None else got.body
        refused = refused or got.refused
    alternative = _kind(content_type) == "multipart/alternative"
    return Found(found, refused and not (alternative and found is not None))


def _look(part: tuple[Part, str], wanted: frozenset[str], left: list[int], depth: int) -> Found:
    one, content_type = part
    if one.coded:
        return Found(None, one.required)
    if is_multipart(one.kind):
        inner = _find(content_type, one.body, wanted, left, depth - 1)
        return inner if one.required else inner._replace(refused=False)
    return Found(one.body, False) if one.kind in wanted else Found(None, one.required)


def _parts(content_type: str, body: bytes, left: list[int]) -> list[tuple[Part, str]]:
    """The parts with their content types: what is between the boundary's lines, without what stands before and after them."""
    boundary = parameters(content_type[len(content_type.partition(";")[0]) :]).get("boundary", "")
    if not _BOUNDARY.match(boundary):
        raise BadBody("No Boundary in Content-Type")
    line = b"--" + boundary.encode()
    pieces = re.split(rb"(?:\A|\r?\n)" + re.escape(line) + rb"(--)?[ \t]*(?=\r?\n|\Z)", body, maxsplit=MOST_PARTS + 1)
    parts = []
    for end, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        if end is not None:
            break
        left[0] -= 1
        if left[0] < 0:
            raise BadBody("Body Has Too Many Parts")
        parts.append(_part(piece))
    if not parts:
        raise BadBody("Body Has No Parts")
    return parts


def _part(piece: bytes) -> tuple[Part, str]:
    """Header lines, an empty line, the body; a part may have no header lines at all (RFC 2046 §5.1: text/plain)."""
    piece = piece.removeprefix(b"\r\n") if piece[:2] == b"\r\n" else piece.removeprefix(b"\n")
    if piece[:2] == b"\r\n" or piece[:1] == b"\n":
        head, body = b"", piece.removeprefix(b"\r\n") if piece[:2] == b"\r\n" else piece[1:]
    else:
        cut = re.search(rb"\r?\n\r?\n", piece)
        head, body = (piece[: cut.start()], piece[cut.end() :]) if cut else (piece, b"")
    headers = _headers(head)
    disposition = headers.get("content-disposition", "")
    content_type = headers.get("content-type", "text/plain")
    coding = headers.get("content-transfer-encoding", "binary").strip().lower()
    coded = coding not in ("binary", "8bit", "7bit") or headers.get("content-encoding", "identity").strip().lower() != "identity"
    return Part(_kind(content_type), body, needed(disposition), coded), content_type


def needed(disposition: str) -> bool:
    """Whether a Content-Disposition says that its body must be understood: also where it leaves that open (RFC 3261 §20.11)."""
    words, semicolon, tail = disposition.partition(";")
    return bool(words.strip()) and parameters(semicolon + tail).get("handling", "required").lower() != "optional"


def _headers(head: bytes) -> dict[str, str]:
    text = _FOLD.sub(" ", head.decode("utf-8", "surrogateescape"))
    headers: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        name = {"c": "content-type", "e": "content-encoding"}.get(name.strip().lower(), name.strip().lower())
        headers.setdefault(name, value.strip())
    return headers


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()

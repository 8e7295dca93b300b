"""Bencode, as rtpengine's ng protocol uses it (BEP 3, but dictionary keys in any order). Strict and bounded.

Text goes out as UTF-8; strings come back as bytes, dictionary keys as text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

Encodable: TypeAlias = "int | str | bytes | Sequence[Encodable] | Mapping[str, Encodable]"
Value: TypeAlias = "int | bytes | list[Value] | dict[str, Value]"

MAX_BYTES = 65_536  # no UDP datagram is longer
MAX_DEPTH = 16  # rtpengine's deepest answer (query) has 8
_DIGITS = frozenset(b"0123456789")
_KEYS = {key: b"%d:%s" % (len(key), key.encode()) for key in ("command", "call-id", "from-tag", "to-tag", "sdp", "file")}


class BadBencode(ValueError):
    """Not bencode, or over a bound; the text says what and at which byte."""


def encode(value: Encodable) -> bytes:
    """The bytes of a value. Raises BadBencode for a type it has no form for (booleans included: write 0 or 1)."""
    out: list[bytes] = []
    _encode(value, out)
    return b"".join(out)


def flat(fields: Mapping[str, Encodable]) -> bytes:
    """The inside of an encoded dictionary, quickly: nearly all of what is sent is text and SDP under short keys."""
    out: list[bytes] = []
    for key, value in fields.items():
        name = _KEYS.get(key) or encode(key)
        if isinstance(value, str):
            value = value.encode()
        if isinstance(value, bytes):
            out.append(b"%b%d:%b" % (name, len(value), value))
        else:
            out.append(name)
            _encode(value, out)
    return b"".join(out)


def _encode(value: Encodable, out: list[bytes]) -> None:
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        out.append(b"%d:" % len(value))
        out.append(value)
    elif isinstance(value, Mapping):
        out.append(b"d")
        for key, one in value.items():
            _encode(key, out)
            _encode(one, out)
        out.append(b"e")
    elif isinstance(value, Sequence):
        out.append(b"l")
        for one in value:
            _encode(one, out)
        out.append(b"e")
    elif type(value) is int:
        out.append(b"i%de" % value)
    else:
        raise BadBencode(f"no bencode for {type(value).__name__}")


def decode(data: bytes) -> Value:
    """The one value that `data` holds. Raises BadBencode for anything else: trailing bytes, depth, lengths, doubled keys."""
    if len(data) > MAX_BYTES:
        raise BadBencode(f"{len(data)} bytes, at the most {MAX_BYTES}")
    value, end = _value(data, 0, 0)
    if end != len(data):
        raise BadBencode(f"more bytes after the value at {end}")
    return value


def _value(data: bytes, at: int, depth: int) -> tuple[Value, int]:
    kind = data[at : at + 1]
    if kind.isdigit():
        return _string(data, at)
    if kind == b"i":
        return _integer(data, at + 1, b"e")
    if depth == MAX_DEPTH:
        raise BadBencode(f"deeper than {MAX_DEPTH} at {at}")
    if kind == b"d":
        return _dictionary(data, at + 1, depth + 1)
    if kind == b"l":
        return _list(data, at + 1, depth + 1)
    raise BadBencode(f"no value at {at}")


def _integer(data: bytes, at: int, stop: bytes) -> tuple[int, int]:
    end = data.find(stop, at, at + 21)
    text = data[at:end] if end >= 0 else b""
    digits = text.removeprefix(b"-")
    if not digits or not _DIGITS.issuperset(digits) or (digits[0] == 48 and text != b"0"):
        raise BadBencode(f"bad number at {at}")
    return int(text), end + 1


def _string(data: bytes, at: int) -> tuple[bytes, int]:
    size, start = _integer(data, at, b":")
    end = start + size
    if size < 0 or end > len(data):
        raise BadBencode(f"string of {size} bytes at {at} is cut short")
    return data[start:end], end


def _list(data: bytes, at: int, depth: int) -> tuple[list[Value], int]:
    out: list[Value] = []
    while data[at : at + 1] != b"e":
        one, at = _value(data, at, depth)
        out.append(one)
    return out, at + 1


def _dictionary(data: bytes, at: int, depth: int) -> tuple[dict[str, Value], int]:
    out: dict[str, Value] = {}
    while data[at : at + 1] != b"e":
        if not data[at : at + 1].isdigit():
            raise BadBencode(f"no key at {at}")
        raw, after = _string(data, at)
        try:
            key = raw.decode()
        except UnicodeDecodeError as error:
            raise BadBencode(f"key at {at} is no UTF-8") from error
        if key in out:
            raise BadBencode(f"key at {at} stands twice")
        out[key], at = _value(data, after, depth)
    return out, at + 1

"""Just enough HTTP/2 (RFC 9113) to make unary gRPC calls, without I/O: bytes in, events out.

Why not grpcio: at 50 questions a second grpc.aio with its threads took 1.2 CPU-ms a question inside the proxy, this takes a
fifth of it (docs/adr/0102). Only what a client of one method needs: request headers are constant and literal; of the answer's
headers nothing is decoded (a table size of 0 is announced, so the status stands in plain text, and is looked for only when
there is no message).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
CANCEL = 8
_FRAME = struct.Struct("!HBBBI")  # length (16 + 8 bits), type, flags, stream
_SETTING = struct.Struct("!HI")
_TABLE_SIZE, _PUSH, _INITIAL_WINDOW = 1, 2, 4
_WINDOW = 65535
_REFILL = 1 << 24  # room we give the peer on the connection; given again when half of it is used
_LAST_STREAM = 2**31 - 1
_STATUS = re.compile(rb"grpc-status.(\d{1,2})", re.DOTALL)
_CODES = ("ok", "cancelled", "unknown", "invalid_argument", "deadline_exceeded", "not_found", "already_exists", "permission_denied",
          "resource_exhausted", "failed_precondition", "aborted", "out_of_range", "unimplemented", "internal", "unavailable",
          "data_loss", "unauthenticated")  # fmt: skip


class ProtocolError(Exception):
    """The peer does not speak HTTP/2; the connection is of no use any more."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The call on `stream` was answered with a message."""

    stream: int
    message: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """The call on `stream` has no answer; `why` is a gRPC status in lower case."""

    stream: int
    why: str


@dataclass(frozen=True, slots=True)
class GoAway:
    """No new calls on this connection; those after stream `last` were not looked at."""

    last: int


Event = Reply | Failed | GoAway


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    length = len(payload)
    return _FRAME.pack(length >> 8, length & 0xFF, kind, flags, stream) + payload


def _literal(name: bytes, value: bytes) -> bytes:
    """A header field that is not indexed (RFC 7541 §6.2.2); `name` is a length-prefixed word or an index in one or two bytes."""
    assert len(value) < 127
    return name + bytes([len(value)]) + value


def _word(text: bytes) -> bytes:
    return b"\0" + bytes([len(text)]) + text


def request_headers(authority: str, path: str) -> bytes:
    """The header block of a call; the same for each call, so made once."""
    block = b"\x83\x86" + _literal(b"\x04", path.encode()) + _literal(b"\x01", authority.encode())
    return block + _literal(b"\x0f\x10", b"application/grpc") + _literal(_word(b"te"), b"trailers")


class Connection:
    """The client's end of one connection. `outgoing` must be sent after each call of a method."""

    def __init__(self, authority: str, path: str) -> None:
        self._headers = request_headers(authority, path)
        settings = _SETTING.pack(_TABLE_SIZE, 0) + _SETTING.pack(_PUSH, 0)
        self.outgoing = bytearray(PREFACE + frame(SETTINGS, 0, 0, settings) + self._refill())
        self._buffer = bytearray()
        self._next = 1
        self._window = _WINDOW  # what we may still send on the connection
        self._stream_window = _WINDOW  # what we may send on a new stream
        self._used = 0  # what the peer has sent since the last refill
        self._bodies: dict[int, bytearray] = {}

    @staticmethod
    def _refill() -> bytes:
        return frame(WINDOW_UPDATE, 0, 0, _REFILL.to_bytes(4, "big"))

    def request(self, message: bytes) -> int | None:
        """Start a call; its stream, or None if the peer gives no room or the numbers are used up."""
        length = len(message) + 5
        if length > min(self._window, self._stream_window) or self._next > _LAST_STREAM:
            return None
        stream, self._next = self._next, self._next + 2
        self._window -= length
        self._bodies[stream] = bytearray()
        self.outgoing += frame(HEADERS, END_HEADERS, stream, self._headers)
        self.outgoing += frame(DATA, END_STREAM, stream, b"\0" + len(message).to_bytes(4, "big") + message)
        return stream

    def cancel(self, stream: int) -> None:
        """Nobody waits for this answer any more."""
        if self._bodies.pop(stream, None) is not None:
            self.outgoing += frame(RST_STREAM, 0, stream, CANCEL.to_bytes(4, "big"))

    def feed(self, data: bytes) -> list[Event]:
        """What the bytes from the peer say. Raises ProtocolError."""
        self._buffer += data
        events: list[Event] = []
        while len(self._buffer) >= _FRAME.size:
            high, low, kind, flags, stream = _FRAME.unpack_from(self._buffer)
            end = _FRAME.size + (high << 8 | low)
            if high << 8 > 1 << 20 or (kind == PING and end != _FRAME.size + 8):
                raise ProtocolError("frame of a length that no gRPC server sends")
            if len(self._buffer) < end:
                break
            payload = bytes(self._buffer[_FRAME.size : end])
            del self._buffer[:end]
            event = self._frame(kind, flags, stream & _LAST_STREAM, payload)
            if event:
                events.append(event)
        return events

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> Event | None:
        if kind == DATA:
            return self._data(flags, stream, payload)
        if kind in (HEADERS, CONTINUATION):
            return self._ended(stream, payload) if flags & END_STREAM and kind == HEADERS else None
        if kind == RST_STREAM:
            return Failed(stream, "unavailable") if self._bodies.pop(stream, None) is not None else None
        if kind == GOAWAY:
            return GoAway(int.from_bytes(payload[:4], "big") & _LAST_STREAM)
        self._control(kind, flags, stream, payload)
        return None

    def _control(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == PING and not flags & ACK:
            self.outgoing += frame(PING, ACK, 0, payload)
        elif kind == SETTINGS and not flags & ACK:
            for offset in range(0, len(payload) - 5, _SETTING.size):
                name, value = _SETTING.unpack_from(payload, offset)
                if name == _INITIAL_WINDOW:
                    self._stream_window = value
            self.outgoing += frame(SETTINGS, ACK, 0)
        elif kind == WINDOW_UPDATE and stream == 0:
            self._window += int.from_bytes(payload[:4], "big") & _LAST_STREAM

    def _data(self, flags: int, stream: int, payload: bytes) -> Event | None:
        self._used += len(payload)
        if self._used > _REFILL // 2:
            self.outgoing += self._refill()
            self._used -= _REFILL
        body = self._bodies.get(stream)
        if body is None:
            return None
        body += payload[1 : len(payload) - payload[0]] if flags & PADDED else payload
        return self._ended(stream, b"") if flags & END_STREAM else None

    def _ended(self, stream: int, trailers: bytes) -> Event | None:
        body = self._bodies.pop(stream, None)
        if body is None:
            return None
        if len(body) >= 5 and body[0] == 0 and len(body) == 5 + int.from_bytes(body[1:5], "big"):
            return Reply(stream, bytes(body[5:]))
        return Failed(stream, status_of(trailers))


def status_of(trailers: bytes) -> str:
    """The gRPC status in an undecoded header block; "unknown" if it cannot be read."""
    found = _STATUS.search(trailers)
    code = int(found[1]) if found else 2
    return _CODES[code] if 0 < code < len(_CODES) else "unknown"

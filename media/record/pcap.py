"""Reads the pcap files that rtpengine writes: raw IPv4 packets with UDP and RTP in them, as arrays of one entry a packet.

Strict where it matters (magic, link type, sizes), tolerant of an end that was cut off: what a crash left behind is still worth
hearing. Format: draft-ietf-opsawg-pcap; RTP: RFC 3550 §5.1.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import numpy as np
import numpy.typing as npt

MAX_BYTES = 512 << 20  # some six hours of a conversation
MAX_PACKET = 65_535
RUN = 512  # records looked at in one go
RAW = (101, 12)  # LINKTYPE_RAW and DLT_RAW
FILE_HEADER, RECORD_HEADER, RTP_HEADER = 24, 16, 12
# magic as it stands in the file -> (byte order, ticks a second)
MAGICS = {
    b"\xd4\xc3\xb2\xa1": ("<", 1_000_000),
    b"\xa1\xb2\xc3\xd4": (">", 1_000_000),
    b"\x4d\x3c\xb2\xa1": ("<", 1_000_000_000),
    b"\xa1\xb2\x3c\x4d": (">", 1_000_000_000),
}

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


class BadPcap(ValueError):
    """Not a file that rtpengine wrote, or over a bound; the text says which."""


@dataclass(frozen=True, slots=True)
class Packets:
    """RTP packets in the order they were written; each array has one entry a packet."""

    data: Bytes  # the whole file
    time_us: Ints  # UTC, arrival
    port: Ints  # UDP destination
    sender: Ints  # address and port that it came from, as `sender` makes it
    payload_type: Ints
    sequence: Ints
    timestamp: Ints
    ssrc: Ints
    start: Ints  # of the payload in `data`
    size: Ints  # of the payload

    def __len__(self) -> int:
        return len(self.time_us)

    def only(self, which: npt.NDArray[np.bool_]) -> Packets:
        """Those packets alone."""
        return Packets(self.data, *(getattr(self, name)[which] for name in COLUMNS))


COLUMNS = ("time_us", "port", "sender", "payload_type", "sequence", "timestamp", "ssrc", "start", "size")


def sender(place: str) -> int:
    """The number of an address:port. Raises ValueError."""
    address, _, port = place.rpartition(":")
    return int(IPv4Address(address)) << 16 | int(port)


def read(path: Path) -> Packets:
    """The RTP packets of a file. Raises BadPcap, OSError."""
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    return parse(data)


def parse(data: bytes) -> Packets:
    """The same from bytes."""
    if len(data) > MAX_BYTES:
        raise BadPcap(f"pcap over {MAX_BYTES} bytes")
    if len(data) < FILE_HEADER or data[:4] not in MAGICS:
        raise BadPcap("no pcap: wrong magic number")
    order, ticks = MAGICS[data[:4]]
    link = struct.unpack_from(f"{order}I", data, 20)[0] & 0xFFFF
    if link not in RAW:
        raise BadPcap(f"link type {link}, want raw IP (101)")
    return _packets(np.frombuffer(data, np.uint8), _records(data, order), order, ticks)


def _records(data: bytes, order: str) -> Ints:
    """Where the whole records begin; reading ends at the first that is cut off or cannot be.

    Nearly all are of one size, so neighbours of the same size are taken together.
    """
    runs, at = [np.zeros(0, np.int64)], FILE_HEADER
    while at + RECORD_HEADER <= len(data):
        size = int.from_bytes(data[at + 8 : at + 12], "little" if order == "<" else "big")
        step = RECORD_HEADER + size
        count = min((len(data) - at) // step, RUN)
        if size > MAX_PACKET or count == 0:
            break
        sizes = np.ndarray((count,), f"{order}u4", data, at + 8, (step,))
        same = int((sizes != size).argmax()) or count  # the first one is the same, so 0 means all are
        runs.append(at + step * np.arange(same))
        at += step * same
    return np.concatenate(runs)


def _packets(data: Bytes, records: Ints, order: str, ticks: int) -> Packets:
    little = order == "<"
    seconds, parts, length = (_number(data, records + at, 4, little) for at in (0, 4, 8))
    ip = records + RECORD_HEADER
    version = _byte(data, ip)
    udp = ip + (version & 0x0F) * 4
    rtp, end = udp + 8, ip + length
    whole = (version >> 4 == 4) & (version & 0x0F >= 5) & (_byte(data, ip + 9) == 17) & (rtp + RTP_HEADER <= end)
    first, second = _byte(data, rtp), _byte(data, rtp + 1)
    payload_type = second & 0x7F
    voice = whole & (first >> 6 == 2) & ~((payload_type >= 72) & (payload_type <= 76))  # those are RTCP (RFC 5761 §4)
    start = rtp + RTP_HEADER + (first & 0x0F) * 4
    extended = (first & 0x10) != 0
    start = np.where(extended, start + 4 + 4 * _number(data, start + 2, 2, False), start)
    size = end - start - np.where(first & 0x20, _byte(data, end - 1), 0)
    time_us = seconds * 1_000_000 + parts * 1_000_000 // ticks
    came = _number(data, ip + 12, 4, False) << 16 | _number(data, udp, 2, False)
    columns = (time_us, _number(data, udp + 2, 2, False), came, payload_type, _number(data, rtp + 2, 2, False))
    more = (_number(data, rtp + 4, 4, False), _number(data, rtp + 8, 4, False), start, size)
    return Packets(data, *columns, *more).only(voice & (size >= 0))


def _byte(data: Bytes, at: Ints) -> Ints:
    """The byte at each place; 0 where there is none (such packets are sorted out)."""
    return np.where((at >= 0) & (at < len(data)), data[np.clip(at, 0, len(data) - 1)], 0).astype(np.int64)


def _number(data: Bytes, at: Ints, size: int, little: bool) -> Ints:
    """The unsigned number of `size` bytes at each place."""
    places = range(size - 1, -1, -1) if little else range(size)
    out = np.zeros(len(at), np.int64)
    for place in places:
        out = out << 8 | _byte(data, at + place)
    return out

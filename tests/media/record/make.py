"""Makes pcaps as rtpengine would, for tests."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from ipaddress import IPv4Address
from pathlib import Path

from media.record.api import Job
from ops.audio import Samples, encode_alaw, encode_ulaw
from ops.ids import CallId

CALLER_PORT, AGENT_PORT = 30000, 30010
PLACE = ("127.0.0.1", 5000)
START_US = 1_790_000_000_000_000
FILE_HEADER = struct.pack("<4sHHiIII", b"\xd4\xc3\xb2\xa1", 2, 4, 0, 0, 65535, 101)
CALL = CallId("019a0000-0000-7000-8000-000000000001")


def packet(
    port: int,
    at_us: int,
    payload: bytes,
    sequence: int,
    timestamp: int,
    kind: int = 8,
    ssrc: int = 1,
    place: tuple[str, int] = PLACE,
) -> bytes:
    """One record: pcap header, IPv4, UDP, RTP, payload."""
    rtp = struct.pack("!BBHII", 0x80, kind, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc) + payload
    udp = struct.pack("!HHHH", place[1], port, 8 + len(rtp), 0) + rtp
    size = 20 + len(udp)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, size, 0, 0, 64, 17, 0, IPv4Address(place[0]).packed, bytes(4)) + udp
    return struct.pack("<IIII", at_us // 1_000_000, at_us % 1_000_000, size, size) + ip


def stream(
    sound: Samples,
    port: int,
    kind: int = 8,
    start_us: int = START_US,
    ssrc: int = 1,
    sequence: int = 65_500,
    clock: int = 2**32 - 8000,
    step: int = 160,
    place: tuple[str, int] = PLACE,
) -> list[tuple[int, bytes]]:
    """(arrival, record) of a sound in 20 ms packets, over the wrap of sequence and timestamp; `step`: of the timestamp."""
    encode = encode_alaw if kind == 8 else encode_ulaw
    out = []
    for number in range(len(sound) // 160):
        at = start_us + number * 20_000
        payload = encode(sound[number * 160 : number * 160 + 160])
        out.append((at, packet(port, at, payload, sequence + number, clock + number * step, kind, ssrc, place)))
    return out


def pcap(*streams: Iterable[tuple[int, bytes]]) -> bytes:
    """A file of all streams in order of arrival."""
    return FILE_HEADER + b"".join(record for _, record in sorted(one for part in streams for one in part))


def job(spool: Path, talk_ms: int, name: str = "talk", call: CallId = CALL) -> Job:
    """What the call logic hands over."""
    return Job(call, "main", spool, name, CALLER_PORT, AGENT_PORT, START_US // 1000, talk_ms)


def spooled(folder: Path, data: bytes, name: str = "talk", stem: str = f"{CALL}-00ff", finished: bool = True) -> Path:
    """A recording as rtpengine leaves it in the spool; the pcap."""
    for part in ("pcaps", "metadata", "tmp"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    path = folder / "pcaps" / f"{stem}.pcap"
    path.write_bytes(data)
    if finished:
        text = f"{path}\n\n\nTimestamp terminated ms(first monologue): 0.000\n\ncall start time: x\n\n\n{name}\n"
        (folder / "metadata" / f"rtpengine-meta-{stem}.txt").write_text(text)
    else:
        (folder / "tmp" / f"rtpengine-meta-{stem}.tmp").write_text("")
    return path

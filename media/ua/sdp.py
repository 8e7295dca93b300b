"""Session descriptions (RFC 4566, 8866), just what the call logic needs: is it one, direction, connection, port of the audio."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from media.ua.errors import BadSdp
from ops.values import dataclass

DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
MAX_BYTES = 32_768


@dataclass(frozen=True, slots=True)
class Audio:
    """The first audio stream of a description."""

    host: str  # connection address, as written
    port: int  # 0: refused
    direction: str  # sendrecv, sendonly, recvonly, inactive: as seen by who wrote it
    protocol: str  # RTP/AVP, UDP/TLS/RTP/SAVPF..
    formats: tuple[str, ...]  # payload types as written

    @property
    def held(self) -> bool:
        """Its writer does not want to hear us: hold (RFC 3264 §8.4), the old 0.0.0.0 too."""
        return self.direction in ("sendonly", "inactive") or self.host == "0.0.0.0"


def audio(sdp: bytes) -> Audio:
    """Read and check a description. Raises BadSdp."""
    lines = _lines(sdp)
    session, streams = _sections(lines)
    for stream in streams:
        if stream[0][1].startswith("audio "):
            return _audio(session, stream)
    raise BadSdp("no audio stream")


def is_sdp(sdp: bytes) -> str:
    """The fault in words, "" if `audio` can read it."""
    try:
        audio(sdp)
    except BadSdp as error:
        return str(error)
    return ""


def _lines(sdp: bytes) -> list[tuple[str, str]]:
    if len(sdp) > MAX_BYTES:
        raise BadSdp("longer than 32 kB")
    text = sdp.decode("utf-8", "replace").replace("\r\n", "\n").rstrip("\n")
    result = []
    for number, line in enumerate(text.split("\n"), 1):
        if line[1:2] != "=" or not "a" <= line[0] <= "z":
            raise BadSdp(f"line {number} is not x=value")
        result.append((line[0], line[2:].strip()))
    if result[0] != ("v", "0"):
        raise BadSdp("line 1 is not v=0")
    return result


def _sections(lines: list[tuple[str, str]]) -> tuple[list[tuple[str, str]], list[list[tuple[str, str]]]]:
    starts = [n for n, (kind, _) in enumerate(lines) if kind == "m"]
    session = lines[: starts[0]] if starts else lines
    if not {"o", "s"} <= {kind for kind, _ in session}:
        raise BadSdp("no o= or s= line")
    ends = [*starts[1:], len(lines)]
    return session, [lines[start:end] for start, end in zip(starts, ends, strict=False)]


def _audio(session: list[tuple[str, str]], stream: list[tuple[str, str]]) -> Audio:
    words = stream[0][1].split()
    if len(words) < 4:
        raise BadSdp("m= line is too short")
    port = words[1].partition("/")[0]
    if not port.isascii() or not port.isdigit() or len(port) > 5 or int(port) > 65535:
        raise BadSdp("m= port is no number in range")
    return Audio(_host(session, stream), int(port), _direction(session, stream), words[2], tuple(words[3:]))


def _host(session: list[tuple[str, str]], stream: list[tuple[str, str]]) -> str:
    found = [value for kind, value in [*stream, *session] if kind == "c"]
    words = found[0].split() if found else []
    if len(words) != 3 or words[0] != "IN" or words[1] not in ("IP4", "IP6"):
        raise BadSdp("no c= line that can be read")
    host = words[2].partition("/")[0]
    if words[1] == "IP4" and not _is_ip4(host):
        raise BadSdp("c= address is no IPv4 address")
    return host


@lru_cache(maxsize=1024)
def _is_ip4(host: str) -> bool:
    """A name is as good as an address (RFC 4566 §5.7), digits and dots must be one."""
    if not host.replace(".", "").isdigit():
        return True
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def _direction(session: list[tuple[str, str]], stream: list[tuple[str, str]]) -> str:
    for section in (stream, session):
        for kind, value in section:
            if kind == "a" and value in DIRECTIONS:
                return value
    return "sendrecv"

"""As much of SDP (RFC 8866) and offer/answer (RFC 3264) as stands between a phone and rtpengine.

Phones offer video, wide-band codecs, several audio streams. What goes to rtpengine is one audio stream with G.711 and key
presses: then re-pairing never meets a codec or a stream that the other side lacks, and a recording can always be read. What
goes back to the phone has as many streams as it offered, those we do not take with port 0.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

from media.rtp.api import BadSdp
from ops.values import dataclass

MAX_BYTES = 16_384
PROFILES = frozenset(["RTP/AVP", "RTP/AVPF"])
STATIC = {"0": "PCMU/8000", "8": "PCMA/8000"}  # RFC 3551 §6: need no rtpmap
KEYS = "TELEPHONE-EVENT"
RATE = "8000"  # of the voice, and so of the keys (RFC 4733 §2.5.1.1)
OUR_KEYS = "101/8000"  # what we offer: payload type and clock rate
DIRECTIONS = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}
SESSION_KEPT = ("ice-ufrag:", "ice-pwd:", "ice-lite", "fingerprint:", "setup:")  # may stand above all streams, belong to each
DROPPED = ("crypto:", "rtcp:", "candidate:", "end-of-candidates", "mid:", "msid:", "extmap:", "ssrc:", "ssrc-group:")
_MEDIA = re.compile(r"(\S+) (\d{1,5})(?:/\d+)? (\S+) (.+)")
_FORMAT = re.compile(r"(rtpmap|fmtp|rtcp-fb):(\S+)")


@dataclass(frozen=True, slots=True)
class Audio:
    """The audio stream of one SDP. `streams`: the m= values of the whole SDP."""

    address: str  # of c=
    port: int
    profile: str
    formats: str  # payload types that stay
    kept: str  # lines that stay
    direction: str
    codecs: tuple[str, ...]  # PCMA, PCMU in the order of the sender
    keys: str = ""  # payload type and clock rate of key presses, like "101/8000"; "": the phone sends none
    streams: tuple[str, ...] = ()
    index: int = 0  # which of the streams it is

    def text(self, address: str, port: int, direction: str = "") -> bytes:
        """As an SDP of its own for rtpengine, its audio at that address. RTCP is on the next port, whatever the phone said."""
        head = f"v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
        stream = f"m=audio {port} {self.profile} {self.formats}\r\n{self.kept}a={direction or self.direction}\r\n"
        return (head + stream).encode()


def read(sdp: bytes) -> Audio:
    """The first usable audio stream of an SDP. Raises BadSdp naming what is wrong, never quoting it."""
    if len(sdp) > MAX_BYTES:
        raise BadSdp(f"SDP of {len(sdp)} bytes, at the most {MAX_BYTES}")
    sections = _sections(sdp)
    session, streams = sections[0], sections[1:]
    why = "no audio stream"
    for index, lines in enumerate(streams):
        if lines[0].startswith("m=audio "):
            try:
                return _audio(session, lines, index, tuple(one[0][2:] for one in streams))
            except BadSdp as error:
                why = str(error)
    raise BadSdp(why)


def _sections(sdp: bytes) -> list[list[str]]:
    """Lines above the first m=, then those of each stream."""
    lines = [line.rstrip("\r") for line in sdp.decode("utf-8", "replace").split("\n")]
    sections: list[list[str]] = [[]]
    for line in lines:
        if line[:2] == "m=":
            sections.append([])
        elif line and line[1:2] != "=":
            raise BadSdp("SDP has a line that is no <letter>=<value>")
        if line:
            sections[-1].append(line)
    if sections[0][:1] != ["v=0"]:
        raise BadSdp("SDP does not begin with v=0")
    return sections


def _audio(session: list[str], lines: list[str], index: int, streams: tuple[str, ...]) -> Audio:
    match = _MEDIA.fullmatch(lines[0][2:])
    if match is None or int(match[2]) > 65_535:
        raise BadSdp("SDP has a bad m= line")
    if int(match[2]) == 0:
        raise BadSdp("the audio stream is refused or disabled (port 0)")
    if match[3] not in PROFILES:
        raise BadSdp("audio profile is not RTP/AVP")
    address = _address(next((line for line in [*lines, *session] if line[:2] == "c="), ""))
    said = tuple([line for line in session if line[:2] == "a="]), tuple([line for line in lines if line[:2] == "a="])
    stream = _attributes(*said, match[4])
    direction = _held(stream.direction) if address == "0.0.0.0" else stream.direction
    what = (match[3], stream.formats, stream.kept, direction, stream.codecs, stream.keys)
    return Audio(address, int(match[2]), *what, streams, index)


@dataclass(frozen=True, slots=True)
class _Attributes:
    """What the a= lines of a stream say."""

    formats: str  # of m=
    codecs: tuple[str, ...]
    keys: str
    kept: str  # lines
    direction: str


@lru_cache(maxsize=256)
def _attributes(session: tuple[str, ...], lines: tuple[str, ...], offered: str) -> _Attributes:
    """A make of phone says the same in each call: kept, because reading it costs more than all else here."""
    formats, codecs, keys = _formats(offered.split(), lines)
    kept = "".join([f"{line}\r\n" for line in [*_session_kept(session), *lines] if _keep(line, formats)])
    return _Attributes(" ".join(formats), codecs, keys, kept, _direction(session, lines))


@lru_cache(maxsize=1024)
def _address(line: str) -> str:
    """Address of the c= line that holds for the stream. A host name is refused: see docs/adr/0405."""
    parts = line[2:].split()
    if len(parts) != 3 or parts[:2] != ["IN", "IP4"]:
        raise BadSdp("SDP has no c=IN IP4 line for the audio")
    try:
        return str(ipaddress.IPv4Address(parts[2]))
    except ValueError as error:
        raise BadSdp("c= has no IPv4 address") from error


def _formats(offered: list[str], lines: tuple[str, ...]) -> tuple[list[str], tuple[str, ...], str]:
    """Payload types that stay, the names of the voice codecs among them in their order, and the type of key presses.

    Voice only under its static number: a recording knows the codec by nothing else. Phones with wide-band codecs offer key
    presses at several clock rates: that of the voice stays; another one only where the phone offers no better.
    """
    names = dict(STATIC)
    for line in lines:
        if line.startswith("a=rtpmap:"):
            number, _, name = line[9:].partition(" ")
            names[number] = name.strip().upper().removesuffix("/1")
    voice = [number for number in STATIC if names[number] == STATIC[number]]
    pressed = [number for number in dict.fromkeys(offered) if names.get(number, "").partition("/")[0] == KEYS]
    keys = next((number for number in pressed if names[number] == f"{KEYS}/{RATE}"), pressed[0] if pressed else "")
    kept = [number for number in dict.fromkeys(offered) if number in voice or number == keys]
    rate = names[keys].partition("/")[2] if keys else ""
    if not rate.isdigit() or not 8000 <= int(rate) <= 192_000 or not keys.isdigit() or int(keys) > 127:
        keys, kept = "", [number for number in kept if number in voice]
    codecs = tuple(names[number].partition("/")[0] for number in kept if number in voice)
    if not codecs:
        raise BadSdp("neither PCMA nor PCMU is offered")
    return kept, codecs, f"{keys}/{rate}" if keys else ""


def _session_kept(session: tuple[str, ...]) -> list[str]:
    return [line for line in session if line[2:].startswith(SESSION_KEPT)]


def _keep(line: str, formats: list[str]) -> bool:
    """Attributes of the stream that go on to rtpengine: not its direction (kept apart), nothing of a codec that was dropped."""
    if line[2:] in DIRECTIONS or line[2:].startswith(DROPPED):
        return False
    match = _FORMAT.match(line[2:])
    return match is None or match[2] in formats or match[2] == "*"


def _direction(session: tuple[str, ...], lines: tuple[str, ...]) -> str:
    """RFC 3264 §5.1: the stream's own, else the session's."""
    return next((line[2:] for line in (*lines, *session) if line[2:] in DIRECTIONS), "sendrecv")


def _held(direction: str) -> str:
    """The direction with an address of 0.0.0.0, the old way to say hold (RFC 3264 §8.4)."""
    return "inactive" if direction in ("inactive", "recvonly") else "sendonly"


def mirror(direction: str) -> str:
    """What the answer says to an offer of that direction when we are ready for all of it."""
    return DIRECTIONS[direction]


@dataclass(frozen=True, slots=True)
class Dummy:
    """Nobody: sends nothing, and throws away what it hears but for key presses."""

    address: str
    port: int

    def text(self, codecs: tuple[str, ...], keys: str = OUR_KEYS, direction: str = "sendrecv") -> bytes:
        """Its SDP. `keys`: those of the phone it stands for; "": none."""
        return _dummy(self, codecs, keys, direction)


@lru_cache(maxsize=256)
def _dummy(one: Dummy, codecs: tuple[str, ...], keys: str, direction: str) -> bytes:
    numbers = {"PCMA": "8", "PCMU": "0"}
    lines = [f"a=rtpmap:{numbers[codec]} {codec}/8000" for codec in codecs]
    number, _, rate = keys.partition("/")
    if number:
        lines += [f"a=rtpmap:{number} telephone-event/{rate}", f"a=fmtp:{number} 0-16"]
    head = ["v=0", f"o=- 1 1 IN IP4 {one.address}", "s=-", f"c=IN IP4 {one.address}", "t=0 0"]
    media = f"m=audio {one.port} RTP/AVP {' '.join(numbers[codec] for codec in codecs)} {number}".rstrip()
    return _join([*head, media, *lines, f"a={direction}"])


def for_phone(from_rtpengine: bytes, session: int, version: int, offer: Audio | None = None) -> tuple[bytes, int]:
    """The SDP a phone gets, and its audio port: rtpengine's under an origin of ours, the other streams of its `offer` refused.

    rtpengine's SDP is not read anew: it has the one stream that we gave it. Raises BadSdp if it refused that one.
    """
    lines = from_rtpengine.decode("utf-8", "replace").split("\r\n")
    at = next((at for at, line in enumerate(lines) if line.startswith("m=")), -1)
    match = _MEDIA.fullmatch(lines[at][2:])
    if at < 0 or match is None or match[2] == "0":
        raise BadSdp("rtpengine found no way to carry the audio")
    head, stream = (
        [f"o=- {session} {version} {line.split(' ', 3)[3]}" if line[:2] == "o=" else line for line in lines[:at]],
        lines[at:-1],
    )
    if offer is None or len(offer.streams) == 1:
        return _join([*head, *stream]), int(match[2])
    for index, value in enumerate(offer.streams):
        head += stream if index == offer.index else [_refused(value)]
    return _join(head), int(match[2])


def ready(ours: bytes, version: int) -> bytes:
    """An SDP that the phone has from us as a new offer, in which nothing is held any more."""
    lines = []
    for line in ours.decode().removesuffix("\r\n").split("\r\n"):
        if line[:2] == "o=":
            name, session, _, address = line.split(" ", 3)
            line = f"{name} {session} {version} {address}"
        lines.append("a=sendrecv" if line[:2] == "a=" and line[2:] in DIRECTIONS else line)
    return _join(lines)


def audio_port(text: bytes) -> int:
    """The port of the one stream of an SDP that rtpengine wrote; 0 if it has none."""
    word = text.partition(b"m=audio ")[2].split(b" ", 1)[0]
    return int(word) if word.isdigit() else 0


def _refused(stream: str) -> str:
    match = _MEDIA.fullmatch(stream)
    if match is None:
        raise BadSdp("SDP has a bad m= line")
    return f"m={match[1]} 0 {match[3]} {match[4]}"


def _join(lines: list[str]) -> bytes:
    return ("\r\n".join(lines) + "\r\n").encode()

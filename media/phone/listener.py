"""What a phone hears: packets placed by time stamp, one track a source, all on the time line of the call. No socket, no clock.

A source's first packet fixes where its time stamps lie on the time line. If they run away from the arrival (a player that
stopped and went on, a re-paired leg) the source gets a new track; being read late is forgiven longer, for it may be this
process that was held up, and then what waited in the socket belongs where its time stamps say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from media.phone.packet import PCMA, SILENCE, Packet, unpack, unpack_key

_EARLY, _LATE = 4_000, 16_000  # samples
_WRAP = 1 << 32
# A-law byte -> magnitude 0..127 (segment and mantissa); even bits are inverted on the wire (G.711 §3.2).
_MAGNITUDE = bytes((code ^ 0x55) & 0x7F for code in range(256))
LOUD = 0x30  # magnitude above which somebody speaks: segment 3, about -36 dBm0


@dataclass(slots=True)
class Track:
    """One source as it was heard. `start`: samples from the begin of the time line to data[0]."""

    ssrc: int
    start: int
    first_at: int  # RTP time stamp of data[0]
    data: bytearray = field(default_factory=bytearray)  # A-law
    packets: int = 0


def loudness(payload: bytes) -> int:
    """The greatest A-law magnitude in a payload, 0..127."""
    return max(payload.translate(_MAGNITUDE), default=0)


class Listener:
    """One incoming stream, of as many sources as come. `on_key`, `on_sound`: called for each key press and audio payload."""

    def __init__(self, event_type: int = 101, keep: bool = True) -> None:
        self.event_type = event_type
        self.keep = keep  # False: count, but keep no audio
        self.tracks: list[Track] = []
        self.packets = 0
        self.noise = 0  # datagrams that were no RTP of ours
        self.on_key: Callable[[str], None] | None = None
        self.on_sound: Callable[[bytes], None] | None = None
        self._open: dict[int, Track] = {}
        self._last_key: tuple[int, int] | None = None

    def take(self, data: bytes, now: int) -> None:
        """One datagram that came `now` samples after the begin of the call."""
        packet = unpack(data)
        if packet is not None and packet.kind == PCMA:
            self._sound(packet, now)
        elif packet is not None and packet.kind == self.event_type:
            self._key(packet)
        else:
            self.noise += 1

    def _sound(self, packet: Packet, now: int) -> None:
        self.packets += 1
        if self.keep:
            self._place(packet, now)
        if self.on_sound is not None:
            self.on_sound(packet.payload)

    def _place(self, packet: Packet, now: int) -> None:
        track = self._open.get(packet.ssrc)
        offset = (packet.at - track.first_at + _WRAP // 2) % _WRAP - _WRAP // 2 if track is not None else 0
        if track is None or offset < 0 or not -_LATE < track.start + offset - now < _EARLY:
            track, offset = self._new_track(packet, now), 0
        end = offset + len(packet.payload)
        if end > len(track.data):
            track.data.extend(bytes([SILENCE]) * (end - len(track.data)))
        track.data[offset:end] = packet.payload
        track.packets += 1

    def _new_track(self, packet: Packet, now: int) -> Track:
        track = Track(packet.ssrc, now, packet.at)
        self.tracks.append(track)
        self._open[packet.ssrc] = track
        return track

    def _key(self, packet: Packet) -> None:
        """Tell a key once: on the first of its end packets, known by the time stamp of its begin."""
        event = unpack_key(packet.payload)
        if event is None or not event.end or self._last_key == (packet.ssrc, packet.at):
            return
        self._last_key = (packet.ssrc, packet.at)
        if self.on_key is not None:
            self.on_key(event.digit)

    @property
    def length(self) -> int:
        """Samples from the begin of the call to the end of what was heard."""
        return max((track.start + len(track.data) for track in self.tracks), default=0)

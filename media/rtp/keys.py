"""Key presses out of RTP events (RFC 4733): which packets are one press, and when it is over. No I/O.

A press counts once, when it ends: by its end packets, of which any may be lost or repeated; by the next press (§2.5.2.2); or,
when all of that is lost, by silence. A timestamp that moves with each packet of a press is understood too, as some phones have
it, and so are long presses in segments (§2.5.1.3).
"""

from __future__ import annotations

from ops.values import dataclass

KEYS = "0123456789*#ABCD"  # RFC 4733 §3.2: events 0 to 15
SILENCE_MS = 400  # after so long without a packet a press is over: three intervals of 50 ms, and what the way adds
REPEAT_MS = 250  # an end packet is sent again within this time
HEADER, EVENT = 12, 4  # bytes


@dataclass(frozen=True, slots=True)
class Packet:
    """One event packet."""

    payload_type: int
    marker: bool
    timestamp: int
    event: int
    end: bool
    duration: int  # in ticks of the clock rate


@dataclass(frozen=True, slots=True)
class Press:
    """A press that is over."""

    key: str
    ticks: int


def parse(data: bytes) -> Packet | None:
    """An RTP packet that can be a key press; None for all else."""
    if len(data) < HEADER + EVENT or data[0] >> 6 != 2:
        return None
    start = HEADER + 4 * (data[0] & 0x0F)
    if data[0] & 0x10:
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    size = len(data) - start - (data[-1] if data[0] & 0x20 else 0)
    if size < EVENT or data[start] >= len(KEYS):
        return None
    duration = int.from_bytes(data[start + 2 : start + 4], "big")
    timestamp = int.from_bytes(data[4:8], "big")
    return Packet(data[1] & 0x7F, data[1] >= 0x80, timestamp, data[start], data[start + 1] >= 0x80, duration)


class Keys:
    """The presses of one phone. Times are of any steady clock in ms."""

    __slots__ = ("_before", "_heard_ms", "_last", "_open")

    def __init__(self) -> None:
        self._open: Packet | None = None
        self._before = 0  # ticks of earlier segments of the press
        self._last: Packet | None = None  # the last packet of the press that is over
        self._heard_ms = 0

    @property
    def due_ms(self) -> int:
        """When a press that is under way is over unless something is heard; 0: none is."""
        return self._heard_ms + SILENCE_MS if self._open is not None else 0

    def heard(self, packet: Packet, now_ms: int) -> list[Press]:
        """What is over because of a packet."""
        done = self.silent(now_ms)
        if self._open is None and self._repeats(packet, now_ms):
            return done
        if self._open is not None and not self._goes_on(packet):
            done += self._close()
        self._open, self._heard_ms = packet, now_ms
        return done + (self._close() if packet.end else [])

    def silent(self, now_ms: int) -> list[Press]:
        """What is over because nothing was heard until now."""
        return self._close() if self._open is not None and now_ms >= self.due_ms else []

    def _close(self) -> list[Press]:
        assert self._open is not None
        press = Press(KEYS[self._open.event], self._before + self._open.duration)
        self._last, self._open, self._before = self._open, None, 0
        return [press]

    def _repeats(self, packet: Packet, now_ms: int) -> bool:
        """Whether it belongs to the press that is over: late or sent again."""
        last = self._last
        if last is None or packet.event != last.event:
            return False
        if packet.timestamp == last.timestamp:  # a phone whose clock stands still marks the beginning all the same
            return not (packet.marker and now_ms - self._heard_ms > REPEAT_MS)
        return packet.end and last.end and packet.duration == last.duration and now_ms - self._heard_ms < REPEAT_MS

    def _goes_on(self, packet: Packet) -> bool:
        """Whether it belongs to the press that is under way."""
        now = self._open
        assert now is not None
        if packet.event != now.event:
            return False
        if packet.timestamp == now.timestamp:
            return True
        if packet.marker:
            return False
        if (now.timestamp + now.duration) % 2**32 == packet.timestamp and packet.duration < now.duration:
            self._before += now.duration  # the next segment of a long press
            return True
        return packet.duration > now.duration or (packet.end and packet.duration == now.duration)

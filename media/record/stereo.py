"""From packets to sound: caller left, agent right, each where it belongs in time.

Within a stream a packet's place comes from its RTP timestamp, so that jitter on the way is not heard. When that and its
arrival drift apart by over RESYNC (a new stream, a clock that was set, a pause without packets) its arrival counts anew.
Key presses travel in packets of their own type and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from media.record.pcap import BadPcap, Bytes, Ints, Packets
from ops.audio import ALAW, RATE, ULAW, Samples

TABLES = {0: ULAW, 8: ALAW}  # RFC 3551 §6
RESYNC = RATE // 5  # samples
MAX_PAYLOAD = 2000  # bytes: a quarter of a second
MAX_S = 8 * 3600


@dataclass(frozen=True, slots=True)
class Side:
    """What came from one party."""

    packets: int
    lost: int  # by sequence number
    longest_gap_ms: int  # between two packets


@dataclass(frozen=True, slots=True)
class Conversation:
    """Both parties. `samples`: frames x 2 at 8 kHz."""

    samples: Samples
    started_us: int  # first packet, UTC
    caller: Side
    agent: Side
    silent_ms: int  # longest time without a packet from either

    @property
    def duration_ms(self) -> int:
        """Length of the sound."""
        return len(self.samples) * 1000 // RATE


def conversation(packets: Packets, caller_port: int, agent_port: int) -> Conversation:
    """The two parties' sound, told apart by the port they sent to. Raises BadPcap: no voice at all, or an absurd time."""
    voice = packets.only(np.isin(packets.payload_type, list(TABLES)) & (packets.size > 0) & (packets.size <= MAX_PAYLOAD))
    sides = [voice.only(voice.port == port) for port in (caller_port, agent_port)]
    times = np.sort(np.concatenate([side.time_us for side in sides]))
    if not len(times):
        raise BadPcap("no voice in the recording")
    begin, span_us = int(times[0]), int(times[-1] - times[0])
    if span_us > MAX_S * 1_000_000:
        raise BadPcap(f"the recording spans {span_us // 3_600_000_000} hours")
    placed = [_places(side, begin) for side in sides]
    early = min(int(at.min(initial=0)) for at in placed)  # the first packet to arrive need not be the first that was sent
    placed = [at - early for at in placed]
    frames = max(int((at + side.size).max()) for at, side in zip(placed, sides, strict=True) if len(at))
    samples = np.zeros((min(frames, (span_us // 1_000_000 + 1) * RATE), 2), np.int16)
    for channel, (at, side) in enumerate(zip(placed, sides, strict=True)):
        _lay(samples[:, channel], at, side)
    silent = int(np.diff(times).max(initial=0)) // 1000
    return Conversation(samples, begin, _side(sides[0]), _side(sides[1]), silent)


def _places(side: Packets, begin_us: int) -> Ints:
    """The sample at which each packet's sound begins; up to RESYNC before 0."""
    arrival = (side.time_us - begin_us) * RATE // 1_000_000
    step = np.diff(side.timestamp, prepend=side.timestamp[:1])
    step = (step + 2**31) % 2**32 - 2**31  # the timestamp wraps at 32 bits
    expected = np.cumsum(np.where(np.diff(side.ssrc, prepend=side.ssrc[:1]) == 0, step, 0))
    changed = np.diff(side.ssrc, prepend=side.ssrc[:1]) != 0
    base, bases = 0, []
    for number, (drift, new) in enumerate(zip((arrival - expected).tolist(), changed.tolist(), strict=True)):
        if number == 0 or new or abs(drift - base) > RESYNC:
            base = drift
        bases.append(base)
    places: Ints = expected + np.array(bases, np.int64)
    return places


def _lay(channel: Samples, at: Ints, side: Packets) -> None:
    """Decode the packets into the channel; all of one size and type in one go."""
    for size in np.unique(side.size).tolist():
        for kind, table in TABLES.items():
            which = (side.size == size) & (side.payload_type == kind) & (at + size <= len(channel))
            steps = np.arange(size)
            sound: Bytes = side.data[side.start[which][:, None] + steps]
            channel[at[which][:, None] + steps] = table[sound]


def _side(side: Packets) -> Side:
    """Lost packets are counted within each stream, however it was reordered or doubled on the way."""
    lost = 0
    for ssrc in np.unique(side.ssrc).tolist():
        numbers = side.sequence[side.ssrc == ssrc]
        step = (np.diff(numbers) + 2**15) % 2**16 - 2**15
        unwrapped = np.cumsum(np.concatenate([numbers[:1], step]))
        lost += int(unwrapped.max() - unwrapped.min()) + 1 - len(np.unique(unwrapped))
    gap = int(np.diff(np.sort(side.time_us)).max(initial=0)) // 1000
    return Side(len(side), lost, gap)

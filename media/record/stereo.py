"""From packets to sound: caller left, agent right, each where it belongs in time.

Within a stream a packet's place comes from its RTP timestamp, so that jitter on the way is not heard; from its sequence number
where the timestamps stand still or run at a wrong rate. When that and its arrival drift apart by over RESYNC (a new stream, a clock
that was set, a pause without packets) its arrival counts anew. Where nobody sends there is silence, to the end of the conversation.
Key presses travel in packets of their own type and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from media.record.pcap import BadPcap, Ints, Packets
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
    last_us: int = 0  # last packet, UTC; 0: none
    foreign: int = 0  # packets of others that came to the same port, and are left out
    false_clock: bool = False  # its RTP timestamps did not go with its sound: placed by sequence numbers


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


@dataclass(frozen=True, slots=True)
class Party:
    """Whose packets are one side's."""

    port: int  # that they were sent to
    senders: tuple[int, ...] = ()  # that they came from (pcap.sender); (): anybody


def conversation(packets: Packets, caller: Party, agent: Party, talk: tuple[int, int] = (0, 0)) -> Conversation:
    """The two parties' sound, with silence where nobody sent. `talk`: when it began (UTC us) and how long it took (us), if known.

    Raises BadPcap: no voice at all, or an absurd time.
    """
    voice = packets.only(np.isin(packets.payload_type, list(TABLES)) & (packets.size > 0) & (packets.size <= MAX_PAYLOAD))
    sides, foreign = zip(*(_of(voice, party) for party in (caller, agent)), strict=True)
    times = np.sort(np.concatenate([side.time_us for side in sides]))
    if not len(times):
        raise BadPcap("no voice in the recording")
    begin, span_us = int(times[0]), int(times[-1] - times[0])
    if span_us > MAX_S * 1_000_000:
        raise BadPcap(f"the recording spans {span_us // 3_600_000_000} hours")
    begin, span_us = _from_the_start(begin, span_us, talk)
    false = [_false_clock(side) for side in sides]
    placed = [_places(side, begin, by_number) for side, by_number in zip(sides, false, strict=True)]
    early = min(int(at.min(initial=0)) for at in placed)  # the first packet to arrive need not be the first that was sent
    placed = [at - early for at in placed]
    frames = max(int((at + side.size).max()) for at, side in zip(placed, sides, strict=True) if len(at))
    frames = min(max(frames, talk[1] * RATE // 1_000_000), (max(span_us, talk[1]) // 1_000_000 + 1) * RATE)
    samples = np.stack([_laid(frames, at, side) for at, side in zip(placed, sides, strict=True)], axis=1)
    ends = [begin, begin + talk[1]] if talk[1] else []
    silent = int(np.diff(np.sort(np.concatenate([times, np.array(ends, np.int64)]))).max(initial=0)) // 1000
    one, other = (_side(*what) for what in zip(sides, foreign, false, strict=True))
    return Conversation(samples, begin, one, other, silent)


def _of(voice: Packets, party: Party) -> tuple[Packets, int]:
    """The packets of a party, and how many of others came to its port. If all are others', the party is not known well enough."""
    there = voice.only(voice.port == party.port)
    own = np.isin(there.sender, list(party.senders))
    if not party.senders or not own.any():
        return there, 0
    return there.only(own), int((~own).sum())


def _from_the_start(first_us: int, span_us: int, talk: tuple[int, int]) -> tuple[int, int]:
    """Where the sound begins and how long it is: with the talk, if that began a little before the first packet."""
    began, length = talk
    early = first_us - began
    if not length or not 0 < early <= length:
        return first_us, span_us
    return began, span_us + early


def _false_clock(side: Packets) -> bool:
    """Whether the timestamps of neighbouring packets are not a packet's length apart, as a rule."""
    numbers = np.diff(side.sequence) % 2**16
    steps = (np.diff(side.timestamp) + 2**31) % 2**32 - 2**31
    same = (numbers == 1) & (np.diff(side.ssrc) == 0)
    if not same.any():
        return False
    return bool(np.median(np.abs(steps - side.size[:-1])[same]) > np.median(side.size) // 4)


def _places(side: Packets, begin_us: int, by_number: bool) -> Ints:
    """The sample at which each packet's sound begins; up to RESYNC before 0."""
    arrival = (side.time_us - begin_us) * RATE // 1_000_000
    step = np.diff(side.timestamp, prepend=side.timestamp[:1])
    step = (step + 2**31) % 2**32 - 2**31  # the timestamp wraps at 32 bits
    if by_number:
        numbers = np.diff(side.sequence, prepend=side.sequence[:1])
        step = ((numbers + 2**15) % 2**16 - 2**15) * side.size
    changed = np.diff(side.ssrc, prepend=side.ssrc[:1]) != 0
    expected = np.cumsum(np.where(changed, 0, step))
    places: Ints = expected + _bases(arrival - expected, changed)
    return places


def _bases(drift: Ints, changed: npt.NDArray[np.bool_]) -> Ints:
    """Arrival less RTP time, as it was at the start of each stretch that is placed by RTP time alone."""
    if not len(drift) or (not changed.any() and np.abs(drift - drift[0]).max() <= RESYNC):
        return drift[:1]  # one stretch: by far the most
    base, bases = int(drift[0]), []
    for now, new in zip(drift.tolist(), changed.tolist(), strict=True):
        if new or abs(now - base) > RESYNC:
            base = now
        bases.append(base)
    return np.array(bases, np.int64)


def _laid(frames: int, at: Ints, side: Packets) -> Samples:
    """One channel; packets of one size and type are decoded in one go, row by row."""
    channel = np.zeros(frames, np.int16)
    for size in np.unique(side.size).tolist():
        for kind, table in TABLES.items():
            which = (side.size == size) & (side.payload_type == kind) & (at + size <= frames)
            if which.any():
                rows = sliding_window_view(side.data, size)[side.start[which]]
                sliding_window_view(channel, size, writeable=True)[at[which]] = table[rows]
    return channel


def _side(side: Packets, foreign: int, false_clock: bool) -> Side:
    """Lost packets are counted within each stream, however it was reordered or doubled on the way."""
    lost = 0
    for ssrc in np.unique(side.ssrc).tolist():
        numbers = side.sequence[side.ssrc == ssrc]
        step = (np.diff(numbers) + 2**15) % 2**16 - 2**15
        unwrapped = np.cumsum(np.concatenate([numbers[:1], step]))
        lost += int(unwrapped.max() - unwrapped.min()) + 1 - len(np.unique(unwrapped))
    gap = int(np.diff(np.sort(side.time_us)).max(initial=0)) // 1000
    return Side(len(side), lost, gap, int(side.time_us.max(initial=0)), foreign, false_clock)

"""A telephone's audio for tests: speaks a sound in 20 ms packets, presses keys (RFC 4733), and keeps what it hears."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ops.audio import RATE, Samples, correlation, decode_alaw, decode_ulaw, encode_alaw, encode_ulaw

HEADER = struct.Struct("!BBHII")
FRAME = RATE // 50
NUMBERS = {"PCMA": 8, "PCMU": 0}
KEY_TYPE = 101
KEYS = "0123456789*#ABCD"


def voice(seed: int, seconds: float = 4.0) -> Samples:
    """A sound like speech in that it never repeats: noise in syllables. Different seeds have nothing in common."""
    count = round(seconds * RATE)
    noise = np.random.default_rng(seed).standard_normal(count + 8)
    smooth = np.convolve(noise, np.ones(6) / 6, "same")[:count]
    syllables = 0.6 + 0.4 * np.sin(2 * np.pi * (3 + seed % 3) * np.arange(count) / RATE)
    return np.clip(smooth * syllables * 9000, -30_000, 30_000).astype(np.int16)


def likeness(heard: Samples, sound: Samples) -> float:
    """How well the best half second of what was heard fits a sound said over and over: 0 to 1.

    Windows, because a hole or a late packet elsewhere must not spoil the figure.
    """
    return max(windows(heard, sound), default=0.0)


def windows(heard: Samples, sound: Samples) -> Iterator[float]:
    """The likeness of each half second, a quarter apart."""
    again = np.concatenate([sound, sound])
    for at in range(0, max(1, len(heard) - RATE // 2 + 1), RATE // 4):
        yield correlation(heard[at : at + RATE // 2], again)[0]


@dataclass(frozen=True, slots=True)
class Heard:
    """One packet that arrived."""

    at: float  # of the loop's clock
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


class RtpPhone(asyncio.DatagramProtocol):
    """`await RtpPhone.open()`, then sdp() for the other side and connect() with its SDP; `close()` in the end."""

    def __init__(self, codec: str, key_type: int = KEY_TYPE) -> None:
        self.codec, self.key_type = codec, key_type
        self.rates = {key_type: RATE}  # of key presses, as the SDP offers them
        self.loses_ends = False  # no end packet of a key press arrives
        self.moves_ends = False  # each end packet has a timestamp of its own
        self.heard: list[Heard] = []
        self.ssrc = int.from_bytes(os.urandom(4), "big")
        self.sent = 0
        self._sequence, self._timestamp = int.from_bytes(os.urandom(2), "big"), int.from_bytes(os.urandom(4), "big")
        self._target: tuple[str, int] | None = None
        self._sound: Samples = np.zeros(FRAME, np.int16)
        self._position = 0
        self._muted = False
        self._keys: list[tuple[bytes, bool]] = []  # (event payload, first of its key) still to be sent; b"": a pause
        self._pressed_at = 0  # RTP time, the same in all packets of a key
        self._speaker: asyncio.Task[None] | None = None
        self.transport: asyncio.DatagramTransport

    @classmethod
    async def open(cls, codec: str = "PCMA", host: str = "127.0.0.1", key_type: int = KEY_TYPE) -> RtpPhone:
        """A phone on a free even port."""
        loop = asyncio.get_running_loop()
        transport, phone = await loop.create_datagram_endpoint(lambda: cls(codec, key_type), local_addr=(host, 0))
        phone.transport = transport
        return phone

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self.transport.get_extra_info("sockname")[:2]
        return host, port

    def sdp(self, direction: str = "sendrecv") -> bytes:
        """Its SDP: one voice codec and key presses."""
        host, port = self.address
        number = NUMBERS[self.codec]
        lines = ["v=0", f"o=- {port} 1 IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0"]
        keys = " ".join(str(one) for one in self.rates)
        lines += [f"m=audio {port} RTP/AVP {number} {keys}".rstrip(), f"a=rtpmap:{number} {self.codec}/8000"]
        for key, rate in self.rates.items():
            lines += [f"a=rtpmap:{key} telephone-event/{rate}", f"a=fmtp:{key} 0-16"]
        lines += ["a=ptime:20", f"a={direction}"]
        return ("\r\n".join(lines) + "\r\n").encode()

    def connect(self, sdp: bytes) -> int:
        """Speak to the audio of that SDP from now on; its port."""
        host, port = re.search(rb"c=IN IP4 (\S+)", sdp), re.search(rb"m=audio (\d+)", sdp)
        assert host is not None and port is not None, "no audio in the SDP"
        keys = re.search(rb"a=rtpmap:(\d+) telephone-event/8000", sdp)
        if keys is not None and self.rates:  # as RFC 3264 §6.1 wants it
            self.key_type = int(keys[1])
            self.rates = {self.key_type: RATE}
        self._target = (host[1].decode(), int(port[1]))
        if self._speaker is None:
            self._speaker = asyncio.create_task(self._speak())
        return self._target[1]

    def join(self, other: RtpPhone) -> None:
        """Speak to where another phone speaks to, as somebody who has found the port."""
        self._target = other._target
        self._speaker = asyncio.create_task(self._speak())

    @property
    def pressing(self) -> bool:
        """A key is still being pressed."""
        return bool(self._keys)

    def say(self, sound: Samples) -> None:
        """Say this over and over, from its beginning."""
        self._sound, self._position, self._muted = sound, 0, False

    def mute(self) -> None:
        """Send no voice until the next `say`."""
        self._muted = True

    def press(self, keys: str, ms: int = 100) -> None:
        """Press keys one after the other; voice pauses meanwhile."""
        for key in keys:
            ticks = [FRAME * step for step in range(1, max(1, ms // 20) + 1)]
            event = KEYS.index(key)
            self._keys += [(struct.pack("!BBH", event, 10, tick), tick == ticks[0]) for tick in ticks]
            if not self.loses_ends:
                self._keys += [(struct.pack("!BBH", event, 0x80 | 10, ticks[-1]), False)] * 3
            self._keys += [(b"", False)] * 2

    async def _speak(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += 0.02
            await asyncio.sleep(due - loop.time())
            self._tick()

    def _tick(self) -> None:
        if self._keys:
            payload, first = self._keys.pop(0)
            self._pressed_at = self._timestamp if first else self._pressed_at
            if payload:
                moved = FRAME if self.moves_ends and payload[1] & 0x80 else 0
                self._pressed_at = (self._pressed_at + moved) & 0xFFFFFFFF
                self._send(self.key_type | (0x80 if first else 0), payload, self._pressed_at)
            self._timestamp = (self._timestamp + FRAME) & 0xFFFFFFFF
            return
        if self._muted:
            self._timestamp = (self._timestamp + FRAME) & 0xFFFFFFFF
            return
        frame = np.take(self._sound, range(self._position, self._position + FRAME), mode="wrap")
        self._position += FRAME
        encode = encode_alaw if self.codec == "PCMA" else encode_ulaw
        self._send(NUMBERS[self.codec], encode(frame), self._timestamp)
        self._timestamp = (self._timestamp + FRAME) & 0xFFFFFFFF

    def _send(self, kind: int, payload: bytes, timestamp: int) -> None:
        self.transport.sendto(HEADER.pack(0x80, kind, self._sequence, timestamp, self.ssrc) + payload, self._target)
        self._sequence = (self._sequence + 1) & 0xFFFF
        self.sent += 1

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(data) < HEADER.size or 72 <= data[1] & 0x7F <= 76:  # RTCP
            return
        _, kind, sequence, timestamp, ssrc = HEADER.unpack_from(data)
        at = asyncio.get_running_loop().time()
        self.heard.append(Heard(at, kind & 0x7F, sequence, timestamp, ssrc, data[HEADER.size :]))

    def mark(self) -> int:
        """Now, as a place in what is heard."""
        return len(self.heard)

    def sounds(self, since: int = 0) -> list[Samples]:
        """What arrived since a mark, one sound for each source, placed by RTP timestamp."""
        packets = [one for one in self.heard[since:] if one.payload_type in NUMBERS.values()]
        out = []
        for _, source in itertools.groupby(sorted(packets, key=lambda one: one.ssrc), key=lambda one: one.ssrc):
            out.append(_placed(list(source)))
        return out

    def likeness(self, reference: Samples, since: int = 0) -> float:
        """How well what was heard since a mark fits a sound: 0 to 1."""
        return max((likeness(sound, reference) for sound in self.sounds(since)), default=0.0)

    def close(self) -> None:
        """Hang up."""
        if self._speaker is not None:
            self._speaker.cancel()
        self.transport.close()


def keys_heard(phone: RtpPhone, since: int = 0) -> str:
    """The keys that came under the phone's own payload type, each once."""
    events = [one for one in phone.heard[since:] if one.payload_type == phone.key_type and len(one.payload) == 4]
    ends = {(one.ssrc, one.timestamp): KEYS[one.payload[0]] for one in events if one.payload[1] & 0x80}
    return "".join(ends.values())


def _placed(packets: list[Heard]) -> Samples:
    first = packets[0].timestamp
    places = [((one.timestamp - first) + 2**31) % 2**32 - 2**31 for one in packets]
    decoded = [decode_alaw(one.payload) if one.payload_type == 8 else decode_ulaw(one.payload) for one in packets]
    kept = [(place, sound) for place, sound in zip(places, decoded, strict=True) if 0 <= place < 3600 * RATE]
    out = np.zeros(max(place + len(sound) for place, sound in kept), np.int16)
    for place, sound in kept:
        out[place : place + len(sound)] = sound
    return out

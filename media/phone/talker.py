"""What a phone sends: a stream of 20 ms packets made of a file, key presses, silence or nothing. No socket, no clock.

Called once a tick. A key press lasts 160 ms, its packets carry the time stamp of its begin, the last one goes three times
(RFC 4733 §2.5.1), and 60 ms of silence part it from the next one. Audio runs on in time behind a key press, as it does in a phone.
"""

from __future__ import annotations

import random
from collections import deque

from media.phone.packet import DIGITS, EVENTS, FRAME, PCMA, SILENCE, KeyEvent, pack, pack_key

KEY_TICKS = 8
GAP_TICKS = 3
_QUIET = bytes([SILENCE]) * FRAME


class Talker:
    """One outgoing stream. `quiet`: what goes out when there is nothing to say: silence (True) or no packets (False)."""

    def __init__(self, quiet: bool = True, event_type: int = EVENTS) -> None:
        self.quiet = quiet
        self.event_type = event_type  # 0: the other side takes no telephone events
        self.ssrc = random.getrandbits(32)
        self.sent = 0
        self.lost = 0  # packets the system did not take
        self._seq = random.getrandbits(15)
        self._at = random.getrandbits(30)
        self._audio = b""
        self._position = 0
        self._loop = False
        self._keys: deque[str] = deque()
        self._key_tick = 0
        self._resume = True  # the next audio packet opens a talk spurt

    def say(self, alaw: bytes, loop: bool = False) -> None:
        """Speak from now on, in place of what is being said; b"" to fall silent."""
        self._audio, self._position, self._loop = alaw, 0, loop and bool(alaw)

    def press(self, digits: str) -> None:
        """Press keys one after the other. ValueError for what is no key, or when the other side takes no telephone events."""
        wrong = set(digits) - set(DIGITS)
        if wrong:
            raise ValueError(f"no such key: {''.join(sorted(wrong))!r} (keys are {DIGITS})")
        if not self.event_type:
            raise ValueError("the other side offers no telephone-event: send digits by INFO")
        self._keys.extend(digits)

    @property
    def speaking(self) -> bool:
        """Something is left to say."""
        return self._loop or self._position < len(self._audio)

    @property
    def pressing(self) -> bool:
        """A key is held or waits to be pressed."""
        return bool(self._keys)

    def skip(self, ticks: int) -> None:
        """Time went by unsent (the process was held up)."""
        self._at += FRAME * ticks
        self._resume = True

    def tick(self) -> list[bytes]:
        """The packets of the next 20 ms."""
        packets = self._key() if self._keys else self._sound()
        self._at += FRAME
        self.sent += len(packets)
        return packets

    def _key(self) -> list[bytes]:
        self._advance()
        self._key_tick += 1
        self._resume = True
        tick = self._key_tick
        if tick > KEY_TICKS:
            if tick == KEY_TICKS + GAP_TICKS:
                self._keys.popleft()
                self._key_tick = 0
            return []
        end = tick == KEY_TICKS
        payload = pack_key(KeyEvent(self._keys[0], end, FRAME * tick))
        begin = self._at - FRAME * (tick - 1)
        return [self._pack(self.event_type, tick == 1, begin, payload) for _ in range(3 if end else 1)]

    def _sound(self) -> list[bytes]:
        if not self.speaking and not self.quiet:
            self._resume = True
            return []
        marker, self._resume = self._resume, False
        return [self._pack(PCMA, marker, self._at, self._advance())]

    def _advance(self) -> bytes:
        """The next 20 ms of audio, padded with silence, taken from the file or round its end."""
        frame = self._audio[self._position : self._position + FRAME]
        self._position += FRAME
        if len(frame) == FRAME:
            return frame
        if not self._loop:
            return frame + _QUIET[len(frame) :] if frame else _QUIET
        while len(frame) < FRAME:
            self._position = FRAME - len(frame)
            frame += self._audio[: self._position]
        return frame

    def _pack(self, kind: int, marker: bool, at: int, payload: bytes) -> bytes:
        self._seq += 1
        return pack(kind, marker, self._seq, at, self.ssrc, payload)

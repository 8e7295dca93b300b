"""Where the audio of parked legs goes: a socket of the media node's own that throws all away but key presses.

rtpengine tells a key press when its end packet comes, and never if that is lost. So the node reads the events itself. The kernel
drops the voice (a socket filter by length), so Python sees no packet of a caller who presses nothing.
docs/adr/0406-keys-are-read-by-the-node.md tells why.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from media.rtp import keys
from media.rtp.api import Digit
from media.rtp.keys import Keys, Press
from media.ua.api import Leg
from ops.clock import Clock

log = logging.getLogger(__name__)
UDP_HEADER = 8
SMALLEST, LARGEST = UDP_HEADER + keys.HEADER + keys.EVENT, UDP_HEADER + 63  # with UDP header; a voice packet of 10 ms has 100
READS = 64  # datagrams taken in one go
SO_ATTACH_FILTER = 26
# Classic BPF: accept datagrams of a key press's length, nothing else. (code, jump if true, jump if false, value)
FILTER = (
    (0x80, 0, 0, 0),  # A = length
    (0x35, 0, 2, SMALLEST),  # A >= SMALLEST? else reject
    (0x25, 1, 0, LARGEST),  # A > LARGEST? reject
    (0x06, 0, 0, 0xFFFF),  # accept
    (0x06, 0, 0, 0),  # reject
)


@dataclass(slots=True)
class _Heard:
    """A leg that is listened to."""

    leg: Leg
    number: int  # payload type of its key presses
    rate: int  # their ticks a second
    keys: Keys = field(default_factory=Keys)


class Tap:
    """`open()` before use, `close()` after. `tell` gets each key press once, when it is over."""

    def __init__(self, address: str, clock: Clock, tell: Callable[[Digit], None]) -> None:
        self.address, self._clock, self._tell = address, clock, tell
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._heard: dict[int, _Heard] = {}  # by the port of rtpengine that it comes from
        self._ports: dict[Leg, int] = {}
        self._timer: asyncio.TimerHandle | None = None

    def open(self) -> int:
        """Listen; the port. Raises OSError."""
        self._socket.setblocking(False)
        _attach(self._socket)
        self._socket.bind((self.address, 0))
        asyncio.get_running_loop().add_reader(self._socket, self._readable)
        return int(self._socket.getsockname()[1])

    def close(self) -> None:
        """Stop listening."""
        if self._timer is not None:
            self._timer.cancel()
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def listen(self, leg: Leg, port: int, pressed: str) -> None:
        """The leg's audio comes from that port of rtpengine; `pressed`: its key presses as in sdp.Audio.keys."""
        number, _, rate = pressed.partition("/")
        if self._ports.get(leg) != port:
            self.forget(leg)
            self._ports[leg] = port
            self._heard[port] = _Heard(leg, int(number), int(rate))
        else:
            self._heard[port].number, self._heard[port].rate = int(number), int(rate)

    def forget(self, leg: Leg) -> None:
        """The leg is over."""
        port = self._ports.pop(leg, 0)
        heard = self._heard.get(port)
        if heard is not None and heard.leg == leg:  # else the port is another leg's by now
            del self._heard[port]

    def _readable(self) -> None:
        for _ in range(READS):
            try:
                data, (address, port) = self._socket.recvfrom(2048)
            except BlockingIOError:
                return
            except OSError as error:
                log.debug("key presses cannot be read", extra={"error": str(error)})
                return
            heard = self._heard.get(port)
            packet = keys.parse(data)
            if heard is None or packet is None or address != self.address:
                continue
            if packet.payload_type == heard.number:
                self._say(heard, heard.keys.heard(packet, self._clock.mono_ms()))
                self._arm()

    def _say(self, heard: _Heard, presses: list[Press]) -> None:
        for press in presses:
            self._tell(Digit(heard.leg, press.key, press.ticks * 1000 // heard.rate))

    def _arm(self) -> None:
        """One timer for all presses that are under way: few are at any time."""
        if self._timer is None and any(one.keys.due_ms for one in self._heard.values()):
            self._timer = asyncio.get_running_loop().call_later(keys.SILENCE_MS / 4000, self._silent)

    def _silent(self) -> None:
        self._timer = None
        now = self._clock.mono_ms()
        for heard in list(self._heard.values()):
            self._say(heard, heard.keys.silent(now))
        self._arm()


def _attach(to: socket.socket) -> None:
    """Have the kernel drop what cannot be a key press. Raises OSError."""
    code = b"".join(struct.pack("=HBBI", *line) for line in FILTER)
    buffer = ctypes.create_string_buffer(code)
    to.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HxxxxxxP", len(FILTER), ctypes.addressof(buffer)))

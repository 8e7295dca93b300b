"""A process that speaks on many RTP streams at once, as cheaply as Python can: what it uses up must not be missed elsewhere.

    python -m tests.bench.rtp_load --streams N --first-seed S --step D
    it prints {"ports": [..]}        one port a stream, for the SDPs
    it reads {"targets": [..]}       where each stream goes; it speaks from then on
    it reads any further line        and stops: {"sent": [..], "late_ms": worst lateness}

Nothing is received: the recordings tell what arrived.
"""

from __future__ import annotations

import argparse
import gc
import json
import select
import socket
import struct
import sys
import time

from ops.audio import encode_alaw
from tests.kit.rtp_phone import FRAME, voice

SLOTS = 20  # the streams are spread over the 20 ms of a packet
SECONDS = 4  # of sound, over and over
PATIENCE_S = 0.06  # a process that could not run for longer goes on from there: a burst would drown the kernel, not test rtpengine
HEAD = struct.Struct("!BBHII")
PLACE = struct.Struct("!HI")


def frames(seed: int) -> list[bytes]:
    """The sound of a stream in packets."""
    data = encode_alaw(voice(seed, SECONDS))
    return [data[at : at + FRAME] for at in range(0, len(data), FRAME)]


class Stream:
    """One sender."""

    __slots__ = ("frames", "packet", "sent", "sock")

    def __init__(self, seed: int) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)  # nobody reads
        self.sock.bind(("127.0.0.1", 0))
        self.frames = frames(seed)
        self.packet = bytearray(HEAD.size + FRAME)
        HEAD.pack_into(self.packet, 0, 0x80, 8, 0, 0, 0x10000 + seed)
        self.sent = 0

    def tick(self) -> None:
        """Send the next packet."""
        number = self.sent
        PLACE.pack_into(self.packet, 2, number & 0xFFFF, number * FRAME)
        self.packet[HEAD.size :] = self.frames[number % len(self.frames)]
        self.sock.send(self.packet)
        self.sent = number + 1


def speak(streams: list[Stream]) -> float:
    """Send until a line arrives on standard input; the worst lateness in ms."""
    slots = [streams[at::SLOTS] for at in range(SLOTS)]
    step, worst, due, tick = 0.02 / SLOTS, 0.0, time.monotonic(), 0
    while True:
        late = time.monotonic() - due
        if late < 0:
            time.sleep(-late)
        if late > PATIENCE_S:
            due += late
        worst = max(worst, late)
        for stream in slots[tick % SLOTS]:
            stream.tick()
        tick, due = tick + 1, due + step
        if tick % 100 == 0 and select.select([sys.stdin], [], [], 0)[0]:
            return worst * 1000


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", type=int, required=True)
    parser.add_argument("--first-seed", type=int, required=True)
    parser.add_argument("--step", type=int, default=1)
    args = parser.parse_args()
    streams = [Stream(args.first_seed + number * args.step) for number in range(args.streams)]
    print(json.dumps({"ports": [stream.sock.getsockname()[1] for stream in streams]}), flush=True)
    targets = json.loads(sys.stdin.readline())["targets"]
    for stream, target in zip(streams, targets, strict=True):
        stream.sock.connect(("127.0.0.1", target))
    gc.disable()
    late = speak(streams)
    print(json.dumps({"sent": [stream.sent for stream in streams], "late_ms": round(late, 1)}), flush=True)


if __name__ == "__main__":
    main()

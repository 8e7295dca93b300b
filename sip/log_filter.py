"""What stands between Kamailio and its log: standard input to standard error, until Kamailio has ended.

Kamailio writes each packet that it cannot read into its log, whole and several times, before any script could look at it. So no
line may be taken to be short, rare or harmless here. Of each place in Kamailio's source a few messages a minute pass, the rest
is counted; lines are cut, long numbers and the password of Redis are taken out. Kamailio writes without waiting for this
process (sip/edge.py), and what does not fit into the pipe is lost: a log must not hold up calls.

Run as a file of its own: it starts with every edge, and needs nothing of the product.
"""

from __future__ import annotations

import os
import re
import time

LONGEST = 400  # bytes of a line
FIRST = 500  # lines before the first message: what the programs tell at start
LINES = 40  # of one message of Kamailio: a trace of Python has that many
PER_PLACE = 10  # messages a minute of one place in Kamailio's source
OTHERS = 600  # messages a minute without a place: the script's own
PLACES = 500  # so many are told apart
WINDOW_S = 60
BLOCK = 65_536
HEAD = re.compile(rb" *\d+\(\d+\) [A-Z]+: ")
PLACE = re.compile(rb"\[([a-z0-9_/.-]{1,60}:\d{1,5})\]")
PASSWORD = re.compile(rb"redis://:[^@]*@")
NUMBER = re.compile(rb"(?<![0-9A-Fa-f-])(\d{3})\d{3,}(\d{2})(?![0-9A-Fa-f-])")  # 8 digits and more, but not within an id


class Filter:
    """Blocks in, what is to be written out. No I/O; times are seconds of any steady clock."""

    def __init__(self) -> None:
        self._rest = b""  # a line that has not ended
        self._ended = 0.0  # of the window
        self._passed: dict[bytes, int] = {}  # by place, in this window
        self._left = FIRST  # lines of the message under way that may still pass

    def feed(self, block: bytes, now_s: float) -> bytes:
        """The lines that pass of what came."""
        out = self._turn(now_s) if now_s >= self._ended else []
        *lines, rest = (self._rest + block).split(b"\n")
        self._rest = rest[: LONGEST + 1]  # longer than it may be, so that it is cut for certain
        out += [cut(line) for line in lines if self._passes(line)]
        return b"".join(line + b"\n" for line in out)

    def end(self) -> bytes:
        """What is left when nothing more comes."""
        return self.feed(b"\n", self._ended) if self._rest else b""

    def _turn(self, now_s: float) -> list[bytes]:
        """A new window; how much of the one before was left out."""
        told = [
            b"log: %d messages of %s were left out" % (count - most(place), place or b"the script")
            for place, count in self._passed.items()
            if count > most(place)
        ]
        self._passed, self._ended = {}, now_s + WINDOW_S
        return told

    def _passes(self, line: bytes) -> bool:
        head = HEAD.match(line)
        if head is not None:
            found = PLACE.search(line, head.end(), head.end() + 100)
            place = found[1] if found is not None else b""
            if place not in self._passed and len(self._passed) >= PLACES:
                place = b""
            count = self._passed[place] = self._passed.get(place, 0) + 1
            self._left = LINES if count <= most(place) else 0
        self._left -= 1
        return self._left >= 0


def most(place: bytes) -> int:
    """How many messages of a place pass in a window."""
    return PER_PLACE if place else OTHERS


def cut(line: bytes) -> bytes:
    """A line as it may stand in the log."""
    short = line if len(line) <= LONGEST else line[:LONGEST] + b" .."
    return NUMBER.sub(rb"\1****\2", PASSWORD.sub(b"redis://:***@", short))


def main() -> None:
    """Until the last process of Kamailio has closed the pipe."""
    lines = Filter()
    while block := os.read(0, BLOCK):
        write(lines.feed(block, time.monotonic()))
    write(lines.end())


def write(text: bytes) -> None:
    """All of it; a full disk costs the lines."""
    try:
        while text:
            text = text[os.write(2, text) :]
    except OSError:
        return


if __name__ == "__main__":
    main()

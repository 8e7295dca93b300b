"""What stands in rtpengine's longer answers."""

from __future__ import annotations

from media.rtp.bencode import Value
from media.rtp.ng import Reply


def sender_of(reply: Reply, tag: str) -> tuple[str, int] | None:
    """Where the audio of a leg comes from, if rtpengine has decided that; from its answer to `query` or `delete`."""
    stream = walk(reply, "tags", tag, "medias", 0, "streams", 0)
    flags, address, port = walk(stream, "flags"), walk(stream, "endpoint", "address"), walk(stream, "endpoint", "port")
    if not isinstance(flags, list) or b"confirmed" not in flags or not isinstance(address, bytes) or not isinstance(port, int):
        return None
    return address.decode("ascii", "replace"), port


def last_packet_ms(reply: Reply, tag: str) -> int:
    """When the last packet of a leg came, strangers' too; 0 if none did."""
    stream = walk(reply, "tags", tag, "medias", 0, "streams", 0)
    packets, last = walk(stream, "stats", "packets"), walk(stream, "last packet")
    return last * 1000 if packets and isinstance(last, int) else 0


def walk(value: Value | None, *steps: str | int) -> Value | None:
    """What stands at the end of the steps, None if the way is not there."""
    here = value
    for step in steps:
        if isinstance(here, dict) and isinstance(step, str):
            here = here.get(step)
        elif isinstance(here, list) and isinstance(step, int) and step < len(here):
            here = here[step]
        else:
            return None
    return here

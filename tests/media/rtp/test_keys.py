"""Which RTP events are one key press, and when it is over (RFC 4733), without a network."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.rtp.keys import REPEAT_MS, SILENCE_MS, Keys, Packet, Press, parse

STEP = 160


def press(event: int, timestamp: int, updates: int = 5, ends: int = 3, moved: int = 0) -> list[Packet]:
    """The packets of one press, 20 ms apart; `moved`: by how much the timestamp of each end packet is wrong."""
    packets = [Packet(101, step == 1, timestamp, event, False, step * STEP) for step in range(1, updates + 1)]
    return packets + [Packet(101, False, timestamp + moved * one, event, True, updates * STEP) for one in range(ends)]


def heard(packets: list[Packet], keys: Keys | None = None, start_ms: int = 1000) -> str:
    """The keys, if those packets come 20 ms apart."""
    keys = keys or Keys()
    return "".join(one.key for at, packet in enumerate(packets) for one in keys.heard(packet, start_ms + 20 * at))


def test_a_press_counts_once_when_it_ends() -> None:
    """Three end packets, late updates and repeats of them all are one press with its length."""
    keys, packets = Keys(), press(2, 8000)
    assert [keys.heard(one, 1000) for one in packets] == [[]] * 5 + [[Press("2", 800)], [], []]
    assert heard([packets[2], packets[5]], keys) == ""


@pytest.mark.parametrize("kept", [(0,), (1,), (2,), (0, 2), (1, 2)])
def test_any_end_packet_is_enough(kept: tuple[int, ...]) -> None:
    """One of the three end packets is enough, whichever it is."""
    packets = press(7, 8000)
    assert heard(packets[:5] + [packets[5 + one] for one in kept]) == "7"
    assert heard([packets[5 + one] for one in kept]) == "7"


def test_the_next_press_ends_one_whose_end_is_lost() -> None:
    """RFC 4733 §2.5.2.2: a new event ends the one before, of another key and of the same."""
    assert heard(press(2, 8000, ends=0) + press(1, 16_000)) == "21"
    assert heard(press(2, 8000, ends=0) + press(2, 16_000)) == "22"


def test_silence_ends_a_press_whose_end_is_lost() -> None:
    """The last key counts although nothing follows it, and only once if an end packet comes very late."""
    keys, packets = Keys(), press(9, 8000)
    assert heard(packets[:5], keys) == ""
    assert keys.silent(keys.due_ms - 1) == []
    assert keys.silent(keys.due_ms) == [Press("9", 800)]
    assert keys.due_ms == 0
    assert keys.heard(packets[5], 1000 + SILENCE_MS + 100) == []


def test_end_packets_with_moving_timestamps_are_one_press() -> None:
    """A phone that counts the timestamp on in its end packets pressed one key; the next press of it counts again."""
    keys = Keys()
    assert heard(press(4, 8000, moved=STEP), keys) == "4"
    assert heard(press(4, 16_000, moved=STEP), keys, 1000 + 140 + REPEAT_MS) == "4"


def test_updates_with_moving_timestamps_are_one_press() -> None:
    """A phone that counts the timestamp on in every packet pressed one key."""
    packets = press(4, 8000)
    assert (
        heard([Packet(101, one.marker, one.timestamp + STEP * at, 4, one.end, one.duration) for at, one in enumerate(packets)])
        == "4"
    )


def test_a_clock_that_stands_still() -> None:
    """With one timestamp for ever each beginning that is marked is a press."""
    keys = Keys()
    assert heard(press(3, 77), keys) == "3"
    assert heard(press(3, 77), keys, 2000) == "3"


def test_a_long_press_in_segments_is_one() -> None:
    """RFC 4733 §2.5.1.3: the event goes on under a new timestamp where the duration overflows."""
    first = [Packet(101, True, 0, 5, False, 160), Packet(101, False, 0, 5, False, 65_440)]
    second = [Packet(101, False, 65_440, 5, False, 160), Packet(101, False, 65_440, 5, True, 320)]
    keys = Keys()
    assert [one for packet in first + second for one in keys.heard(packet, 1000)] == [Press("5", 65_760)]


@given(st.binary(max_size=120))
def test_no_packet_raises(data: bytes) -> None:
    """Whatever comes is an event packet or none, and is taken quietly."""
    packet = parse(data)
    if packet is not None:
        Keys().heard(packet, 5)


def test_what_is_an_event_packet() -> None:
    """Header extensions, sources and padding are passed over; events that are no keys (16: flash) are none."""
    event = bytes([2, 0x8A]) + (800).to_bytes(2, "big")
    head = bytes([0x80, 0xE5, 0, 1]) + (7).to_bytes(4, "big") + bytes(4)
    packet = Packet(101, True, 7, 2, True, 800)
    assert parse(head + event) == packet
    assert parse(bytes([0x91]) + head[1:] + bytes(4) + b"\xbe\xde\x00\x01" + bytes(4) + event) == packet
    assert parse(bytes([0xA0]) + head[1:] + event + bytes([0, 0, 0, 4])) == packet
    assert parse(head + bytes([16]) + event[1:]) is None
    assert parse(head + event[:3]) is None

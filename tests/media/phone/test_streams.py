"""What a phone says and hears, packet by packet, without sockets."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.phone.listener import Listener, loudness
from media.phone.packet import EVENTS, FRAME, PCMA, SILENCE, KeyEvent, Packet, pack, pack_key, unpack, unpack_key
from media.phone.talker import Talker

SPEECH = random.Random(7).randbytes(FRAME * 10)


def heard(listener: Listener) -> bytes:
    return b"".join(bytes(track.data) for track in listener.tracks)


def test_what_is_said_is_heard() -> None:
    """A spoken file arrives byte for byte, in frames of 20 ms, one marker at its begin."""
    talker, listener = Talker(), Listener()
    talker.say(SPEECH)
    packets = [unpack(one) for _ in range(10) for one in talker.tick()]
    assert [p.marker for p in packets if p] == [True] + [False] * 9
    for n, one in enumerate(packets):
        assert one is not None
        listener.take(pack(one.kind, one.marker, one.seq, one.at, one.ssrc, one.payload), n * FRAME)
    assert heard(listener) == SPEECH
    assert not talker.speaking


def test_a_loop_has_no_seam() -> None:
    """A looped file whose length is no multiple of a frame goes on from its end to its begin without a gap."""
    talker = Talker()
    talker.say(SPEECH[:250], loop=True)
    said = b"".join(p.payload for _ in range(5) for one in talker.tick() if (p := unpack(one)))
    assert said == (SPEECH[:250] * 4)[: FRAME * 5]


def test_a_file_shorter_than_a_frame_loops() -> None:
    """Very short audio is repeated inside a frame."""
    talker = Talker()
    talker.say(b"abc", loop=True)
    assert [p.payload for one in talker.tick() if (p := unpack(one))] == [(b"abc" * 60)[:FRAME]]


def test_quiet_is_silence_or_nothing() -> None:
    """With nothing to say a phone sends silence, or no packets at all, as told."""
    spoken = [unpack(one) for one in Talker(quiet=True).tick()]
    assert [p.payload for p in spoken if p] == [bytes([SILENCE]) * FRAME]
    assert Talker(quiet=False).tick() == []


def test_keys_are_heard_once_each_and_in_order() -> None:
    """Every pressed key is told once, though its end goes out three times."""
    talker, listener = Talker(), Listener()
    got: list[str] = []
    listener.on_key = got.append
    talker.press("1223*#")
    for n in range(80):
        for one in talker.tick():
            listener.take(one, n * FRAME)
    assert "".join(got) == "1223*#"
    assert not talker.pressing


def test_key_packets_follow_the_rfc() -> None:
    """One key: one time stamp, growing duration, marker on the first, three ends; the sound goes on in time (RFC 4733)."""
    talker = Talker()
    before = unpack(talker.tick()[0])
    talker.press("5")
    packets = [p for _ in range(12) for one in talker.tick() if (p := unpack(one))]
    keys = [p for p in packets if p.kind == EVENTS]
    after = next(p for p in packets if p.kind == PCMA)
    assert before is not None
    assert {p.at for p in keys} == {before.at + FRAME}
    assert [p.marker for p in keys] == [True] + [False] * 9
    events = [unpack_key(p.payload) for p in keys]
    assert [e.samples for e in events if e] == [160, 320, 480, 640, 800, 960, 1120, 1280, 1280, 1280]
    assert [e.end for e in events if e] == [False] * 7 + [True] * 3
    assert after.at == before.at + FRAME * 12
    assert [(b.seq - a.seq) & 0xFFFF for a, b in itertools.pairwise(packets)] == [1] * (len(packets) - 1)


def test_a_wrong_key_is_refused() -> None:
    """A key that no phone has is an error that names it; so are keys for a side that takes no events."""
    with pytest.raises(ValueError, match="'x'"):
        Talker().press("1x")
    with pytest.raises(ValueError, match="INFO"):
        Talker(event_type=0).press("1")


def test_order_loss_and_duplicates() -> None:
    """Packets are placed by time stamp: swapped ones in order, lost ones as silence, doubled ones once."""
    frames = [SPEECH[n * FRAME : (n + 1) * FRAME] for n in range(6)]
    listener = Listener()
    for n in (0, 2, 1, 1, 5):
        listener.take(pack(PCMA, False, n, 2**32 - 160 + n * FRAME, 9, frames[n]), n * FRAME)
    gap = bytes([SILENCE]) * FRAME
    assert heard(listener) == frames[0] + frames[1] + frames[2] + gap + gap + frames[5]
    assert listener.length == 6 * FRAME


def test_every_source_has_its_own_place() -> None:
    """A second source (the agent after the music) gets its own track, placed where it began to be heard."""
    listener = Listener()
    listener.take(pack(PCMA, False, 1, 500, 1, SPEECH[:FRAME]), 0)
    listener.take(pack(PCMA, False, 1, 90_000, 2, SPEECH[FRAME : 2 * FRAME]), 8000)
    assert [(t.ssrc, t.start) for t in listener.tracks] == [(1, 0), (2, 8000)]


def test_reading_late_changes_nothing() -> None:
    """A process that was held up for a second finds its packets where their time stamps say, in one track."""
    listener = Listener()
    listener.take(pack(PCMA, False, 0, 0, 1, SPEECH[:FRAME]), 0)
    for n in range(1, 50):
        listener.take(pack(PCMA, False, n, n * FRAME, 1, SPEECH[:FRAME]), 8000)
    assert len(listener.tracks) == 1
    assert listener.length == 50 * FRAME


def test_a_player_that_jumps_gets_a_new_track() -> None:
    """Time stamps that leap ahead of the arrival do not stretch the recording."""
    listener = Listener()
    listener.take(pack(PCMA, False, 0, 0, 1, SPEECH[:FRAME]), 0)
    listener.take(pack(PCMA, False, 1, 10_000_000, 1, SPEECH[:FRAME]), FRAME)
    assert listener.length == 2 * FRAME


@given(st.binary(max_size=80))
def test_noise_is_counted_not_raised(data: bytes) -> None:
    """Whatever comes on the port, nothing is raised."""
    listener = Listener()
    listener.take(data, 0)
    assert listener.packets + listener.noise <= 1


def test_headers_with_extras_are_read() -> None:
    """Contributing sources, an extension and padding are taken off; RTCP and impossible lengths are no RTP."""
    head = bytes([0x80 | 0x20 | 0x10 | 1, PCMA, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]) + b"csrc" + b"\x00\x01\x00\x01" + b"extn"
    assert unpack(head + b"abc" + b"\x00\x02") == Packet(PCMA, False, 1, 2, 3, b"abc")
    assert unpack(head + b"\xff") is None
    assert unpack(bytes([0x9F]) + bytes(11)) is None
    assert unpack(bytes([0x80, 200]) + bytes(26)) is None


def test_key_payloads() -> None:
    """A key event survives packing; a short or unknown one is None."""
    event = KeyEvent("#", True, 1280)
    assert unpack_key(pack_key(event)) == event
    assert unpack_key(b"\x01") is None
    assert unpack_key(b"\x10\x80\x00\xa0") is None


def test_loudness() -> None:
    """Silence is not loud, full scale is, an empty packet is neither."""
    assert loudness(bytes([SILENCE, 0x55])) == 0
    assert loudness(bytes([SILENCE, 0x2A, SILENCE])) == 127
    assert loudness(b"") == 0

"""From pcap bytes to two channels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from media.record.pcap import BadPcap, parse, sender
from media.record.stereo import Party, conversation
from ops.audio import RATE, correlation, decode_alaw, decode_ulaw, encode_alaw, encode_ulaw
from tests.kit.rtp_phone import voice
from tests.media.record.make import AGENT_PORT, CALLER_PORT, FILE_HEADER, START_US, packet, pcap, stream

PARTIES = (Party(CALLER_PORT), Party(AGENT_PORT))
LEFT, RIGHT = voice(1, 2.0), voice(2, 2.0)
GOOD = pcap(stream(LEFT, CALLER_PORT), stream(RIGHT, AGENT_PORT, kind=0, ssrc=2))


def test_channels_are_what_was_spoken() -> None:
    """Left is the caller's A-law, right the agent's mu-law, sample by sample, over wraps of sequence and timestamp."""
    heard = conversation(parse(GOOD), *PARTIES)
    assert heard.samples.shape == (16_000, 2)
    assert (heard.samples[:, 0] == decode_alaw(encode_alaw(LEFT))).all()
    assert (heard.samples[:, 1] == decode_ulaw(encode_ulaw(RIGHT))).all()
    assert (heard.caller.lost, heard.agent.lost, heard.caller.packets) == (0, 0, 100)


def test_jitter_is_not_heard() -> None:
    """Packets late by up to 80 ms, swapped and doubled stand where they belong all the same."""
    rng = np.random.default_rng(5)
    late = [(at + int(rng.integers(0, 80_000)), record) for at, record in stream(LEFT, CALLER_PORT)]
    moved = [(at, _at(record, at)) for at, record in [*late, *late[10:20]]]
    heard = conversation(parse(pcap(moved)), *PARTIES)
    assert correlation(decode_alaw(encode_alaw(LEFT)), heard.samples[:, 0])[0] > 0.999
    assert heard.caller.lost == 0


def _at(record: bytes, at_us: int) -> bytes:
    return (at_us // 1_000_000).to_bytes(4, "little") + (at_us % 1_000_000).to_bytes(4, "little") + record[8:]


def test_a_new_stream_and_a_pause_go_by_arrival() -> None:
    """A second source, and one whose clock stood still for a second, begin where they arrived."""
    first = stream(LEFT[:8000], CALLER_PORT)
    second = stream(LEFT[8000:], CALLER_PORT, start_us=START_US + 2_000_000, ssrc=9, sequence=7)
    heard = conversation(parse(pcap(first, second)), *PARTIES)
    assert not heard.samples[RATE : 2 * RATE, 0].any()
    assert (heard.samples[2 * RATE :, 0] == decode_alaw(encode_alaw(LEFT[8000:]))).all()
    stood = [(at + 1_000_000, _at(record, at + 1_000_000)) for at, record in stream(LEFT, CALLER_PORT)[50:]]
    heard = conversation(parse(pcap(first, stood)), *PARTIES)
    assert not heard.samples[RATE : 2 * RATE, 0].any()
    assert (heard.samples[2 * RATE :, 0] == decode_alaw(encode_alaw(LEFT[8000:]))).all()


def test_lost_packets_are_counted_and_silent() -> None:
    """Ten packets that never came are ten lost and a hole in their place."""
    records = stream(LEFT, CALLER_PORT)
    heard = conversation(parse(pcap(records[:30] + records[40:])), *PARTIES)
    assert heard.caller.lost == 10
    assert not heard.samples[30 * 160 : 40 * 160, 0].any()
    assert heard.caller.longest_gap_ms == heard.silent_ms == 220


def test_key_presses_are_not_heard() -> None:
    """Telephone events, RTCP and strangers' ports leave no trace in the sound."""
    noise = [(START_US + n, packet(CALLER_PORT, START_US + n, b"\x05\x0a\x03\x20", n, 400, kind=101)) for n in range(50)]
    noise += [(START_US + n, packet(CALLER_PORT, START_US + n, bytes(24), n, 0, kind=72)) for n in range(50)]
    noise += [(START_US + n, packet(CALLER_PORT + 1, START_US + n, bytes(160), n, 0)) for n in range(50)]
    heard = conversation(parse(pcap(stream(LEFT, CALLER_PORT), noise)), *PARTIES)
    assert (heard.samples[:, 0] == decode_alaw(encode_alaw(LEFT))).all()


@pytest.mark.parametrize("jump", [80_000, -80_000])
def test_a_clock_that_jumps_leaves_sound_where_it_was_heard(jump: int) -> None:
    """Timestamps that jump ahead or back by ten seconds in the middle move no sound."""
    records = stream(LEFT, CALLER_PORT)
    jumped = records[:50] + stream(LEFT, CALLER_PORT, clock=2**32 - 8000 + jump)[50:]
    heard = conversation(parse(pcap(jumped)), *PARTIES)
    assert (heard.samples[:, 0] == decode_alaw(encode_alaw(LEFT))).all()
    assert not heard.caller.false_clock


@pytest.mark.parametrize("step", [0, 80, 320])
def test_a_false_clock_costs_no_sound(step: int) -> None:
    """With timestamps that stand still or run at a wrong rate all of a side is heard in its order, and that is noted."""
    heard = conversation(parse(pcap(stream(LEFT, CALLER_PORT, step=step), stream(RIGHT, AGENT_PORT, ssrc=2))), *PARTIES)
    assert (heard.samples[:, 0] == decode_alaw(encode_alaw(LEFT))).all()
    assert (heard.caller.false_clock, heard.agent.false_clock) == (True, False)


def test_who_is_silent_has_silence() -> None:
    """A talk that began before the first packet and ended after the last one has silence there, to the millisecond."""
    records = stream(LEFT, CALLER_PORT, start_us=START_US + 1_000_000)
    heard = conversation(parse(pcap(records)), *PARTIES, (START_US, 6_000_000))
    assert heard.duration_ms == 6000
    assert not heard.samples[:RATE].any() and not heard.samples[3 * RATE :].any() and not heard.samples[:, 1].any()
    assert (heard.samples[RATE : 3 * RATE, 0] == decode_alaw(encode_alaw(LEFT))).all()
    assert heard.silent_ms == 3020


def test_a_stranger_is_not_recorded() -> None:
    """What others sent to a party's port is left out and counted; where none of it is the party's, nobody is left out."""
    thief = stream(RIGHT, CALLER_PORT, ssrc=7, place=("127.0.8.8", 9000))
    data = parse(pcap(stream(LEFT, CALLER_PORT, place=("127.0.0.2", 4000)), thief))
    heard = conversation(data, Party(CALLER_PORT, (sender("127.0.0.2:4000"),)), Party(AGENT_PORT))
    assert (heard.samples[:, 0] == decode_alaw(encode_alaw(LEFT))).all()
    assert (heard.caller.packets, heard.caller.foreign) == (100, 100)
    unknown = conversation(data, Party(CALLER_PORT, (sender("127.0.0.9:4000"),)), Party(AGENT_PORT))
    assert (unknown.caller.packets, unknown.caller.foreign) == (200, 0)


@pytest.mark.parametrize("cut", [1, 100, 217, 5000])
def test_a_cut_end_costs_only_the_end(cut: int) -> None:
    """A file that a crash cut short gives all that is whole."""
    assert len(parse(GOOD[:-cut])) == 200 - (cut + 215) // 216


@pytest.mark.parametrize("data", [b"", b"RIFF" * 20, FILE_HEADER[:20] + bytes([1, 0, 0, 0]), FILE_HEADER[:10]])
def test_no_pcap(data: bytes) -> None:
    """Another kind of file, another link type, a cut header: BadPcap."""
    with pytest.raises(BadPcap):
        parse(data)


def test_absurd_times_are_refused() -> None:
    """Two packets years apart do not make a file of years."""
    far = [(START_US * 2, packet(AGENT_PORT, START_US * 2, bytes(160), 1, 1))]
    with pytest.raises(BadPcap, match="hours"):
        conversation(parse(pcap(stream(LEFT, CALLER_PORT), far)), *PARTIES)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.lists(st.tuples(st.integers(0, 2000), st.binary(min_size=1, max_size=8)), max_size=6))
@example(b"", [(24 + 8, b"\xff\xff\xff\xff")])
def test_any_bytes(tail: bytes, spoils: list[tuple[int, bytes]]) -> None:
    """Any bytes after a file's head, and any bytes over a good file, give a conversation within bounds or BadPcap."""
    good = bytearray(GOOD[:2000])
    for at, spoil in spoils:
        good[at : at + len(spoil)] = spoil
    for data in (FILE_HEADER + tail, bytes(good), tail):
        try:
            heard = conversation(parse(data), *PARTIES)
        except BadPcap:
            continue
        assert len(heard.samples) <= 8 * 3600 * RATE + RATE

"""From pcap bytes to two channels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from media.record.pcap import BadPcap, parse
from media.record.stereo import conversation
from ops.audio import RATE, correlation, decode_alaw, decode_ulaw, encode_alaw, encode_ulaw
from tests.kit.rtp_phone import voice
from tests.media.record.make import AGENT_PORT, CALLER_PORT, FILE_HEADER, START_US, packet, pcap, stream

LEFT, RIGHT = voice(1, 2.0), voice(2, 2.0)
GOOD = pcap(stream(LEFT, CALLER_PORT), stream(RIGHT, AGENT_PORT, kind=0, ssrc=2))


def test_channels_are_what_was_spoken() -> None:
    """Left is the caller's A-law, right the agent's mu-law, sample by sample, over wraps of sequence and timestamp."""
    heard = conversation(parse(GOOD), CALLER_PORT, AGENT_PORT)
    assert heard.samples.shape == (16_000, 2)
    assert (heard.samples[:, 0] == decode_alaw(encode_alaw(LEFT))).all()
    assert (heard.samples[:, 1] == decode_ulaw(encode_ulaw(RIGHT))).all()
    assert (heard.caller.lost, heard.agent.lost, heard.caller.packets) == (0, 0, 100)


def test_jitter_is_not_heard() -> None:
    """Packets late by up to 80 ms, swapped and doubled stand where they belong all the same."""
    rng = np.random.default_rng(5)
    late = [(at + int(rng.integers(0, 80_000)), record) for at, record in stream(LEFT, CALLER_PORT)]
    moved = [(at, _at(record, at)) for at, record in [*late, *late[10:20]]]
    heard = conversation(parse(pcap(moved)), CALLER_PORT, AGENT_PORT)
    assert correlation(decode_alaw(encode_alaw(LEFT)), heard.samples[:, 0])[0] > 0.999
    assert heard.caller.lost == 0


def _at(record: bytes, at_us: int) -> bytes:
    return (at_us // 1_000_000).to_bytes(4, "little") + (at_us % 1_000_000).to_bytes(4, "little") + record[8:]


def test_a_new_stream_and_a_pause_go_by_arrival() -> None:
    """A second source, and one whose clock stood still for a second, begin where they arrived."""
    first = stream(LEFT[:8000], CALLER_PORT)
    second = stream(LEFT[8000:], CALLER_PORT, start_us=START_US + 2_000_000, ssrc=9, sequence=7)
    heard = conversation(parse(pcap(first, second)), CALLER_PORT, AGENT_PORT)
    assert not heard.samples[RATE : 2 * RATE, 0].any()
    assert (heard.samples[2 * RATE :, 0] == decode_alaw(encode_alaw(LEFT[8000:]))).all()
    stood = [(at + 1_000_000, _at(record, at + 1_000_000)) for at, record in stream(LEFT, CALLER_PORT)[50:]]
    heard = conversation(parse(pcap(first, stood)), CALLER_PORT, AGENT_PORT)
    assert not heard.samples[RATE : 2 * RATE, 0].any()
    assert (heard.samples[2 * RATE :, 0] == decode_alaw(encode_alaw(LEFT[8000:]))).all()


def test_lost_packets_are_counted_and_silent() -> None:
    """Ten packets that never came are ten lost and a hole in their place."""
    records = stream(LEFT, CALLER_PORT)
    heard = conversation(parse(pcap(records[:30] + records[40:])), CALLER_PORT, AGENT_PORT)
    assert heard.caller.lost == 10
    assert not heard.samples[30 * 160 : 40 * 160, 0].any()
    assert heard.caller.longest_gap_ms == heard.silent_ms == 220


def test_key_presses_are_not_heard() -> None:
    """Telephone events, RTCP and strangers' ports leave no trace in the sound."""
    noise = [(START_US + n, packet(CALLER_PORT, START_US + n, b"\x05\x0a\x03\x20", n, 400, kind=101)) for n in range(50)]
    noise += [(START_US + n, packet(CALLER_PORT, START_US + n, bytes(24), n, 0, kind=72)) for n in range(50)]
    noise += [(START_US + n, packet(CALLER_PORT + 1, START_US + n, bytes(160), n, 0)) for n in range(50)]
    heard = conversation(parse(pcap(stream(LEFT, CALLER_PORT), noise)), CALLER_PORT, AGENT_PORT)
    assert (heard.samples[:, 0] == decode_alaw(encode_alaw(LEFT))).all()


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
        conversation(parse(pcap(stream(LEFT, CALLER_PORT), far)), CALLER_PORT, AGENT_PORT)


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
            heard = conversation(parse(data), CALLER_PORT, AGENT_PORT)
        except BadPcap:
            continue
        assert len(heard.samples) <= 8 * 3600 * RATE + RATE

"""The SDP of a phone."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.phone.sdp import BadSdp, Remote, answer_direction, describe, read

GOOD = describe("127.0.0.9", 4000)


def test_own_description_is_read_back() -> None:
    """What we write, we read: address, port, event type, direction."""
    assert read(GOOD) == Remote("127.0.0.9", 4000, 101)
    assert read(describe("127.0.0.9", 4002, 2, "sendonly", 0)) == Remote("127.0.0.9", 4002, 0, "sendonly")


def test_event_type_of_the_other_side_is_taken() -> None:
    """Telephone events may come under any payload type; one that is mapped but not offered does not count."""
    assert read(GOOD.replace(b"101", b"97")).event_type == 97
    assert read(GOOD.replace(b"AVP 8 101", b"AVP 8")).event_type == 0


@pytest.mark.parametrize(
    ("theirs", "ours", "listens"),
    [
        ("sendrecv", "sendrecv", True),
        ("sendonly", "recvonly", False),
        ("recvonly", "sendonly", True),
        ("inactive", "inactive", False),
    ],
)
def test_hold_is_answered(theirs: str, ours: str, listens: bool) -> None:
    """Each direction gets its counterpart, and a side that holds us is not sent to (RFC 3264 §6.1)."""
    assert answer_direction(theirs) == ours
    assert read(describe("127.0.0.9", 4000, direction=theirs)).listens is listens


def test_old_hold_is_a_hold() -> None:
    """c=0.0.0.0 means do not send."""
    assert not read(describe("0.0.0.0", 4000)).listens


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b"", "v=0|line 1"),
        (GOOD.replace(b"m=audio", b"m=video"), "audio"),
        (GOOD.replace(b"AVP 8", b"AVP 0"), "A-law"),
        (GOOD.replace(b"RTP/AVP", b"RTP/SAVP"), "SAVP"),
        (GOOD.replace(b"m=audio 4000", b"m=audio 99999"), "port"),
        (GOOD.replace(b"IN IP4 127.0.0.9\r\nt=", b"IN IP6 ::1\r\nt="), "IPv4"),
        (GOOD.replace(b"c=IN IP4 127.0.0.9", b"c=IN IP4 phone.example"), "IPv4"),
        (GOOD.replace(b"c=IN IP4 127.0.0.9\r\n", b""), "c="),
    ],
)
def test_unusable_sdp_says_why(bad: bytes, why: str) -> None:
    """An SDP that cannot be used is a BadSdp that names the fault."""
    with pytest.raises(BadSdp, match=why):
        read(bad)


@given(st.binary(max_size=200), st.integers(0, len(GOOD)))
def test_any_bytes_are_read_or_refused(junk: bytes, at: int) -> None:
    """Junk inside an SDP never raises anything but BadSdp."""
    with contextlib.suppress(BadSdp):
        assert 0 <= read(GOOD[:at] + junk + GOOD[at:]).event_type < 128

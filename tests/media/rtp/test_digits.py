"""Key presses as rtpengine logs them."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.rtp.api import Digit
from media.rtp.digits import KEYS, BadDigit, parse
from media.ua.api import Leg
from ops.ids import CallId, LegId

REAL = {"callid": "c1", "source_tag": "a", "tags": ["a", "D-a"], "type": "DTMF", "timestamp": 1795311597}
REAL |= {"source_ip": "127.0.0.1", "event": 11, "duration": 160, "volume": 10}


def test_a_key_press() -> None:
    """What rtpengine 10.5 sends is read as leg, key and duration."""
    assert parse(json.dumps(REAL).encode()) == Digit(Leg(CallId("c1"), LegId("a")), "#", 160)


@pytest.mark.parametrize("change", [{"event": 16}, {"event": -1}, {"event": "5"}, {"event": True}, {"callid": 7}, {"type": "x"}])
def test_refused(change: dict[str, object]) -> None:
    """Wrong types and unknown events are BadDigit, whose text has no key in it."""
    with pytest.raises(BadDigit):
        parse(json.dumps(REAL | change).encode())


@given(
    st.binary(max_size=100)
    | st.dictionaries(st.sampled_from(list(REAL)), st.integers() | st.text()).map(lambda d: json.dumps(d).encode())
)
def test_any_bytes(data: bytes) -> None:
    """Any datagram is a key press or BadDigit."""
    with contextlib.suppress(BadDigit):
        assert parse(data).digit in KEYS

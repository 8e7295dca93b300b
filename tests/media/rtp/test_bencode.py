"""Bencode: what goes out comes back; anything else is BadBencode and nothing worse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.rtp.bencode import MAX_BYTES, MAX_DEPTH, BadBencode, Value, decode, encode, flat

values = st.recursive(
    st.integers(-(10**18), 10**18) | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_round_trip(value: Value) -> None:
    """Every value survives encoding and decoding."""
    assert decode(encode(value)) == value


@given(st.dictionaries(st.sampled_from(["sdp", "to-tag", "repeat-times"]) | st.text(max_size=8), values | st.text(max_size=9)))
def test_flat(fields: dict[str, Value | str]) -> None:
    """The quick way for a command's fields gives the same bytes."""
    assert b"d%be" % flat(fields) == encode(fields)


@given(st.binary(max_size=200) | st.text("dlei:0123456789-ab", max_size=60).map(str.encode))
def test_any_bytes(data: bytes) -> None:
    """Any bytes decode to a value whose encoding is no longer, or raise BadBencode."""
    try:
        value = decode(data)
    except BadBencode:
        return
    assert len(encode(value)) == len(data)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"i", b"i-0e", b"i01e", b"ie", b"i1", b"5:abc", b"-1:a", b"01:a", b"1:ab", b"d1:ae", b"di1ei2ee", b"l", b"x"),
        *(b"i1ei2e", b"d1:ai1e1:ai2ee", b"d1:\xffi1ee", b"l" * 5000, b"i" + b"9" * 30 + b"e", b"99999999999999999999:a"),
    ],
)
def test_refused(data: bytes) -> None:
    """Cut, padded, doubled, too deep, too long: refused by name."""
    with pytest.raises(BadBencode):
        decode(data)


def test_bounds() -> None:
    """Depth and size end where the module says."""
    nested = b"l" * MAX_DEPTH + b"e" * MAX_DEPTH
    assert decode(nested) is not None
    with pytest.raises(BadBencode):
        decode(b"l" + nested + b"e")
    with pytest.raises(BadBencode, match=str(MAX_BYTES)):
        decode(b"%d:" % MAX_BYTES + b"a" * MAX_BYTES)
    with pytest.raises(BadBencode):
        encode(True)

"""Which key presses count."""

from __future__ import annotations

from media.call.pressed import TWICE_MS, Pressed


def heard(*presses: tuple[str, str, int]) -> str:
    """The keys that count."""
    pressed = Pressed()
    return "".join(digit for digit, way, at in presses if pressed.counts(digit, way, at))


def test_a_key_that_comes_as_info_and_as_rtp_counts_once() -> None:
    """In either order, and two presses of one key, each sent twice, are two."""
    assert heard(("5", "info", 0), ("5", "rtp", 120)) == "5"
    assert heard(("5", "rtp", 0), ("5", "info", 120)) == "5"
    assert heard(("5", "info", 0), ("5", "rtp", 120), ("5", "info", 300), ("5", "rtp", 420)) == "55"
    assert heard(("5", "info", 0), ("5", "info", 200), ("5", "rtp", 250), ("5", "rtp", 450)) == "55"


def test_keys_of_one_way_all_count() -> None:
    """A phone with one way alone is never thought to repeat itself, nor is another key or a later one."""
    assert heard(("5", "rtp", 0), ("5", "rtp", 100), ("6", "info", 150)) == "556"
    assert heard(("5", "rtp", 0), ("5", "info", TWICE_MS + 1)) == "55"

"""What is looked for when a person types a number or a part of one."""

from __future__ import annotations

import time

import pytest

from ops.number_plan import searched


@pytest.mark.parametrize(
    ("typed", "looked_for"),
    [
        ("+86 138-0000-0007", ("13800000007",)),
        ("8613800000007", ("13800000007",)),
        ("01013800000007", ("01013800000007", "1013800000007")),  # Beijing's area code before a mobile number is no number
        ("027", ("027", "27")),
        ("+86138", ("+86138", "138")),
        ("0086138", ("0086138", "138")),
        ("004420", ("004420", "4420")),
        ("+86", ("+86", "86")),
        ("+44 20 7946 0958", ("442079460958",)),
        ("95500", ("95500",)),
        ("00000007", ("00000007",)),
        ("1001", ("1001",)),
        ("sales-team", ("sales-team",)),
        ("*1#", ("*1#",)),
        ("+", ("+",)),
        ("  ", ()),
        ("", ()),
    ],
)
def test_what_is_looked_for(typed: str, looked_for: tuple[str, ...]) -> None:
    """Whole numbers by their national digits, parts with and without the prefix, names as they are."""
    assert searched(typed, "CN") == looked_for


def test_another_country_reads_its_own_numbers() -> None:
    """A centre in Hong Kong takes numbers without a country code for its own and those of the mainland for foreign ones."""
    assert searched("+852 2123 4567", "HK") == ("21234567",)
    assert searched("+86 138 0000 0007", "HK") == ("8613800000007",)


def test_nonsense_costs_little() -> None:
    """64 kB of digits, dashes or prefixes are looked for as they are, without an error, in a moment."""
    began = time.perf_counter()
    for text in ("0" * 65_536, "+" * 65_536, "-" * 65_536, "17951" * 13_000, "86" * 32_000):
        searched(text, "CN")
    assert time.perf_counter() - began < 2

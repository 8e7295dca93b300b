"""Which numbers callbacks may dial (ops/numbering.py)."""

from __future__ import annotations

import pytest

from ops.numbering import Destinations

CENTRE = Destinations("CN", (), ("12345", "4001234", "02512345678", "13800138000"))


@pytest.mark.parametrize(
    "number", ["13812345678", "+8613812345678", "008613812345678", "013812345678", "02587654321", "+862587654321"]
)
def test_subscribers_of_the_own_country(number: str) -> None:
    """Mobile and fixed numbers, in every form that carriers write."""
    assert CENTRE.refusal(number) == ""


REFUSED = [
    "110", "119", "120", "12110", "12345", "10086", "95588", "4001234567", "8008101234", "+88216123456789", "+870773111632", "",
    "+1900555000", "+19005550000", "+16502530000", "+85221231234", "16812345", "0", "+", "*67", "1381234567", "138123456789012345",
    "13812345678;ext=1", "13812345678@x", "9" * 65_536, "+86" + "1" * 40, "+8602512345678", "13800138000", "+8613800138000",
    "02512345678",
]  # fmt: skip


@pytest.mark.parametrize("number", REFUSED)
def test_all_else_is_refused(number: str) -> None:
    """Emergency and short numbers, services, shared-cost and premium numbers, satellites, other countries, numbers of this centre
    in any form, and what is no number."""
    assert CENTRE.refusal(number) != ""


def test_other_countries_by_configuration() -> None:
    """Named countries may be dialled, their premium numbers may not."""
    centre = Destinations("CN", ("CN", "HK"), ())
    assert centre.refusal("+85221231234") == "" and centre.refusal("13812345678") == ""
    assert centre.refusal("+85290012345678") != "" and centre.refusal("+16502530000") != ""

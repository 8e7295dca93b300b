"""The number that a user part stands for, who withholds his number, and numbers in logs."""

from __future__ import annotations

import pytest

from ops.numbers import LONGEST_NUMBER, calling_number, mask, number_of
from router.core.home import home_of
from router.core.route import listed_as
from tests.kit.numbers import CALLERS, USERS


@pytest.mark.parametrize(("user", "number"), USERS)
def test_number_of_a_user_part(user: str, number: str) -> None:
    """Escapes, parameters and separators are no part of the number."""
    assert number_of(user) == number


@pytest.mark.parametrize(("user", "number"), [pair for pair in USERS if pair[1] == "+8613900000000"])
def test_every_form_has_the_same_home_and_list_entry(user: str, number: str) -> None:
    """Whatever form a number comes in, its home area is known and the blacklist finds it."""
    assert home_of(number_of(user), "CN") == home_of(number, "CN")
    assert home_of(number, "CN").country == "CN"
    assert listed_as(number_of(user), "CN") == listed_as(number, "CN")


def test_bytes_that_are_no_text() -> None:
    """Escapes and bytes that are no UTF-8 are replaced, and a long user part is cut."""
    assert number_of("caf%E9") == "caf�"
    assert number_of("caf\udce9") == "caf�"
    assert len(number_of("9" * 65_536)) == LONGEST_NUMBER


@pytest.mark.parametrize(("asserted", "sender", "privacy", "shown"), CALLERS)
def test_who_withholds_his_number(asserted: tuple[str, str] | None, sender: tuple[str, str], privacy: str, shown: str) -> None:
    """Privacy words and names that stand for nobody withhold the number; an asserted identity goes before From."""
    assert calling_number([*([asserted] if asserted else []), sender], privacy) == shown


@pytest.mark.parametrize(("number", "shown"), [("13812345678", "138****5678"), ("12345", "1***5"), ("12", "**"), ("", "")])
def test_masked(number: str, shown: str) -> None:
    """A log shows the ends of a number at most."""
    assert mask(number) == shown

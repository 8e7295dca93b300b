"""From a stream entry to a fact: what is one is taken, whatever else comes is told in words and never fails otherwise."""

from __future__ import annotations

import json

import pytest
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError, SQLAlchemyError

from console.ledger.database import away
from console.ledger.intake import LARGEST, take_or_why
from ops.facts import Fact, decode, encode
from tests.console.samples import answered, called_back, guest, refused

T0 = 1_760_000_000_000
BAD = [
    (b"{", "not JSON"),
    (b"\xff\xfe", "utf-8"),
    (b'{"id":"x","at_ms":1,"tenant":"main","unheard_of":{}}', "exactly one known kind"),
    (b'{"id":"x","at_ms":1,"tenant":"other","digits":{}}', "tenant"),
    (b'{"id":"x","at_ms":-5,"tenant":"main","digits":{}}', "at_ms"),
    (b'{"id":"x","at_ms":99999999999999999999,"tenant":"main","digits":{}}', "at_ms"),
    (b'{"id":"x","at_ms":1,"tenant":"main","digits":{"tries":"many"}}', "digits.tries"),
    (b'{"id":"x","at_ms":1,"tenant":"main","digits":{"tries":1e400}}', "digits.tries"),
    (b'{"id":"x","at_ms":1,"tenant":"main","call":7,"digits":{}}', "must be text"),
    (b'{"id":"x","at_ms":1,"tenant":"main","call_ended":{"menu_path":[1]}}', "menu_path"),
    (b'{"id":"x","at_ms":1,"tenant":"main","call_started":{"home":{"city":5}}}', "home.city"),
    (b"[" * 100_000, "recursion"),
    (b'{"id":"","at_ms":1,"tenant":"main","digits":{}}', "empty id"),
]


@pytest.mark.parametrize(("raw", "why"), BAD, ids=[why for _, why in BAD])
def test_what_is_no_fact_is_told_in_words(raw: bytes, why: str) -> None:
    """Each mistake has its words."""
    told = take_or_why(raw, "main")
    assert isinstance(told, str) and why.lower() in told.lower()


def test_an_entry_without_its_field() -> None:
    """An entry that has no fact at all is told as well."""
    assert take_or_why(None, "main") == "the entry has no field f"


@pytest.mark.parametrize("maker", [answered, refused, called_back, guest])
def test_facts_are_taken_as_they_were_written(maker: object) -> None:
    """Whatever the writers write is taken, and is what `decode` reads; nothing may follow it."""
    assert callable(maker)
    for fact in maker(T0).facts:
        assert take_or_why(encode(fact).encode(), "main") == fact == decode(encode(fact))
        assert isinstance(take_or_why(encode(fact).encode() + b"x", "main"), str)


def entry(at_ms: object = 1, tries: object = 1) -> bytes:
    return json.dumps({"id": "x", "at_ms": at_ms, "tenant": "main", "digits": {"tries": tries}}).encode()


@pytest.mark.parametrize("number", [0, 1, LARGEST])
def test_the_largest_numbers_are_taken(number: int) -> None:
    """Numbers up to the largest that every database and JSON reader keeps, in a time and, with either sign, in a body."""
    assert isinstance(take_or_why(entry(at_ms=number), "main"), Fact)
    for tries in (number, -number):
        assert isinstance(take_or_why(entry(tries=tries), "main"), Fact)


def test_larger_numbers_are_not() -> None:
    """One more is refused."""
    for raw in (entry(at_ms=LARGEST + 1), entry(at_ms=-1), entry(tries=LARGEST + 1), entry(tries=-LARGEST - 1), entry(at_ms=1.5)):
        assert isinstance(take_or_why(raw, "main"), str)


def test_true_is_no_number() -> None:
    """JSON's true and false are no numbers, in a time or in a body."""
    assert isinstance(take_or_why(entry(at_ms=True), "main"), str) and isinstance(take_or_why(entry(tries=True), "main"), str)


def broken(kind: type[DBAPIError], connection_lost: bool = False) -> SQLAlchemyError:
    return kind("insert", {}, Exception("x"), connection_invalidated=connection_lost)


def test_what_may_be_tried_again() -> None:
    """A database that is down, locked or full may take the same later; bad data never, unless the connection was lost over it."""
    assert away(broken(OperationalError)) and away(broken(DataError, connection_lost=True))
    assert not away(broken(DataError)) and not away(broken(IntegrityError)) and not away(SQLAlchemyError("x"))

"""A sorted set as Redis has it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator

_LAST = "\U0010ffff"


class Line:
    """Members in the order of (score, id)."""

    __slots__ = ("_order", "_score")

    def __init__(self) -> None:
        self._order: list[tuple[float, str]] = []
        self._score: dict[str, float] = {}

    def add(self, member: str, score: float) -> None:
        """In, or to another place."""
        if member in self._score:
            self.remove(member)
        self._score[member] = score
        insort(self._order, (score, member))

    def remove(self, member: str) -> bool:
        """Out; whether it was in."""
        score = self._score.pop(member, None)
        if score is not None:
            del self._order[bisect_left(self._order, (score, member))]
        return score is not None

    def score(self, member: str) -> float:
        """Of one that is in."""
        return self._score[member]

    def first(self) -> tuple[float, str] | None:
        """Score and id at the head."""
        return self._order[0] if self._order else None

    def head(self, count: int) -> list[str]:
        """The first so many."""
        return [member for _, member in self._order[:count]]

    def rank(self, member: str) -> int | None:
        """From 0."""
        score = self._score.get(member)
        return None if score is None else bisect_left(self._order, (score, member))

    def before(self, score: float) -> int:
        """How many have less than this score."""
        return bisect_left(self._order, (score, ""))

    def upto(self, score: float) -> list[str]:
        """All with at most this score, in order."""
        return [member for _, member in self._order[: bisect_right(self._order, (score, _LAST))]]

    def __len__(self) -> int:
        return len(self._order)

    def __contains__(self, member: str) -> bool:
        return member in self._score

    def __iter__(self) -> Iterator[tuple[float, str]]:
        return iter(self._order)

"""Phone numbers where people can see them who should not: never whole in a log."""

from __future__ import annotations


def mask(number: str) -> str:
    """`13812345678` -> `138****5678`; short ones keep only their ends. For logs and errors, never for data."""
    if len(number) < 8:
        return number[:1] + "*" * max(0, len(number) - 2) + number[-1:] if len(number) > 2 else "*" * len(number)
    return f"{number[:3]}****{number[-4:]}"

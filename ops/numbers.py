"""Phone numbers as SIP carries them, who withholds his, and numbers where people can see them who should not.

`number_of` is what the product means by the number of a user part; `calling_number` is the one rule for callers who withhold
theirs. Edge and media node take both from here, so router and ledger are told the same by either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

LONGEST_USER = 128  # characters of a user part that are looked at; a longer one is no number, and costs no more than this
LONGEST_NUMBER = 64  # what the router takes
_NUMBER = re.compile(r"\+?[0-9*#]+\Z")
_SEPARATORS = str.maketrans("", "", "-.() ")
_WITHHELD_WORDS = frozenset(["id", "user", "header"])  # RFC 3325, RFC 3323
_WITHHELD_NAMES = frozenset(["anonymous", "unavailable", "restricted", "unknown", "private"])
_WITHHELD_HOSTS = frozenset(["anonymous.invalid", "unknown.invalid"])


def number_of(user: str) -> str:
    """The number (or name) that the user part of a SIP URI, or the rest of a tel URI, stands for.

    Unescaped (RFC 3261 §19.1.4), without the parameters of a telephone subscriber such as `;cpc=` or `;npdi` (RFC 3966 §3) and
    without its visual separators. A local number stays as it was dialled, whatever its `;phone-context`.
    """
    text = unquote(user[:LONGEST_USER], errors="replace").partition(";")[0]
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")[:LONGEST_NUMBER]
    number = text.translate(_SEPARATORS)
    return number if _NUMBER.match(number) else text


def withheld(privacy: str) -> bool:
    """Does a Privacy header ask that the caller's number is not shown?"""
    return not _WITHHELD_WORDS.isdisjoint(word.strip() for word in privacy[:LONGEST_USER].lower().split(";"))


def calling_number(identities: Iterable[tuple[str, str]], privacy: str) -> str:
    """The caller's number; "" if the caller withholds it.

    `identities`: user part and host of each P-Asserted-Identity and then of From, in order; the host of a tel URI is "". The
    first that names somebody counts: what a network asserts goes before what the caller writes.
    """
    if withheld(privacy):
        return ""
    for user, host in identities:
        number = number_of(user)
        if number:
            return "" if number.lower() in _WITHHELD_NAMES or host.lower() in _WITHHELD_HOSTS else number
    return ""


def mask(number: str) -> str:
    """`13812345678` -> `138****5678`; short ones keep only their ends. For logs and errors, never for data."""
    if len(number) < 8:
        return number[:1] + "*" * max(0, len(number) - 2) + number[-1:] if len(number) > 2 else "*" * len(number)
    return f"{number[:3]}****{number[-4:]}"

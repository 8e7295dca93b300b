"""The forms in which one phone number is written, by the numbering plan of phonenumbers (libphonenumber).

What is ours: carriers hand in `+86 138...`, `0086138...`, `86138...`, `0138...` and numbers behind IP-telephony prefixes such as
17951, and people type any of them, with spaces and dashes, to find a call.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber

# Call-by-call prefixes of China's carriers that may still stand before a calling number (179xx: YD/T 1314; the others are China
# Mobile's, Unicom's and Telecom's own). Taken off only if a valid number remains.
IP_PREFIX = re.compile(r"^(179\d\d|12593|11808|10193)(?=\d{7,})")
_PUNCTUATION = re.compile(r"[\s\-\u2010-\u2015\u2212().,/]")  # what people write between digits


def _tries(number: str, country: str) -> list[str]:
    """What the number may mean, likeliest first."""
    plain = _PUNCTUATION.sub("", number)
    code = str(phonenumbers.country_code_for_region(country))
    bare = IP_PREFIX.sub("", plain) if country == "CN" else plain
    found = []
    for text in dict.fromkeys((plain, bare)):
        digits = text.lstrip("+")
        if digits.startswith("00"):
            found.append("+" + digits[2:])
        found.append(text)
        if digits.startswith(code):
            found.append("+" + digits)
        if text.startswith("0"):
            found.append(text[1:])  # a trunk 0 before a mobile number
    return found


@lru_cache(maxsize=65_536)
def parsed(number: str, country: str) -> PhoneNumber | None:
    """The valid number it means for a centre in `country`, else None."""
    if not _PUNCTUATION.sub("", number).lstrip("+").isdigit():
        return None
    for text in _tries(number, country):
        try:
            found = phonenumbers.parse(text, country)
        except NumberParseException:
            continue
        if phonenumbers.is_valid_number(found):
            return found
    return None


def canonical(number: str, country: str) -> str:
    """E.164 with +, or the digits as they are if it is no valid number (service numbers, prefixes)."""
    found = parsed(number, country)
    if found is not None:
        return str(phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164))
    return _PUNCTUATION.sub("", number)


def searched(text: str, country: str) -> tuple[str, ...]:
    """What to look for in calling and called numbers so that `text`, whole or in part, finds every form of the same number.

    A whole number gives its national digits (with the country code if it is of another country), which every form contains. A
    part that begins with an international or trunk prefix is looked for with and without it. Names stay as they are.
    """
    typed = unicodedata.normalize("NFKC", text).strip()
    plain = _PUNCTUATION.sub("", typed)
    if not plain.removeprefix("+").isdecimal():
        return (typed,) if typed else ()
    found = parsed(plain, country)
    if found is not None:
        national = phonenumbers.national_significant_number(found)
        ours = found.country_code == phonenumbers.country_code_for_region(country)
        return (national if ours else f"{found.country_code}{national}",)
    return tuple(dict.fromkeys((plain, _without_prefix(plain, country))))


def _without_prefix(part: str, country: str) -> str:
    """The beginning of a number without what stands before its national digits: +86138 -> 138, 0044 -> 44, 027 -> 27."""
    code = str(phonenumbers.country_code_for_region(country))
    abroad = part[1:] if part.startswith("+") else part[2:] if re.match("00[1-9]", part) else ""
    if abroad:
        return abroad.removeprefix(code) or abroad
    return part[1:] if re.match("0[1-9]", part) else part

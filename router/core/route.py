"""Whether a call is ours to take, and under which keys its caller may stand in the blacklist [N3]."""

from __future__ import annotations

from collections.abc import Iterable

from ops.number_plan import canonical

SIP_STATUS = {"REASON_BLACKLISTED": 603, "REASON_UNKNOWN_NUMBER": 404, "REASON_UNKNOWN_TRUNK": 403}


def refusal(trunk: str, called: str, trunks: Iterable[str], numbers: Iterable[str], country: str) -> str:
    """Name of the reason to refuse the call before anybody is asked, "" if there is none. No numbers: every number is ours."""
    if trunk not in trunks:
        return "REASON_UNKNOWN_TRUNK"
    ours = {canonical(number, country) for number in numbers}
    return "REASON_UNKNOWN_NUMBER" if ours and canonical(called, country) not in ours else ""


def blacklist_key(number: str, country: str) -> str:
    """Key of a configured entry; a trailing * makes it a prefix: of the canonical number if it begins with +, else of what came."""
    if number.endswith("*"):
        return "^" + number[:-1]
    return "=" + canonical(number, country)


def listed_as(calling: str, country: str) -> tuple[str, ...]:
    """Keys under which a caller may be listed, most exact first; () if the number is withheld."""
    if not calling:
        return ()
    full = canonical(calling, country)
    national = full.removeprefix("+86") if country == "CN" else full
    forms = dict.fromkeys((full, national, "0" + national, calling))
    prefixes = (f"^{form[:n]}" for form in forms for n in range(len(form), 0, -1))
    return ("=" + full, *dict.fromkeys(prefixes))

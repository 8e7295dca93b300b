"""Which numbers may be called back. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import phonenumbers
from phonenumbers import PhoneNumberType, shortnumberinfo

from ops.number_plan import canonical, parsed

LONGEST = 32  # characters; E.164 has 15 digits
_PLAIN_KINDS = frozenset((PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE))


@dataclass(frozen=True, slots=True)
class Destinations:
    """Which numbers callbacks may dial: plain subscribers' numbers of some countries. Whoever dials or lets dial asks this: the
    media node before it offers a callback, the router when it is asked for one, the edge before a call leaves."""

    country: str = "CN"  # where the centre is: how numbers are read
    countries: tuple[str, ...] = ()  # may be dialled; (): the centre's own
    own: tuple[str, ...] = ()  # the centre's service numbers

    def refusal(self, number: str) -> str:
        """Why it may not be dialled, for a log; "" if it may. Premium, shared-cost, satellite, emergency and other short
        numbers, and numbers of services, are no subscribers'."""
        found = parsed(number, self.country) if len(number) <= LONGEST else None
        if found is None or shortnumberinfo.is_emergency_number(number, self.country):
            return "no subscriber's number"
        if phonenumbers.region_code_for_number(found) not in (self.countries or (self.country,)):
            return "a number of another country"
        if phonenumbers.number_type(found) not in _PLAIN_KINDS:
            return "neither a fixed nor a mobile number"
        if canonical(number, self.country) in {canonical(one, self.country) for one in self.own}:
            return "a number of this centre"
        return ""

"""User parts as carriers write them, and callers who withhold theirs: one table for the rule (ops/numbers.py), edge and media."""

from __future__ import annotations

USERS = [
    ("13900000000", "13900000000"),
    ("+8613900000000", "+8613900000000"),
    ("+8613900000000;cpc=ordinary", "+8613900000000"),
    ("+8613900000000;npdi;rn=+8613441", "+8613900000000"),
    ("%2B8613900000000", "+8613900000000"),
    ("%2b8613900000000;cpc=ordinary", "+8613900000000"),
    ("+8613900000000%3Bcpc=ordinary", "+8613900000000"),
    ("+86-139-0000-0000", "+8613900000000"),
    ("(027)8550.0000", "02785500000"),
    ("12345;npdi", "12345"),
    ("12345;phone-context=+86", "12345"),
    ("%31%32345", "12345"),
    ("*21%23", "*21#"),
    ("alice.b-c", "alice.b-c"),
    ("alice;x=y", "alice"),
    (";cpc=ordinary", ""),
]

NUMBER = "13811113333"
FROM = ("13822224444", "pbx.example")
ASSERTED = (NUMBER, "carrier.example")
NOBODY = ("anonymous", "anonymous.invalid")
CALLERS = [  # P-Asserted-Identity, From, Privacy, the number that is shown
    (None, FROM, "", FROM[0]),
    (ASSERTED, FROM, "", NUMBER),
    (ASSERTED, NOBODY, "", NUMBER),
    ((NUMBER + ";cpc=ordinary", "carrier.example"), NOBODY, "", NUMBER),
    (ASSERTED, FROM, "none", NUMBER),
    (ASSERTED, FROM, "session", NUMBER),
    (ASSERTED, FROM, "id", ""),
    (ASSERTED, FROM, "header", ""),
    (ASSERTED, FROM, "user;critical", ""),
    (ASSERTED, FROM, "session; ID", ""),
    (("Restricted", "carrier.example"), FROM, "", ""),
    (None, NOBODY, "", ""),
    (None, ("Anonymous", "x.example"), "", ""),
    (None, ("Restricted", "x.example"), "", ""),
    (None, ("unavailable", "unknown.invalid"), "", ""),
    (None, ("13822224444", "anonymous.invalid"), "", ""),
]

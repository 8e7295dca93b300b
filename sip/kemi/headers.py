"""Header texts of the platform: what the edge adds towards media nodes and what it reads of callers. Pure."""

from __future__ import annotations

import re
from urllib.parse import quote

from ops.numbers import calling_number, number_of

CALL = "X-Tierline-Call"
TRUNK = "X-Tierline-Trunk"
HOME = "X-Tierline-Home"
ROUTED = "X-Tierline-Routed"
VIP = "X-Tierline-Vip"
LONGEST = 1024  # characters of a header value that are read for a number

_NODE = re.compile(r";n=([A-Za-z0-9_-]+)")
_LEG = re.compile(r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.[A-Za-z0-9]+\Z")
_CALL = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_PLACEMENT = re.compile(rf"({_CALL})\.p\d{{1,16}}\Z")
_PLACED = re.compile(rf";p=({_CALL}\.p\d{{1,16}})\b")


def identity_of(value: str) -> tuple[str, str]:
    """User part and host of the URI in a name-addr, addr-spec or tel URI (then the number and ""); ("", "") if there is none.

    Looks at a bounded start of the value, in one pass.
    """
    text = value[:LONGEST].strip()
    if text.startswith('"'):
        text = text[_end_of_quoted(text) :]
    _, bracket, inside = text.partition("<")
    scheme, _, rest = (inside.partition(">")[0] if bracket else text).strip().partition(":")
    if scheme.lower() == "tel":
        return rest.strip(), ""
    user, at, host = rest.rpartition("@")
    if scheme.lower() not in ("sip", "sips") or not at:
        return "", ""
    return user.partition(":")[0], host.partition(";")[0].partition(":")[0]


def _end_of_quoted(text: str) -> int:
    """Behind the closing quote of a text that begins with one; its length if none closes."""
    at = 1
    while at < len(text) and text[at] != '"':
        at += 2 if text[at] == "\\" else 1
    return at + 1


def calling_of(asserted: str, sender: str, privacy: str) -> str:
    """The caller's number by P-Asserted-Identity (RFC 3325), else by From; "" if the caller withholds it (ops/numbers.py)."""
    return calling_number([identity_of(asserted), identity_of(sender)], privacy)


def diversion_of(diversion: str, history: str) -> str:
    """Who the call was meant for before: the first Diversion (RFC 5806), else the last History-Info (RFC 7044)."""
    return number_of(identity_of(diversion or history)[0])


def node_of(route: str) -> str:
    """The media node named in a Record-Route or Route value of ours (`;n=m1`); "" if none is."""
    found = _NODE.search(route)
    return found[1] if found else ""


def placement_of(route: str) -> str:
    """The placement named in the first Route value, if that is a Record-Route of ours for another centre's call; "" if none is."""
    found = _PLACED.search(route.partition(",")[0])
    return found[1] if found else ""


def call_of_placement(placement: str) -> str:
    """The CallId in a PlacementId; "" if it is none."""
    found = _PLACEMENT.match(placement)
    return found[1] if found else ""


def sent_by(via: str) -> str:
    """`host:port` of the first Via value, in lower case; "" if it is none."""
    words = via.split(None, 1)
    return words[1].partition(";")[0].partition(",")[0].strip().lower() if len(words) == 2 else ""


def call_of(user: str) -> str:
    """The CallId in the user part `<callid>.<leg>` of a media leg's Contact; "" if it has another form."""
    found = _LEG.match(user)
    return found[1] if found else ""


def home_value(country: str, province: str, city: str, carrier: str) -> str:
    """`country;province;city;carrier`, each percent-encoded UTF-8."""
    return ";".join(quote(part, safe="") for part in (country, province, city, carrier))


def inside(call: str, trunk: str, home: str, routed: str, vip: str = "") -> str:
    """The platform's header lines of an INVITE towards a media node, without the last line end."""
    lines = [f"{CALL}: {call}", f"{TRUNK}: {quote(trunk, safe='')}", f"{ROUTED}: {routed}"]
    lines += [f"{HOME}: {home}"] if home else []
    lines += [f"{VIP}: {vip}"] if vip else []
    return "\r\n".join(lines)

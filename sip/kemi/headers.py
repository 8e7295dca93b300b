"""Header texts of the platform: what the edge adds towards media nodes and what it reads of callers. Pure."""

from __future__ import annotations

import re
from urllib.parse import quote

CALL = "X-Tierline-Call"
TRUNK = "X-Tierline-Trunk"
HOME = "X-Tierline-Home"
ROUTED = "X-Tierline-Routed"
VIP = "X-Tierline-Vip"

_USER = re.compile(r"<?\s*(?:sips?:([^@;>:\s]+)(?::[^@>]*)?@|tel:([^;>\s]+))", re.IGNORECASE)
_NODE = re.compile(r";n=([A-Za-z0-9_-]+)")
_LEG = re.compile(r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.[A-Za-z0-9]+\Z")
_CALL = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_PLACEMENT = re.compile(rf"({_CALL})\.p\d{{1,16}}\Z")
_PLACED = re.compile(rf";p=({_CALL}\.p\d{{1,16}})\b")
_WITHHELD = frozenset(["anonymous", "unavailable", "restricted", "unknown", "private"])


def user_of(value: str) -> str:
    """User part of the first URI in a name-addr, addr-spec or tel URI; "" if there is none."""
    found = _USER.search(value)
    return (found[1] or found[2] or "") if found else ""


def calling_of(asserted: str, from_user: str, privacy: str) -> str:
    """The caller's number: P-Asserted-Identity (RFC 3325), else From; "" if the caller withholds it (RFC 3323)."""
    if any(word.strip() in ("id", "user", "header") for word in privacy.lower().split(";")):
        return ""
    user = user_of(asserted) or from_user
    return "" if user.lower() in _WITHHELD else user


def diversion_of(diversion: str, history: str) -> str:
    """Who the call was meant for before: the first Diversion (RFC 5806), else the last History-Info (RFC 7044)."""
    return user_of(diversion) if diversion else user_of(history.rsplit("<", 1)[-1])


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

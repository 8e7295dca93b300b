"""Redis keys that more than one program uses. Keys of one program alone are defined in it (router/store/keys.py).

All keys of a tenant carry the same hash tag, so that one Lua script may touch them in a Redis Cluster.
"""

from __future__ import annotations

FACTS_FIELD = "f"  # the one field of a stream entry: the fact as JSON


def base(tenant: str) -> str:
    """The common start of all keys of a tenant, with the hash tag."""
    return "{" + tenant + "}"


def facts(tenant: str) -> str:
    """STREAM of facts (ops/facts.py). Written by router scripts, media nodes and the edge's shipper; read by the ledger."""
    return f"{base(tenant)}:facts"


def rules(tenant: str) -> str:
    """HASH generation (version), digest, sha256, document: the rule book in force. Written by routers; `tierline up` reads it."""
    return f"{base(tenant)}:r:config"


def seat_auth(tenant: str, seat: str) -> str:
    """HASH ha1, ha1_sha256: HA1 of the seat for the realm by MD5 and by SHA-256, lower-case hex. Written at provisioning, read by
    the edge."""
    return f"{base(tenant)}:seat:{seat}"


def call_owner(tenant: str, call: str) -> str:
    """STRING "<fence> <sip-uri>": which media node owns the dialogs of a call. Leased with a time-out; read by the edge."""
    return f"{base(tenant)}:owner:{call}"


def placement(tenant: str, placement: str) -> str:
    """STRING "<home centre> <seat>": this seat of ours is reserved for a call of another centre (federation.proto).

    Written by the router that reserved, in that step, with a time-out a little after the offer's; deleted when the placement is
    over. The edge lets an INVITE of another centre pass only with it (docs/adr/0106).
    """
    return f"{base(tenant)}:placement:{placement}"


def outside(tenant: str, call: str) -> str:
    """STRING "<number> <trunk>": this callback may be dialled once, to this number, by this trunk ("any": by any).

    Written by the router with the offer of the callback, whose number it has checked (ops/numbering.py); gone a little after
    the offer, or when the call is put down. The edge takes it when the media node dials (docs/adr/0110).
    """
    return f"{base(tenant)}:outside:{call}"


def dialogs(tenant: str) -> str:
    """LIST of what the edge saw of seats' dialogs for calls of other centres, oldest first: "<what> <placement> <at_ms> <detail>".

    what: `up` (the seat answered; detail 200), `failed` (it did not; detail the SIP status), `over` (a BYE passed; detail
    SIDE_AGENT or SIDE_CALLER). Pushed at the right by the edge, taken at the left by the router; a repeat is harmless.
    """
    return f"{base(tenant)}:dialogs"

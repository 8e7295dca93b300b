"""Hides the media node's Via from the outside: the only header that still names the node once its Contact names the call.

A request on its way out carries a made-up Via in its place; the reply of the same transaction gets the true one back. Cheaper
than the topology modules, which parse every message twice more (docs/adr/0101), and with nothing to keep but two AVPs.
"""

from __future__ import annotations

import os

import KSR

NOWHERE = "inside.invalid"  # RFC 2606: never a real host


def hide() -> None:
    """Put a made-up Via into a request of a media node (which has one Via, its own)."""
    true = KSR.hdr.gete("Via")
    made = f"{NOWHERE};branch=z9hG4bK{os.urandom(8).hex()}"
    KSR.textops.replace_str(true, f"SIP/2.0/UDP {made}", "f")
    KSR.pv.sets("$avp(made_via)", made)
    KSR.pv.sets("$avp(true_via)", true.partition(" ")[2])


def restore() -> None:
    """Give a reply of that transaction the true Via back, if it was hidden."""
    made = KSR.pv.gete("$avp(made_via)")
    if not made:
        return
    KSR.textops.replace_str(made, KSR.pv.gete("$avp(true_via)"), "f")

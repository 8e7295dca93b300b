"""The one place that turns error replies of Redis into the errors of core/errors.py."""

from __future__ import annotations

import json
from typing import Any

import hiredis

from router.core import errors
from router.core.commands import RouteAsk

_SIMPLE: dict[str, type[errors.RouterError]] = {
    e.code: e
    for e in (
        errors.UnknownAgent,
        errors.UnknownQueue,
        errors.UnknownCall,
        errors.OfferClosed,
        errors.OldEpoch,
        errors.ConfigMissing,
        errors.UnknownNode,
        errors.NoMediaNode,
        errors.TooManyCallbacks,
    )
}


def error_of(reply: hiredis.ReplyError) -> Exception:
    """ "TL <CODE> <text>" is a script's refusal. All else (no library, LOADING, READONLY, MISCONF, OOM) is:
    away. ERR is a script that broke: a defect, told as such."""
    words = str(reply).split(" ", 2)
    if words[0] == "ERR" and "Function not found" not in str(reply):
        return errors.ScriptFailed(str(reply))
    if words[0] != "TL":
        return errors.StoreAway(str(reply))
    code, text = words[1], words[2] if len(words) > 2 else ""
    if code == errors.NotAllowed.code:
        state, _, event = text.partition(" does not take ")
        return errors.NotAllowed(state, event)
    return _SIMPLE.get(code, errors.ScriptFailed)(text)


def fact_body(ask: RouteAsk) -> str:
    """What is known of the fact `routed` before the script decides: JSON of ledger.v1.Routed, defaults left out."""
    home = _slim(dict(zip(("country", "province", "city", "carrier"), ask.home, strict=True)))
    words = {"trunk": ask.trunk, "calling": ask.calling, "called": ask.called, "diversion": ask.diversion}
    return json.dumps(_slim(words) | ({"home": home} if home else {}), ensure_ascii=False)


def _slim(fields: dict[str, str]) -> dict[str, Any]:
    return {k: v for k, v in fields.items() if v}

"""Redis keys of the router alone. Scripts derive the same ones from KEYS[1]; all have the tenant's hash tag (docs/adr/0202).

agent:<id>    HASH row (rows.AGENT_FIELDS)          agents        SET of ids
call:<id>     HASH row (rows.CALL_FIELDS), profile  calls:<node>  SET of live calls a node holds
queue:<id>    HASH skill prio ring acw closed       queues        SET of ids
skills        HASH skill -> "queue;queue"           config        HASH generation digest sha256 document
wait:<queue>  ZSET call by match.call_score         ready:<skill> ZSET agent by match.agent_score
talking       HASH queue -> number of talks         black         HASH key -> until ms, 0 for ever
node:<id>     HASH uri epoch sess draining calls routed seen lost holder;  nodes SET of ids
due           ZSET of timers by ms: o:<call> offer, a:<agent> after-call work, n:<node> silent, s:<node> sweep after hello
tick          STRING ms: when the timers were served last
"""

from __future__ import annotations

from ops import keys


def base(tenant: str) -> str:
    """What all keys of the router begin with."""
    return f"{keys.base(tenant)}:r:"


def key(tenant: str, kind: str, name: str = "") -> str:
    """A key of the list above: key("main", "wait", "sales") or key("main", "agents")."""
    return f"{base(tenant)}{kind}:{name}" if name else f"{base(tenant)}{kind}"


def channel(tenant: str, holder: str) -> str:
    """Pub/sub channel of frames for streams that the router `holder` holds."""
    return f"{base(tenant)}to:{holder}"

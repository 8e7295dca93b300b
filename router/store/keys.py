"""Redis keys of the router alone. Scripts derive the same ones from KEYS[1]; all have the tenant's hash tag (docs/adr/0202).

agent:<id>    HASH row (rows.AGENT_FIELDS)          agents        SET of ids
call:<id>     HASH row (rows.CALL_FIELDS), profile  calls:<node>  SET of live calls a node holds
config        HASH generation digest sha256 document stamp
rules         STRING JSON that lua/include/plan.lua compiles; its sha1 is config.stamp
wait:<queue>  ZSET of all calls that wait for the queue, by policy.call_score: places, boards, limits
back:<queue>  SET of those of them who are to be called back;  rest:<queue> SET of those who are, but rest between two tries
line:<class>  ZSET the same calls by who may take them: "<queue>:<skill>:<level>:<city or *>", or "own:<agent>"
ready:<pool>  ZSET of ready agents, "<order>:<skill>:<band>:<city or *>", by policy.agent_score; docs/adr/0206
clock         HASH pool -> key of the agent taken last, of pools in the order `random`
last:<cust.>  STRING agent a customer talked to last    staffed   HASH skill -> agents who are neither away nor logged out
flow          HASH handling:, waited:, gone:<queue>, what expected waits are made of (core/expect.py)
talking       HASH queue -> number of talks         black, vip    HASH key -> until ms, 0 for ever; -> level
node:<id>     HASH uri epoch sess draining calls routed seen lost holder;  nodes SET of ids
due           ZSET of timers by ms: o:<call> offer, a:<agent> after-call work, n:<node> silent, s:<node> sweep after hello,
              w:<call> next rung, end of patience for the own agent or of the longest wait, p:<call> ask for a place elsewhere
tick          STRING ms: when the timers were served last
look          pub/sub channel: a timer is due soon (when, ms), or there are other rules (0); Times.look_ms
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

"""Mistakes that the proofs must notice (mutants.py): each one line of the product, changed as a slip would."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """`edits`: file, its text, what stands there instead. `why` it may survive, "" if it must not."""

    name: str
    edits: tuple[tuple[str, str, str], ...]
    why: str = ""


def _one(name: str, path: str, old: str, new: str, why: str = "") -> Mutant:
    return Mutant(name, ((path, old, new),), why)


CORE, LUA, RPC = "router/core/", "router/store/lua/", "router/rpc/"
MODEL = (
    _one(
        "settle_failed: no version check",
        CORE + "verbs_calls.py",
        "    if c is None or version <= c.ver:\n        return\n    c.ver = version\n    if placement_of",
        "    if c is None:\n        return\n    c.ver = version\n    if placement_of",
    ),
    _one("settle_answered: no version check", CORE + "verbs_calls.py", "    if version <= c.ver or (c.state", "    if (c.state"),
    _one(
        "cancel: no version check",
        CORE + "verbs_calls.py",
        "UNKNOWN and version <= c.ver:\n        return\n    if back",
        "UNKNOWN and False:\n        return\n    if back",
    ),
    _one("assert: an old session counts", CORE + "verbs_calls.py", "or d.nodes[by.node].sess != by.session:", "or False:"),
    _one("step_out: stays in the queue's line", CORE + "lines.py", "    d.waiting(c.queue).remove(c.id)\n", ""),
    _one("step_out: stays in its class line", CORE + "lines.py", "        d.lines[c.line].remove(c.id)\n", "        pass\n"),
    _one("step_in: no timer of the next rung", CORE + "lines.py", "    if wake:\n", "    if False:\n"),
    _one(
        "release: the agent is not freed", CORE + "leave.py", "        agent_event(d, a, AgentEvent.RELEASED)\n", "        pass\n"
    ),
    _one(
        "close_offer: the agent is not freed",
        CORE + "leave.py",
        "    if event and a and a.call == c.id",
        "    if False and a and a.call == c.id",
    ),
    _one(
        "offered is written twice",
        CORE + "moves.py",
        '    d.call_fact(c, "offered", body, a.id)\n',
        '    d.call_fact(c, "offered", body, a.id)\n    d.call_fact(c, "offered", body, a.id)\n',
    ),
    _one("offered has no timer", CORE + "moves.py", '    d.due.add(f"o:{c.id}", c.expires + d.times.grace_ms)\n', ""),
    _one(
        "expire: offers never run out",
        CORE + "verbs_nodes.py",
        "    if c is None or c.state is not CallState.OFFERED:\n",
        "    if True:\n",
    ),
    _one(
        "expire: after-call work never ends",
        CORE + "verbs_nodes.py",
        "    if a is None or a.state is not AgentState.AFTER_CALL:\n",
        "    if True:\n",
    ),
    _one("expire: a silent node keeps its calls", CORE + "verbs_nodes.py", "    lose_calls(d, node)\n    return 1", "    return 1"),
    _one("expire: no sweep after hello", CORE + "verbs_nodes.py", "    lose_calls(d, node, d.nodes[node].sess)\n", ""),
    _one("hello: calls of the process before stay", CORE + "verbs_nodes.py", "    if 0 < known < what.epoch:\n", "    if False:\n"),
    _one(
        "seek: forgets who waits for this agent alone",
        CORE + "moves.py",
        '    own = d.lines.get(f"own:{a.id}") if d.plan.own else None\n',
        "    own = None\n",
    ),
    _one(
        "going away: who waits for the agent is not let go",
        CORE + "moves.py",
        "    if state in AWAY and d.plan.own:\n",
        "    if False:\n",
    ),
    _one(
        "score: priority with the wrong sign",
        CORE + "policy.py",
        "return SPAN + entered_ms - priority",
        "return SPAN + entered_ms + priority",
    ),
    _one(
        "score: the last comes first",
        CORE + "policy.py",
        "return SPAN + entered_ms - priority",
        "return SPAN - entered_ms - priority",
    ),
    _one(
        "bridge: the seat elsewhere is not released",
        CORE + "enter.py",
        "        gone(d, c, ELSEWHERE, tell=True)\n    d.due",
        "        pass\n    d.due",
    ),
    _one(
        "answered elsewhere: the seat here rings on",
        CORE + "elsewhere.py",
        "        close_offer(d, c, AgentEvent.WITHDRAWN, ELSEWHERE, tell=True)\n",
        "        close_offer(d, c, AgentEvent.WITHDRAWN, ELSEWHERE, tell=False)\n",
    ),
    _one(
        "no answer: back to the end of the line",
        CORE + "verbs_calls.py",
        "    close_offer(d, c, event, reason, tell=False)\n    c.state = to\n",
        "    close_offer(d, c, event, reason, tell=False)\n    c.state, c.entered = to, d.now\n",
    ),
    _one(
        "logout while ringing: the call is not placed anew",
        CORE + "verbs_agents.py",
        "    c.state = calls.step(c.state, CallEvent.WITHDRAWN)\n    place(d, c)\n",
        "    c.state = calls.step(c.state, CallEvent.WITHDRAWN)\n",
    ),
    _one(
        "ready: nobody is looked for",
        CORE + "moves.py",
        "    if a.state is AgentState.READY:\n        seek(d, a)\n",
        "    if a.state is AgentState.READY:\n        line_up(d, a)\n",
    ),
    _one(
        "a busy agent stays in its pools",
        CORE + "moves.py",
        "    if a.lined:\n        line_out(d, a)\n    if previous",
        "    if previous",
    ),
    _one(
        "release: talks are not counted down", CORE + "leave.py", "d.talking.get(c.queue, 0) - 1", "d.talking.get(c.queue, 0) - 0"
    ),
    _one(
        "rules: waiting calls stay where they were",
        CORE + "refile.py",
        "    calls = _calls(d, plan)\n",
        "    calls: list[Call] = []\n",
    ),
    _one(
        "rules: agents stay where they were",
        CORE + "refile.py",
        "    for a in moved:\n        line_up(d, a, skills)\n",
        "    for a in moved:\n        a.lined = True\n",
    ),
    _one(
        "callback: not tried again",
        CORE + "leave.py",
        '        d.due.add(f"w:{c.id}", d.now + d.times.callback_every_ms)\n',
        "        pass\n",
    ),
    _one(
        "callback: tries are not counted",
        CORE + "verbs_calls.py",
        "c.ver, c.tries, c.dialling = version, c.tries + 1, 1",
        "c.ver, c.tries, c.dialling = version, c.tries, 1",
    ),
    _one(
        "lost node: a callback is lost with it",
        CORE + "leave.py",
        "    if callback.pending(c):\n        _wait_on(d, c)\n",
        "    if False:\n        _wait_on(d, c)\n",
    ),
    _one("force_talk: the agent keeps the other call", CORE + "enter.py", "    if other:\n        give_up(d, other)\n", ""),
    _one("a wish during a talk is forgotten", CORE + "moves.py", "    if not a.next:\n", "    if True:\n"),
    _one(
        "assert wait: the open offer is not told again",
        CORE + "verbs_calls.py",
        "    if c.state is CallState.OFFERED:\n        repeat_offer(d, c)\n",
        "    if c.state is CallState.OFFERED:\n        pass\n",
    ),
    _one("no outage: nodes are lost at once", CORE + "verbs_nodes.py", "        _second_chance(d)\n", "        pass\n"),
    _one(
        "place elsewhere: not asked again",
        CORE + "placement.py",
        '    r.placement = placement_id(c.id, r.n)\n    d.due.add(f"p:{c.id}", r.again)\n',
        "    r.placement = placement_id(c.id, r.n)\n",
    ),
    _one(
        "place elsewhere: given up, nobody is told",
        CORE + "placement.py",
        "    if r.placement:\n        to_centre",
        "    if False:\n        to_centre",
    ),
    _one("guest: the share is not given back", CORE + "placement.py", "        d.lent[g.skill] -= 1\n", ""),
    _one(
        "guest: what a home forgot stays",
        CORE + "overflow.py",
        "        elif not g.missed:\n            g.missed = d.now\n",
        "        elif not g.missed:\n            pass\n",
    ),
)
SCRIPTS = (
    _one("lua settle_failed: no version check", LUA + "settle_failed.lua", "if not c or version <= c.ver then", "if not c then"),
    _one(
        "lua step_out: stays in the queue's line",
        LUA + "include/lines.lua",
        "function R.step_out(c)\n  redis.call('ZREM', P .. 'wait:' .. c.queue, c.id)\n",
        "function R.step_out(c)\n",
    ),
    _one(
        "lua close_offer: the agent is not freed",
        LUA + "include/calls.lua",
        "  if event and a and a.call == c.id",
        "  if nil and a and a.call == c.id",
    ),
    _one(
        "lua score: priority with the wrong sign",
        LUA + "include/lines.lua",
        "return SPAN + c.entered - c.prio",
        "return SPAN + c.entered + c.prio",
    ),
    _one(
        "lua own line forgotten",
        LUA + "include/agents.lua",
        "  if plan.own then best, best_score",
        "  if nil then best, best_score",
    ),
    _one(
        "lua lost node: calls are not known by their node",
        LUA + "include/calls.lua",
        "  redis.call('SADD', P .. 'calls:' .. node, c.id)\n",
        "",
    ),
    _one(
        "lua a changed agent is not written",
        LUA + "include/base.lua",
        "    if R.dirty[row] then write(P .. 'agent:' .. row.id",
        "    if nil then write(P .. 'agent:' .. row.id",
    ),
    _one(
        "lua offers never run out",
        LUA + "expire.lua",
        "  if not c or c.state ~= 'offered' then return end\n",
        "  if true then return end\n",
    ),
)
WAYS = (
    _one(
        "dispatch: the old stream is not dropped",
        "router/dispatch.py",
        '            old.drop("the node has a newer session")\n',
        "            pass\n",
        "the node has closed it, or the heartbeat of its old session is refused",
    ),
    _one(
        "dispatch: an old stream takes the new one along",
        "router/dispatch.py",
        "        if self._streams.get(node) is stream:\n            del",
        "        if node in self._streams:\n            del",
    ),
    _one(
        "dispatch: streams stay when the store was away",
        "router/dispatch.py",
        '            stream.drop("the store was away")\n',
        "            pass\n",
    ),
    _one(
        "dispatch: no letters to other routers",
        "router/dispatch.py",
        "            self._publish(effect.holder,",
        "            _ = (effect.holder,",
    ),
    _one(
        "session: acknowledged before it is stored",
        RPC + "session.py",
        "        while self._waiting and self._waiting[0].done:\n",
        "        while self._waiting:\n",
    ),
    _one(
        "session: nothing is acknowledged",
        RPC + "session.py",
        "            self._ack = self._waiting.popleft().seq\n",
        "            self._waiting.popleft()\n",
    ),
    _one(
        "session: effects are not sent",
        RPC + "session.py",
        "            self._effects(done.result())\n",
        "            done.result()\n",
    ),
    _one(
        "session: what comes with hello is not read",
        RPC + "session.py",
        "        await self._take(batch.frames[1:])\n",
        "        await self._take(())\n",
    ),
    _one(
        "session: a refusal is not told",
        RPC + "session.py",
        "        self.push(pb.RouterFrame(refused",
        "        str(pb.RouterFrame(refused",
    ),
)
ALL = (*MODEL, *SCRIPTS, *WAYS)

"""The state tables: total, closed, reachable, and the same in Lua."""

from __future__ import annotations

import json

import pytest
import redis

from router.core import agent, call
from router.core.agent import AGENT, REST, AgentEvent, AgentState
from router.core.call import CALL, CallEvent, CallState
from router.core.commands import Times
from router.core.errors import NotAllowed
from router.store import scripts


def test_every_agent_state_has_its_row_and_leads_somewhere() -> None:
    """Each state is in the table, each target is a state or REST, each event is used, each state is reachable from logged_out."""
    assert set(AGENT) == set(AgentState)
    targets = {to for row in AGENT.values() for to in row.values()}
    assert targets == {*AgentState, REST}
    assert {event for row in AGENT.values() for event in row} == set(AgentEvent)


def test_every_call_state_has_its_row_and_leads_somewhere() -> None:
    """Each state is in the table, each event is used, each state but `unknown` is a target, `ended` is final."""
    assert set(CALL) == set(CallState)
    assert {to for row in CALL.values() for to in row.values()} == set(CallState) - {CallState.UNKNOWN}
    assert {event for row in CALL.values() for event in row} == set(CallEvent)
    assert set(CALL[CallState.ENDED].values()) == {CallState.ENDED}


@pytest.mark.parametrize("state", AgentState)
def test_agent_pairs_outside_the_table_are_named(state: AgentState) -> None:
    """A (state, event) that is not in the table is an error that names both."""
    for event in set(AgentEvent) - set(AGENT[state]):
        with pytest.raises(NotAllowed, match=f"^{state} does not take {event}$"):
            agent.step(state, event)


@pytest.mark.parametrize("state", CallState)
def test_call_pairs_outside_the_table_are_named(state: CallState) -> None:
    """The same of calls."""
    for event in set(CallEvent) - set(CALL[state]):
        with pytest.raises(NotAllowed, match=f"^{state} does not take {event}$"):
            call.step(state, event)


def test_every_state_can_be_left_for_logged_out() -> None:
    """No agent is stuck: from each state some row of events leads to logged_out (REST counts as ready)."""
    for start in AgentState:
        seen = {start}
        while (more := {AgentState.READY if to == REST else AgentState(to) for s in seen for to in AGENT[s].values()}) - seen:
            seen |= more
        assert AgentState.LOGGED_OUT in seen


def test_every_live_call_can_end() -> None:
    """End is taken in every state: a call can always be got rid of."""
    assert all(CallEvent.END in row for row in CALL.values())


@pytest.mark.real
def test_lua_has_the_same_tables(redis_port: int) -> None:
    """What Redis runs is what Python has, cell by cell."""
    text = scripts.tables(Times()) + "return cjson.encode({AGENT, CALL})"
    got = json.loads(redis.Redis(port=redis_port).eval(text, 0))
    assert got == [json.loads(json.dumps(dict(AGENT))), json.loads(json.dumps(dict(CALL)))]


def test_lua_quoting() -> None:
    """Quotes and backslashes of Python's strings stay inside Lua's."""
    assert scripts.lua({'a"b': ("x\\", 1)}) == '{["a\\"b"]={"x\\\\",1}}'

"""Agents, calls and queues as JSON for the browser: what the router says, with the names of the configuration."""

from __future__ import annotations

from typing import Any

from tierline.agents.v1 import agents_pb2 as pb

Json = dict[str, Any]
STATES = {number: name.removeprefix("AGENT_STATE_").lower() for name, number in pb.AgentState.items()}

WITH_CALL = (pb.AGENT_STATE_OFFERED, pb.AGENT_STATE_TALKING, pb.AGENT_STATE_AFTER_CALL)


def agent_json(view: pb.AgentView, names: dict[str, str]) -> Json:
    """One agent. `call` is None unless it is offered, talking or in after-call work."""
    return {
        "agent": view.agent,
        "name": names.get(view.agent, view.agent),
        "seat": view.seat,
        "state": STATES.get(view.state, "unspecified"),
        "reason": view.reason,
        "since_ms": view.since_ms,
        "next": view.next,
        "after_call_until_ms": view.after_call_until_ms,
        "skills": {level.skill: level.level for level in view.skills},
        "version": view.version,
        "call": call_json(view.call) if view.state in WITH_CALL and view.call.call else None,
    }


def logged_out_json(agent: str, name: str, seat: str) -> Json:
    """An agent the router does not know."""
    return agent_json(pb.AgentView(agent=agent, seat=seat, state=pb.AGENT_STATE_LOGGED_OUT), {agent: name})


def call_json(view: pb.CallView) -> Json:
    """One call with the data of the screen pop."""
    profile = view.profile
    home = profile.home
    return {
        "call": view.call,
        "state": view.state,
        "queue": view.queue,
        "agent": view.agent,
        "priority": view.priority,
        "entered_ms": view.entered_ms,
        "answered_ms": view.answered_ms,
        "calling": profile.calling,
        "called": profile.called,
        "trunk": profile.trunk,
        "home": {"country": home.country, "province": home.province, "city": home.city, "carrier": home.carrier},
        "language": profile.language,
        "menu_path": list(profile.menu_path),
        "arrived_ms": profile.arrived_ms,
        "callback": profile.callback,
    }


def queue_json(view: pb.QueueView) -> Json:
    """One queue of the board. `callbacks` of the waiting have hung up and are to be called back; so are those resting between two
    tries, who stand in no line."""
    return {
        "queue": view.queue,
        "waiting": view.waiting,
        "oldest_entered_ms": view.oldest_entered_ms,
        "ready": view.ready,
        "talking": view.talking,
        "callbacks": view.callbacks,
        "resting": view.resting,
    }

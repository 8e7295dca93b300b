"""A BYE that never arrives: the node's session timer ends the call, and what follows frees the agent."""

from __future__ import annotations

from media.call.frames import End
from media.call.translate import from_phone
from media.rpc.wire import to_router
from media.ua import api as ua
from media.ua.settings import Settings
from tests.kit.link import Link
from tests.media.call.world import World, caller_leg
from tests.media.ua.agents import SDP, A, Agent, B, leg
from tests.races.kit import AFTER_CALL, TALKING, Console, Node

SESSION_S = 90


def lost_leg() -> ua.Ended:
    """What the node's user agent says of a caller whose BYE got lost, within the time that the session timer grants."""
    link = Link()
    node, caller = Agent(link, A), Agent(link, B, Settings("x", 1, session_s=SESSION_S))
    node.accept()
    caller.do(ua.Invite(leg(), f"sip:95588@{A[0]}:{A[1]}", "13812345678", SDP))
    link.run(SESSION_S * 1000 * 2)
    assert not node.got(ua.Ended), "while it is refreshed the call goes on"
    link.cut = True
    caller.do(ua.Hangup(leg()))
    link.run(SESSION_S * 1000)
    return node.one(ua.Ended)


async def test_an_agent_is_not_stuck_in_a_call_after_a_lost_bye(node: Node, console: Console) -> None:
    """The caller's BYE is lost: the session timer ends the leg, the call tells the router, the agent gets after-call work."""
    await console.work("a", "q1")
    offer = await node.talk("q1")
    assert await console.state("a") == TALKING
    world = World().talking()
    gone = lost_leg()
    assert gone.lost
    event = from_phone(world.call, ua.Ended(caller_leg(world), remote=gone.remote, lost=gone.lost, reason=gone.reason))
    assert event is not None
    ends = [frame for frame in world.feed(event).frames() if isinstance(frame, End)]
    assert len(ends) == 1
    said = to_router(1, ends[0]).end
    said.call, said.version = offer.call, node.version(offer.call)  # the same call, as the router knows it
    await node.say(end=said)
    assert await console.state("a") == AFTER_CALL

"""What tests and loads put on an endpoint: a user agent server, and a back-to-back user agent."""

from __future__ import annotations

from collections import Counter

from media.net.endpoint import Endpoint
from media.ua import api
from ops.ids import LegId
from tests.media.ua.agents import SDP


class Server:
    """Rings and answers every call; accepts every offer; counts events."""

    def __init__(self, endpoint: Endpoint, ring_only: bool = False) -> None:
        self.endpoint, self.ring_only = endpoint, ring_only
        self.seen: Counter[str] = Counter()
        self.events: list[api.Event] = []
        self.keep = True
        endpoint.listen(self.on)

    def on(self, event: api.Event) -> None:
        """Act on an event."""
        self.seen[type(event).__name__] += 1
        if self.keep:
            self.events.append(event)
        if isinstance(event, api.IncomingCall):
            self.endpoint.do(api.Ring(event.leg))
            if not self.ring_only:
                self.endpoint.do(api.Answer(event.leg, SDP))
        elif isinstance(event, api.Reoffer):
            self.endpoint.do(api.AcceptOffer(event.leg, SDP))


class Bridge:
    """Dials `target` for every call, joins answers and ends."""

    def __init__(self, endpoint: Endpoint, target: str) -> None:
        self.endpoint, self.target = endpoint, target
        self.seen: Counter[str] = Counter()
        endpoint.listen(self.on)

    def on(self, event: api.Event) -> None:
        """Act on an event."""
        self.seen[type(event).__name__] += 1
        a, b = api.Leg(event.leg.call, LegId("a")), api.Leg(event.leg.call, LegId("b1"))
        if isinstance(event, api.IncomingCall):
            self.endpoint.do(api.Ring(a))
            self.endpoint.do(api.Invite(b, self.target, event.calling, event.sdp))
        elif isinstance(event, api.Answered):
            self.endpoint.do(api.Answer(a, event.sdp))
        elif isinstance(event, api.Ended):
            self.endpoint.do(api.Hangup(b if event.leg == a else a))
        elif isinstance(event, api.Failed):
            self.endpoint.do(api.Reject(a, event.status))

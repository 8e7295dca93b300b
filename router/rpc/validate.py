"""What a request must look like; BadInput names the field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from tierline.agents.v1 import agents_pb2
from tierline.routing.v1 import routing_pb2 as pb

from router.core.commands import Hello
from router.core.errors import BadInput
from router.core.policy import SPAN
from router.frames import ASSERTED

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_NAME = re.compile(r"[\w.@+-]{1,64}")
_NUMBER = re.compile(r"[+\d*#A-Za-z._~!$&'()=;,?/%-]{0,64}")
LONGEST = 4096  # bytes of a profile
MOST_VIP = 9


def call_id(value: str) -> str:
    """A UUID in text."""
    if not _UUID.fullmatch(value):
        raise BadInput("call", "not a UUID")
    return value


@lru_cache(maxsize=16_384)
def name(field: str, value: str) -> str:
    """An id: 1 to 64 letters, digits, . _ @ + -."""
    if not _NAME.fullmatch(value):
        raise BadInput(field, "want 1 to 64 letters, digits or . _ @ + -")
    return value


def number(field: str, value: str) -> str:
    """User part of a SIP URI, may be empty."""
    if not _NUMBER.fullmatch(value):
        raise BadInput(field, "not the user part of a SIP URI, or longer than 64")
    return value


def moment(field: str, value: int) -> int:
    """UTC ms."""
    if not 0 < value < SPAN:
        raise BadInput(field, "not a time in ms since 1970")
    return value


def tenant(value: str, ours: str) -> str:
    """ "" means main."""
    if (value or "main") != ours:
        raise BadInput("tenant", f"this centre serves {ours}")
    return ours


def skills(given: Iterable[agents_pb2.SkillLevel]) -> tuple[tuple[str, int], ...]:
    """Each skill once, levels 1..99."""
    found: dict[str, int] = {}
    for item in given:
        name("skills", item.skill)
        if not 1 <= item.level <= 99:
            raise BadInput("skills", f"level of {item.skill} must be 1 to 99")
        if item.skill in found:
            raise BadInput("skills", f"{item.skill} twice")
        found[item.skill] = item.level
    return tuple(found.items())


def hello(frame: pb.Hello, holder: str, ours: str, nodes: Mapping[str, str]) -> Hello:
    """A node's introduction. `nodes`: the URI of each configured one; calls are sent to that alone."""
    tenant(frame.tenant, ours)
    name("node", frame.node)
    if frame.node not in nodes:
        raise BadInput("node", f"{frame.node} is no media node of this centre; [media] nodes says how many there are")
    if frame.uri != nodes[frame.node]:
        raise BadInput("uri", f"want {nodes[frame.node]}, as [media] address and [ports] media_sip say")
    moment("epoch", frame.epoch)
    return Hello(frame.node, frame.uri, frame.epoch, frame.draining, frame.calls, holder)


def enqueue(frame: pb.Enqueue) -> pb.Enqueue:
    """Of an Enqueue and of an Assert."""
    call_id(frame.call)
    _version(frame.version)
    name("queue", frame.queue)
    if not -1 <= frame.priority <= 99:
        raise BadInput("priority", "want -1 to 99")
    moment("entered_ms", frame.entered_ms)
    if frame.agent:
        name("agent", frame.agent)
    if frame.profile.vip > MOST_VIP:
        raise BadInput("vip", f"want 0 to {MOST_VIP}")
    if frame.profile.ByteSize() > LONGEST:
        raise BadInput("profile", f"longer than {LONGEST} bytes")
    return frame


def _version(value: int) -> None:
    if not 0 < value < 1 << 53:
        raise BadInput("version", "counts from 1")


def assertion(frame: pb.Assert) -> pb.Assert:
    """Ringing and talking need offer, agent and since."""
    if frame.state not in ASSERTED:
        raise BadInput("state", "want waiting, ringing or talking")
    enqueue(frame.enqueue)
    if frame.state != pb.Assert.STATE_WAITING:
        _offer(frame.offer)
        name("agent", frame.agent)
        moment("since_ms", frame.since_ms)
    return frame


def _offer(value: str) -> None:
    if not 0 < len(value) <= 128:
        raise BadInput("offer", "missing or longer than 128")


def settle(frame: pb.Settle) -> pb.Settle:
    """Answered at a time, or failed for a reason."""
    call_id(frame.call)
    _version(frame.version)
    _offer(frame.offer)
    how = frame.WhichOneof("how")
    if how is None or (how == "failed" and not frame.failed):
        raise BadInput("how", "want answered_ms or failed with a reason")
    if how == "answered_ms":
        moment("answered_ms", frame.answered_ms)
    if how == "dialling_ms":
        moment("dialling_ms", frame.dialling_ms)
    return frame


def callback(frame: pb.Callback) -> pb.Callback:
    """A number to be called, and the call as it was."""
    enqueue(frame.enqueue)
    if not number("number", frame.number).strip("+").isdigit():
        raise BadInput("number", "want digits, with or without +")
    return frame


def over(frame: pb.Cancel | pb.End) -> None:
    """Cancel and End."""
    call_id(frame.call)
    _version(frame.version)

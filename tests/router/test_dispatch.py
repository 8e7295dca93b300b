"""Who gets a frame: the asker, a stream held here, another router, or nobody."""

from __future__ import annotations

from tierline.routing.v1 import routing_pb2 as pb

from router.core.events import ASKER, AgentSeen, Queued, ToNode
from router.dispatch import Dispatch


class Stream:
    def __init__(self) -> None:
        self.frames: list[pb.RouterFrame] = []
        self.ended = False

    def push(self, frame: pb.RouterFrame) -> None:
        self.frames.append(frame)

    def drop(self, why: str) -> None:
        self.ended = True


def made() -> tuple[Dispatch, Stream, list[tuple[str, bytes]]]:
    out: list[tuple[str, bytes]] = []
    dispatch = Dispatch("me", lambda holder, payload: out.append((holder, payload)))
    stream = Stream()
    dispatch.attach("m1", stream)
    return dispatch, stream, out


FRAME = Queued("c1", 1, 2)


def test_to_the_asker() -> None:
    """A frame for whoever asked goes by that stream, even if a newer one is attached."""
    dispatch, stream, out = made()
    asker = Stream()
    dispatch.send([ToNode("m1", ASKER, FRAME), AgentSeen("a1", "ready")], asker)
    assert (len(asker.frames), stream.frames, out) == (1, [], [])


def test_to_a_stream_held_here() -> None:
    """A frame whose holder is this router goes by its stream of the node."""
    dispatch, stream, _ = made()
    dispatch.send([ToNode("m1", "me", FRAME)])
    assert stream.frames == [pb.RouterFrame(queued=pb.Queued(call="c1", position=1, waiting=2))]


def test_through_another_router() -> None:
    """What one router publishes, the other delivers unchanged."""
    here, stream, out = made()
    there = Dispatch("other", lambda *_: None)
    remote = Stream()
    there.attach("m2", remote)
    here.send([ToNode("m2", "other", FRAME)])
    ((holder, payload),) = out
    there.receive(payload)
    assert (holder, stream.frames, len(remote.frames)) == ("other", [], 1)


def test_nobody_is_there() -> None:
    """A frame for a node without a stream is dropped: the node will assert its calls."""
    dispatch, stream, out = made()
    dispatch.detach("m1", stream)
    dispatch.send([ToNode("m1", "me", FRAME)])
    dispatch.receive(b"m1\n" + pb.RouterFrame().SerializeToString())
    assert (stream.frames, out, dispatch.sessions) == ([], [], 0)


def test_a_newer_stream_replaces_the_older() -> None:
    """The older is told, and its detach does not remove the newer."""
    dispatch, old, _ = made()
    new = Stream()
    dispatch.attach("m1", new)
    dispatch.detach("m1", old)
    dispatch.send([ToNode("m1", "me", FRAME)])
    assert (old.ended, len(new.frames)) == (True, 1)

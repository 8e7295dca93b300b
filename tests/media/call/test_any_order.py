"""Whatever happens in whatever order, a call ends once and leaves nothing behind."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tierline.common.v1.common_pb2 import Reason

from media.call import commands as do
from media.call import events as on
from media.call.call import State
from media.call.frames import Settle
from media.call.leg import Phase
from media.record.api import Filed, NotFiled
from media.ua import api as ua
from ops.ids import CallId, LegId
from tests.media.call.test_hold import HOLDS
from tests.media.call.world import SDP, World

LEGS = st.sampled_from([LegId("b1"), LegId("b2"), LegId("b3")])
ANY_LEG = st.sampled_from([LegId("a"), LegId("b1"), LegId("b2")])
REASONS = st.sampled_from([Reason.REASON_EXPIRED, Reason.REASON_AGENT_GONE, Reason.REASON_UNKNOWN_QUEUE])
SDPS = st.sampled_from([SDP, b"", HOLDS[0]])
OFFERS = st.sampled_from(["o1", "o2", "o3", "c1.p1", "c1.p2"])
QUEUES = st.sampled_from(["general", "bills"])
AWAY = st.sampled_from([Reason.REASON_CLOSED, Reason.REASON_QUEUE_FULL, Reason.REASON_WAITED_TOO_LONG])
FILED = st.sampled_from([Filed(CallId("c1"), "p", "s", 1, 1), NotFiled(CallId("c1"), "REASON_DISK_FULL", "full")])
EVENTS = st.one_of(
    st.builds(on.CallerConfirmed, SDPS),
    st.builds(on.CallerGone, st.booleans(), st.booleans()),
    st.builds(on.CallerDigit, st.sampled_from("0129#")),
    st.builds(on.SeatProgress, LEGS, st.just(180)),
    st.builds(on.SeatAnswered, LEGS, SDPS),
    st.builds(on.SeatFailed, LEGS, st.sampled_from([404, 408, 480, 486, 487, 500, 603])),
    st.builds(on.SeatGone, LEGS, st.booleans()),
    st.builds(on.Reoffered, ANY_LEG, SDPS),
    st.builds(on.Reanswered, ANY_LEG, SDPS),
    st.builds(on.CallerOpened, st.just(SDP)),
    st.builds(on.CallerOpenFailed, st.booleans()),
    st.builds(on.SeatOpened, LEGS, st.just(SDP)),
    st.builds(on.SeatOpenFailed, LEGS),
    st.builds(on.AnswerTaken, ANY_LEG),
    st.builds(on.AnswerRefused, ANY_LEG, st.booleans()),
    st.builds(on.OfferTaken, ANY_LEG, st.just(SDP)),
    st.builds(on.OfferRefused, ANY_LEG, st.booleans()),
    st.builds(on.Paired, LEGS),
    st.builds(on.PlayStarted, st.integers(1, 6), st.just(500)),
    st.builds(on.PlayFailed, st.integers(1, 6)),
    st.builds(on.RecordFailed, st.just("c1")),
    st.builds(on.AudioClosed),
    st.builds(on.Queued, st.integers(1, 5)),
    st.builds(on.Offered, OFFERS, st.just("alice"), st.just("8001"), st.just(1_760_000_020_000)),
    st.builds(
        on.Offered,
        st.sampled_from(["c1.p1", "c1.p2"]),
        st.just("bob"),
        st.just("8009"),
        st.just(1_760_000_020_000),
        st.just("hunan"),
        st.just("sip:8009@hunan.tierline;placement=c1.p1"),
    ),
    st.builds(on.TurnedAway, QUEUES, AWAY),
    st.builds(on.Withdrawn, OFFERS, REASONS),
    st.builds(on.Refused, st.sampled_from(["enqueue", "assert", "settle", "cancel", "end"]), REASONS),
    st.builds(on.Released, REASONS),
    st.builds(on.EndNow, REASONS),
    st.builds(on.RecordingDone, FILED),
)
STARTS = st.sampled_from(["menu", "queueing", "ringing", "racing", "bridging", "talking"])


def _check_end(world: World) -> None:
    call = world.call
    assert call.state is State.ENDED
    assert call.outcome is not None
    assert len(world.facts("call_ended")) == 1
    assert all(leg.phase is Phase.GONE for leg in call.legs.values())
    assert not world.timers
    assert not call.timers
    ids = [fact.id for fact in world.facts()]
    assert len(ids) == len(set(ids))
    jobs = world.verbs(do.File)
    assert len(jobs) <= 1
    finals = [c for c in world.sip() if isinstance(c, ua.Answer | ua.Reject) and c.leg.leg == "a"]
    assert len(finals) <= 1
    assert not call.beaten
    answered = [frame.offer for frame in world.frames() if isinstance(frame, Settle) and not frame.failed]
    assert len(answered) <= 1
    opened = {
        c.leg for c in world.done if isinstance(c, do.OpenSeat)
    }  # each seat that was dialled was hung up, or had its own end told
    assert {leg.id for leg in call.legs.values()} == opened | {LegId("a")}


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.none(), STARTS), st.lists(st.one_of(EVENTS, st.integers(0, 30_000)), max_size=25))
def test_any_order_ends_once(start: str | None, happenings: list[on.Event | int]) -> None:
    """Any events and waits, from any state, then an order to end: one outcome, one end fact, no leg, no timer is left."""
    world = World()
    if start:
        getattr(world, start)()
    else:
        world.feed(world.invited)
    for what in happenings:
        if isinstance(what, int):
            world.later(what)
        else:
            world.feed(what)
    world.feed(on.EndNow(Reason.REASON_DRAIN)).later(120_000)
    _check_end(world)


@settings(max_examples=200, deadline=None)
@given(STARTS, st.lists(EVENTS, max_size=12))
def test_a_caller_who_leaves_ends_everything(start: str, happenings: list[on.Event]) -> None:
    """The caller's BYE ends the call from wherever it is, without any order from the house."""
    world: World = getattr(World(), start)()
    world.feed(*happenings).feed(on.CallerGone()).later(120_000)
    _check_end(world)

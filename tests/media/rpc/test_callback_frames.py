"""Callbacks on the wire to the router: the wish is repeated until it is stored, the offer tells all of a call that is not here."""

from __future__ import annotations

from tierline.routing.v1 import routing_pb2 as pb

from media.call import events as on
from media.call.frames import Callback, Enqueue, Home, Profile, Settle
from media.rpc.debts import Debts
from media.rpc.wire import from_router, to_router

PROFILE = Profile("13812345678", "95588", "t1", Home("CN", "北京市"), "en", ("bill",), 5, 2, True)
WISH = Callback(Enqueue("c1", 3, "sales", 10, 7, PROFILE), "13812345678")


def test_a_wish_is_repeated_until_it_is_stored() -> None:
    """A router that died before its ack must not cost the caller the place."""
    debts = Debts()
    debts.sent(1, debts.owe(WISH), WISH)
    assert [frame for _, frame in debts.restart([])] == [WISH]
    debts.sent(1, 1, WISH)
    debts.acked(1)
    assert debts.restart([]) == []


def test_a_wish_is_repeated_for_a_while_after_it_was_stored() -> None:
    """A Redis that forgets its last second must not cost the caller the place either; nothing is owed for that, other frames are
    not repeated, and after some seconds the wish is not either."""
    debts = Debts()
    settle = Settle("c2", 9, "o1", dialling_ms=5)
    debts.sent(1, debts.owe(WISH), WISH)
    debts.sent(2, debts.owe(settle), settle)
    debts.acked(2, 10_000)
    assert len(debts) == 0
    assert [frame for _, frame in debts.restart([], 14_999)] == [WISH]
    ((order, frame),) = debts.restart([], 14_999)
    debts.sent(1, order, frame)
    debts.acked(1, 14_999)
    assert debts.restart([], 15_000) == [], "not for ever"


def test_what_is_sent_comes_back_with_the_offer() -> None:
    """Number, place and profile of the wish are what the node that makes the call gets."""
    sent = to_router(1, WISH).callback
    back = pb.ToCallBack(number=sent.number, version=8, queue=sent.enqueue.queue, priority=10, entered_ms=7, tries=1)
    back.profile.CopyFrom(sent.enqueue.profile)
    offer = pb.Offer(call="c1", offer="o1", agent="a1", seat="8001", expires_ms=1_000, callback=back)
    got = from_router(pb.RouterFrame(offer=offer), 100, lambda _: None)
    known = on.CallBack("13812345678", 8, "sales", 10, 7, PROFILE, 1)
    assert got == ("c1", on.Offered("o1", "a1", "8001", 900, callback=known))


def test_the_agent_is_told_before_the_customer() -> None:
    """Both are Settle frames of one offer; the first names trunk and time."""
    told = to_router(1, Settle("c1", 9, "o1", dialling_ms=5, trunk="t1")).settle
    assert (told.WhichOneof("how"), told.dialling_ms, told.trunk) == ("dialling_ms", 5, "t1")
    assert to_router(2, Settle("c1", 10, "o1", answered_ms=9)).settle.WhichOneof("how") == "answered_ms"

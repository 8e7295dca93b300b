"""Calls answered by other centres, in virtual time: the ways they go and what cut links do to them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from router.federation.clerk import Terms
from router.federation.reconcile import differences, flow
from tests.router.federation.world import NATION, Call, Country


@pytest.fixture
def country() -> Iterator[Country]:
    made = Country("hubei", "hunan", "anhui")
    made.wait(300)  # reports are in
    yield made
    made.close()


def kinds(country: Country, name: str, call: Call) -> list[str]:
    return [f.kind for f in country[name].facts if f.call == call.id]


def reasons(country: Country, name: str, call: Call) -> list[str]:
    return [f.body.get("reason", "") for f in country[name].facts if f.call == call.id and f.kind == "offer_failed"]


def placed(call: Call) -> bool:
    """It talks with an agent elsewhere."""
    return call.talks.startswith(f"{call.id}.p")


def agree(country: Country, home: str, there: str) -> None:
    assert differences(country[home].facts, country[there].facts, home, there) == []


def talk(country: Country) -> Call:
    """A call of hubei that an agent of hunan talks to."""
    country["hunan"].agent("li")
    call = country["hubei"].enqueue()
    country.wait(2_500)
    assert placed(call)
    return call


def test_a_call_without_an_agent_at_home_is_answered_elsewhere(country: Country) -> None:
    """The whole way, both ledgers tell it, and their totals add up."""
    call = talk(country)
    country.wait(20_000)
    country["hubei"].hang_up(call)
    country.wait(5_000)
    assert kinds(country, "hubei", call) == ["enqueued", "widened", "placed", "bridged", "agent_released"]
    assert [k for k in kinds(country, "hunan", call) if k != "agent_changed"] == ["placed", "bridged", "agent_released"]
    agree(country, "hubei", "hunan")
    out, taken = flow(country["hubei"].facts), flow(country["hunan"].facts)
    assert (out.out, out.out_talk_ms) == (taken.taken, taken.taken_talk_ms) == (1, out.out_talk_ms)
    assert country.stuck() == [] and country["hunan"].store.desk.agents["li"].state == "ready"


def test_the_agent_there_sees_whose_call_it_is_and_its_data(country: Country) -> None:
    """The reserved agent's row holds the call with its profile and home."""
    talk(country)
    desk = country["hunan"].store.desk
    seen = desk.see(desk.agents["li"])
    assert seen.call is not None and (seen.call.queue, seen.call.state) == ("sales", "talking")
    guest = desk.calls[seen.call.call].guest
    assert guest is not None and guest.home == "hubei"


def test_home_answers_first(country: Country) -> None:
    """While the seat there rings an agent at home gets free: the call is answered at home, the agent there is free at once."""
    country["hunan"].answers = 4_000
    country["hunan"].agent("li")
    call = country["hubei"].enqueue()
    country.wait(2_000)
    assert [o.centre for o in call.offers.values()] == ["hunan"]
    country["hubei"].agent("wang")
    country.wait(1_000)
    assert call.talks and ".p" not in call.talks and call.bridged == 1
    assert reasons(country, "hubei", call) == ["REASON_ANSWERED_ELSEWHERE"]
    assert country["hunan"].store.desk.agents["li"].state == "ready"
    agree(country, "hubei", "hunan")


def test_the_other_centre_answers_first(country: Country) -> None:
    """Both ring; the seat there answers: the seat at home stops ringing and its agent is ready."""
    country["hunan"].answers, country["hubei"].answers = 1_500, 6_000
    country["hunan"].agent("li")
    call = country["hubei"].enqueue()
    country.wait(1_500)
    country["hubei"].agent("wang")
    country.wait(300)
    assert sorted(o.centre for o in call.offers.values()) == ["", "hunan"]
    country.wait(2_000)
    assert placed(call) and call.bridged == 1
    assert country["hubei"].store.desk.agents["wang"].state == "ready"
    assert reasons(country, "hubei", call) == ["REASON_ANSWERED_ELSEWHERE"]


def test_nobody_answers_there(country: Country) -> None:
    """The seat there rings in vain: its agent is set not ready as at home, and the next centre is asked, not the same again."""
    country["hunan"].answers = None
    country["hunan"].agent("li")
    country["hunan"].agent("ma")
    call = country["hubei"].enqueue()
    country.wait(2_000)
    country["anhui"].agent("zhao")
    country.wait(200)
    (first,) = call.offers
    country["hubei"]._failed(call, first, "REASON_NO_ANSWER")
    country.wait(1_000)
    li = [country["hunan"].store.desk.agents[a] for a in ("li", "ma")]
    assert sorted((a.state, a.reason) for a in li) == [("not_ready", "no_answer"), ("ready", "")]
    assert placed(call) and call.talks != first
    agree(country, "hubei", "hunan")
    agree(country, "hubei", "anhui")


@pytest.mark.parametrize("ms", [1_001, 1_003, 1_005, 1_100, 1_500])
def test_the_caller_hangs_up_at_any_moment(country: Country, ms: int) -> None:
    """Asked, reserved, ringing or talking: the agent there is free again, nothing is left of the placement."""
    country["hunan"].answers = 350
    country["hunan"].agent("li")
    call = country["hubei"].enqueue()
    country.wait(ms)
    country["hubei"].hang_up(call)
    country.wait(4_000)
    assert country["hunan"].store.desk.agents["li"].state == "ready"
    assert country["hunan"].store.desk.lent == {"sales": 0} or country["hunan"].store.desk.lent == {}
    assert country["hunan"].store.desk.doors == {}
    agree(country, "hubei", "hunan")


def test_a_placed_call_is_never_placed_on(country: Country) -> None:
    """The agent there logs out while the seat rings: the call goes back to its home, which asks anew; there it waits nowhere."""
    country["hunan"].answers = None
    country["hunan"].agent("li")
    call = country["hubei"].enqueue()
    country.wait(1_500)
    country["anhui"].agent("zhao")
    country.wait(200)
    (first,) = call.offers
    country["hunan"].do(country["hunan"].store.logout, "li")
    country.wait(1_000)
    assert all(c.remote is None for c in country["hunan"].store.desk.calls.values())
    assert not any(len(line) for line in country["hunan"].store.desk.wait.values())
    assert placed(call) and call.talks != first and reasons(country, "hubei", call) == ["REASON_AGENT_GONE"]


def test_the_link_of_home_is_cut_while_the_seat_there_rings(country: Country) -> None:
    """The remote offer is taken back and the call waits on at home; there the reservation ends with the dialog and its timer."""
    country["hunan"].answers = None
    country["hunan"].agent("li")
    call = country["hubei"].enqueue()
    country.wait(1_500)
    country.cut("hubei")
    country.wait(2_500)
    assert call.offers == {} and reasons(country, "hubei", call) == ["REASON_LINK_LOST"]
    country.wait(4_000)
    assert country["hunan"].store.desk.agents["li"].state == "ready"
    country["hubei"].agent("wang")
    country.wait(1_000)
    assert call.talks and ".p" not in call.talks


def test_a_talk_lives_on_without_the_link_and_ends_at_both_ends(country: Country) -> None:
    """Cut in the talk: nobody notices; the BYE frees the agent there; after the link is back both ledgers agree."""
    call = talk(country)
    country.cut("hubei")
    country.wait(30_000)
    assert call.talks and country["hunan"].busy() == ["li"]
    country["hubei"].hang_up(call)
    country.wait(1_000)
    assert country["hunan"].store.desk.agents["li"].state == "after_call"
    country.join("hubei")
    country.wait(15_000)
    agree(country, "hubei", "hunan")


def test_the_answer_falls_into_the_cut(country: Country) -> None:
    """The seat answers while the home cannot confirm: the agent there is in the talk all the same, as its edge saw the answer."""
    country["hunan"].answers = 1_200
    country["hunan"].agent("li")
    call = country["hubei"].enqueue()
    country.wait(1_500)
    country.cut("hubei")
    country.wait(1_200)
    assert placed(call)  # SIP needs no nation
    country.wait(8_000)
    assert country["hunan"].store.desk.agents["li"].state == "talking"
    country["hubei"].hang_up(call)
    country.wait(500)
    country.join("hubei")
    country.wait(15_000)
    assert [d.what for d in differences(country["hubei"].facts, country["hunan"].facts)] in ([], ["answered_ms"])
    assert country.stuck() == []


def test_the_home_is_gone_for_ever(country: Country) -> None:
    """Home's machines are dead in a talk: the agent there hangs up at the telephone and is free."""
    call = talk(country)
    country.cut("hubei")
    country.apart.add(("hubei", "hunan"))
    country["hunan"].seat_hangs_up(call.talks)
    country.wait(1_000)
    assert country["hunan"].store.desk.agents["li"].state == "after_call"


def test_the_agent_ends_by_hand_what_nobody_ends(country: Country) -> None:
    """Home and the telephone's BYE are both lost: "after-call work is done" in a talk with another centre's caller ends it."""
    call = talk(country)
    country.cut("hubei")
    country["hunan"].do(country["hunan"].store.end_after_call, "li")
    assert country["hunan"].store.desk.agents["li"].state == "after_call"
    country.wait(15_000)
    country.join("hubei")
    country.wait(15_000)
    assert country["hunan"].store.desk.agents["li"].state == "ready"
    assert call.talks  # what home holds is its own business


def test_what_the_home_does_not_hold_ends(country: Country) -> None:
    """Home forgot a talk (its Redis was lost): after two rounds of Holding the agent there is free."""
    call = talk(country)
    home = country["hubei"].store.desk
    home.calls.pop(call.id)
    home.away.clear()
    country.cut("hubei")
    country.wait(500)
    country.join("hubei")
    country.wait(8_000)
    assert country["hunan"].busy() == ["li"]
    country.wait(16_000)
    assert country["hunan"].busy() == []


def test_a_confirm_that_was_lost_is_made_good(country: Country) -> None:
    """The frame that confirms is lost on the way: Holding tells the centre there that its agent talks."""
    country.link.drop(lambda d: b" up\n" in d and b"hubei nation" in d and pb_is(d, "confirm"), times=1)
    call = talk(country)
    country.wait(12_000)
    country["hubei"].hang_up(call)
    country.wait(2_000)
    bridged = [f for f in country["hunan"].facts if f.kind == "bridged"]
    assert len(bridged) == 1 and country.stuck() == []


def pb_is(data: bytes, kind: str) -> bool:
    from tierline.federation.v1 import federation_pb2 as pb

    return pb.FromCentre.FromString(data.partition(b"\n")[2]).WhichOneof("body") == kind


def test_the_national_router_dies_between_reserve_and_placed(country: Country) -> None:
    """The new one passes on what it did not ask for; the call is answered under the same placement."""
    country["hunan"].agent("li")
    country.link.slow(lambda d: d.startswith(b"hunan nation up") and pb_is(d, "reserved"), 400, times=1)
    call = country["hubei"].enqueue()
    country.wait(1_150)
    country.nation.restart()
    country.wait(2_000)
    assert placed(call)
    agree(country, "hubei", "hunan")


def test_a_reserve_without_an_answer_goes_to_the_next(country: Country) -> None:
    """The centre asked first is silent: after ANSWER_MS another one is asked, and the late reservation is given back."""
    country["hunan"].terms = Terms(penalty_ms=0)
    country["hunan"].agent("li")
    country["anhui"].agent("zhao")
    country.wait(300)
    country.link.slow(lambda d: d.startswith(b"hunan nation up") and pb_is(d, "reserved"), 1_500, times=1)
    call = country["hubei"].enqueue()
    country.wait(4_000)
    assert placed(call)
    assert (country["hunan"].busy(), country["anhui"].busy()) == ([], ["zhao"])


def test_neighbours_answer_while_the_nation_is_away() -> None:
    """Without the national router a call goes to a neighbour that reports a free agent; its data and facts are the same."""
    country = Country("hubei", "hunan", "anhui", neighbours=True)
    for name in ("hubei", "hunan", "anhui"):
        country.cut(name)
    country["hunan"].agent("li")
    country.wait(3_000)
    call = country["hubei"].enqueue()
    country.wait(3_000)
    assert placed(call) and country["hunan"].busy() == ["li"]
    country["hubei"].hang_up(call)
    country.wait(5_000)
    agree(country, "hubei", "hunan")
    assert country.stuck() == []
    country.close()


def test_without_nation_and_neighbours_calls_wait_at_home(country: Country) -> None:
    """Autonomy: nobody is asked, the call is answered when somebody is free at home."""
    country["hunan"].agent("li")
    country.cut("hubei")
    call = country["hubei"].enqueue()
    country.wait(10_000)
    assert call.offers == {} and country["hunan"].busy() == []
    country["hubei"].agent("wang")
    country.wait(1_000)
    assert call.bridged == 1


def test_the_share_is_kept_and_who_is_paused_is_left_alone(country: Country) -> None:
    """Of four agents half are lent; a paused centre lends none."""
    for n in range(4):
        country["hunan"].agent(f"a{n}")
        country["anhui"].agent(f"b{n}")
    country["hunan"].terms = Terms(share=50)
    country["anhui"].terms = Terms(paused=True)
    country.wait(300)
    calls = [country["hubei"].enqueue() for _ in range(4)]
    country.wait(6_000)
    assert (len(country["hunan"].busy()), country["anhui"].busy()) == (2, [])
    assert sum(call.bridged for call in calls) == 2


def test_a_router_that_dies_with_a_place_under_way_is_made_good(country: Country) -> None:
    """The Place never leaves (its router died): the timer asks again under a new id, and the call is answered."""
    country["hunan"].agent("li")
    country.link.drop(lambda d: d.startswith(f"hubei {NATION}".encode()) and pb_is(d, "place"), times=1)
    call = country["hubei"].enqueue()
    country.wait(6_000)
    assert placed(call) and country["hunan"].busy() == ["li"]

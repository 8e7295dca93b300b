"""The ids that the router gives to placements are ids for the edge."""

from __future__ import annotations

import pytest

from router.core.commands import Enqueue
from sip.kemi import headers
from tests.router.federation.world import Country

CALL = "019ab000-0000-7000-8000-000000000001"


def test_the_edge_knows_the_ids_that_the_router_makes() -> None:
    """A call placed by the router's own code: the edge reads call and placement from the id in the URI and in its own route."""
    country = Country("hubei", "hunan")
    hubei = country["hubei"]
    country["hunan"].agent("li")
    country.wait(300)
    hubei.do(hubei.store.enqueue, hubei.by, Enqueue(CALL, 1, "sales", -1, hubei.now))
    country.wait(1_100)
    (placement,) = [f.body["offer"] for f in hubei.facts if f.kind == "placed"]
    assert headers.call_of_placement(placement) == CALL
    assert headers.placement_of(f"<sip:127.0.0.1;lr;p={placement}>") == placement
    country.close()


@pytest.mark.parametrize("placement", ["", CALL, f"{CALL}.p", f"{CALL}.px", f"{CALL}.p1 x", f"{CALL}.p{'1' * 17}", "x.p1"])
def test_what_is_no_placement(placement: str) -> None:
    """Anything else is none."""
    assert headers.call_of_placement(placement) == ""

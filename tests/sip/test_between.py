"""Two centres: a seat of one answers the caller of the other, through both edges, and only for a placement."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

import pytest
import redis

from ops import ids, keys
from ops.centre import Edge, Peer
from ops.clock import SystemClock
from ops.provision import DigestSecrets
from tests.kit.redis_server import RedisServer
from tests.kit.wait import until, until_async
from tests.sip.edge_kit import EdgeKit, edge_config
from tests.sip.fake_node import FakeNode
from tests.sip.seat_client import Seat
from tests.sip.sip_client import Dialog, Endpoint, Message, request, respond, unique

pytestmark = pytest.mark.real
CALL = "019ab000-0000-7000-8000-000000000001"


@dataclass
class Country:
    """Two edges that know each other; `hubei` has the callers, `hunan` seat 8009."""

    hubei: EdgeKit
    hunan: EdgeKit

    @property
    def store(self) -> redis.Redis:
        """Hunan's Redis."""
        return redis.Redis(port=self.hunan.config.ports.redis, decode_responses=True)

    def reserve(self, seat: str = "8009", home: str = "hubei") -> str:
        """What the router of Hunan does when it reserves; the placement."""
        placement = f"{unique_call()}.p1"
        self.store.set(keys.placement("main", placement), f"{home} {seat}", px=20_000)
        return placement

    def told(self, placement: str) -> list[tuple[str, str]]:
        """What Hunan's edge told its router of a placement, in order: what, detail."""
        entries: list[str] = self.store.lrange(keys.dialogs("main"), 0, -1)  # type: ignore[assignment]
        words = [entry.split() for entry in entries]
        return [(what, detail) for what, named, _, detail in words if named == placement]


def unique_call() -> str:
    """A CallId."""
    return ids.uuid7(SystemClock().now_ms())


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Country]:
    """Both edges, each with its Redis."""
    configs = {}
    for name in ("hubei", "hunan"):
        made = edge_config(tmp_path_factory.mktemp(name))
        configs[name] = replace(made, edge=replace(made.edge, realm=f"{name}.tierline"), centre=replace(made.centre, name=name))
    with ExitStack() as stack:
        edges = {}
        for name, other in (("hubei", "hunan"), ("hunan", "hubei")):
            peer = configs[other]
            known = Peer(other, realm=peer.edge.realm, edge=f"{Edge().address}:{peer.ports.sip}")
            config = replace(configs[name], peer=(known,))
            stack.enter_context(RedisServer(config.state / "redis", config.ports.redis))
            edges[name] = EdgeKit(config)
        made_country = Country(**edges)
        secrets = DigestSecrets.of("8009", "hunan.tierline", "secret").fields()
        made_country.store.hset(keys.seat_auth("main", "8009"), mapping=secrets)
        for kit in edges.values():
            stack.enter_context(kit)
        yield made_country


@dataclass
class Stage:
    """A media node in Hubei and a phone in Hunan."""

    country: Country
    node: FakeNode
    seat: Seat
    phone: Endpoint

    def dial(self, placement: str, seat: str = "8009") -> Dialog:
        """The node calls the seat."""
        edge, node = self.country.hubei.sip, self.node.endpoint
        target = f"sip:{seat}@hunan.tierline;placement={placement}"
        dialog = Dialog(unique("leg"), "<sip:13812345678@hubei.tierline>;tag=n", f"<{target}>", target)
        dialog.branch = f"z9hG4bK{unique('i')}"
        contact = f"<sip:{placement.partition('.')[0]}.b1@{edge[0]}:{edge[1]}>"
        self.send(
            dialog,
            "INVITE",
            Via=self.node.proved(f"{self.via};branch={dialog.branch}"),
            Contact=contact,
            **{"User-Agent": f"n {node.port}"},
        )
        return dialog

    @property
    def via(self) -> str:
        """Via of the node, without branch."""
        return f"SIP/2.0/UDP {self.node.endpoint.host}:{self.node.endpoint.port}"

    def send(self, dialog: Dialog, method: str, **headers: str) -> None:
        """A request of the node."""
        routes = "".join(f"Route: {route}\r\n" for route in dialog.routes)
        usual = {"From": dialog.local, "To": dialog.remote, "Call-ID": dialog.call_id, "CSeq": f"{dialog.cseq} {method}"}
        extra = f"{routes}X-Tierline-Call: {CALL}\r\n"
        self.node.endpoint.send(request(method, dialog.target, self.node.via, usual | headers, extra=extra), self.country.hubei.sip)

    async def answered(self) -> tuple[str, Dialog, Message]:
        """A conversation: its placement, the node's dialog, the INVITE as the phone got it."""
        placement = self.country.reserve()
        dialog = self.dial(placement)
        invite = await self.phone.final()
        assert invite.method == "INVITE"
        self.phone.send(respond(invite, 200, tag="seat", extra=f"Contact: {self.seat.contact}\r\n"), invite.source)
        answer = await self.node.endpoint.final(of=dialog.call_id)
        assert answer.status == 200
        dialog.learn(answer)
        self.send(dialog, "ACK")
        assert (await self.phone.final()).method == "ACK"
        return placement, dialog, invite


@pytest.fixture
async def stage(country: Country) -> AsyncIterator[Stage]:
    """The phone is registered in Hunan."""
    config = country.hubei.config
    node = FakeNode(
        await Endpoint.open(config.media.address, config.ports.media_sip), "m1", country.hubei.sip, country.hubei.secret
    )
    phone = await Endpoint.open("127.0.0.1")
    seat = Seat(phone, country.hunan.sip, "hunan.tierline", "8009", "secret")
    try:
        assert (await seat.register()).status == 200
        yield Stage(country, node, seat, phone)
        assert (await seat.register(expires=0)).status == 200  # or the next test's call would ring here too
    finally:
        for endpoint in (node.endpoint, phone):
            endpoint.close()


async def test_a_seat_of_another_centre_answers(stage: Stage) -> None:
    """INVITE, 200 and ACK pass both edges; the phone sees nothing of the inside at home; both account under the home's call."""
    placement, dialog, invite = await stage.answered()
    call = placement.partition(".")[0]
    assert f":{stage.node.endpoint.port}".encode() not in invite.raw
    assert b"ierline-" not in invite.raw
    routes = " ".join(dialog.routes)
    assert f";p={placement}" in routes
    assert f"a=n~{stage.country.hubei.label('media', 'm1')};" in routes
    for kit, way, trunk in ((stage.country.hubei, "away", "hunan.tierline"), (stage.country.hunan, "lent", "hubei")):
        facts = {fact.id: fact for fact in kit.facts() if fact.call == call}
        assert set(facts) == {f"{placement}:{way}:e:invite", f"{placement}:{way}:e:outcome"}
        assert facts[f"{placement}:{way}:e:invite"].body["trunk"] == trunk
        assert facts[f"{placement}:{way}:e:outcome"].body["routed_by"] == "placement"
    assert stage.country.told(placement) == [("up", "200")]


async def test_the_home_hangs_up(stage: Stage) -> None:
    """The node's BYE goes by both edges to the phone, and Hunan's router is told."""
    placement, dialog, _ = await stage.answered()
    dialog.cseq += 1
    stage.send(dialog, "BYE")
    bye = await stage.phone.final()
    assert bye.method == "BYE"
    assert f":{stage.node.endpoint.port}".encode() not in bye.raw
    stage.phone.send(respond(bye, 200), bye.source)
    assert (await stage.node.endpoint.final(of=dialog.call_id)).status == 200
    assert stage.country.told(placement) == [("up", "200"), ("over", "SIDE_CALLER")]


def goodbye(invite: Message, phone: Endpoint) -> str:
    """The phone's BYE."""
    target = invite.get("contact").strip("<>")
    routes = "".join(f"Route: {route}\r\n" for route in invite.all("record-route"))
    named = {"From": f"{invite.get('to')};tag=seat", "To": invite.get("from"), "Call-ID": invite.get("call-id"), "CSeq": "1 BYE"}
    return request("BYE", target, f"SIP/2.0/UDP {phone.host}:{phone.port}", named, extra=routes)


async def test_the_seat_hangs_up(stage: Stage) -> None:
    """The phone's BYE finds the node through both edges, and Hunan's router is told."""
    placement, dialog, invite = await stage.answered()
    stage.phone.send(goodbye(invite, stage.phone), stage.country.hunan.sip)
    assert (await stage.phone.final()).status == 200
    assert [bye.get("call-id") for bye in stage.node.of("BYE")] == [dialog.call_id]
    assert stage.country.told(placement) == [("up", "200"), ("over", "SIDE_AGENT")]


async def test_cancelled(stage: Stage) -> None:
    """The caller leaves while it rings: CANCEL reaches the phone, 487 the node, and the router is told."""
    placement = stage.country.reserve()
    dialog = stage.dial(placement)
    invite = await stage.phone.final()
    stage.phone.send(respond(invite, 180, tag="seat"), invite.source)
    while (await stage.node.endpoint.receive()).status != 180:
        pass
    stage.send(dialog, "CANCEL", Via=stage.node.proved(f"{stage.via};branch={dialog.branch}"))
    cancel = await stage.phone.final()
    assert cancel.method == "CANCEL"
    stage.phone.send(respond(cancel, 200, tag="seat"), cancel.source)
    stage.phone.send(respond(invite, 487, tag="seat"), invite.source)
    assert (await stage.phone.final()).method == "ACK"
    answers = [(await stage.node.endpoint.final(of=dialog.call_id)).status for _ in range(2)]
    assert sorted(answers) == [200, 487]
    await until_async(lambda: stage.country.told(placement) == [("failed", "487")], 8, "the router is told")


@pytest.mark.parametrize("why", ["unknown", "other seat", "other home", "no placement"])
async def test_without_a_placement(stage: Stage, why: str) -> None:
    """403, and nobody's phone rings: for a placement that is not there, of another seat, of another centre, or none at all."""
    placement = {
        "unknown": f"{CALL}.p9",
        "other seat": stage.country.reserve("8010"),
        "other home": stage.country.reserve(home="guangdong"),
        "no placement": "x",
    }[why]
    dialog = stage.dial(placement)
    assert (await stage.node.endpoint.final(of=dialog.call_id)).status == 403
    assert await stage.phone.quiet(0.3)


async def test_the_phone_is_not_there(stage: Stage) -> None:
    """A reserved seat whose phone is not registered: 404 to the node, and the router is told."""
    placement = stage.country.reserve()
    assert (await stage.seat.register(expires=0)).status == 200
    dialog = stage.dial(placement)
    assert (await stage.node.endpoint.final(of=dialog.call_id)).status == 404
    until(lambda: stage.country.told(placement) == [("failed", "404")], 3, "the router is told")


async def test_a_stranger_cannot_use_a_placement(stage: Stage) -> None:
    """From an address that is no centre's the same INVITE is refused as from any unknown trunk."""
    stranger = await Endpoint.open("127.0.0.9")
    target = f"sip:8009@hunan.tierline;placement={stage.country.reserve()}"
    named = {"From": "<sip:1@x>;tag=a", "To": f"<{target}>", "Call-ID": unique("s"), "Contact": "<sip:1@127.0.0.9>"}
    stranger.send(request("INVITE", target, f"SIP/2.0/UDP 127.0.0.9:{stranger.port}", named), stage.country.hunan.sip)
    assert (await stranger.final()).status == 403
    assert await stage.phone.quiet(0.3)
    stranger.close()


async def test_the_other_edge_is_dead(stage: Stage) -> None:
    """No answer from the other edge for two seconds ends the leg with 408, the home's line says so."""
    placement = stage.country.reserve()
    stage.country.hunan.kill()
    try:
        dialog = stage.dial(placement)
        assert (await stage.node.endpoint.final(4, of=dialog.call_id)).status == 408
        lines = {fact.id: fact.body for fact in stage.country.hubei.facts()}
        assert lines[f"{placement}:away:e:outcome"]["sip_status"] == 408
    finally:
        stage.country.hunan.start()

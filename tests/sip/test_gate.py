"""Where the edge may send (docs/security.md): whatever a message names, nothing leaves the edge but to a party of the dialog."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
import redis

from ops import keys, provision
from tests.kit.redis_server import RedisServer
from tests.kit.wait import until_async
from tests.sip.conftest import World, around
from tests.sip.edge_kit import CARRIER, STRANGER, EdgeKit, edge_config
from tests.sip.fake_node import FakeNode
from tests.sip.fake_router import FakeRouter
from tests.sip.seat_client import Seat
from tests.sip.sip_client import Caller, Dialog, Endpoint, Message, request, respond, unique
from tests.sip.wires import Stream

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]
CALL = "019ab000-0000-7000-8000-000000000001"
VICTIM = "127.0.0.77"
METHODS = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "OPTIONS",
    "REGISTER",
    "INFO",
    "PRACK",
    "UPDATE",
    "REFER",
    "NOTIFY",
    "SUBSCRIBE",
    "MESSAGE",
    "PUBLISH",
]
STATUSES = (100, 180, 200, 302, 401, 404, 503, 603)


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeKit]:
    """An edge with seat 1001, which takes nothing for a flood here."""
    config = edge_config(tmp_path_factory.mktemp("edge"), flood_per_2s=100_000)
    with RedisServer(config.state / "redis", config.ports.redis) as server, EdgeKit(config) as kit:
        secret = provision.ha1("1001", config.edge.realm, "secret")
        redis.Redis(port=server.port).hset(keys.seat_auth("main", "1001"), "ha1", secret)
        yield kit


@pytest_asyncio.fixture(loop_scope="module")
async def world(edge: EdgeKit, router: FakeRouter) -> AsyncIterator[World]:
    """With the module's router."""
    async with around(edge, router) as made:
        yield made


@dataclass
class Victim:
    """A place that no message may reach, by UDP or TCP."""

    udp: Endpoint
    server: asyncio.Server
    connections: list[object] = field(default_factory=list)

    @classmethod
    async def open(cls) -> Victim:
        """On one port of an address of its own."""
        udp = await Endpoint.open(VICTIM)
        connections: list[object] = []
        server = await asyncio.start_server(lambda reader, writer: connections.append(reader), VICTIM, udp.port)
        return cls(udp, server, connections)

    @property
    def where(self) -> str:
        """host:port."""
        return f"{VICTIM}:{self.udp.port}"

    @property
    def heard(self) -> list[object]:
        """What came."""
        return [*(message.start for message in self.udp.seen), *self.connections]

    def close(self) -> None:
        """Give the port back."""
        self.udp.close()
        self.server.close()


@pytest_asyncio.fixture(loop_scope="module")
async def victim() -> AsyncIterator[Victim]:
    """Nobody's friend."""
    made = await Victim.open()
    yield made
    made.close()


@pytest_asyncio.fixture(loop_scope="module")
async def seat(world: World) -> AsyncIterator[Seat]:
    """Seat 1001 is registered by UDP."""
    endpoint = await Endpoint.open("127.0.0.30")
    made = Seat(endpoint, world.edge.sip, world.edge.config.edge.realm, "1001", "secret")
    assert (await made.register()).status == 200
    yield made
    await made.register(expires=0)
    endpoint.close()


def named(where: str, edge: str) -> list[tuple[str, dict[str, str], str]]:
    """Ways to name a foreign target: Request-URI, headers that replace the usual ones, header lines."""
    host, _, port = where.partition(":")
    usual = f"sip:x@{edge}"
    tricks = [f";alias={host}~{port}~{kind}" for kind in (1, 2)] + [f";maddr={host}", f";received=sip:{where}", f";received={host}"]
    foreign = [f"sip:x@{where}", f"sip:x@{where};transport=tcp", f"sips:x@{where}", *(f"sip:x@{edge}{trick}" for trick in tricks)]
    foreign += [f"sip:{CALL}.a@{where}", f"sip:{CALL}.a@{edge};maddr={host};transport=tcp"]
    ways: list[tuple[str, dict[str, str], str]] = [(uri, {}, "") for uri in foreign]
    for uri, ours in itertools.product(
        (usual, foreign[0], foreign[1]), ("", f"<sip:{edge};lr>, ", f"<sip:{edge};lr;n=m1;p={CALL}.p1>, ")
    ):
        ways.append((uri, {}, f"Route: {ours}<sip:{where};lr>\r\n"))
        ways.append((uri, {}, f"Route: {ours}<sip:{where};transport=tcp;lr>\r\n"))
    forged = f"a=n~000000000000;b=k~000000000000~udp~{host}~{port};t={'A' * 43}"
    ways += [(uri, {}, f"Route: <sip:{edge};lr;{forged}>\r\n") for uri in (usual, foreign[0])]
    ways += [(usual, {"Contact": f"<{uri}>"}, f"Route: <sip:{edge};lr>\r\n") for uri in foreign]
    for extra in ("", f";received={host}", f";maddr={host}", f";rport={port}", f";received={host};rport={port}"):
        ways.append((usual, {"Via": f"SIP/2.0/UDP {where};branch=z9hG4bK{unique('v')}{extra}"}, ""))
        ways.append((usual, {"Via": f"SIP/2.0/TCP {where};branch=z9hG4bK{unique('v')}{extra}"}, ""))
    for header in (
        "Record-Route",
        "Path",
        "Refer-To",
        "Referred-By",
        "Service-Route",
        "P-Asserted-Identity",
        "Reply-To",
        "Alert-Info",
    ):
        ways += [(usual, {}, f"{header}: <sip:{where};lr{trick}>\r\n") for trick in ("", *tricks)]
    return ways


def texts(world: World, where: str, via: str) -> Iterator[str]:
    """Every method with every way, inside and outside of a dialog."""
    edge = f"{world.edge.sip[0]}:{world.edge.sip[1]}"
    for method, (uri, headers, extra), tag in itertools.product(METHODS, named(where, edge), ("", ";tag=zz")):
        usual = {"From": "<sip:1001@tierline.local>;tag=a", "To": f"<sip:x@y>{tag}", "Call-ID": unique("gate")}
        yield request(method, uri, via, usual | {"Contact": "<sip:a@127.0.0.9:9>"} | headers, "SET owned yes\r\n", extra)


def answers(where: str, edge: str) -> Iterator[str]:
    """Every reply with Vias that name a foreign target."""
    ours = f"Via: SIP/2.0/UDP {edge};branch=z9hG4bK1234.1\r\n"
    for status, transport, ways in itertools.product(
        STATUSES, ("UDP", "TCP", "TLS"), ("{0}{1}", "{1}", "{0}{0}{1}", "{0}{1}{1}", "{1}{0}")
    ):
        theirs = f"Via: SIP/2.0/{transport} {where};branch=z9hG4bKabc\r\n"
        lines = f"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: {unique('r')}\r\nCSeq: 1 MESSAGE\r\n"
        lines += f"Contact: <sip:x@{where}>\r\n"
        body = "\r\nSET owned yes\r\n"
        yield f"SIP/2.0 {status} OK\r\n{ways.format(ours, theirs)}{lines}Content-Length: {len(body)}\r\n\r\n{body}"


async def heard_all(world: World, sender: Endpoint | Stream, sent: Iterator[str]) -> int:
    """Send all, and wait until the edge has dealt with them (it answers what comes after from each of its workers' queues)."""
    count = 0
    for text in sent:
        sender.send(text, world.edge.sip)
        count += 1
        if count % 20 == 0:
            await answered(world)
    for _ in range(5):
        await answered(world)
    return count


async def answered(world: World) -> None:
    """A carrier's OPTIONS is answered: what was sent before it is read."""
    asking = Caller(await Endpoint.open(CARRIER), world.edge.sip)
    dialog = asking.dialog()
    asking.send(dialog, "OPTIONS", Contact=asking.contact)
    assert (await asking.endpoint.final()).status == 200
    asking.endpoint.close()


def owned(world: World) -> object:
    """What a message's body did in Redis."""
    return redis.Redis(port=world.edge.config.ports.redis).get("owned")


@pytest.mark.parametrize("who", [STRANGER, CARRIER, "seat"])
async def test_no_request_goes_where_it_names(world: World, victim: Victim, seat: Seat, who: str) -> None:
    """Every method, in and out of dialogs, from a stranger, a trunk and a seat, with a foreign target in every header that can name
    one: nothing reaches that target; a trunk's calls reach the router's node, and seats hear nothing of it."""
    sender = seat.endpoint if who == "seat" else await Endpoint.open(who)
    assert isinstance(sender, Endpoint)
    world.m1.answer = 486
    heard = len(seat.endpoint.seen) if who != "seat" else 0  # type: ignore[attr-defined]
    await heard_all(world, sender, texts(world, victim.where, f"SIP/2.0/UDP {sender.host}:{sender.port}"))
    assert victim.heard == []
    assert {message.method for message in world.m1.requests + world.m2.requests} <= {"INVITE", "ACK", "CANCEL"}
    if who != CARRIER:
        assert world.m1.requests + world.m2.requests == []
    if who != "seat":
        assert len(seat.endpoint.seen) == heard  # type: ignore[attr-defined]
        sender.close()


async def test_redis_is_out_of_reach(world: World) -> None:
    """The same with the centre's own Redis for a target: its port is never connected to, and no body becomes a command."""
    client = redis.Redis(port=world.edge.config.ports.redis)
    sender = await Endpoint.open(STRANGER)
    where = f"127.0.0.1:{world.edge.config.ports.redis}"
    before = client.info("stats")["total_connections_received"]
    via = f"SIP/2.0/UDP {STRANGER}:{sender.port}"
    await heard_all(world, sender, (text for text in texts(world, where, via) if text.startswith(("INFO", "BYE", "INVITE"))))
    await heard_all(world, sender, answers(where, f"{world.edge.sip[0]}:{world.edge.sip[1]}"))
    assert client.info("stats")["total_connections_received"] == before
    assert owned(world) is None
    sender.close()


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_a_reply_without_a_transaction_goes_nowhere(world: World, victim: Victim, transport: str) -> None:
    """Replies with one, two and three Vias, over UDP and TCP, from a stranger: the place that a Via names hears nothing."""
    sender = await Endpoint.open(STRANGER) if transport == "UDP" else await Stream.open(world.edge.sip)
    await heard_all(world, sender, answers(victim.where, f"{world.edge.sip[0]}:{world.edge.sip[1]}"))
    assert victim.heard == []
    assert world.edge.metric("refused_total", why="stray_reply") > 0
    sender.close()


async def carriers_call(world: World, contact: str = "", extra: str = "") -> tuple[Dialog, Message]:
    """A call of the trunk, answered by m1; the dialog, the INVITE as m1 got it."""
    world.m1.answer = 200
    headers = {"Contact": contact} if contact else {}
    dialog = world.caller.invite(world.caller.dialog(), extra, **headers)
    answer = await world.caller.endpoint.final()
    assert answer.status == 200
    world.caller.ack(dialog, answer)
    await until_async(lambda: len(world.m1.of("ACK")) == 1, 8, "the ACK reached m1")
    return dialog, world.m1.invites()[-1]


def of_node(node: FakeNode, invite: Message, method: str, target: str = "") -> str:
    """A request of the node in the dialog of an INVITE that it got."""
    routes = "".join(f"Route: {route}\r\n" for route in invite.all("record-route"))
    ends = {"From": f"{invite.get('to')};tag={node.name}-{invite.get('call-id')}", "To": invite.get("from")}
    headers = ends | {"Call-ID": invite.get("call-id"), "CSeq": f"7 {method}"}
    return request(method, target or invite.get("contact").strip("<>"), node.via, headers, extra=routes)


@pytest.mark.parametrize(
    "trick", ["", ";alias={host}~{port}~1", ";alias={host}~{port}~2", ";maddr={host}", ";received=sip:{host}:{port}"]
)
@pytest.mark.parametrize("host", ["{own}", "{host}:{port}", "{host}:{port};transport=tcp"])
async def test_a_contact_chooses_no_next_hop(world: World, victim: Victim, trick: str, host: str) -> None:
    """Whatever a carrier's Contact names, the node's BYE goes to where the carrier's INVITE came from; its parameters are off."""
    caller = world.caller.endpoint
    words = {"host": VICTIM, "port": victim.udp.port, "own": f"{caller.host}:{caller.port}"}
    _, invite = await carriers_call(world, f"<sip:a@{host}{trick}>".format(**words))
    assert not [word for word in ("alias=", "maddr=", "received=") if word in invite.get("contact")]
    world.m1.endpoint.send(of_node(world.m1, invite, "BYE"), world.edge.sip)
    bye = await caller.final()
    assert bye.method == "BYE"
    caller.send(respond(bye, 200), bye.source)
    assert (await world.m1.endpoint.final()).status == 200
    assert victim.heard == []


async def test_a_seats_contact_chooses_no_next_hop(world: World, victim: Victim, seat: Seat) -> None:
    """The same for a seat that answers with a Contact of another place: ACK and BYE go where it registered from."""
    node, phone = world.m1, seat.endpoint
    assert isinstance(phone, Endpoint)
    ids = {"From": "<sip:138@tierline.local>;tag=n", "To": "<sip:1001@tierline.local>", "Call-ID": unique("leg")}
    contact = f"<sip:{CALL}.b1@{world.edge.sip[0]}:{world.edge.sip[1]}>"
    node.endpoint.send(request("INVITE", "sip:1001@tierline.local", node.via, ids | {"Contact": contact}), world.edge.sip)
    invite = await phone.final()
    elsewhere = f"Contact: <sip:1001@{victim.where};alias={VICTIM}~{victim.udp.port}~2>\r\n"
    phone.send(respond(invite, 200, tag="seat", extra=elsewhere), invite.source)
    answer = await node.endpoint.final()
    assert "alias" not in answer.get("contact")
    routes = "".join(f"Route: {route}\r\n" for route in reversed(answer.all("record-route")))
    for method in ("ACK", "BYE"):
        headers = ids | {"To": answer.get("to"), "CSeq": f"1 {method}"}
        node.endpoint.send(request(method, f"sip:1001@{victim.where}", node.via, headers, extra=routes), world.edge.sip)
        got = await phone.final()
        assert got.method == method
    phone.send(respond(got, 200), got.source)
    assert victim.heard == []


@pytest.mark.parametrize("method", ["BYE", "INFO", "INVITE", "UPDATE", "REFER", "NOTIFY", "ACK"])
async def test_a_dialog_is_its_parties_own(world: World, method: str) -> None:
    """A stranger who knows all of a call, its Record-Route too, reaches neither side; the party itself does."""
    dialog, _ = await carriers_call(world)
    stranger = Caller(await Endpoint.open(STRANGER), world.edge.sip)
    dialog.cseq += 1
    before = len(world.m1.requests)
    stranger.send(dialog, method, Contact=stranger.contact)
    if method != "ACK":
        assert (await stranger.endpoint.final()).status == 481
    await answered(world)
    assert len(world.m1.requests) == before
    world.caller.bye(dialog)
    assert (await world.caller.endpoint.final()).status == 200
    stranger.endpoint.close()


@pytest.mark.parametrize("change", ["call", "tag", "party", "seal", "node"])
async def test_a_seal_fits_one_dialog(world: World, change: str) -> None:
    """With another Call-ID, tag or party, or a changed seal, even the trunk itself has no dialog: 481."""
    dialog, _ = await carriers_call(world)
    (route,) = dialog.routes
    dialog.cseq += 1
    first = dialog.call_id
    if change == "call":
        dialog.call_id += "x"
    elif change == "tag":
        dialog.local += "x"
    elif change == "party":
        dialog.routes = [route.replace("~udp~127.0.0.2", f"~udp~{VICTIM}")]
    elif change == "seal":
        dialog.routes = [route.replace(";t=", ";t=A").replace("A>", ">")]
    else:
        dialog.routes = [route.replace("b=n~", "b=n~0")]
    world.caller.send(dialog, "BYE")
    assert (await world.caller.endpoint.final()).status == 481
    assert not [bye for bye in world.m1.of("BYE") if bye.get("call-id") == first]


@pytest.mark.parametrize("moved", ["to", "from", "placement"])
async def test_text_cannot_be_moved_between_the_fields_of_a_seal(world: World, victim: Victim, moved: str) -> None:
    """A trunk whose Call-ID holds a party or a placement cuts the sealed text in other places: then the seal fits no more, and
    nothing is sent."""
    party = f"s~9999~udp~{VICTIM}~{victim.udp.port}"
    hidden = f"{CALL}.p1" if moved == "placement" else party
    dialog = world.caller.dialog()
    dialog.call_id = hidden + unique("rest")
    world.m1.answer = 200
    world.caller.invite(dialog)
    world.caller.ack(dialog, await world.caller.endpoint.final())
    (route,) = dialog.routes
    values = dict(word.split("=", 1) for word in route.strip("<>").split(";")[2:])
    cuts = {
        "to": {"a": values["a"] + values["b"], "b": hidden},
        "from": {"a": values["a"], "b": values["b"] + hidden},
        "placement": {"a": values["a"], "b": values["b"], "p": hidden},
    }
    words = "".join(f";{name}={value}" for name, value in (cuts[moved] | {"t": values["t"]}).items())
    dialog.call_id = dialog.call_id.removeprefix(hidden)
    dialog.routes = [f"<sip:{world.edge.sip[0]}:{world.edge.sip[1]};lr=on{words}>"]
    world.caller.send(dialog, "BYE")
    assert (await world.caller.endpoint.final()).status == 481
    await answered(world)
    assert not world.m1.of("BYE")
    assert victim.heard == []


async def test_a_call_leaves_no_word_in_the_log(world: World) -> None:
    """A call and its BYE write nothing into the edge's log: no value of the script is of the wrong type."""
    before = world.edge.log.stat().st_size
    dialog, _ = await carriers_call(world)
    world.caller.bye(dialog)
    assert (await world.caller.endpoint.final()).status == 200
    assert world.edge.log.read_bytes()[before:] == b""


async def test_no_other_process_takes_the_port(world: World) -> None:
    """A process of this machine that binds the edge's UDP port with SO_REUSEADDR, as Kamailio does itself, is refused: else it
    would get all that is sent to the edge."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            thief.bind(world.edge.sip)


@pytest.mark.parametrize("count", [7, 60])
async def test_many_routes_are_one_round(world: World, count: int) -> None:
    """A request with many Routes of the edge itself passes it once, and is refused."""
    stranger = Caller(await Endpoint.open(STRANGER), world.edge.sip)
    dialog = stranger.dialog()
    dialog.remote += ";tag=x"
    await answered(world)
    before = world.edge.metric("core_rcv_requests_options")
    dialog.routes = [f"<sip:{world.edge.sip[0]}:{world.edge.sip[1]};lr>"] * count
    stranger.send(dialog, "OPTIONS")
    assert (await stranger.endpoint.final()).status == 400
    assert world.edge.metric("core_rcv_requests_options") == before + 1
    stranger.endpoint.close()


async def test_only_the_caller_cancels(world: World) -> None:
    """A CANCEL with the branch of a ringing call from another address is refused; the caller's own reaches the node."""
    world.m1.answer = lambda invite: world.m1.reply(invite, 180)
    dialog = world.caller.invite(world.caller.dialog())
    while (await world.caller.endpoint.receive()).status != 180:
        pass
    stranger = Caller(await Endpoint.open(STRANGER), world.edge.sip)
    stranger.send(dialog, "CANCEL", Via=f"{world.caller.via};branch={dialog.branch};rport")
    assert (await stranger.endpoint.final()).status == 481
    assert not world.m1.of("CANCEL")
    world.caller.cancel(dialog)
    await until_async(lambda: len(world.m1.of("CANCEL")) == 1, 8, "the node is told")
    world.m1.reply(world.m1.invites()[0], 487)
    stranger.endpoint.close()


async def test_inside_a_dialog_there_is_time(world: World) -> None:
    """A carrier that thinks about a re-INVITE for a second and a half is still answered for: the node gets its 200, not 408."""
    _, invite = await carriers_call(world)
    world.m1.endpoint.send(of_node(world.m1, invite, "INVITE"), world.edge.sip)
    refresh = await world.caller.endpoint.final()
    assert refresh.method == "INVITE"
    await asyncio.sleep(1.5)  # longer than the second that a silent media node is given
    extra = f"Contact: {world.caller.contact}\r\n"
    world.caller.endpoint.send(respond(refresh, 200, extra=extra), refresh.source)
    assert (await world.m1.endpoint.final()).status == 200

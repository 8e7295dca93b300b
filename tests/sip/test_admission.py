"""Who may pass the edge, what a forged packet can do (nothing), and what the edge says of itself."""

from __future__ import annotations

import hashlib
import json
import re
import stat
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
import redis

from ops import keys
from ops.provision import DigestSecrets
from tests.kit.redis_server import RedisServer
from tests.kit.wait import until_async
from tests.sip.conftest import World, around
from tests.sip.edge_kit import STRANGER, EdgeKit, edge_config
from tests.sip.fake_router import FakeRouter
from tests.sip.seat_client import Seat
from tests.sip.sip_client import Caller, Endpoint, Message, digest, request, unique
from tests.sip.wires import Stream

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]
REALM = "tierline.local"
TRIES = 5  # wrong passwords that hold off an account
SEATS = [str(number) for number in range(1001, 1100)]
SITE = "127.0.5.5"  # phones of a site share it


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeKit]:
    """An edge whose seats have passwords, and which holds off for three seconds."""
    config = edge_config(tmp_path_factory.mktemp("edge"), wrong_passwords=TRIES, hold_off_s=3)
    with RedisServer(config.state / "redis", config.ports.redis) as server:
        store = redis.Redis(port=server.port)
        for seat in SEATS:
            store.hset(keys.seat_auth("main", seat), mapping=DigestSecrets.of(seat, REALM, f"secret-{seat}").fields())
        store.close()
        with EdgeKit(config) as kit:
            yield kit


@pytest_asyncio.fixture(loop_scope="module")
async def world(edge: EdgeKit, router: FakeRouter) -> AsyncIterator[World]:
    """With the module's router."""
    async with around(edge, router) as made:
        yield made


async def phone(world: World, seat: str, address: str = SITE, password: str = "") -> Seat:
    """A phone of the site."""
    return Seat(await Endpoint.open(address), world.edge.sip, REALM, seat, password or f"secret-{seat}")


async def options(sender: Caller, uri: str, **headers: str) -> Message | None:
    """The answer to an OPTIONS, None if there is none."""
    ids = {"From": "<sip:a@b.example>;tag=1", "To": f"<{uri}>", "Call-ID": unique("o")}
    sender.endpoint.send(request("OPTIONS", uri, sender.via, ids | headers), sender.edge)
    try:
        return await sender.endpoint.final(0.5)
    except TimeoutError:
        return None


async def stranger(world: World, address: str = STRANGER) -> Caller:
    """Nobody the edge knows."""
    return Caller(await Endpoint.open(address), world.edge.sip)


async def test_a_wrong_password_holds_off_its_account_alone(world: World) -> None:
    """The phone with the old password is held off with Retry-After; its neighbours behind the same address register."""
    wrong = await phone(world, "1002", password="old")
    assert [(await wrong.register()).status for _ in range(TRIES)] == [401] * TRIES
    held = await wrong.register()
    assert (held.status, held.get("retry-after")) == (503, "3")
    assert (await (await phone(world, "1003")).register()).status == 200
    right = await phone(world, "1002")
    assert (await right.register()).status == 503  # guessing goes on at no better rate with the right one among the guesses

    async def heard() -> bool:
        return (await right.register()).status == 200

    await until_async(heard, 10, "the account is taken back after the hold-off", pause=0.3)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_registered_phone_is_not_held_off(world: World, transport: str) -> None:
    """Who shares a phone's address and gives wrong passwords in its name does not keep it from refreshing its registration."""
    seat, address = {"udp": ("1010", "127.0.6.7"), "tcp": ("1011", "127.0.0.1")}[transport]
    wire = await Endpoint.open(address) if transport == "udp" else await Stream.open(world.edge.sip)
    right = Seat(wire, world.edge.sip, REALM, seat, f"secret-{seat}")
    right.transport = transport.upper()
    assert (await right.register()).status == 200
    neighbour = await phone(world, seat, address=address, password="guess")
    for _ in range(TRIES + 1):
        answer = await neighbour.register()
    assert answer.status == 503
    assert (await right.register()).status == 200


async def test_another_address_is_not_held_off(world: World) -> None:
    """Who guesses a seat's password elsewhere does not lock the seat out of its own address."""
    guesser = await phone(world, "1004", address="127.0.6.6", password="guess")
    for _ in range(TRIES + 1):
        await guesser.register()
    assert (await (await phone(world, "1004")).register()).status == 200


async def test_guessing_over_many_accounts(world: World) -> None:
    """One password tried on many accounts: the address is slowed, whoever is registered there goes on."""
    address = "127.0.7.7"
    registered = await phone(world, "1001", address=address)
    assert (await registered.register()).status == 200
    for number in range(10 * TRIES):
        assert (await (await phone(world, SEATS[20 + number], address=address, password="guess")).register()).status == 401
    assert (await (await phone(world, "1099", address=address)).register()).status == 503
    assert (await registered.register()).status == 200


async def test_a_forged_answer_counts_for_nobody(world: World) -> None:
    """Digests over nonces that this edge did not give to this address are challenged anew and hold off nobody."""
    attacker = await phone(world, "1005")
    theirs = (await (await phone(world, "1005", address="127.0.6.6")).send()).get("www-authenticate")
    invented = f'Digest realm="{REALM}", nonce="1796083231-1-1-{"0" * 32}"'
    for challenge in [invented, theirs] * (5 * TRIES):
        answer = await attacker.send(digest(challenge, "1005", "guess", f"sip:{REALM}"))
        assert answer.status == 401
        assert "stale=true" in answer.get("www-authenticate")
    assert (await attacker.register()).status == 200


async def test_the_nonce_needs_the_secret(world: World) -> None:
    """The nonce is sealed by the secret that the edge's folder keeps, and not by a word of the script."""
    nonce = re.findall(r'nonce="([^"]+)"', (await (await phone(world, "1005")).send()).get("www-authenticate"))[0]
    head, _, seal = nonce.rpartition("-")
    secret = (world.edge.config.state / "edge" / "secret").read_text().strip()
    assert hashlib.sha256(f"{secret}:{SITE}:{head}".encode()).hexdigest().startswith(seal)


async def test_an_answer_is_good_for_its_sender_alone(world: World) -> None:
    """The right answer to a challenge, sent from another address or a second time, is not taken."""
    seat = await phone(world, "1006")
    assert (await seat.register()).status == 200
    thief = await phone(world, "1006", address="127.0.6.6")
    assert (await thief.send(seat.authorization)).status == 401
    assert (await seat.send(seat.authorization)).status == 401


async def test_an_answer_without_qop(world: World) -> None:
    """RFC 2069's answer, which can be replayed, is refused."""
    seat = await phone(world, "1006")
    challenge = (await seat.send()).get("www-authenticate")
    old = re.sub(r", cnonce=.*", "", digest(challenge, "1006", "secret-1006", f"sip:{REALM}"))
    assert (await seat.send(old)).status == 400


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ((", algorithm=MD5", ""), 200),
        (("algorithm=MD5", 'algorithm="md5"'), 200),
        (("qop=auth", 'qop="auth"'), 200),
        (("algorithm=MD5", "algorithm=MD5-sess"), 401),
        (("algorithm=MD5", "algorithm=SHA-256"), 401),
        (("qop=auth", "qop=auth-int"), 400),
        (("nc=00000001", "nc=1"), 400),
        (('username="1010"', 'username="1011"'), 401),
        (('username="1010"', 'username="1010 X"'), 401),
        (('username="1010"', 'username=""'), 401),
    ],
)
async def test_forms_of_an_answer(world: World, change: tuple[str, str], status: int) -> None:
    """An answer is read as phones write it (no algorithm is MD5), and what is not the answer to our question is not taken."""
    seat = await phone(world, "1010", address="127.0.9.9")
    challenge = (await seat.send()).get("www-authenticate")
    answer = digest(challenge, "1010", "secret-1010", f"sip:{REALM}").replace(*change)
    assert change[1] in answer
    assert (await seat.send(answer)).status == status


async def test_sha256(world: World) -> None:
    """The edge asks for SHA-256 first and for MD5 beside it (RFC 8760), and takes either; a wrong SHA-256 answer is refused."""
    seat = await phone(world, "1007")
    first = await seat.send()
    assert [re.findall(r"algorithm=(\S+)", value) for value in first.all("www-authenticate")] == [["SHA-256"], ["MD5"]]
    for password, status in (("guess", 401), ("secret-1007", 200)):
        assert (await seat.send(sha256_digest(first.get("www-authenticate"), "1007", password))).status == status


@pytest.mark.parametrize("guess", ["", "0", "<null>", "(null)"])
@pytest.mark.parametrize("seat", ["1999", "1098"])
async def test_an_absent_secret_is_no_password(world: World, edge: EdgeKit, seat: str, guess: str) -> None:
    """Nobody registers a seat that Redis does not know, or without a secret of the algorithm, by what an absent value becomes."""
    with redis.Redis(port=edge.config.ports.redis) as store:
        store.hdel(keys.seat_auth("main", "1098"), "ha1_sha256")
    stranger = await phone(world, seat)
    challenge = (await stranger.send()).get("www-authenticate")
    assert (await stranger.send(sha256_digest(challenge, seat, "", secret=guess))).status == 401


@pytest.mark.parametrize("name", ["username", "realm", "nonce", "uri", "response", "cnonce", "qop", "nc"])
async def test_an_answer_without_a_part_is_no_answer(world: World, name: str) -> None:
    """Whatever part of a right answer is left out, nobody is registered by it: what is absent equals nothing."""
    seat = await phone(world, "1097")
    challenge = (await seat.send()).get("www-authenticate")
    answer = sha256_digest(challenge, "1097", "secret-1097")
    assert f"{name}=" in answer
    left = re.sub(rf'\b{name}=("[^"]*"|[^,]*)(, )?', "", answer)
    assert (await seat.send(left)).status in (400, 401)


def sha256_digest(challenge: str, seat: str, password: str, secret: str | None = None) -> str:
    """The Authorization value by SHA-256; `secret`: in place of the hash of name, realm and password."""

    def hashed(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    nonce, uri, count = re.findall(r'nonce="([^"]+)"', challenge)[0], f"sip:{REALM}", unique("c")
    secret = hashed(f"{seat}:{REALM}:{password}") if secret is None else secret
    response = hashed(f"{secret}:{nonce}:00000001:{count}:auth:{hashed(f'REGISTER:{uri}')}")
    told = f'username="{seat}", realm="{REALM}", nonce="{nonce}", uri="{uri}", response="{response}", algorithm=SHA-256'
    return f'Digest {told}, cnonce="{count}", qop=auth, nc=00000001'


async def test_the_oldest_contact_gives_way(world: World) -> None:
    """A phone that starts anew on another port each time is registered each time; the newest five contacts stay."""
    contacts = []
    for number in range(8):
        seat = await phone(world, "1008")
        answer = await seat.register(expires=600 - number)
        assert answer.status == 200
        contacts.append(seat.contact.strip("<>"))
        kept = [re.findall(r"<([^>]+)>", value)[0] for line in answer.all("contact") for value in line.split(",")]
        assert set(kept) == set(contacts[-5:])
    again = await seat.register()
    assert {re.findall(r"<([^>]+)>", one)[0] for line in again.all("contact") for one in line.split(",")} == set(contacts[-5:])


@pytest.mark.parametrize("user", ["", "1001@"])
async def test_options(world: World, user: str) -> None:
    """Asked by its address or by the realm, with or without a user, the edge says what it can; it does not speak for others."""
    host, port = world.edge.sip
    for sender in (world.caller, await stranger(world)):
        for uri in (f"sip:{user}{host}:{port}", f"sip:{user}{REALM}", f"sip:{user}{REALM.upper()}"):
            answer = await options(sender, uri)
            assert answer is not None
            assert answer.status == 200
            assert "INVITE" in answer.get("allow")
        other = await options(sender, f"sip:{user}elsewhere.example")
        assert other is not None
        assert other.status == 404


async def test_a_scanner_bans_nobody(world: World) -> None:
    """A packet with a scanner's name gets no answer; the next one from the address that it bore does."""
    sender, uri = await stranger(world, SITE), f"sip:{REALM}"
    assert await options(sender, uri, **{"User-Agent": "friendly-scanner"}) is None
    answer = await options(sender, uri)
    assert answer is not None
    assert answer.status == 200


async def test_a_flood_does_not_cut_calls(world: World) -> None:
    """While an address floods, requests of other kinds there are dropped; a registered seat's requests inside dialogs are not."""
    seat = await phone(world, "1009", address="127.0.8.8")
    assert (await seat.register()).status == 200
    flooder = await stranger(world, "127.0.8.8")
    limit = world.edge.config.edge.flood_per_2s
    before = world.edge.metric("refused_total", why="flood")
    for _ in range(3 * limit):
        flooder.endpoint.send(_ping(flooder), world.edge.sip)
    await until_async(lambda: world.edge.metric("refused_total", why="flood") > before, 10, "the flood is noticed")
    headers = {"From": f"<sip:1009@{REALM}>;tag=s", "To": "<sip:1@x>;tag=t", "Call-ID": unique("in")}
    via = f"SIP/2.0/UDP {seat.endpoint.host}:{seat.endpoint.port}"
    seat.endpoint.send(request("BYE", f"sip:{REALM}", via, headers), world.edge.sip)
    assert (await seat.endpoint.final(3)).status in (403, 404, 481)


def _ping(sender: Caller) -> str:
    ids = {"From": "<sip:a@b.example>;tag=1", "To": f"<sip:{REALM}>", "Call-ID": unique("o")}
    return request("OPTIONS", f"sip:{REALM}", sender.via, ids)


async def test_refused_calls_of_strangers(world: World) -> None:
    """A stranger's INVITEs are refused and counted, and leave no line in the journal; a trunk's refused call does."""
    sender, before = await stranger(world), len(world.edge.facts())
    counted = world.edge.metric("refused_total", why="unknown_trunk")
    for _ in range(30):
        sender.invite(sender.dialog())
        assert (await sender.endpoint.final()).status == 403
    assert world.edge.metric("refused_total", why="unknown_trunk") == counted + 30
    assert len(world.edge.facts()) == before
    assert world.edge.log.read_text(errors="replace").count("refused an INVITE of 127.0.0.9") <= 10
    world.caller.invite(world.caller.dialog(), extra="Proxy-Require: foo\r\n")
    answer = await world.caller.endpoint.final()
    assert (answer.status, answer.get("unsupported")) == (420, "foo")
    assert len(world.edge.facts()) == before + 2


async def test_http_tells_and_takes_nothing(world: World) -> None:
    """The HTTP port answers GET of metrics and health, whatever the Origin; no POST, no control."""
    base = f"http://127.0.0.1:{world.edge.config.ports.edge_http}"
    body = json.dumps({"jsonrpc": "2.0", "method": "core.uptime", "id": 1}).encode()

    def status(path: str, data: bytes | None = None, method: str | None = None) -> int:
        headers = {"Origin": "https://evil.example", "Content-Type": "text/plain"}
        try:
            with urllib.request.urlopen(urllib.request.Request(base + path, data, headers, method=method), timeout=5) as reply:
                return int(reply.status)
        except urllib.error.HTTPError as error:
            return error.code

    assert (status("/healthz"), status("/metrics")) == (200, 200)
    assert (status("/RPC", body), status("/healthz", body), status("/metrics", method="PUT")) == (405, 405, 405)
    assert (status("/RPC"), status("/"), status("/metrics/x")) == (404, 404, 404)


async def test_control_is_the_owners(world: World) -> None:
    """Kamailio's control is a socket that its user alone can open."""
    path = world.edge.config.state / "edge" / "control"
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert world.edge.rpc("core.uptime")["uptime"] >= 0

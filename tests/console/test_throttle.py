"""How fast passwords may be tried, and whose address counts behind a reverse proxy."""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import replace
from pathlib import Path

import pytest

from console.api import sessions
from console.api.proxies import Proxies
from console.api.throttle import FORGET_MS, FREE_NETWORK, FREE_PAIR, FREE_USER, LONGEST_MS, Throttle, networks
from ops.centre import Console
from tests.console.desk import Desk, centre
from tests.kit.redis_server import RedisServer

HERE, ELSEWHERE = "192.0.2.1", "198.51.100.1"


def wrong(throttle: Throttle, user: str, address: str, now_ms: int) -> int:
    """One wrong try, or how long it must wait."""
    wait = throttle.begin(user, address, now_ms)
    if not wait:
        throttle.failed(user, address, now_ms)
    return wait


def right(throttle: Throttle, user: str, address: str, now_ms: int) -> int:
    """One right try, or how long it must wait."""
    wait = throttle.begin(user, address, now_ms)
    if not wait:
        throttle.succeeded(user, address)
    return wait


def test_waits_grow_to_a_limit() -> None:
    """After the free tries each wrong one doubles the wait, up to a limit, and a try before its end is refused."""
    throttle, now, waits = Throttle(), 0, []
    for _ in range(FREE_PAIR + 10):
        while wait := throttle.begin("u", HERE, now):
            assert throttle.begin("u", HERE, now + wait - 1) == 1
            waits.append(wait)
            now += wait
        throttle.failed("u", HERE, now)
    assert waits[:4] == [2000, 4000, 8000, 16000] and waits[-1] == LONGEST_MS and len(waits) == 10


def test_right_password_starts_anew() -> None:
    """While a pair must wait another user and another address need not; a right password clears what the pair has tried."""
    throttle = Throttle()
    for _ in range(FREE_PAIR):
        assert wrong(throttle, "u", HERE, 0) == 0
    assert throttle.begin("u", HERE, 0) == 2000
    assert right(throttle, "other", HERE, 0) == 0 and right(throttle, "u", ELSEWHERE, 0) == 0
    assert right(throttle, "u", HERE, 2000) == 0
    assert [wrong(throttle, "u", HERE, 2000) for _ in range(FREE_PAIR)] == [0] * FREE_PAIR
    assert throttle.begin("u", HERE, 2000) == 2000


def test_waits_are_forgotten() -> None:
    """A quarter of an hour after the last wrong try all is as at first; a moment before it is not."""
    throttle, now = Throttle(), 0
    for _ in range(FREE_PAIR + 3):
        now += wrong(throttle, "u", HERE, now)
        now += 1000
    last = now
    while wrong(throttle, "u", HERE, now):
        now, last = now + 1000, now + 1000
    assert throttle.begin("u", HERE, last) > 0
    assert [wrong(throttle, "u", HERE, last + FORGET_MS) for _ in range(FREE_PAIR)] == [0] * FREE_PAIR


def test_a_shift_behind_one_address() -> None:
    """Three hundred right log-ins from one address in a minute, a fifth of them after a wrong try: nobody waits."""
    throttle = Throttle()
    for person in range(300):
        if person % 5 == 0:
            assert wrong(throttle, f"u{person}", HERE, person * 200) == 0
        assert right(throttle, f"u{person}", HERE, person * 200) == 0
    assert [right(throttle, f"u{person}", HERE, 70_000) for person in range(300)] == [0] * 300


def test_an_address_that_tries_many_users_waits() -> None:
    """An address that has only wrong tries waits after fifty, whatever the user; one right log-in gives it one try more, once."""
    throttle = Throttle()
    assert [wrong(throttle, f"u{n}", HERE, 0) for n in range(FREE_NETWORK)] == [0] * FREE_NETWORK
    assert throttle.begin("another", HERE, 0) == 2000
    assert right(throttle, "another", HERE, 2000) == 0
    assert wrong(throttle, "x", HERE, 2000) == 0 and wrong(throttle, "y", HERE, 2000) > 0
    assert right(throttle, "another", HERE, 4000) == 0 and wrong(throttle, "y", HERE, 4000) == 0
    assert wrong(throttle, "z", HERE, 5000) > 0


def test_tries_at_once_are_tries() -> None:
    """A hundred tries of one pair at the same moment are five tries: the others wait for their outcome."""
    throttle = Throttle()
    assert sorted(throttle.begin("u", HERE, 0) for _ in range(100)) == [0] * FREE_PAIR + [1000] * 95


def test_one_user_from_many_addresses() -> None:
    """Fifty addresses that try one user make the rest of the world wait, but not the place where the user has logged in before."""
    throttle = Throttle()
    assert right(throttle, "u", HERE, 0) == 0
    for n in range(FREE_USER):
        assert wrong(throttle, "u", f"198.51.100.{n}", 1) == 0
    assert throttle.begin("u", "203.0.113.9", 2) > 0 and right(throttle, "v", "203.0.113.9", 2) == 0
    assert right(throttle, "u", HERE, 2) == 0


def test_networks() -> None:
    """An IPv6 client counts as its /64 and /48, for it may take any address of them; a mapped IPv4 address is that address."""
    assert networks("2001:db8:1:2:3:4:5:6") == ("2001:db8:1:2::/64", "2001:db8:1::/48")
    assert networks("::ffff:192.0.2.1") == networks("192.0.2.1") == ("192.0.2.1",)
    assert networks("fe80::1%eth0") == ("fe80::/64", "fe80::/48") and networks("") == ("",)
    throttle = Throttle()
    for n in range(FREE_PAIR):
        assert wrong(throttle, "u", f"2001:db8::{n:x}", 0) == 0
    assert throttle.begin("u", "2001:db8::ffff:1", 0) > 0


PROXIES = Proxies((ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1/128")))
RFC7239 = replace(PROXIES, header="forwarded")


@pytest.mark.parametrize(
    ("proxies", "peer", "header", "want"),
    [
        (PROXIES, "10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        (PROXIES, "10.0.0.1", ["203.0.113.5, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),
        (PROXIES, "10.0.0.1", ["203.0.113.5", "192.0.2.1"], "192.0.2.1"),
        (PROXIES, "192.0.2.9", ["203.0.113.5"], "192.0.2.9"),
        (PROXIES, "10.0.0.1", [], "10.0.0.1"),
        (PROXIES, "10.0.0.1", ["unknown"], "10.0.0.1"),
        (PROXIES, "10.0.0.1", ["192.0.2.1, garbage, 10.0.0.3"], "10.0.0.3"),
        (PROXIES, "::1", ["[2001:db8::7]:4711"], "2001:db8::7"),
        (PROXIES, "::ffff:10.0.0.1", ["192.0.2.1:4711"], "192.0.2.1"),
        (PROXIES, "10.0.0.1", ["203.0.113.5," * 30_000 + "192.0.2.1"], "192.0.2.1"),
        (RFC7239, "10.0.0.1", ['for="[2001:db8::7]:1";proto=https, for=10.0.0.2;proto=https'], "2001:db8::7"),
        (RFC7239, "10.0.0.1", ["by=10.0.0.1;For=192.0.2.1"], "192.0.2.1"),
        (RFC7239, "10.0.0.1", ["for=_hidden"], "10.0.0.1"),
        (Proxies(), "127.0.0.1", ["192.0.2.1"], "127.0.0.1"),
    ],
)
def test_address_behind_proxies(proxies: Proxies, peer: str, header: list[str], want: str) -> None:
    """The client is the first address from the right that is no proxy of ours; nobody else's header is believed."""
    assert proxies.client(peer, False, header).address == want


def test_tls_behind_proxies() -> None:
    """TLS ended by a proxy of ours counts as TLS, by its header or by the public URL; a stranger's header does not."""
    assert PROXIES.client("10.0.0.1", False, ["192.0.2.1"], "http, https").secure
    assert not PROXIES.client("192.0.2.9", False, [], "https").secure
    assert RFC7239.client("10.0.0.1", False, ["for=192.0.2.1;proto=https"]).secure
    assert Proxies.of(Console(public_url="https://desk.example.com")).client("192.0.2.9", False, []).secure
    assert PROXIES.client("192.0.2.9", True, []).secure


async def test_sixty_right_logins_and_the_wrong_ones(desk: Desk) -> None:
    """Sixty right log-ins from one address go through; of six wrong ones the sixth waits, and so does then the right password."""
    browser = await desk.browser()
    for _ in range(FREE_NETWORK + 10):
        await browser.login("a2")
    for _ in range(FREE_PAIR):
        assert (await browser.call("POST", "/api/login", {"user": "a1", "password": "x"}))[0] == 401
    async with browser.http.post(desk.url + "/api/login", json={"user": "a1", "password": "secret-a1"}) as response:
        assert response.status == 429 and int(response.headers["Retry-After"]) >= 1
    assert (await browser.login("a2"))["user"]["id"] == "a2"


async def test_behind_a_proxy(tmp_path: Path, redis_server: RedisServer) -> None:
    """Behind a configured proxy each client has tries of its own, the cookie is Secure, and the public URL is our own site."""
    config = centre(tmp_path, redis_server.port)
    console = replace(config.console, trusted_proxies=("127.0.0.0/8",), public_url="https://desk.example.com")
    desk = await Desk(replace(config, console=console)).start()
    try:
        browser = await desk.browser()
        for _ in range(FREE_PAIR):
            bad = {"user": "a1", "password": "x"}
            assert (await browser.call("POST", "/api/login", bad, headers={"X-Forwarded-For": HERE}))[0] == 401
        good, public = {"user": "a1", "password": "secret-a1"}, {"Origin": "https://desk.example.com"}
        assert (await browser.call("POST", "/api/login", good, headers={"X-Forwarded-For": HERE}))[0] == 429
        headers = {"X-Forwarded-For": f"{HERE}, {ELSEWHERE}", **public}
        async with browser.http.post(desk.url + "/api/login", json=good, headers=headers) as response:
            assert response.status == 200
            cookie = response.cookies["tierline"]
            assert cookie["secure"] and cookie["httponly"] and cookie["samesite"] == "Strict"
        other = {"Origin": "http://desk.example.com"}
        assert (await browser.call("POST", "/api/login", good, headers=other))[0] == 403
    finally:
        await desk.stop()


async def test_checks_are_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """When too many passwords wait for their check, a further one is told to come back, and the loop goes on serving."""
    monkeypatch.setattr(sessions, "CHECKING", 2)
    await desk.app.ctx.sessions.seeded.wait()
    desk.app.ctx.sessions.seeded.clear()
    browser = await desk.browser()
    waiting = [asyncio.create_task(browser.login("a1")) for _ in range(2)]
    while desk.app.ctx.sessions._checking < 2:
        await asyncio.sleep(0)
    status, got = await browser.call("POST", "/api/login", {"user": "a2", "password": "secret-a2"})
    assert (status, got["error"]["code"]) == (503, "busy")
    assert (await browser.call("GET", "/healthz"))[0] == 200
    desk.app.ctx.sessions.seeded.set()
    await asyncio.gather(*waiting)
    assert (await browser.login("a2"))["user"]["id"] == "a2"


async def test_long_passwords_cost_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password of 60 kB is refused before it is hashed, a larger body before it is read whole."""
    monkeypatch.setattr(desk.app.ctx.sessions, "_right", None)  # would fail if it were asked
    browser = await desk.browser()
    status, got = await browser.call("POST", "/api/login", {"user": "a1", "password": "x" * 60_000})
    assert (status, got["error"]["field"]) == (400, "password")
    assert (await browser.call("POST", "/api/login", {"user": "a1", "password": "x" * 70_000}))[0] == 413

"""From where the console may be reached."""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from console.api import reach
from console.api.errors import Forbidden
from ops.centre import Centre, CentreConfig, Console
from ops.certificates import issue
from tests.console.desk import Desk, centre
from tests.kit.redis_server import RedisServer

BEHIND = Console(address="192.0.2.1", trusted_proxies=("192.0.2.64/28",), public_url="https://console.example")


async def ask(console: Console, peer: str) -> int:
    """The status that a connection from `peer` gets."""

    async def page(_: web.Request) -> web.StreamResponse:
        return web.Response(status=200)

    request = make_mocked_request("GET", "/").clone(remote=peer)
    try:
        return (await reach.only_proxies(CentreConfig(Centre("x"), console=console))(request, page)).status
    except Forbidden as error:
        return error.status


@pytest.mark.parametrize(
    ("peer", "status"),
    [("192.0.2.65", 200), ("192.0.2.1", 200), ("127.0.0.1", 200), ("192.0.2.9", 403), ("", 403), ("2001:db8::1", 403)],
)
async def test_off_loopback_without_tls_only_the_proxies_come_in(peer: str, status: int) -> None:
    """A console in plain HTTP on a network address answers its configured proxies and its own machine, nobody else."""
    assert await ask(BEHIND, peer) == status


async def test_with_tls_or_on_loopback_everybody_comes_in() -> None:
    """Where the console speaks TLS itself, or only this machine reaches it, no address is refused."""
    assert await ask(replace(BEHIND, certificate="a.pem", private_key="a.key"), "192.0.2.9") == 200
    assert await ask(Console(), "127.0.0.9") == 200


async def test_metrics_are_for_this_machine() -> None:
    """A browser elsewhere, also one behind a proxy on this machine, does not read the figures."""
    config = CentreConfig(Centre("x"), console=BEHIND)
    assert reach.of_this_machine(config, "127.0.0.1") and reach.of_this_machine(config, "192.0.2.1")
    assert not reach.of_this_machine(config, "192.0.2.65") and not reach.of_this_machine(config, "unknown")


@pytest.mark.real
async def test_a_console_with_a_certificate_speaks_tls_alone(tmp_path: Path, redis_server: RedisServer) -> None:
    """With certificate and key the page comes by https, and plain HTTP gets no answer."""
    pair = issue(tmp_path / "tls", "console")
    config = centre(tmp_path / "state", redis_server.port)
    tls = Console(certificate=str(pair.certificate), private_key=str(pair.private_key))
    desk = await Desk(replace(config, console=tls)).start()
    try:
        trust = ssl.create_default_context(cafile=tmp_path / "tls" / "authority.pem")
        trust.check_hostname = False
        url = desk.config.console_url
        assert url.startswith("https://")
        async with aiohttp.ClientSession() as http:
            async with http.get(f"{url}/healthz", ssl=trust) as answer:
                assert answer.status == 200
            with pytest.raises(aiohttp.ClientError):
                await http.get(f"{url}/healthz".replace("https", "http"))
    finally:
        await desk.stop()

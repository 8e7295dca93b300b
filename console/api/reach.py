"""From where the console is reached: this machine, by TLS, or through a trusted proxy; never in plain text from elsewhere."""

from __future__ import annotations

import ipaddress
import ssl

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from console.api.errors import Forbidden
from ops import inner
from ops.centre import CentreConfig


def server_tls(config: CentreConfig) -> ssl.SSLContext | None:
    """None: plain HTTP. Raises OSError when the files cannot be read."""
    console = config.console
    if not console.certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    folder = config.path.parent
    context.load_cert_chain(folder / console.certificate, folder / console.private_key)
    return context


def of_this_machine(config: CentreConfig, address: str) -> bool:
    """Whether an address is loopback or the console's own."""
    try:
        return address == config.console.address or inner.is_loopback(address)
    except ValueError:
        return False


def only_proxies(config: CentreConfig) -> Middleware:
    """Plain HTTP off loopback is for the configured proxies alone: whoever else came would send a password in plain text."""
    console = config.console
    anybody = bool(console.certificate) or inner.is_loopback(console.address)
    trusted = [ipaddress.ip_network(text) for text in console.trusted_proxies]

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        peer = request.remote or ""
        if anybody or of_this_machine(config, peer) or any(_within(peer, network) for network in trusted):
            return await handler(request)
        raise Forbidden("forbidden", "this console is reached through its proxy")

    return middleware


def _within(peer: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        return ipaddress.ip_address(peer) in network
    except ValueError:
        return False

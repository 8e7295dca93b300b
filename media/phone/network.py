"""A phone's place in the network: one SIP endpoint on one address, and the accounts registered through it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from media.net.endpoint import Endpoint
from media.net.registrar import RegisterRefused
from media.ua.api import Credentials
from media.ua.register import Registered
from media.ua.settings import Settings
from media.ua.tables import State

log = logging.getLogger(__name__)
AGENT = "Tierline phone"
_OPEN = (State.CALLING, State.TRYING, State.PROCEEDING)
_LOOK_S, _LINGER_S = 0.02, 2.0  # how long the last BYE or REGISTER may take when the phone is put away


class Account:
    """A seat's registration, renewed by the endpoint until `unregister`. `on_change(seconds, status)`; 0 s: not registered."""

    def __init__(self, network: Network, user: str, realm: str, expires_s: int) -> None:
        self.user = user
        self.on_change: Callable[[int, int], None] | None = None
        self._network, self._aor, self._registrar, self._expires_s = network, f"sip:{user}@{realm}", f"sip:{realm}", expires_s

    @property
    def aor(self) -> str:
        """Address of record."""
        return self._aor

    async def register(self, password: str) -> int:
        """The final status: 200, or why not (408: nobody answered). A refused registration is tried on until `unregister`."""
        try:
            credentials = Credentials(self.user, password)
            await self._network.agent.register(self._aor, self._registrar, credentials, self._expires_s)
        except RegisterRefused as error:
            return error.status
        return 200

    async def unregister(self) -> None:
        """Take the registration away; gives up waiting for the answer after two seconds."""
        try:
            await asyncio.wait_for(self._network.agent.unregister(self._aor), _LINGER_S)
        except TimeoutError:
            log.warning("the edge did not answer the un-registration", extra={"seat": self.user})


class Network:
    """Open one with `await Network.open(address)`; `agent` is the user agent for Phone."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.agent = endpoint
        self._accounts: dict[str, Account] = {}
        endpoint.watch_registrations(self._changed)

    @classmethod
    async def open(cls, address: str, edge: str = "", transport: str = "udp", port: int = 0) -> Network:
        """Bind UDP and TCP on an address of this machine; port 0 is any free one. Raises OSError.

        `edge`: host:port that takes registrations; `transport`: how to get there.
        """
        route = f"sip:{edge};transport={transport}" if edge else ""
        endpoint = Endpoint(Settings(host=address, port=port, agent=AGENT, session_s=0, route=route))
        await endpoint.start()
        return cls(endpoint)

    def account(self, user: str, realm: str, expires_s: int = 300) -> Account:
        """An account that is not registered yet."""
        account = Account(self, user, realm, expires_s)
        self._accounts[account.aor] = account
        return account

    def _changed(self, change: Registered) -> None:
        account = self._accounts.get(change.aor)
        if account is not None and account.on_change is not None:
            account.on_change(change.seconds, change.status)

    @property
    def port(self) -> int:
        """Our SIP port."""
        return self.agent.address[1]

    async def close(self) -> None:
        """Let the last requests be answered (BYE, un-registration), then free the port."""
        for _ in range(int(_LINGER_S / _LOOK_S)):
            if not self._asking():
                break
            await asyncio.sleep(_LOOK_S)
        await self.agent.close()

    def _asking(self) -> bool:
        """A request of ours has no final answer yet."""
        return any(client.state in _OPEN for client in self.agent.core.context.transactions.clients.values())

"""The SIP endpoint: sockets, the clock and the loop around `media.ua.core.Core`. Implements `api.UserAgent`.

Events reach the listener in order, one at a time, never from inside `do`: what `do` causes is told in the next turn of the loop.
Message bodies and numbers are never logged.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections import deque
from dataclasses import replace
from functools import lru_cache

from media.net.bind import bind as bound
from media.net.registrar import RegisterRefused, Waiters, Watcher
from media.net.tcp import TcpPool
from media.net.udp import UdpSocket
from media.ua import api
from media.ua.core import Core, Outputs
from media.ua.register import Register
from media.ua.settings import Settings
from media.ua.wire import Hop, Packet
from ops.clock import Clock, SystemClock
from ops.ids import uuid7

log = logging.getLogger(__name__)


@lru_cache(maxsize=4096)
def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class Endpoint:
    """One SIP endpoint on one port, UDP and TCP. Binds at once (port 0: any free one); `start` opens it for traffic.

    `bind` is where the sockets listen if that is not `settings.host`, e.g. 0.0.0.0. Messages of others than `only` are dropped.
    Raises OSError if the port is taken.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock | None = None,
        *,
        bind: str = "",
        tcp: bool = True,
        only: tuple[str, int] | None = None,
    ) -> None:
        self._only = only
        self._clock: Clock = clock or SystemClock()
        udp, self._bound = bound(bind or settings.host, settings.port, tcp)
        self._udp = UdpSocket(udp, self._datagram, self._deliver)
        self.settings = replace(settings, port=self._udp.address[1])
        self.core = Core(self.settings, lambda: uuid7(self._clock.now_ms()))
        self._tcp = TcpPool(self._stream, self._tcp_broken, only) if tcp else None
        self._listeners: list[api.Listener] = []
        self._events: deque[api.Event] = deque()
        self._delivering = self._planned = False
        self._timer: asyncio.TimerHandle | None = None
        self._due: int | None = None
        self._waiters = Waiters()
        self._names: dict[tuple[str, int], set[str]] = {}  # under which names TCP peers are being called
        self._lookups: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port it is reached at."""
        return self.settings.host, self.settings.port

    @property
    def available(self) -> bool:
        """False: OPTIONS probes and new INVITEs get 503, calls go on (drain)."""
        return self.core.available

    @available.setter
    def available(self, value: bool) -> None:
        self.core.available = value

    @property
    def unanswered(self) -> int:
        """Requests of ours without a final answer: wait for 0 before `close` if the last BYE matters."""
        return self.core.unanswered()

    def sockets(self) -> dict[str, int]:
        """Open TCP connections; datagrams the system did not take since the start."""
        return {"tcp_connections": len(self._tcp) if self._tcp else 0, "udp_dropped": self._udp.dropped}

    async def start(self) -> None:
        """Take and send messages from now on."""
        if self._tcp is not None and self._bound is not None:
            await self._tcp.start(self._bound)
        self._udp.start()

    async def close(self) -> None:
        """Close the sockets at once; calls are not ended."""
        if self._timer is not None:
            self._timer.cancel()
        for task in list(self._lookups):
            task.cancel()
        self._udp.close()
        if self._tcp is not None:
            await self._tcp.close()
        if self._bound is not None:
            self._bound.close()

    # ---- api.UserAgent ------------------------------------------------------------------------------------------
    def do(self, command: api.Command) -> None:
        """Carry out a command now. Raises SipError for one that makes no sense in the state of its leg."""
        if not isinstance(command, api.Invite) and not self.core.knows(command.leg):
            log.debug("command for a leg that is over", extra={"command": type(command).__name__, "call": command.leg.call})
            return
        self._apply(self.core.do(self._clock.mono_ms(), command))
        self._plan()

    def listen(self, listener: api.Listener) -> None:
        """Hand events to `listener`, too."""
        self._listeners.append(listener)

    # ---- registration -------------------------------------------------------------------------------------------
    async def register(self, aor: str, registrar: str, credentials: api.Credentials | None = None, expires_s: int = 300) -> int:
        """Register the SIP URI `aor` at `registrar` (a SIP URI; `settings.route` is the next hop if set) and keep it registered.

        The seconds granted. Raises RegisterRefused (it is tried on until `unregister`), SipError for a URI that cannot be used.
        """
        change = self._waiters.expect(aor)
        self._apply(self.core.register(self._clock.mono_ms(), Register(aor, registrar, credentials, expires_s)))
        result = await change
        if not result.seconds:
            raise RegisterRefused(result.aor, result.status)
        return result.seconds

    async def unregister(self, aor: str) -> None:
        """Take the registration of an address away; returns when the registrar answered, or did not in 32 s."""
        change = self._waiters.expect(aor)
        self._apply(self.core.unregister(self._clock.mono_ms(), aor))
        await change

    def watch_registrations(self, watcher: Watcher) -> None:
        """Hear of every change of a registration."""
        self._waiters.watch(watcher)

    # ---- in -----------------------------------------------------------------------------------------------------
    def _datagram(self, data: bytes, source: tuple[str, int]) -> None:
        if self._only not in (None, source):
            return
        self._apply(self.core.receive(self._clock.mono_ms(), data, source, "udp"))
        if self._events:
            self._deliver()

    def _stream(self, data: bytes, source: tuple[str, int]) -> None:
        self._apply(self.core.receive(self._clock.mono_ms(), data, source, "tcp"))
        self._deliver()

    def _tick(self) -> None:
        self._timer = self._due = None
        self._apply(self.core.tick(self._clock.mono_ms()))
        self._deliver()

    def _tcp_broken(self, address: tuple[str, int]) -> None:
        self._fail(Hop("tcp", *address))
        for name in self._names.pop(address, ()):
            self._fail(Hop("tcp", name, address[1]))

    def _fail(self, hop: Hop) -> None:
        self._apply(self.core.broken(self._clock.mono_ms(), hop))
        self._plan()

    # ---- out ----------------------------------------------------------------------------------------------------
    def _apply(self, outputs: Outputs) -> None:
        packets, events, registered, deadline = outputs
        for packet in packets:
            self._send(packet)
        if events:
            self._events.extend(events)
        for change in registered:
            self._waiters.tell(change)
        if deadline is not None and (self._due is None or deadline < self._due):
            self._arm(deadline)

    def _arm(self, deadline: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        delay = max(0, deadline - self._clock.mono_ms()) / 1000
        self._due, self._timer = deadline, asyncio.get_running_loop().call_later(delay, self._tick)

    def _send(self, packet: Packet) -> None:
        hop = packet.hop
        if not _is_address(hop.host):
            task = asyncio.get_running_loop().create_task(self._look_up(packet))
            self._lookups.add(task)
            task.add_done_callback(self._lookups.discard)
        elif hop.transport == "udp":
            if not self._udp.send(packet.data, (hop.host, hop.port)):
                asyncio.get_running_loop().call_soon(self._fail, hop)
        elif hop.transport == "tcp" and self._tcp is not None:
            self._send_tcp(packet, self._tcp)
        else:
            log.warning("no such transport here", extra={"transport": hop.transport})
            asyncio.get_running_loop().call_soon(self._fail, hop)

    def _send_tcp(self, packet: Packet, pool: TcpPool) -> None:
        """On the connection it came on; if that is gone, to where Via points (RFC 3261 §18.2.2)."""
        hop = packet.hop
        if packet.back is not None and not pool.has((hop.host, hop.port)):
            hop = packet.back
        pool.send(packet.data, (hop.host, hop.port))

    async def _look_up(self, packet: Packet) -> None:
        """Send to a host given by name: its first address (no DNS SRV: the edge stands in front)."""
        hop = packet.hop
        try:
            found = await asyncio.get_running_loop().getaddrinfo(hop.host, hop.port)
        except OSError as error:
            log.warning("host not found", extra={"host": hop.host, "why": str(error)})
            self._fail(hop)
            return
        address = str(found[0][4][0])
        if hop.transport == "tcp":
            self._names.setdefault((address, hop.port), set()).add(hop.host)
        self._send(packet._replace(hop=hop._replace(host=address)))

    # ---- events -------------------------------------------------------------------------------------------------
    def _plan(self) -> None:
        if self._events and not self._delivering and not self._planned:
            self._planned = True
            asyncio.get_running_loop().call_soon(self._planned_delivery)

    def _planned_delivery(self) -> None:
        self._planned = False
        self._deliver()

    def _deliver(self) -> None:
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._events:
                event = self._events.popleft()
                for listener in self._listeners:
                    self._tell(listener, event)
        finally:
            self._delivering = False

    def _tell(self, listener: api.Listener, event: api.Event) -> None:
        try:
            listener(event)
        except Exception:
            self.core.count.listener_faults += 1
            log.exception("listener failed", extra={"event": type(event).__name__, "call": event.leg.call})

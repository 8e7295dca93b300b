"""Endpoints on real sockets of the loopback interface."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from media.net.endpoint import Endpoint
from media.net.metrics import SipCollector
from media.net.registrar import RegisterRefused
from media.ua import api
from media.ua.settings import Settings
from tests.kit.ports import free_port
from tests.kit.wait import until_async
from tests.media.net.b2bua import Server
from tests.media.ua.agents import SDP, leg

HERE = Settings("127.0.0.1", 0, session_s=0)


@contextlib.asynccontextmanager
async def endpoint(settings: Settings = HERE, **more: object) -> AsyncIterator[Endpoint]:
    """A started endpoint."""
    one = Endpoint(settings, **more)  # type: ignore[arg-type]
    await one.start()
    try:
        yield one
    finally:
        await one.close()


class Caller:
    """Calls and keeps the events."""

    def __init__(self, agent: Endpoint) -> None:
        self.agent = agent
        self.events: list[api.Event] = []
        agent.listen(self.events.append)

    def names(self) -> list[str]:
        """Kinds of events so far."""
        return [type(event).__name__ for event in self.events]

    async def sees(self, name: str) -> None:
        """Wait for an event."""
        await until_async(lambda: name in self.names(), 5, name)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_call_over_real_sockets(transport: str) -> None:
    """Ring, answer, digits, hold, hang-up over UDP and over TCP."""
    async with endpoint() as a, endpoint() as b:
        caller, server = Caller(a), Server(b)
        a.do(api.Invite(leg(), f"sip:88@127.0.0.1:{b.address[1]};transport={transport}", "138", SDP))
        await caller.sees("Answered")
        a.do(api.SendInfo(leg(), "application/dtmf", b"7"))
        a.do(api.Reinvite(leg(), SDP))
        await caller.sees("Reanswered")
        await until_async(lambda: server.seen["Info"] == 1, 5, "the digit")
        a.do(api.Hangup(leg()))
        await until_async(lambda: server.seen["Ended"] == 1, 5, "the end")
        assert caller.names() == ["Progress", "Answered", "Reanswered", "Ended"]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_only_from_the_edge(transport: str) -> None:
    """A node told its edge takes no call from another address, and one from the edge."""
    async with endpoint() as edge, endpoint() as stranger, endpoint(only=edge.address) as node:
        Server(node)
        target = f"sip:88@127.0.0.1:{node.address[1]}"
        callers = Caller(edge), Caller(stranger)
        stranger.do(api.Invite(leg(), f"{target};transport={transport}", "138", SDP))
        edge.do(api.Invite(leg(), target, "138", SDP))
        await callers[0].sees("Answered")
        assert callers[1].names() == []


async def test_no_connection_but_the_edges() -> None:
    """Who connects from elsewhere is cut off before the node keeps a byte of it: half messages of many would fill its memory."""
    async with endpoint() as edge, endpoint(only=edge.address) as node:
        reader, _ = await asyncio.open_connection(*node.address)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        assert node.sockets()["tcp_connections"] == 0


async def test_a_call_over_ipv6() -> None:
    """Addresses stand in brackets where they must, and a call goes through."""
    async with endpoint(replace(HERE, host="::1")) as a, endpoint(replace(HERE, host="::1")) as b:
        caller, server = Caller(a), Server(b)
        a.do(api.Invite(leg(), f"sip:88@[::1]:{b.address[1]}", "138", SDP))
        await caller.sees("Answered")
        await until_async(lambda: server.seen["Confirmed"] == 1, 5, "the ACK")


async def test_events_never_come_from_inside_do() -> None:
    """What do causes at once is told in a later turn of the loop."""
    async with endpoint() as a:
        caller = Caller(a)
        a.do(api.Invite(leg(), "tel:nowhere", "138", SDP))
        assert caller.events == []
        await caller.sees("Failed")


async def test_a_listener_that_fails_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """An exception out of a listener is logged and counted; the next listener and the next events go on."""
    async with endpoint() as a:

        def broken(event: api.Event) -> None:
            raise RuntimeError("oops")

        a.listen(broken)
        caller = Caller(a)
        a.do(api.Invite(leg(), "tel:nowhere", "13812345678", SDP))
        await caller.sees("Failed")
        assert a.core.count.listener_faults == 1 and "listener failed" in caplog.text
        assert "13812345678" not in caplog.text


async def test_long_messages_go_by_tcp() -> None:
    """Over 1300 bytes a request changes to TCP when told to, and the answer comes back on that connection."""
    async with endpoint(replace(HERE, tcp_over=1300)) as a, endpoint() as b:
        caller, _ = Caller(a), Server(b)
        a.do(api.Invite(leg(), f"sip:88@127.0.0.1:{b.address[1]}", "138", SDP + b"a=x:" + b"y" * 1300 + b"\r\n"))
        await caller.sees("Answered")
        assert len(a._tcp or ()) == 1


async def test_tcp_refused_falls_back_to_udp() -> None:
    """A long request to a peer without TCP goes by UDP (RFC 3261 §18.1.1)."""
    async with endpoint(replace(HERE, tcp_over=1300)) as a, endpoint(tcp=False) as b:
        caller, _ = Caller(a), Server(b)
        a.do(api.Invite(leg(), f"sip:88@127.0.0.1:{b.address[1]}", "138", SDP + b"a=x:" + b"y" * 1300 + b"\r\n"))
        await caller.sees("Answered")


async def test_a_peer_without_tcp_fails_at_once() -> None:
    """A call by TCP to a closed port fails 503 without waiting for timer B."""
    async with endpoint() as a:
        caller = Caller(a)
        a.do(api.Invite(leg(), f"sip:88@127.0.0.1:{free_port()};transport=tcp", "138", SDP))
        await caller.sees("Failed")
        assert caller.events == [api.Failed(leg(), 503, "Service Unavailable")]


async def test_a_host_by_name_is_looked_up() -> None:
    """A target by name is resolved; a name that does not exist fails the call."""
    async with endpoint() as a, endpoint() as b:
        caller, _ = Caller(a), Server(b)
        a.do(api.Invite(leg(), f"sip:88@localhost:{b.address[1]}", "138", SDP))
        await caller.sees("Answered")
        a.do(api.Invite(leg(name="b2"), "sip:88@no-such-host.invalid", "138", SDP))
        await caller.sees("Failed")


async def test_answers_find_the_way_when_the_connection_is_gone() -> None:
    """A response to a request by TCP whose connection was closed goes to where Via points."""
    async with endpoint() as a, endpoint() as b:
        server = Server(b, ring_only=True)
        caller = Caller(a)
        a.do(api.Invite(leg(), f"sip:88@127.0.0.1:{b.address[1]};transport=tcp", "138", SDP))
        await caller.sees("Progress")
        assert a._tcp is not None
        for connection in list(a._tcp._connections.values()):
            connection.close()
        await until_async(lambda: not len(b._tcp or ()), 5, "the connection is gone")
        b.do(api.Answer(server.events[0].leg, SDP))
        await caller.sees("Answered")


async def test_keep_alives_get_a_pong() -> None:
    """CRLF CRLF is answered CRLF, and nonsense on a stream closes it (RFC 5626 §3.5.1)."""
    async with endpoint() as a:
        reader, writer = await asyncio.open_connection(*a.address)
        writer.write(b"\r\n\r\n")
        assert await reader.readexactly(2) == b"\r\n"
        writer.write(b"nonsense without length\r\n\r\n")
        assert await reader.read() == b""
        assert a._tcp is not None and a._tcp.bad_frames == 1
        writer.close()


async def test_a_taken_port_is_an_error() -> None:
    """Two endpoints cannot have one port."""
    async with endpoint() as a:
        with pytest.raises(OSError):
            Endpoint(replace(HERE, port=a.address[1]))


async def test_a_burst_is_drained_and_answered() -> None:
    """A thousand datagrams at once are all answered."""
    async with endpoint() as a:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            peer.bind(("127.0.0.1", 0))
            peer.setblocking(False)
            for n in range(200):
                peer.sendto(_options(peer.getsockname()[1], n), a.address)
            await until_async(lambda: a.core.count.sent >= 200, 10, "200 answers")
            assert a.core.live()["transactions"] == 200


def _options(port: int, n: int) -> bytes:
    return (
        f"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{n}\r\nFrom: <sip:b>;tag=1\r\nTo: <sip:a>\r\n"
        f"Call-ID: {n}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    ).encode()


async def test_metrics_tell_what_happened() -> None:
    """Messages, repeats, malformed ones, live transactions and legs are exported."""
    async with endpoint() as a, endpoint() as b:
        caller, _ = Caller(a), Server(b)
        registry = CollectorRegistry()
        registry.register(SipCollector(b))
        a.do(api.Invite(leg(), f"sip:88@127.0.0.1:{b.address[1]}", "138", SDP))
        await caller.sees("Answered")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.sendto(b"garbage", b.address)
        await until_async(lambda: b.core.count.malformed == 1, 5, "the garbage is counted")
        text = generate_latest(registry).decode()
        assert 'tierline_sip_messages_total{direction="received"}' in text
        assert "tierline_sip_malformed_total 1.0" in text
        assert 'tierline_sip_live{what="legs"} 1.0' in text


class Registrar:
    """Answers each REGISTER with the next status; seen by the phone as an endpoint that is not there otherwise."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.port: int = self.socket.getsockname()[1]
        asyncio.get_running_loop().add_reader(self.socket, self._read)

    def _read(self) -> None:
        data, source = self.socket.recvfrom(65_535)
        lines = data.decode().split("\r\n")
        kept = [line for line in lines[1:] if line.split(":")[0] in ("Via", "From", "To", "Call-ID", "CSeq")]
        head = "\r\n".join([f"SIP/2.0 {self.statuses.pop(0)} X", *kept, "Expires: 60", "Content-Length: 0", "", ""])
        self.socket.sendto(head.encode(), source)

    def close(self) -> None:
        """Go away."""
        asyncio.get_running_loop().remove_reader(self.socket)
        self.socket.close()


async def test_registration_can_be_waited_for() -> None:
    """register returns the granted seconds, raises the refusal's status; unregister returns when done."""
    registrar = Registrar(200, 200, 403)
    async with endpoint(replace(HERE, route=f"sip:127.0.0.1:{registrar.port}")) as phone:
        assert await phone.register("sip:1001@t.local", "sip:t.local", None, 300) == 60
        await phone.unregister("sip:1001@t.local")
        with pytest.raises(RegisterRefused) as refused:
            await phone.register("sip:1002@t.local", "sip:t.local")
        assert refused.value.status == 403
    registrar.close()

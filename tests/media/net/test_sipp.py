"""sipp against the endpoint, both ways, over UDP and TCP, on real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from media.net.endpoint import Endpoint
from media.ua import api
from media.ua.settings import Settings
from tests.kit.ports import free_port
from tests.kit.wait import until_async
from tests.media.net import sipp
from tests.media.net.b2bua import Bridge, Server
from tests.media.ua.agents import leg

pytestmark = pytest.mark.real
CALLS = 40


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    """An endpoint on a free port."""
    one = Endpoint(Settings("127.0.0.1", 0, session_s=0))
    await one.start()
    yield one
    await one.close()


async def run(folder: Path, endpoint: Endpoint, text: str, more: str = "") -> None:
    """Have sipp do its calls; all must go as the scenario says."""
    one = await sipp.start(folder, text, f"127.0.0.1:{endpoint.address[1]} -r 100 -m {CALLS} -l 100 -s 100 {more}")
    try:
        assert await one.done() == 0, one.errors()
    finally:
        await one.stop()


@pytest.mark.parametrize("transport", ["u1", "t1", "tn -max_socket 500"])
async def test_sipp_calls(tmp_path: Path, endpoint: Endpoint, transport: str) -> None:
    """sipp's own caller scenario: every call is rung, answered, ended, over UDP and TCP, one connection or many."""
    server = Server(endpoint)
    await run(tmp_path, endpoint, "builtin:uac", f"-t {transport}")
    assert server.seen == {"IncomingCall": CALLS, "Confirmed": CALLS, "Ended": CALLS}


@pytest.mark.parametrize("transport", ["u1", "t1"])
async def test_sipp_answers(tmp_path: Path, endpoint: Endpoint, transport: str) -> None:
    """sipp's own callee scenario: calls from the endpoint are answered and ended by us."""
    port = free_port()
    seat = await sipp.start(tmp_path, "builtin:uas", f"-t {transport} -m {CALLS}", port)
    await until_async(lambda: not _free(port, transport), 5, "sipp listens")
    ended = []

    def on(event: api.Event) -> None:
        if isinstance(event, api.Answered):
            endpoint.do(api.Hangup(event.leg))
        elif isinstance(event, api.Ended | api.Failed):
            ended.append(event)

    endpoint.listen(on)
    mark = ";transport=tcp" if transport == "t1" else ""
    for n in range(CALLS):
        endpoint.do(api.Invite(leg(f"c{n}"), f"sip:seat@127.0.0.1:{port}{mark}", "138", b"v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\n"))
    assert await seat.done() == 0, seat.errors()
    assert [type(event) for event in ended] == [api.Ended] * CALLS


def _free(port: int, transport: str) -> bool:
    table = Path(f"/proc/net/{'udp' if transport == 'u1' else 'tcp'}").read_text()
    return f"0100007F:{port:04X}" not in table


async def test_sipp_through_a_bridge(tmp_path: Path, endpoint: Endpoint) -> None:
    """Two sipps joined by the endpoint: both legs of every call come up and go down."""
    port = free_port()
    seat = await sipp.start(tmp_path, "builtin:uas", "-l 1000", port)
    bridge = Bridge(endpoint, f"sip:seat@127.0.0.1:{port}")
    await until_async(lambda: not _free(port, "u1"), 5, "sipp listens")
    await run(tmp_path, endpoint, "builtin:uac")
    await seat.stop()
    assert bridge.seen["Answered"] == CALLS and bridge.seen["Confirmed"] == CALLS and bridge.seen["Failed"] == 0


async def test_sipp_cancels(tmp_path: Path, endpoint: Endpoint) -> None:
    """CANCEL after the 180: 200 to it, 487 to the INVITE."""
    cancel = sipp.send("CANCEL").replace("branch=[branch]", "branch=[branch-3]").replace("[peer_tag_param]", "")
    ack = sipp.ACK.replace("branch=[branch]", "branch=[branch-5]")
    text = sipp.scenario(sipp.INVITE, sipp.recv(100, True), sipp.recv(180), cancel, sipp.recv(200), sipp.recv(487), ack)
    server = Server(endpoint, ring_only=True)
    await run(tmp_path, endpoint, text)
    assert server.seen["Ended"] == CALLS
    assert all(event.cancelled for event in server.events if isinstance(event, api.Ended))


async def test_sipp_talks_inside_the_dialog(tmp_path: Path, endpoint: Endpoint) -> None:
    """re-INVITE, UPDATE, INFO and OPTIONS inside the dialog are all answered 200."""
    reinvite, update = sipp.INVITE, sipp.send("UPDATE", sipp.SDP_LINES, "Content-Type: application/sdp")
    info = sipp.send("INFO", "Signal=5", "Content-Type: application/dtmf-relay")
    text = sipp.scenario(
        sipp.INVITE, sipp.recv(180, True), sipp.recv(200), sipp.ACK, reinvite, sipp.recv(200), sipp.ACK, update, sipp.recv(200),
        info, sipp.recv(200), sipp.send("OPTIONS"), sipp.recv(200), sipp.BYE, sipp.recv(200),
    )  # fmt: skip
    server = Server(endpoint)
    await run(tmp_path, endpoint, text)
    assert server.seen["Reoffer"] == 2 * CALLS and server.seen["Info"] == CALLS
    assert {event.digit for event in server.events if isinstance(event, api.Info)} == {"5"}


async def test_sipp_loses_messages(tmp_path: Path, endpoint: Endpoint) -> None:
    """With one in five of sipp's own datagrams lost both ways sipp sees all its calls through."""
    server = Server(endpoint)
    await run(tmp_path, endpoint, "builtin:uac", "-lost 20 -l 100 -max_retrans 12")
    assert server.seen["IncomingCall"] == CALLS
    assert server.seen["Ended"] >= CALLS * 0.9  # sipp takes a repeated 200 to the INVITE for the one to its lost BYE at times
    assert endpoint.core.count.retransmitted + endpoint.core.count.repeated > 0

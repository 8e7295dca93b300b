"""The edge's parts that need no proxy: breaker, headers, HTTP/2, rendered files, names of hooks."""

from __future__ import annotations

import ast
import asyncio
import re
import subprocess
from pathlib import Path

import grpc
import pytest
from tierline.routing.v1 import routing_pb2

from ops.centre import Trunk
from sip import edge, render
from sip.kemi import h2, headers, settings
from sip.kemi.breaker import Breaker, Limits
from sip.kemi.routers import PATH, Asking, Link, Router
from tests.kit.ports import free_port
from tests.kit.wait import until_async
from tests.sip.edge_kit import ROOT, edge_config
from tests.sip.fake_router import FakeRouter, to_node

KEMI = ROOT / "sip" / "kemi"
CALL = "019ab000-0000-7000-8000-000000000001"


def test_breaker_opens_by_ratio() -> None:
    """Half of a window's answers failing opens it; a few among many do not."""
    breaker = Breaker(Limits(window_ms=1000, least=4, ratio=0.5, open_ms=700))
    for n in range(20):
        breaker.success(n)
    assert not any(breaker.failure(20 + n) for n in range(10))
    other = Breaker()
    assert [other.failure(n) for n in range(4)] == [False, False, False, True]
    assert not other.admit(100)


def test_breaker_probes_once() -> None:
    """After the open time one question goes out; its failure opens again, its success closes."""
    breaker = Breaker()
    for n in range(4):
        breaker.failure(n)
    assert breaker.admit(800)
    assert not breaker.admit(801)
    assert breaker.failure(850)
    assert not breaker.admit(1500)
    assert breaker.admit(1600)
    breaker.success(1650)
    assert breaker.closed
    assert breaker.admit(1651)
    assert breaker.admit(1652)


def test_breaker_window_forgets() -> None:
    """Failures of an earlier window do not count."""
    breaker = Breaker()
    for n in range(3):
        assert not breaker.failure(n)
    assert not breaker.failure(1500)


def test_late_failures_do_not_disturb() -> None:
    """Questions asked before it opened, failing after, neither prolong nor close it."""
    breaker = Breaker()
    for n in range(4):
        breaker.failure(n)
    assert not breaker.failure(500)
    breaker.success(600)
    assert not breaker.closed
    assert breaker.admit(703)


@pytest.mark.parametrize(
    ("value", "user", "host"),
    [
        ('"A <b>" <sip:+8613812345678@x;user=phone>;tag=1', "+8613812345678", "x"),
        ('"A \\" <sip:1@y>" <sips:2;cpc=ordinary@x:5061>', "2;cpc=ordinary", "x"),
        ("sip:100:secret@x", "100", "x"),
        ("<tel:+86-755-1234;phone-context=x>", "+86-755-1234;phone-context=x", ""),
        ("<sip:host.only>", "", ""),
        ("", "", ""),
        ("<<<>>>@@@", "", ""),
        ('"' + "a" * 100_000, "", ""),
        ("<" + "sip:a:" * 20_000, "", ""),
    ],
)
def test_identity_of(value: str, user: str, host: str) -> None:
    """User part and host of any usual address form, nothing for the rest."""
    assert headers.identity_of(value) == (user, host)


def test_call_of() -> None:
    """Only `<uuid>.<leg>` names a call."""
    assert headers.call_of(f"{CALL}.b12") == CALL
    assert headers.call_of(CALL) == headers.call_of("1001") == headers.call_of(f"{CALL}.a;x") == ""


def test_home_value() -> None:
    """Parts are percent-encoded one by one, so that a semicolon in one splits nothing."""
    assert headers.home_value("CN", "广东", "a;b", "") == "CN;%E5%B9%BF%E4%B8%9C;a%3Bb;"


def test_settings_round_trip(tmp_path: Path) -> None:
    """What the launcher writes is what the script reads."""
    made = render.settings_of(edge_config(tmp_path, origins=("https://a",)))
    (tmp_path / "edge.json").write_text(made.dump())
    assert settings.load(tmp_path / "edge.json") == made
    assert made.by_uri == {uri: node for node, uri in made.nodes.items()}


def test_bad_trunk_address(tmp_path: Path) -> None:
    """An address that is none is told with the trunk's name before anything starts."""
    from dataclasses import replace

    config = replace(edge_config(tmp_path), trunk=(Trunk("carrier-x", ("not-an-ip",)),))
    with pytest.raises(render.EdgeError, match=r"carrier-x.*not-an-ip"):
        render.address_list(config)


def test_a_path_too_long_for_the_control_socket(tmp_path: Path) -> None:
    """A state folder whose sockets the kernel could not take is refused with what to do."""
    with pytest.raises(render.EdgeError, match="choose a state folder with a shorter one"):
        render.write(edge_config(tmp_path / ("x" * 100)))


def test_names_across_the_languages() -> None:
    """What routes call in Python is a method there, what Python names to Kamailio is a route: else it is told only in flight."""
    tree = ast.parse((KEMI / "main.py").read_text())
    (script,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Script"]
    methods = {node.name for node in script.body if isinstance(node, ast.FunctionDef)}
    routes = "".join(path.read_text() for path in (ROOT / "sip" / "routes").glob("*.cfg"))
    called = set(re.findall(r'python_exec\("(\w+)"', routes))
    assert called
    assert called | {"child_init"} <= methods
    (resumes,) = re.findall(r'CONTINUE = "([A-Z_]+)"', (KEMI / "asker.py").read_text())
    assert f"route[{resumes}]" in routes
    named = set(re.findall(r'(?:route\(|t_on_\w+\(")([A-Z_]{3,})\b', routes))
    assert named <= set(re.findall(r"(?m)^\w*route\[(\w+)\]", routes))


def test_counters_are_declared() -> None:
    """Each counter the script adds to stands in kamailio.cfg, or Kamailio would drop it."""
    declared = set(re.findall(r"name=(\w+);", (ROOT / "sip" / "kamailio.cfg").read_text()))
    used = set(re.findall(r'= "(\w+_total)"', (KEMI / "account.py").read_text()))
    assert used
    assert used <= declared


class Answers:
    """What came of questions, in order."""

    def __init__(self) -> None:
        self.got: list[tuple[bytes | None, str]] = []

    def warn(self, text: str) -> None: ...

    def connected(self, address: str, up: bool) -> None: ...

    def retry(self, asking: Asking) -> None:
        asking.done(None, asking.why)

    def done(self, reply: bytes | None, why: str) -> None:
        self.got.append((reply, why))


async def test_http2_against_grpc() -> None:
    """Thousands of calls over one connection to a real gRPC server: each gets its answer, large ones too; an error its status."""
    server = await FakeRouter(f"127.0.0.1:{free_port()}").start()
    server.answer = to_node("m1", "sip:127.0.0.1:5200" + ";x=y" * 500)
    host, _, port = server.address.rpartition(":")
    answers = Answers()
    router = Router(server.address, answers, answers.retry)
    _, link = await asyncio.get_running_loop().create_connection(lambda: Link(router), host, int(port))
    for batch in range(20):
        for n in range(100):
            question = routing_pb2.RouteCallRequest(call=f"{batch}-{n}", called="9" * 500).SerializeToString()
            while not link.ask(Asking(question, 2**60, answers.done)):
                await asyncio.sleep(0.001)
        while len(answers.got) < (batch + 1) * 100:
            await asyncio.sleep(0.001)
    replies = {reply for reply, why in answers.got if not why}
    assert replies == {server.answer.SerializeToString()}
    for status in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INVALID_ARGUMENT):
        server.error = status
        assert link.ask(Asking(b"", 2**60, answers.done))
        await until_async(lambda: answers.got[-1][0] is None, 8, "the error came")
        assert answers.got.pop() == (None, status.name.lower())
    server.asked = server.asked[:-2]
    assert len(server.asked) == len({asked.call for asked in server.asked}) == 2000
    await server.stop()


def test_http2_frames_in_pieces() -> None:
    """Bytes may come one by one; padded data is unpadded; a status without a message is told by its name."""
    connection = h2.Connection("r:1", PATH)
    first, second = connection.request(b"q"), connection.request(b"q")
    assert (first, second) == (1, 3)
    stream = h2.frame(h2.HEADERS, h2.END_HEADERS, 1, b"x") + h2.frame(h2.DATA, h2.PADDED, 1, b"\x02\0\0\0\0\x03abc!!")
    stream += h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 1, b"y")
    stream += h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 3, b"\0\x0bgrpc-status\x0214\0\x0cgrpc-message\0")
    events = [event for byte in stream for event in connection.feed(bytes([byte]))]
    assert events == [h2.Reply(1, b"abc"), h2.Failed(3, "unavailable")]


def test_http2_keeps_the_peers_window() -> None:
    """When the peer's window is used up no more is sent, until it gives room again."""
    connection = h2.Connection("r:1", PATH)
    big = b"x" * 60_000
    assert connection.request(big) is not None
    assert connection.request(big) is None
    connection.feed(h2.frame(h2.WINDOW_UPDATE, 0, 0, (60_000).to_bytes(4, "big")))
    assert connection.request(big) is not None


def test_http2_answers_pings_and_refuses_nonsense() -> None:
    """A ping is acknowledged with its bytes; a peer that speaks something else ends the connection, not the process."""
    connection = h2.Connection("r:1", PATH)
    connection.outgoing.clear()
    connection.feed(h2.frame(h2.PING, 0, 0, b"12345678"))
    assert bytes(connection.outgoing) == h2.frame(h2.PING, h2.ACK, 0, b"12345678")
    with pytest.raises(h2.ProtocolError):
        connection.feed(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_an_orphan_that_ends_meanwhile_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was found and is gone before it is killed does not keep the edge from starting."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    found = iter([[gone.pid], []])
    monkeypatch.setattr(edge, "leftovers", lambda _: next(found))
    assert edge.clean_up(edge_config(tmp_path)) == [gone.pid]


class Wire(asyncio.Transport):
    """A connection whose other end is the test."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return False


async def test_a_question_accepted_before_goaway_is_not_asked_twice() -> None:
    """A router that goes names the last question it takes: that one is answered by it, only the later one goes to another."""
    answers = Answers()
    router = Router("127.0.0.1:1", answers, answers.retry)
    link, wire = Link(router), Wire()
    link.connection_made(wire)
    first, second = (Asking(question, 2**60, answers.done) for question in (b"first", b"second"))
    assert link.ask(first) and link.ask(second)

    def arrives(data: bytes) -> None:
        link.get_buffer(len(data))[: len(data)] = data
        link.buffer_updated(len(data))

    arrives(h2.frame(h2.GOAWAY, 0, 0, (1).to_bytes(4, "big") + bytes(4)))
    assert answers.got == [(None, "unavailable")], "the second question alone goes to another router"
    arrives(h2.frame(h2.HEADERS, h2.END_HEADERS, 1, b"x") + h2.frame(h2.DATA, 0, 1, b"\0\0\0\0\x03abc"))
    arrives(h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 1, b"y"))
    assert answers.got == [(None, "unavailable"), (b"abc", "")]
    if router._connecting is not None:
        router._connecting.cancel()

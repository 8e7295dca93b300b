"""Transactions: the machines of tables.py at work. A transaction that ends is forgotten with all it held."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from media.ua import tables as t
from media.ua.message import Request, Response
from media.ua.tables import Do, On, State
from media.ua.timer import Timer, Wheel
from media.ua.wire import Answering, Draft, Hop, Packet, answer

COOKIE = "z9hG4bK"
Tell = Callable[[int, Response | None, On], None]  # now, the response if there is one, what happened
TellAck = Callable[[int, Request], None]
_SENDING = {1: On.SEND_PROVISIONAL, 2: On.SEND_SUCCESS}
_HEARING = {1: On.PROVISIONAL, 2: On.SUCCESS}


class Client:
    """A client transaction."""

    __slots__ = ("again", "branch", "data", "draft", "hop", "key", "pause", "state", "table", "tell", "timers")

    def __init__(self, draft: Draft, branch: str, tell: Tell) -> None:
        self.draft: Draft | None = draft
        self.branch, self.tell, self.hop = branch, tell, draft.hop
        self.key = f"{branch} {draft.method}"
        self.table = t.INVITE_CLIENT if draft.method == "INVITE" else t.CLIENT
        self.state = State.CALLING if draft.method == "INVITE" else State.TRYING
        self.data = b""
        self.again: Hop | None = None  # where to send by UDP if the TCP tried for its length fails
        self.pause = t.T1
        self.timers: dict[On, Timer] = {}


class Server:
    """A server transaction."""

    __slots__ = ("back", "data", "hop", "key", "merge", "pause", "request", "state", "table", "tell_ack", "timers")

    def __init__(self, keys: tuple[str, str], request: Request, hop: Hop, back: Hop) -> None:
        self.hop, self.back = hop, back
        self.key, self.merge = keys
        self.request: Request | None = request  # until the final response is sent
        self.table = t.INVITE_SERVER if request.method == "INVITE" else t.SERVER
        self.state = State.PROCEEDING if request.method == "INVITE" else State.TRYING
        self.data = b""
        self.pause = t.T1
        self.timers: dict[On, Timer] = {}
        self.tell_ack: TellAck | None = None


Transaction = Client | Server


@dataclass(slots=True)
class Counters:
    """What the endpoint shows as metrics."""

    sent: int = 0
    received: int = 0
    retransmitted: int = 0  # by us
    repeated: int = 0  # requests of the peer that came again
    malformed: int = 0
    stray: int = 0  # responses and ACKs that belong to nothing
    refused: int = 0  # requests answered by the core itself with 4xx, 5xx
    listener_faults: int = 0  # exceptions out of listeners


def server_key(request: Request, method: str) -> str:
    """How a request finds its transaction (RFC 3261 §17.2.3); without the magic cookie by the rules of RFC 2543."""
    top = request.top
    if top is not None and request.branch.startswith(COOKIE):
        return f"{request.branch} {top.sent_by} {method}"
    via = top.sent_by + top.tail if top else ""
    return f"2543 {via} {request.call_id} {request.from_tag} {request.cseq} {method}"


def merge_key(request: Request) -> str:
    """By what a request is known that came here twice on two ways (RFC 3261 §8.2.2.2)."""
    return f"{request.call_id} {request.from_tag} {request.cseq} {request.method}"


class Transactions:
    """All live transactions."""

    def __init__(self, wheel: Wheel, out: list[Packet], count: Counters, agent: str = "") -> None:
        self.wheel, self.out, self.count, self.agent = wheel, out, count, agent
        self.clients: dict[str, Client] = {}
        self.servers: dict[str, Server] = {}
        self.merged: dict[str, Server] = {}
        self._acts: dict[Do, Callable[[int, Transaction, object], None]] = dict(self._table())

    # ---- what others call ---------------------------------------------------------------------------------------
    def start(self, now: int, client: Client, data: bytes) -> None:
        """Send a request."""
        self.clients[client.key] = client
        client.data = data
        self._emit(client)
        invite = client.table is t.INVITE_CLIENT
        if client.hop.transport == "udp":
            self._arm(now, client, On.A if invite else On.E, t.T1)
        self._arm(now, client, On.B if invite else On.F, t.TIMEOUT)

    def hear(self, now: int, response: Response) -> bool:
        """Give a response to its transaction; False if there is none."""
        client = self.clients.get(f"{response.branch} {response.cseq_method}")
        if client is None:
            return False
        self._step(now, client, _HEARING.get(response.status // 100, On.FAILURE), response)
        return True

    def repeat(self, now: int, server: Server, request: Request) -> None:
        """A repeat of its request, or its ACK, came."""
        ack = request.method == "ACK"
        self.count.repeated += not ack
        self._step(now, server, On.ACK if ack else On.REQUEST, request)

    def open(self, now: int, request: Request, keys: tuple[str, str], hops: tuple[Hop, Hop]) -> Server:
        """Make the transaction of a new request. `keys`: server_key, merge_key; `hops`: back, and back without the connection."""
        server = Server(keys, request, *hops)
        self.servers[server.key] = server
        self.merged.setdefault(server.merge, server)
        if server.table is t.INVITE_SERVER:
            self._arm(now, server, On.TRYING, t.TRYING)
        return server

    def respond(self, now: int, server: Server, what: Answering) -> bytes:
        """Answer a request; the bytes, b"" if it was answered finally before. A second 2xx is sent as `again`."""
        request = server.request
        if request is None:
            return b""
        data = answer(request, what, self.agent)
        if what.status >= 200:
            server.request = None
        self._step(now, server, _SENDING.get(what.status // 100, On.SEND_FAILURE), data)
        return data

    def again(self, now: int, server: Server, data: bytes) -> None:
        """Send a 2xx to an INVITE once more (the user repeats it until the ACK, RFC 6026 §7.1)."""
        self.count.retransmitted += 1
        self._step(now, server, On.SEND_SUCCESS, data)

    def broken(self, now: int, hop: Hop) -> None:
        """Nothing can be sent to `hop`: those who wait for it learn it, those with another way take it."""
        for client in [c for c in self.clients.values() if c.hop == hop]:
            if client.again is not None and client.state in (State.CALLING, State.TRYING):
                self._by_udp(now, client)
            else:
                self._step(now, client, On.NO_TRANSPORT, None)

    def __len__(self) -> int:
        return len(self.clients) + len(self.servers)

    # ---- the machine --------------------------------------------------------------------------------------------
    def _step(self, now: int, one: Transaction, event: On, item: object) -> None:
        one.state, acts = one.table.step(one.state, event)
        for act in acts:
            self._acts[act](now, one, item)

    def _fire(self, now: int, due: tuple[Transaction, On]) -> None:
        one, event = due
        one.timers.pop(event, None)
        self._step(now, one, event, None)

    def _arm(self, now: int, one: Transaction, event: On, delay: int) -> None:
        one.timers[event] = self.wheel.arm(now, delay, self._fire, (one, event))

    def _emit(self, one: Transaction) -> None:
        self.out.append(Packet(one.data, one.hop, one.back if isinstance(one, Server) else None))

    def _by_udp(self, now: int, client: Client) -> None:
        assert client.again is not None
        client.hop, client.again = client.again, None
        client.data = client.data.replace(b"Via: SIP/2.0/TCP", b"Via: SIP/2.0/UDP", 1)
        self._emit(client)
        self._arm(now, client, On.A if client.table is t.INVITE_CLIENT else On.E, t.T1)

    # ---- actions ------------------------------------------------------------------------------------------------
    def _table(self) -> Iterator[tuple[Do, Callable[[int, Transaction, object], None]]]:
        yield from (
            (Do.TELL, self._tell), (Do.TELL_ACK, self._tell_ack), (Do.SEND, self._send), (Do.SEND_TRYING, self._send_trying),
            (Do.RESEND, self._resend), (Do.ACK, self._ack), (Do.STOP, self._stop), (Do.END, self._end),
            (Do.TELL_TIMEOUT, lambda now, one, _: self._tell_end(now, one, On.B)),
            (Do.TELL_BROKEN, lambda now, one, _: self._tell_end(now, one, On.NO_TRANSPORT)),
        )  # fmt: skip
        yield from (
            (Do.AGAIN_A, self._again(On.A, 2**30)), (Do.AGAIN_E, self._again(On.E, t.T2)), (Do.AGAIN_G, self._again(On.G, t.T2)),
            (Do.SLOW_E, lambda now, one, _: self._arm(now, one, On.E, t.T2)),
            (Do.START_C, lambda now, one, _: self._arm(now, one, On.C, t.PATIENCE)),
            (Do.START_D, self._later(On.D, t.TIMEOUT)), (Do.START_J, self._later(On.J, t.TIMEOUT)),
            (Do.START_I, self._later(On.I, t.T4)), (Do.START_K, self._later(On.K, t.T4)),
            (Do.START_G, lambda now, one, _: self._arm(now, one, On.G, t.T1) if one.hop.transport == "udp" else None),
            (Do.START_H, lambda now, one, _: self._arm(now, one, On.H, t.TIMEOUT)),
            (Do.START_L, lambda now, one, _: self._arm(now, one, On.L, t.TIMEOUT)),
            (Do.START_M, lambda now, one, _: self._arm(now, one, On.M, t.TIMEOUT)),
        )  # fmt: skip

    def _later(self, event: On, delay: int) -> Callable[[int, Transaction, object], None]:
        """Wait for stragglers: not at all over a reliable transport."""
        return lambda now, one, _: self._arm(now, one, event, delay if one.hop.transport == "udp" else 0)

    def _again(self, event: On, most: int) -> Callable[[int, Transaction, object], None]:
        def again(now: int, one: Transaction, _: object) -> None:
            one.pause = min(2 * one.pause, most)
            self._arm(now, one, event, one.pause)

        return again

    def _tell(self, now: int, one: Transaction, item: object) -> None:
        assert isinstance(one, Client) and isinstance(item, Response)
        if one.state in (State.COMPLETED, State.ACCEPTED):
            one.draft = None
        one.tell(now, item, _HEARING.get(item.status // 100, On.FAILURE))

    def _tell_end(self, now: int, one: Transaction, why: On) -> None:
        assert isinstance(one, Client)
        one.tell(now, None, why)

    def _tell_ack(self, now: int, one: Transaction, item: object) -> None:
        assert isinstance(one, Server) and isinstance(item, Request)
        if one.tell_ack is not None:
            one.tell_ack(now, item)

    def _send(self, _now: int, one: Transaction, item: object) -> None:
        assert isinstance(item, bytes)
        one.data = item
        self._emit(one)

    def _send_trying(self, _now: int, one: Transaction, _: object) -> None:
        assert isinstance(one, Server)
        if one.request is not None and not one.data:
            one.data = answer(one.request, Answering(100), self.agent)
            self._emit(one)

    def _resend(self, _now: int, one: Transaction, _: object) -> None:
        if one.data:
            self.count.retransmitted += 1
            self._emit(one)

    def _ack(self, _now: int, one: Transaction, item: object) -> None:
        assert isinstance(one, Client) and isinstance(item, Response)
        if one.draft is not None:
            via = one.data[one.data.find(b"Via: ") + 5 :].partition(b"\r\n")[0].decode("utf-8", "surrogateescape")
            one.data = one.draft.sibling("ACK", item.get("to")).encode(via, self.agent)
            self._emit(one)

    def _stop(self, _now: int, one: Transaction, _: object) -> None:
        if one.timers:
            for timer in one.timers.values():
                self.wheel.cancel(timer)
            one.timers.clear()

    def _end(self, now: int, one: Transaction, _: object) -> None:
        self._stop(now, one, None)
        if isinstance(one, Client):
            self.clients.pop(one.key, None)
            one.draft = None
        else:
            self.servers.pop(one.key, None)
            if self.merged.get(one.merge) is one:
                del self.merged[one.merge]
            one.request = one.tell_ack = None

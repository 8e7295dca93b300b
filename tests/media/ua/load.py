"""CPU of the user agent alone, without sockets: `python -m tests.media.ua.load uas|b2bua [--calls 5000] [--profile]`.

Messages are those of the edge: two Vias, Record-Route, X-Tierline headers. Only time inside the core counts; the best of
runs of RUN calls is given beside the mean, for other work on the machine disturbs less there. A call starts
every 20 ms of the core's time, so transactions end and timers fire as they do at 50 calls a second.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import re
import time
from collections.abc import Callable
from itertools import pairwise

from media.ua import api
from media.ua.core import Core, Outputs
from media.ua.settings import Settings
from ops.ids import LegId, uuid7
from ops.lifecycle import tune_gc
from tests.media.ua.agents import SDP

EDGE = ("127.0.0.1", 5060)
STEP_MS = 20
RUN = 100
RR = "Record-Route: <sip:127.0.0.1:5060;lr=on;ftag={tag};n=m1>\r\n"
INVITE = (
    "INVITE sip:95588@127.0.0.1:5070 SIP/2.0\r\n" + RR + "Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKe{n:x}.f1d8.0\r\n"
    "Via: SIP/2.0/UDP 127.0.0.2:41000;received=127.0.0.2;branch=z9hG4bK{n:016x};rport=41000\r\nMax-Forwards: 69\r\n"
    "From: <sip:138{n:08d}@127.0.0.2>;tag={tag}\r\nTo: <sip:95588@127.0.0.1>\r\nCall-ID: {call}\r\nCSeq: 1 INVITE\r\n"
    "Contact: <sip:138{n:08d}@127.0.0.2:41000>\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK\r\n"
    "Supported: 100rel, timer\r\nP-Asserted-Identity: <sip:138{n:08d}@127.0.0.2>\r\nContent-Type: application/sdp\r\n"
    "X-Tierline-Call: {id}\r\nX-Tierline-Trunk: carrier-a\r\nX-Tierline-Home: CN;%E5%8C%97%E4%BA%AC;%E5%8C%97%E4%BA%AC;mobile\r\n"
    f"X-Tierline-Routed: router\r\nContent-Length: {len(SDP)}\r\n\r\n"
)
INSIDE = (
    "{method} sip:{id}.a@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKe{n:x}.{cseq}{method}.0\r\n"
    "Via: SIP/2.0/UDP 127.0.0.2:41000;received=127.0.0.2;branch=z9hG4bK{n:016x}{cseq};rport=41000\r\nMax-Forwards: 69\r\n"
    "From: <sip:138{n:08d}@127.0.0.2>;tag={tag}\r\nTo: <sip:95588@127.0.0.1>;tag={to}\r\n"
    "Call-ID: {call}\r\nCSeq: {cseq} {method}\r\n"
)
KEY = "Content-Type: application/dtmf-relay\r\nContent-Length: 22\r\n\r\nSignal=0\r\nDuration=160"
REPLY = (
    "SIP/2.0 {status}\r\nVia: {via};received=127.0.0.1\r\n" + RR + "From: {from_}\r\nTo: {to};tag=s{n}\r\nCall-ID: {call}\r\n"
    "CSeq: {cseq}\r\nContact: <sip:8001@127.0.0.1:42000>\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK\r\n"
)
_FIELDS = re.compile(rb"\r\n(Via|From|To|Call-ID|CSeq): ([^\r]+)")


class Drive:
    """Calls through one core; `spent` is the time inside of it, ns."""

    def __init__(self) -> None:
        self.now, self.spent = 1_000_000, 0
        self.core = Core(
            Settings("127.0.0.1", 5070, "127.0.0.1", 5060, domain="bench.tierline", agent="Tierline", tcp_over=1300),
            lambda: uuid7(0),
        )
        self.due: int | None = None

    def run(self, work: Callable[[], Outputs]) -> Outputs:
        """Let the core work, measured."""
        began = time.perf_counter_ns()
        out = work()
        self.spent += time.perf_counter_ns() - began
        self.due = out.deadline
        return out

    def hear(self, text: str, body: bytes = b"") -> Outputs:
        """A message from the edge."""
        data = text.encode() + body
        return self.run(lambda: self.core.receive(self.now, data, EDGE))

    def do(self, command: api.Command) -> Outputs:
        """A command."""
        return self.run(lambda: self.core.do(self.now, command))

    def reply(self, request: bytes, n: int, status: str, body: bytes = b"") -> Outputs:
        """The seat's answer to a request of ours."""
        got = {name: value.decode() for name, value in _FIELDS.findall(request)}
        told = {"via": got[b"Via"], "from_": got[b"From"], "to": got[b"To"].partition(";tag=")[0], "call": got[b"Call-ID"]}
        tag = got[b"From"].partition(";tag=")[2]
        text = REPLY.format(status=status, n=n, tag=tag, cseq=got[b"CSeq"], **told)
        kind = "Content-Type: application/sdp\r\n" if body else ""
        return self.hear(f"{text}{kind}Content-Length: {len(body)}\r\n\r\n", body)

    def uas(self, n: int, seat: bool) -> None:
        """One call that comes in, with a key by INFO; `seat`: and one that goes out."""
        known = {"n": n, "tag": f"t{n:x}", "call": f"{n:032x}", "id": uuid7(n)}
        leg = self.hear(INVITE.format(**known), SDP).events[0].leg
        sent = self.do(api.Answer(leg, SDP)).packets[0].data
        known["to"] = sent.partition(b"95588@127.0.0.1>;tag=")[2].partition(b"\r\n")[0].decode()
        self.hear(INSIDE.format(method="ACK", cseq=1, **known) + "Content-Length: 0\r\n\r\n")
        self.hear(INSIDE.format(method="INFO", cseq=2, **known) + KEY)
        if seat:
            self.uac(n, api.Leg(leg.call, LegId("b1")))
        ended = self.hear(INSIDE.format(method="BYE", cseq=3, **known) + "Content-Length: 0\r\n\r\n")
        assert ended.events
        self.tick()

    def uac(self, n: int, leg: api.Leg) -> None:
        """A seat is called, answers and is hung up."""
        headers = (("X-Tierline-Call", leg.call),)
        out = self.do(api.Invite(leg, "sip:8001@bench.tierline", f"138{n:08d}", SDP, headers=headers, route="sip:127.0.0.1:5060"))
        invite = out.packets[0].data
        self.reply(invite, n, "100 trying -- your call is important to us")
        self.reply(invite, n, "180 Ringing")
        answered = self.reply(invite, n, "200 OK", SDP).events[0]
        assert isinstance(answered, api.Answered)
        self.reply(self.do(api.Hangup(leg)).packets[0].data, n, "200 OK")

    def tick(self) -> None:
        """Time goes on."""
        self.now += STEP_MS
        while self.due is not None and self.due <= self.now:
            self.run(lambda: self.core.tick(self.now))


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["uas", "b2bua"])
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    drive, profile = Drive(), cProfile.Profile()
    tune_gc()
    if given.profile:
        profile.enable()
    runs = []
    for n in range(given.calls):
        drive.uas(n, given.kind == "b2bua")
        if n % RUN == RUN - 1:
            runs.append(drive.spent)
    profile.disable()
    best = min(after - before for before, after in pairwise([0, *runs])) / RUN / 1e6
    figures = {"ms_per_call": round(drive.spent / 1e6 / given.calls, 4), "best_ms_per_call": round(best, 4)}
    print(json.dumps({"kind": given.kind, "calls": given.calls, **figures}))
    if given.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(50)


if __name__ == "__main__":
    main()

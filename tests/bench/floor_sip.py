"""The floor of the edge: Kamailio with a native script, and sipp on both sides of it, for the messages of one call.

Two dialogs a call, as in the bench of whole calls: carrier -> Kamailio -> node, node -> Kamailio -> registered seat. 28 messages.
"""

from __future__ import annotations

import os
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.kit.ports import free_port
from tests.kit.wait import until

MODULES = [
    "kex",
    "tm",
    "tmx",
    "sl",
    "rr",
    "pv",
    "maxfwd",
    "textops",
    "siputils",
    "sanity",
    "htable",
    "pike",
    "permissions",
    "usrloc",
    "registrar",
    "nathelper",
    "dispatcher",
    "counters",
]
SCRIPT = """
request_route {{
    force_rport();
    if (!mf_process_maxfwd_header("70")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    if (!sanity_check("17895", "7")) {{ exit; }}
    if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
    if (has_totag()) {{ if (loose_route()) t_relay(); exit; }}
    if (is_method("REGISTER")) {{ save("location"); exit; }}
    if (!is_method("INVITE")) {{ exit; }}
    if ($rU =~ "^8") {{ if (!lookup("location")) {{ sl_send_reply("404", "Not Registered"); exit; }} }}
    else {{ $du = "sip:127.0.0.1:{node}"; }}
    record_route();
    t_relay();
}}
"""
HEAD = """
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
From: <sip:13800000001@[local_ip]:[local_port]>;tag=[call_number]f
To: <sip:{user}@[remote_ip]:[remote_port]>{tag}
Call-ID: [call_id]
Max-Forwards: 70
"""
AUDIO = """v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio 40000 RTP/AVP 8 0 101
a=rtpmap:8 PCMA/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
"""
REGISTER = """REGISTER sip:127.0.0.1 SIP/2.0
Via: SIP/2.0/UDP {where};branch=z9hG4bK1
From: <sip:8001@127.0.0.1>;tag=1
To: <sip:8001@127.0.0.1>
Call-ID: floor
CSeq: 1 REGISTER
Contact: <sip:8001@127.0.0.1:{seat}>
Expires: 600
Max-Forwards: 70
Content-Length: 0

"""
TAG = "[peer_tag_param]"
SDP = f"Content-Type: application/sdp\nContent-Length: [len]\n\n{AUDIO}"


def message(text: str) -> str:
    """A `send` of a scenario."""
    return f"<send><![CDATA[\n{text.strip()}\n]]></send>\n"


def answer(status: str, tag: str, rest: str) -> str:
    """A response to the last request."""
    echo = f"[last_Via:]\n[last_From:]\n[last_To:]{tag}\n[last_Call-ID:]\n[last_CSeq:]\n[last_Record-Route:]"
    return message(f"SIP/2.0 {status}\n{echo}\nContact: <sip:[local_ip]:[local_port]>\n{rest}")


def request(method: str, user: str, number: int, tag: str, rest: str) -> str:
    """A request; those inside the dialog go where the dialog says."""
    inside = method != "INVITE"
    target, route = ("[next_url]", "[routes]\n") if inside else (f"sip:{user}@[remote_ip]:[remote_port]", "")
    head = HEAD.strip().format(user=user, tag=tag)
    contact = "" if inside else "Contact: <sip:[local_ip]:[local_port]>\n"
    return message(f"{method} {target} SIP/2.0\n{head}\nCSeq: {number} {method}\n{route}{contact}{rest}")


def wants(word: str, optional: bool = False, routes: bool = False) -> str:
    """A `recv` of a scenario."""
    kind = "response" if word.isdigit() else "request"
    more = (' optional="true"' if optional else "") + (' rrs="true"' if routes else "")
    return f'<recv {kind}="{word}"{more}/>\n'


def caller(user: str, ringing: bool, key: bool) -> str:
    """Who calls: INVITE .. ACK, a key press by INFO if wanted, 1.8 s, BYE."""
    empty = "Content-Length: 0\n"
    steps = request("INVITE", user, 1, "", SDP) + wants("100", optional=True)
    steps += (wants("180", optional=True) if ringing else "") + wants("200", routes=True) + request("ACK", user, 1, TAG, empty)
    if key:
        relay = "Content-Type: application/dtmf-relay\nContent-Length: [len]\n\nSignal=0\nDuration=160\n"
        steps += request("INFO", user, 2, TAG, relay) + wants("200")
    steps += '<pause milliseconds="1800"/>\n' + request("BYE", user, 3, TAG, empty) + wants("200")
    return f'<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="caller">\n{steps}</scenario>\n'


def called(ringing: bool, key: bool) -> str:
    """Who is called."""
    tag, empty = ";tag=[call_number]t", "Content-Length: 0\n"
    steps = wants("INVITE") + (answer("180 Ringing", tag, empty) if ringing else "")
    steps += answer("200 OK", tag, SDP) + wants("ACK")
    steps += (wants("INFO") + answer("200 OK", "", empty)) if key else ""
    steps += wants("BYE") + answer("200 OK", "", empty)
    return f'<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="called">\n{steps}</scenario>\n'


@dataclass
class Sip:
    """Kamailio and the four phones; `with`, then `load`."""

    folder: Path
    rate: float
    calls: int

    def __enter__(self) -> Sip:
        self.port, self.node, self.seat = (free_port() for _ in range(3))
        self.processes: list[subprocess.Popen[bytes]] = []
        self.kamailio = self._kamailio()
        try:
            until(self._registered, 15, "Kamailio takes a registration")
            self._sipp("node", called(False, True), self.node)
            self._sipp("seat", called(True, False), self.seat)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in (*self.processes, self.kamailio):
            if process.poll() is None:
                process.terminate()
            process.wait(15)

    def load(self) -> list[subprocess.Popen[bytes]]:
        """Begin to call; the processes of who calls, which end by themselves with 0 if every call went well."""
        one = self._sipp("carrier", caller("95588", False, True), free_port(), to=self.port)
        two = self._sipp("invites", caller("8001", True, False), free_port(), to=self.port)
        return [one, two]

    def _kamailio(self) -> subprocess.Popen[bytes]:
        loads = "".join(f'loadmodule "{name}.so"\n' for name in MODULES)
        head = "children=2\ntcp_children=2\nfork=yes\nlog_stderror=yes\ndebug=1\ndns=no\nrev_dns=no\nauto_aliases=no\n"
        head += f"listen=udp:127.0.0.1:{self.port}\nlisten=tcp:127.0.0.1:{self.port}\n{loads}"
        head += 'modparam("usrloc", "db_mode", 0)\nmodparam("usrloc", "use_domain", 0)\nmodparam("rr", "append_fromtag", 1)\n'
        head += f'modparam("dispatcher", "list_file", "{self.folder}/nodes")\n'
        (self.folder / "nodes").write_text(f"1 sip:127.0.0.1:{self.node}\n")
        (self.folder / "floor.cfg").write_text(head + SCRIPT.format(node=self.node))
        words = ["kamailio", "-DD", "-E", "-x", "fm", "-X", "fm", "-m", "128", "-M", "16"]
        words += ["-f", f"{self.folder}/floor.cfg", "-P", f"{self.folder}/floor.pid", "-Y", str(self.folder)]
        environment = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin"}
        with (self.folder / "kamailio.log").open("wb") as log:
            return subprocess.Popen(words, stdout=log, stderr=log, env=environment)

    def _registered(self) -> bool:
        """Tell Kamailio where seat 8001 is."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
            phone.settimeout(0.3)
            phone.bind(("127.0.0.1", 0))
            where = f"127.0.0.1:{phone.getsockname()[1]}"
            text = REGISTER.format(where=where, seat=self.seat).replace("\n", "\r\n")
            phone.sendto(text.encode(), ("127.0.0.1", self.port))
            try:
                return phone.recv(4096).startswith(b"SIP/2.0 200")
            except OSError:
                return False

    def _sipp(self, name: str, scenario: str, port: int, to: int = 0) -> subprocess.Popen[bytes]:
        path = self.folder / f"{name}.xml"
        path.write_text(scenario)
        words = ["sipp", "-sf", str(path), "-i", "127.0.0.1", "-p", str(port), "-nostdin", "-m", str(self.calls)]
        words += ["-r", str(self.rate), f"127.0.0.1:{to}"] if to else []
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(words, stdout=log, stderr=log, cwd=self.folder)
        self.processes.append(process)
        return process

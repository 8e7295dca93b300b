"""sipp as the other side: scenarios as text, run beside an endpoint in the same loop."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.kit.ports import free_port

SDP_LINES = """v=0
      o=user1 53655765 2353687637 IN IP[local_ip_type] [local_ip]
      s=-
      c=IN IP[media_ip_type] [media_ip]
      t=0 0
      m=audio [media_port] RTP/AVP 8
      a=rtpmap:8 PCMA/8000"""
HEADERS = """Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport
      From: sipp <sip:13800000000@[local_ip]:[local_port]>;tag=[pid]SIPpTag00[call_number]
      To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
      Call-ID: [call_id]
      CSeq: [cseq] {cseq_method}
      Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>
      Max-Forwards: 70"""


def send(method: str, body: str = "", extra: str = "", retrans: bool = True) -> str:
    """A request inside or outside of the dialog; `body` gets its content type in `extra`."""
    headers = HEADERS.format(cseq_method=method)
    more = f"\n      {extra}" if extra else ""
    attributes = ' retrans="500"' if retrans else ""
    return (
        f"<send{attributes}><![CDATA[\n      {method} sip:[service]@[remote_ip]:[remote_port] SIP/2.0\n      {headers}{more}\n"
        f"      Content-Length: [len]\n\n      {body}\n]]></send>\n"
    )


INVITE = send("INVITE", SDP_LINES, "Content-Type: application/sdp")
ACK = send("ACK", retrans=False)
BYE = send("BYE")


def recv(status: int, optional: bool = False) -> str:
    """A response to come."""
    mark = ' optional="true"' if optional else ""
    return f'<recv response="{status}" rrs="true"{mark}></recv>\n'


def scenario(*steps: str) -> str:
    """A whole scenario."""
    return '<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="s">\n' + "".join(steps) + "</scenario>\n"


class Sipp:
    """One sipp process. `done` waits for its end: its exit status, 0 if every call went as the scenario says."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, errors: Path) -> None:
        self.process, self.port, self._errors = process, port, errors

    async def done(self, seconds: float = 60) -> int:
        """Its exit status; AssertionError with its errors if it does not end."""
        try:
            return await asyncio.wait_for(self.process.wait(), seconds)
        except TimeoutError:
            raise AssertionError(f"sipp does not end: {self.errors()}") from None

    def errors(self) -> str:
        """What it complained about."""
        return self._errors.read_text()[:2000] if self._errors.exists() else ""

    async def stop(self) -> None:
        """End it if it still runs."""
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


async def start(folder: Path, text: str, arguments: str, port: int = 0) -> Sipp:
    """Start sipp with a scenario (`builtin:uac` or `builtin:uas` for its own) and more arguments, on a free port."""
    port = port or free_port()
    errors = folder / f"errors-{port}.log"
    if text.startswith("builtin:"):
        words = ["-sn", text.removeprefix("builtin:")]
    else:
        path = folder / f"scenario-{port}.xml"
        path.write_text(text)
        words = ["-sf", str(path)]
    words += ["-i", "127.0.0.1", "-p", str(port), "-nostdin", "-trace_err", "-error_file", str(errors), *arguments.split()]
    process = await asyncio.create_subprocess_exec(
        "sipp", *words, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, cwd=folder
    )
    return Sipp(process, port, errors)

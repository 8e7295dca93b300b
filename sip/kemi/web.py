"""HTTP at the edge: metrics, health and RPC on the loopback port; the WebSocket handshake on the TLS port, nothing else."""

from __future__ import annotations

import KSR

from sip.kemi.asker import LISTENING
from sip.kemi.settings import Settings


class Web:
    """Answers HTTP requests that xhttp hands over."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def request(self) -> None:
        """One HTTP request."""
        port = KSR.kx.get_rcvport()
        if port == self._settings.http_port:
            self._inside(KSR.pv.gete("$hu"))
        elif port == self._settings.tls_port and KSR.hdr.gete("Upgrade").lower() == "websocket":
            self._websocket(KSR.hdr.gete("Origin"))
        else:
            KSR.xhttp.xhttp_reply(404, "Not Found", "", "")

    @staticmethod
    def _inside(path: str) -> None:
        if path.startswith("/RPC"):
            KSR.jsonrpcs.dispatch()
        elif path.startswith("/metrics"):
            KSR.xhttp_prom.dispatch()
        elif path.startswith("/healthz"):
            if KSR.pvx.shv_get(LISTENING) == 1:
                KSR.xhttp.xhttp_reply(200, "OK", "text/plain", "ok\n")
            else:
                KSR.xhttp.xhttp_reply(503, "Service Unavailable", "text/plain", "starting\n")
        else:
            KSR.xhttp.xhttp_reply(404, "Not Found", "", "")

    def _websocket(self, origin: str) -> None:
        allowed = self._settings.origins
        if allowed and origin not in allowed:
            KSR.xhttp.xhttp_reply(403, "Forbidden", "", "")
            return
        KSR.websocket.handle_handshake()

"""One port for UDP and TCP alike."""

from __future__ import annotations

import socket

TRIES = 50  # for port 0: what is free for UDP may be taken for TCP


def bind(host: str, port: int, tcp: bool) -> tuple[socket.socket, socket.socket | None]:
    """Sockets for UDP and, if wanted, TCP on the same port (0: any that is free for both). Raises OSError if it is taken."""
    for left in range(TRIES if not port else 1, 0, -1):
        udp = _open(socket.SOCK_DGRAM, host, port)
        if not tcp:
            return udp, None
        try:
            return udp, _open(socket.SOCK_STREAM, host, udp.getsockname()[1])
        except OSError:
            udp.close()
            if left == 1:
                raise
    raise AssertionError("unreachable")


def _open(kind: socket.SocketKind, host: str, port: int) -> socket.socket:
    one = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    if kind is socket.SOCK_STREAM:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of a process before us may still be in TIME_WAIT
    try:
        one.bind((host, port))
    except OSError:
        one.close()
        raise
    one.setblocking(False)
    return one

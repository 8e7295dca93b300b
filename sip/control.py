"""Kamailio's control commands over the Unix socket in the edge's state folder, which only the edge's user can open."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

SOCKET = "control"
LONGEST_PATH = 100  # of a Unix socket; the kernel takes 107 bytes
LONGEST_REPLY = 1 << 16
WAIT_S = 5.0


class ControlError(Exception):
    """The command failed, or nobody listens; the text says which."""


def command(folder: Path, method: str, *params: Any) -> Any:
    """Run a command such as `core.uptime` at the edge whose files are in `folder`; its result. Raises ControlError."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}).encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.bind("")  # an abstract name that the kernel chooses: the answer finds us, and no file is left behind
        client.settimeout(WAIT_S)
        try:
            client.connect(os.fspath(folder / SOCKET))
            client.send(body)
            reply = json.loads(client.recv(LONGEST_REPLY))
        except (OSError, ValueError) as error:
            raise ControlError(f"{folder / SOCKET}: {method} got no answer: {error}") from error
    if "error" in reply:
        raise ControlError(f"{method}: {reply['error'].get('message', 'failed')}")
    return reply.get("result")

"""What nft lets one address hold, in a network namespace of the test's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RULES = Path(__file__).parents[2] / "ops" / "systemd" / "tierline.nft"
LIMIT = 512
TRIES = f"""
import socket
edge = socket.create_server(("127.0.0.1", 5060), backlog=4096)
held = []
def connects(address):
    client = socket.socket()
    client.bind((address, 0))
    try:
        client.connect(("127.0.0.1", 5060))
    except ConnectionRefusedError:
        return False
    held.append((client, edge.accept()))
    return True
first = sum(connects("127.0.0.9") for _ in range({LIMIT} + 50))
other = connects("127.0.0.8")
print(first, other, flush=True)
"""


@pytest.mark.real
def test_one_address_holds_no_more_than_the_limit() -> None:
    """An address gets its connections and no more; another one connects all the same."""
    steps = f"ip link set lo up && nft -f {RULES} && exec {sys.executable} -c '{TRIES}'"
    own = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    done = subprocess.run(["unshare", *own, "--net", "sh", "-c", steps], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode and "Operation not permitted" in done.stderr:
        pytest.skip("this machine lets no test make a network namespace")
    assert done.stdout.split() == [str(LIMIT), "True"], done.stderr

"""The way between the edges of two provinces, to be cut by a test. Needs iptables and the right to use it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def cut_between(one: int, other: int) -> Iterator[None]:
    """No datagram passes between these two UDP ports here, as on a line that is down; edges send from where they listen."""
    laid: list[tuple[str, ...]] = []
    try:
        for source, to in ((one, other), (other, one)):
            rule = ("OUTPUT", "-o", "lo", "-p", "udp", "--sport", str(source), "--dport", str(to), "-j", "DROP")
            _iptables("-I", rule)
            laid.append(rule)
        yield
    finally:
        for done in laid:
            _iptables("-D", done)


def _iptables(what: str, rule: tuple[str, ...]) -> None:
    try:
        done = subprocess.run(["iptables", "-w", "5", what, *rule], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no iptables here: the way between two provinces cannot be cut")
    if done.returncode:
        pytest.skip(f"the way between two provinces cannot be cut: {done.stderr.strip()}")

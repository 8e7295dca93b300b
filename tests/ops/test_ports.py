"""Taken ports: told with what wants them and who has them, or moved."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ops import ports as plan
from ops.centre import Centre, CentreConfig, Ports
from ops.supervise import proc, resolve
from ops.supervise.services import ROOT
from tests.kit.ports import free_block, free_port


def config(first: int = 0) -> CentreConfig:
    """A centre on free neighbouring ports."""
    base = first or free_block(14)
    names = [name for name in Ports.__dataclass_fields__ if not name.startswith("rtp_l") and not name.startswith("rtp_hi")]
    return CentreConfig(Centre("x"), ports=replace(Ports(), **{name: base + n for n, name in enumerate(names)}))


@pytest.fixture
def held() -> Iterator[socket.socket]:
    """A UDP port of this process's own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", free_port()))
        yield one


def test_free_ports_are_no_trouble() -> None:
    """A centre on free ports passes the check, and the mover changes nothing of it."""
    one = config()
    resolve.check(one)
    moved, lines = resolve.move(one, set())
    assert [line for line in lines if not line.startswith("audio")] == [] and moved.ports.sip == one.ports.sip


def test_a_taken_port_is_told_with_its_purpose_and_its_holder(held: socket.socket) -> None:
    """The message names the port, what it is for, its key, and pid and name of the process that has it."""
    port = held.getsockname()[1]
    one = config()
    with pytest.raises(resolve.PortTaken) as caught:
        resolve.check(replace(one, ports=replace(one.ports, dtmf=port)))
    found = proc.process(os.getpid())
    assert found is not None
    assert caught.value.lines[0] == (
        f"port {port} for key presses from rtpengine (ports.dtmf) is taken by {found.name} (pid {os.getpid()})"
    )
    assert "--auto-ports" in caught.value.lines[-1]


def test_the_holder_of_all_addresses_and_of_tcp_is_found() -> None:
    """A listener on 0.0.0.0 is in the way of 127.0.0.1, and is found as the holder."""
    with socket.create_server(("0.0.0.0", 0)) as listener:
        port = listener.getsockname()[1]
        assert not resolve.free("127.0.0.1", port, ("tcp",))
        assert proc.holder("127.0.0.1", port, ("tcp",)).pid == os.getpid()


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
@pytest.mark.parametrize(
    ("bound", "holds"), [("::1", False), ("::ffff:127.0.0.1", True), ("::ffff:127.0.0.9", False), ("::", True)]
)
def test_who_listens_by_ipv6_holds_what_that_takes(bound: str, holds: bool) -> None:
    """A listener on [::1] holds nothing of 127.0.0.1; one on all addresses, or on the same one written in IPv6, does."""
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as other:
        other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        other.bind((bound, 0))
        other.listen()
        assert (proc.holder("127.0.0.1", other.getsockname()[1], ("tcp",)).pid == os.getpid()) == holds


def test_a_listener_on_a_long_address_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who listens on an address of another network is not taken for the holder, and stops no start."""
    line = "0: B80D0120000000000000000001000000:13C4 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 4711 1"
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp6").write_text(f"sl local\n{line}\n")
    monkeypatch.setattr(proc, "PROC", tmp_path)
    assert proc.holder("127.0.0.1", 0x13C4, ("tcp",)).pid == 0


def test_a_taken_port_is_moved_and_the_rest_stays(held: socket.socket) -> None:
    """Only what is in the way gets another port, said in one line; nothing of the result clashes."""
    one = config()
    one = replace(one, ports=replace(one.ports, dtmf=held.getsockname()[1]))
    moved, lines = resolve.move(one, set())
    assert [line for line in lines if not line.startswith("audio")] == [
        f"key presses from rtpengine: {moved.ports.dtmf} instead of {one.ports.dtmf}"
    ]
    assert replace(moved.ports, dtmf=0, rtp_low=0, rtp_high=0) == replace(one.ports, dtmf=0, rtp_low=0, rtp_high=0)
    assert list(plan.clashes(moved)) == []
    resolve.check(moved)


def test_two_centres_that_start_together_choose_different_ports() -> None:
    """Ports another centre has claimed but not bound yet are gone around, audio as well."""
    one = config()
    first, _ = resolve.move(one, set())
    claimed = {port for use in plan.uses(first) for port in use.ports}
    second, _ = resolve.move(one, claimed)
    assert claimed.isdisjoint(port for use in plan.uses(second) for port in use.ports)


def test_a_claim_holds_while_its_process_lives(tmp_path: Path) -> None:
    """Claims of a living process are seen by others; those of a dead one are forgotten."""
    one = config()
    code = f"import sys; from pathlib import Path; from tests.ops.test_ports import config; from ops.supervise import resolve; \
resolve.claim(Path({str(tmp_path / 'other.json')!r}), config({one.ports.sip})); print('claimed', flush=True); sys.stdin.read()"
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    assert other.stdout is not None
    assert other.stdout.readline() == b"claimed\n"
    with resolve.claims(tmp_path / "own.json") as (claimed, _):
        assert one.ports.sip in claimed
    other.communicate()
    with resolve.claims(tmp_path / "own.json") as (claimed, _):
        assert claimed == set()
    assert not (tmp_path / "other.json").exists()


@pytest.mark.real
def test_up_names_the_holder_and_starts_nothing(tmp_path: Path, held: socket.socket) -> None:
    """`tierline up` on a taken port ends with status 1 and the whole story, before any child."""
    base = free_block(14)
    ports = {
        name: base + n for n, name in enumerate(("sip", "tls", "edge_http", "ship_metrics", "router", "router_metrics", "console"))
    }
    lines = [f"{name} = {port}" for name, port in ports.items()]
    (tmp_path / "c.toml").write_text("\n".join(['[centre]\nname = "x"\n[ports]', *lines, f"dtmf = {held.getsockname()[1]}"]))
    words = [sys.executable, "-m", "ops", "up", "--config", str(tmp_path / "c.toml"), "--state", str(tmp_path / "state")]
    said = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert f"is taken by {proc.process(os.getpid()).name} (pid {os.getpid()})" in said.stderr  # type: ignore[union-attr]
    assert not (tmp_path / "state" / "redis").exists()


@pytest.mark.real
def test_doctor_names_the_holder_and_says_what_to_do(tmp_path: Path, held: socket.socket) -> None:
    """`tierline doctor` finds a taken port, tells the remedy and ends with 1."""
    (tmp_path / "c.toml").write_text(f'[centre]\nname = "x"\n[ports]\ndtmf = {held.getsockname()[1]}\n')
    words = [
        sys.executable,
        "-m",
        "ops",
        "doctor",
        "--json",
        "--config",
        str(tmp_path / "c.toml"),
        "--state",
        str(tmp_path / "state"),
    ]
    said = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    found = [json.loads(line) for line in said.stdout.splitlines()]
    assert said.returncode == 1
    (port,) = [one for one in found if str(held.getsockname()[1]) in one["told"]]
    assert port["level"] == "bad" and f"(pid {os.getpid()})" in port["told"] and port["remedy"]

"""A running centre against docs/security.md: every listening socket and file has its row, and each inner door refuses others."""

from __future__ import annotations

import fnmatch
import re
import stat
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from ops import keys, ports, redis_access
from ops.centre import CentreConfig
from ops.config import load
from ops.supervise import files, proc
from tests.kit.centre import ROOT, Centre
from tests.kit.console import login

PAGE = ROOT / "docs" / "security.md"
LISTEN = "0A"
ACCEPTS, DATAGRAM = 0x10000, "0002"  # flag and type in /proc/net/unix; a datagram socket with a path takes what comes


@dataclass(frozen=True)
class Door:
    """A row of the first table: udp, tcp or unix; a key of [ports], or a pattern below the state folder; and when it is there."""

    kind: str
    what: str
    there: str


def rows(title: str) -> Iterator[list[str]]:
    """Cells of the table below a heading."""
    part = PAGE.read_text(encoding="utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    for line in lines[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


def doors() -> list[Door]:
    """The document's sockets."""
    found = []
    for socket, there, *_ in rows("Listening sockets"):
        kind, what = socket.split()
        found.append(Door(kind, what.removeprefix("ports."), there))
    return found


def config_of(centre: Centre) -> CentreConfig:
    return load(centre.state / "centre.json")


def inodes(centre: Centre) -> set[str]:
    """Of all sockets that the centre's processes have open."""
    folder = files.Folder(centre.state)
    supervisor = files.running(folder)
    pids = [one.pid for one in proc.family(centre.state, files.leaders(folder))] + ([supervisor.pid] if supervisor else [])
    found: set[str] = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                name = str(link.readlink())
            except OSError:
                continue
            if name.startswith("socket:["):
                found.add(name[8:-1])
    return found


def listening(centre: Centre) -> set[tuple[str, str]]:
    """("tcp", "5060"), ("udp", ..), ("unix", path below the state folder): what the centre's processes listen on."""
    ours, found = inodes(centre), set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        kind = table.rstrip("6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[9] in ours and (kind == "udp" or words[3] == LISTEN) and not _connected(kind, words):
                found.add((kind, str(int(words[1].split(":")[1], 16))))
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        words = line.split()
        accepts = int(words[3], 16) & ACCEPTS or (words[4] == DATAGRAM and words[-1].startswith("/"))
        if len(words) > 7 and words[6] in ours and accepts:
            path = Path(words[7])
            found.add(("unix", str(path.relative_to(centre.state)) if path.is_relative_to(centre.state) else words[7]))
    return found


def _connected(kind: str, words: list[str]) -> bool:
    """A UDP socket with another end takes nothing from anybody else (the media node's to rtpengine's control)."""
    return kind == "udp" and words[2] != "00000000:0000" and not words[2].endswith(":0000")


def test_every_listening_socket_stands_in_the_document(centre: Centre) -> None:
    """What listens has a row in docs/security.md, and what has a row as always there listens."""
    config, open_now = config_of(centre), listening(centre)
    uses = {use.key: use for use in ports.uses(config)}
    told: set[tuple[str, str]] = set()
    for door in doors():
        if door.kind == "unix":
            mine = {one for one in open_now if one[0] == "unix" and fnmatch.fnmatch(one[1], door.what)}
        elif door.what in uses and door.kind in uses[door.what].kinds:
            mine = {(door.kind, str(port)) for port in uses[door.what].ports} & open_now
        elif door.what == "tap":
            configured = {(kind, str(port)) for use in uses.values() for kind in use.kinds for port in use.ports}
            mine = {one for one in open_now - configured if one[0] == "udp"}
            assert len(mine) <= config.media.nodes, f"one a node: {mine}"
        else:
            mine = set()
        assert mine or door.there != "always", f"{door.kind} {door.what} is in the document and does not listen"
        assert not mine or door.there != "other setups", f"{door.kind} {door.what} should not listen here"
        told |= mine
    assert open_now - told == set(), "these have no row in docs/security.md"


def test_every_port_of_the_configuration_stands_in_the_document(centre: Centre) -> None:
    """A port that is added to [ports] needs a row for each of its kinds."""
    table = {(door.kind, door.what) for door in doors() if door.kind != "unix"}
    wanted = {(kind, use.key) for use in ports.uses(config_of(centre)) for kind in use.kinds}
    assert wanted - table == set()


def test_every_file_stands_in_the_document_and_is_for_its_user_alone(centre: Centre) -> None:
    """Nothing below the state folder gives a right to others, only sockets one to their group, and each path has a row."""
    patterns = [name.strip() for row in rows("Files") for name in row[0].split(",")]
    assert stat.S_IMODE(centre.state.stat().st_mode) == 0o700
    seen = 0
    for path in centre.state.rglob("*"):
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            continue  # written and moved meanwhile
        below = str(path.relative_to(centre.state))
        allowed = 0o660 if stat.S_ISSOCK(mode) else 0o700
        assert stat.S_IMODE(mode) & ~allowed == 0, f"{below} is {stat.filemode(mode)}"
        assert any(fnmatch.fnmatch(f"{below}/" if stat.S_ISDIR(mode) else below, pattern) for pattern in patterns) or any(
            part.startswith(".") for part in path.parts[len(centre.state.parts) :]
        ), f"{below} has no row"
        seen += 1
    assert seen > 20


def test_no_password_of_redis_is_on_a_command_line_or_in_a_log(centre: Centre) -> None:
    """Neither /proc/PID/cmdline of a process of the centre nor a log has a word of STATE/secrets."""
    secret = [path.read_text().strip() for path in (centre.state / "secrets").iterdir()]
    assert len(set(secret)) == len(secret) > 5
    texts = {path.name: path.read_text(errors="replace") for path in (centre.state / "log").iterdir()}
    folder = files.Folder(centre.state)
    for one in proc.family(centre.state, files.leaders(folder)):
        texts[f"pid {one.pid}"] = Path(f"/proc/{one.pid}/cmdline").read_bytes().decode(errors="replace")
    assert [name for name, text in texts.items() if any(word in text for word in secret)] == []


def test_no_process_is_refused_what_it_needs(centre: Centre) -> None:
    """Since the start no user of Redis was refused a key or command in its work. (Tests below try what is refused.)"""
    refused: list[dict[str, object]] = [dict(entry) for entry in centre.redis.acl_log(100)]
    assert [entry for entry in refused if entry["reason"] in ("command", "key", "channel")] == []


def client(config: CentreConfig, role: str) -> redis.Redis:
    return redis.Redis.from_url(redis_access.url(config, role))


def test_redis_gives_nothing_to_who_has_no_password(centre: Centre) -> None:
    """Without a password, with a wrong one, or with another user's: no command is done, on any of the four ways in."""
    config = config_of(centre)
    wrong = redis_access.password(config, redis_access.SHIP)
    for place in (
        {"unix_socket_path": str(redis_access.socket(config))},
        {"unix_socket_path": str(redis_access.rtpengine_socket(config))},
        {"port": config.ports.redis},
        {"port": config.ports.redis_rtpengine},
    ):
        for word in ({}, {"password": "guess"}, {"username": "router", "password": wrong}, {"password": wrong}):
            with pytest.raises((redis.AuthenticationError, redis.ResponseError)), redis.Redis(**place, **word) as asked:  # type: ignore[arg-type]
                asked.ping()


TENANT = "main"
FORBIDDEN: dict[str, tuple[tuple[str, ...], ...]] = {
    redis_access.EDGE: (
        ("HSET", keys.seat_auth(TENANT, "8001"), "ha1", "x"),
        ("XADD", keys.facts(TENANT), "*", "f", "{}"),
        ("HGETALL", keys.rules(TENANT)),
        ("EVAL", "return 1", "0"),
    ),
    redis_access.ROUTER: (("HSET", "location:entry::x", "contact", "sip:x"), ("KEYS", "*")),
    redis_access.MEDIA: (("HGETALL", keys.seat_auth(TENANT, "8001")), ("HSET", keys.rules(TENANT), "document", "x")),
    redis_access.CONSOLE: (("SET", keys.call_owner(TENANT, "x"), "1 sip:x"), ("HSET", keys.rules(TENANT), "document", "x")),
    redis_access.SHIP: (("XRANGE", keys.facts(TENANT), "-", "+"), ("HGETALL", keys.seat_auth(TENANT, "8001"))),
    redis_access.SUPERVISOR: (("HSET", keys.rules(TENANT), "document", "x"), ("XADD", keys.facts(TENANT), "*", "f", "{}")),
}
NOBODY = (
    ("FLUSHALL",),
    ("CONFIG", "GET", "*"),
    ("ACL", "LIST"),
    ("SHUTDOWN",),
    ("REPLICAOF", "127.0.0.1", "1"),
)


@pytest.mark.parametrize("role", FORBIDDEN)
def test_a_redis_user_does_its_own_work_and_no_other(centre: Centre, role: str) -> None:
    """Each process gets in with its own password; keys and commands of others, and those of an administrator, are refused."""
    with client(config_of(centre), role) as asked:
        assert asked.ping()
        for words in (*FORBIDDEN[role], *NOBODY):
            with pytest.raises(redis.exceptions.NoPermissionError):
                asked.execute_command(*words)


def test_http_ports_take_get_alone(centre: Centre) -> None:
    """Every metrics port answers GET /metrics; another method or another path is refused."""
    urls = {name: url for name, url in centre.endpoints["metrics"].items() if name not in ("console", "edge")}
    assert {"ship", "router1", "media1"} <= urls.keys()
    for url in urls.values():
        assert status("GET", url) == 200
        assert {status(method, url) for method in ("POST", "PUT", "DELETE", "PATCH")} == {405}
        assert {status("GET", url.replace("/metrics", path)) for path in ("/RPC", "/ng", "/cli", "/")} == {404}


def status(method: str, url: str) -> int:
    try:
        request = urllib.request.Request(url, b"{}" if method != "GET" else None, method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return int(error.code)


def test_rtpengine_listens_for_no_http(centre: Centre) -> None:
    """The process has its control port, audio and nothing by TCP."""
    words = Path(f"/proc/{_pid(centre, 'rtpengine1')}/cmdline").read_text()
    assert not re.search(r"listen-(http|https|cli|tcp)", words)


def _pid(centre: Centre, name: str) -> int:
    children = files.read(files.Folder(centre.state).supervisor)["children"]
    return int(next(one["pid"] for one in children if one["name"] == name))


async def test_the_supervisor_tells_what_died(centre: Centre) -> None:
    """A killed service is counted: in the metrics of the supervisor and in what supervisors see at the console."""
    port = config_of(centre).ports.supervisor_metrics
    before = _restarts(port, "ship")
    old = await centre.kill("ship")
    await centre.restarted("ship", old)
    assert _restarts(port, "ship") == before + 1

    async with login(centre, "9001") as boss:
        services = {one["name"]: one for one in (await boss.get("/api/health"))["services"]}
    assert services["ship"]["restarts"] == before + 1 and services["redis"]["state"] == "healthy"


def _restarts(port: int, service: str) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    found = re.search(rf'tierline_service_restarts_total{{service="{service}"}} (\d+)', text)
    assert found is not None
    return int(found[1])

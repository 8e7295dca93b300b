"""First credentials and logs."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from ops import keys, provision
from ops.centre import Agent, Centre, CentreConfig
from ops.provision import DigestSecrets
from ops.supervise import logs
from tests.kit.redis_server import RedisServer

CONFIG = CentreConfig(Centre("x"), agent=(Agent("a", "A", seat="1001"), Agent("s", "S", role="supervisor")))


def test_passwords_are_kept_over_restarts_and_private(tmp_path: Path) -> None:
    """A second start keeps every password and adds only what is new; the file is for its owner alone."""
    path = tmp_path / "credentials.json"
    first = provision.credentials(CONFIG, path)
    second = provision.credentials(replace(CONFIG, agent=(*CONFIG.agent, Agent("b", "B", seat="1002"))), path)
    assert second.users[:2] == first.users and second.seats[:1] == first.seats
    assert [one["seat"] for one in second.seats] == ["1001", "1002"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secrets = [one["password"] for one in (*second.users, *second.seats)]
    assert len(set(secrets)) == len(secrets) and min(map(len, secrets)) >= 16


def test_what_a_torn_write_left_is_no_part_of_the_next(tmp_path: Path) -> None:
    """A file that was half written when the power went is replaced whole, however long it was; the old file stays until then."""
    path = tmp_path / "some" / "secret.json"
    provision.write_private(path, "old and rather long")
    path.with_name(f".{path.name}.{os.getpid()}").write_text("torn and longer than what follows")
    provision.write_private(path, "new")
    assert path.read_text() == "new" and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["secret.json"]


def test_the_digest_secret_is_that_of_the_rfc() -> None:
    """HA1 of RFC 2617's own example (§3.5)."""
    assert provision.ha1("Mufasa", "testrealm@host.com", "Circle Of Life") == "939e7578ed9e3c518a452acee763bce9"


def test_digest_secrets_read_back() -> None:
    """What the ledger keeps as text is the same again, also the MD5 alone that an earlier release kept."""
    made = DigestSecrets.of("1001", "tierline.local", "secret")
    assert DigestSecrets.parse(str(made)) == made
    assert DigestSecrets.parse("0cc175b9c0f1b6a831c399e269772661") == DigestSecrets("0cc175b9c0f1b6a831c399e269772661")


@pytest.mark.real
def test_seats_stand_in_redis_as_the_edge_reads_them(tmp_path: Path) -> None:
    """Each seat's HA1s are in the fields that the contract names, and only as hashes."""
    made = provision.credentials(CONFIG, tmp_path / "credentials.json")
    with RedisServer(tmp_path / "redis") as server:
        assert provision.seats(server.url, "main", made) == 1
        client = redis.Redis.from_url(server.url)
        secret = f"1001:tierline.local:{made.seats[0]['password']}".encode()
        want = {b"ha1": hashlib.md5(secret).hexdigest().encode(), b"ha1_sha256": hashlib.sha256(secret).hexdigest().encode()}
        assert client.hgetall(keys.seat_auth("main", "1001")) == want
        client.close()


def test_a_credentials_file_of_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    """What tierline did not write is refused with its name."""
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps([1]))
    with pytest.raises(ValueError, match=r"credentials\.json is not what tierline wrote"):
        provision.credentials(CONFIG, path)


def test_logs_are_rotated_while_they_are_written(tmp_path: Path) -> None:
    """A log over its size goes aside; a process that has it open goes on at the start of the emptied file; old ones move up."""
    path = tmp_path / "log" / "a.log"
    with os.fdopen(logs.open_log(path), "wb", buffering=0) as out:
        for turn in range(5):
            out.write(b"%d" % turn * 100 + b"\n")
            assert logs.rotate(path, limit=50, keep=3)
        out.write(b"last\n")
    assert logs.tail(path) == ["last"]
    assert [logs.tail(path.with_name(f"a.log.{n}"))[0][0] for n in (1, 2, 3)] == ["4", "3", "2"]
    assert not path.with_name("a.log.4").exists()
    assert not logs.rotate(path, limit=50)

"""What must be there before the first child: free ports, the resolved configuration, passwords, a certificate, the menu."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import redis

from ops import config as configuration
from ops import inner, prometheus, provision, redis_access
from ops.centre import CentreConfig
from ops.cli import CommandError
from ops.supervise import files, in_force, logs, proc, resolve
from ops.supervise.run import Step, StepFailed
from ops.supervise.services import ROOT, Service

Say = Callable[[str], None]
GONE_S = 10


def clear(folder: files.Folder, say: Say) -> None:
    """Kill what a dead supervisor of this folder left, and wait until it is gone: it holds ports. Needs the folder's lock."""
    left = proc.family(folder.path, files.leaders(folder))
    names = ", ".join(sorted({one.name for one in left}))
    count = proc.kill(left)
    for _ in range(GONE_S * 20):
        if not left:
            break
        time.sleep(0.05)
        left = [one for one in left if proc.same(proc.Leader(one.pid, one.start))]
    if left:
        raise CommandError(f"processes {', '.join(str(one.pid) for one in left)} do not end, not even by SIGKILL")
    if count:
        say(f"  cleared     {count} processes that a supervisor of {folder.path} left behind ({names})")
    folder.endpoints.unlink(missing_ok=True)


def centre(config: CentreConfig, folder: files.Folder, auto_ports: bool, say: Say) -> CentreConfig:
    """The configuration as the services get it; written to STATE/centre.json. Raises CommandError when a port is in the way."""
    config = replace(config, state=folder.path, secured=True)
    _short_enough(redis_access.rtpengine_socket(config))
    with resolve.claims(resolve.claim_file()) as (claimed, own):
        config = _ports(config, auto_ports, claimed, say)
        resolve.claim(own, config)
    if not config.edge.certificate:
        pem, key = certificate(config, folder)
        config = replace(config, edge=replace(config.edge, certificate=str(pem), private_key=str(key)))
    for path in (config.prompts, config.vault, config.spool, folder.path / "log", config.run):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    redis_access.provide(config)
    provision.write_private(folder.config, configuration.dump(config))
    (folder.path / "prometheus.yml").write_text(prometheus.render(config, folder.config), encoding="utf-8")
    return config


def _ports(config: CentreConfig, auto_ports: bool, claimed: set[int], say: Say) -> CentreConfig:
    try:
        if not auto_ports:
            resolve.check(config)
            return config
        config, lines = resolve.move(config, claimed)
    except resolve.PortTaken as error:
        raise CommandError("not started:\n  " + "\n  ".join(error.lines)) from error
    for line in lines:
        say(f"  port        {line}")
    return config


def _short_enough(longest: Path) -> None:
    """Raises CommandError for a state folder in which the kernel would take no sockets."""
    over = len(os.fsencode(longest)) - inner.LONGEST
    if over > 0:
        raise CommandError(f"{longest} is {over} bytes too long for a socket: take a state folder with a shorter path (--state)")


def certificate(config: CentreConfig, folder: files.Folder) -> tuple[Path, Path]:
    """A self-signed pair for the edge's address and realm (PEM), made once; softphones have to be told to trust it."""
    tls = folder.path / "tls"
    tls.mkdir(mode=0o700, parents=True, exist_ok=True)
    pem, key = tls / f"{config.edge.address}.pem", tls / f"{config.edge.address}.key"
    if not (pem.exists() and key.exists()):
        names = f"subjectAltName=DNS:{config.edge.realm},DNS:localhost,IP:{config.edge.address}"
        words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "825"]
        subject = ("-subj", f"/CN={config.edge.realm}", "-addext", names)
        made = subprocess.run(
            [*words, *subject, "-keyout", str(key), "-out", str(pem)], capture_output=True, text=True, check=False
        )
        if made.returncode:
            raise CommandError(f"openssl could not make a certificate: {made.stderr.strip()}")
        key.chmod(0o600)
    return pem, key


def steps(config: CentreConfig, folder: files.Folder) -> tuple[Step, ...]:
    """Passwords of the seats into Redis; menu and prompts into the state folder."""

    async def seats() -> str:
        made = provision.credentials(config, folder.credentials)
        try:
            url = redis_access.url(config, redis_access.SUPERVISOR)
            count = await asyncio.to_thread(provision.seats, url, config.centre.tenant, made)
        except redis.RedisError as error:
            raise StepFailed(f"Redis: {error}") from error
        return f"{count} seats; passwords in {folder.credentials}"

    async def publish() -> str:
        await _command(folder, "publish", "--starting", "--config", str(folder.config))
        return f"menu and prompts in {config.prompts}"

    async def rules() -> str:
        return await asyncio.to_thread(in_force.told, config)

    first = Step("seats", seats, ("redis",)), Step("rules", rules, ("router1",))
    return (*first, Step("publish", publish, ("redis",))) if config.takes_calls else first


async def _command(folder: files.Folder, name: str, *words: str) -> None:
    """Run a `tierline` command of a service to its end; its words go to its log."""
    log = logs.open_log(folder.log(name))
    environment = {**os.environ, proc.MARK: str(folder.path)}
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ops",
            name,
            *words,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=ROOT,
            env=environment,
        )
    finally:
        os.close(log)
    try:
        status = await process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    if status:
        raise StepFailed(f"exit status {status}; its last words:\n    " + "\n    ".join(logs.tail(folder.log(name))))


def announce(config: CentreConfig, folder: files.Folder, services: tuple[Service, ...], pids: dict[str, int]) -> None:
    """Write STATE/endpoints.json: where everything is, for people and for programs that drive the centre."""
    edge, ports = config.edge.address, config.ports
    files.write(
        folder.endpoints,
        {
            "centre": config.centre.name,
            "tenant": config.centre.tenant,
            "realm": config.edge.realm,
            "sip": {
                "udp": f"{edge}:{ports.sip}",
                "tcp": f"{edge}:{ports.sip}",
                "tls": f"{edge}:{ports.tls}",
                "wss": f"wss://{edge}:{ports.tls}/",
            },
            "console": config.console_url,
            "router": {role: [inner.target(router, role) for router in config.routers] for role in inner.ROLES},
            "redis": f"unix://{redis_access.socket(config)}",  # who: `tierline redis`
            "metrics": {service.name: service.metrics for service in services if service.metrics},
            "credentials": str(folder.credentials),
            "recordings": str(config.vault),
            "prompts": str(config.prompts),
            "config": str(folder.config),
            "trunks": {trunk.name: list(trunk.addresses) for trunk in config.trunk},
            "numbers": list(config.centre.numbers),
            "pids": {"supervisor": os.getpid(), **pids},
        },
    )

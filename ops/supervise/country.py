"""Centres of one country file on one machine: each with a state folder, a Redis and ports of its own (`tierline up --centre`)."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from ops import certificates, country, provision
from ops.centre import CentreConfig
from ops.cli import CommandError
from ops.config import dump
from ops.country import AUDIO, PORTS, Block, Country
from ops.ports import Use, uses
from ops.supervise import files, resolve
from ops.supervise.services import ROOT

ALL = "all"
LOW, HIGH = 10_000, 29_600
AUDIO_LOW, AUDIO_HIGH = 20_000, 60_000
SHARED = "prompts"  # below the base: prompts made once for all


def default_file() -> Path:
    """country.toml of the current folder, else the example."""
    here = Path("country.toml")
    return here if here.exists() else ROOT / "examples" / "country.toml"


def opened(path: Path, base: Path, auto_ports: bool) -> Country:
    """The country with the ports that hold below `base`: those chosen by the first `--auto-ports`, for all centres at once, since
    each must know where the others are."""
    files.private(base)
    with _alone(base):
        kept = {name: Block(**block) for name, block in files.read(base / "ports.json").items()}
        found = country.load(path, base, kept)
        if auto_ports and not any(files.running(files.Folder(base / name)) for name in found.members):
            with resolve.claims(resolve.claim_file()) as (claimed, _):
                blocks = dict(_choose(found, claimed))
            files.write(base / "ports.json", {name: asdict(block) for name, block in blocks.items()})
            found = country.load(path, base, blocks)
        return found


@contextmanager
def _alone(base: Path) -> Iterator[None]:
    with (base / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _choose(found: Country, claimed: set[int]) -> Iterator[tuple[str, Block]]:
    """Free blocks, the file's own where nobody has them."""
    used = set(claimed)
    for name, config in found.centres.items():
        block = found.blocks[name]
        ports = next(start for start in _starts(block.ports, LOW, HIGH, PORTS) if _fits(_signalling(config, start), used))
        audio = next(start for start in _starts(block.audio, AUDIO_LOW, AUDIO_HIGH, AUDIO) if _fits(_audio(config, start), used))
        used.update(range(ports, ports + PORTS), range(audio, audio + AUDIO))
        yield name, Block(ports, audio)


def _starts(first: int, low: int, high: int, step: int) -> Iterator[int]:
    """Where to look: first the file's own place, then from a place of this process's own on."""
    yield first
    places = range(low, high, step)
    mine = os.getpid() % len(places)
    yield from (*places[mine:], *places[:mine])
    raise CommandError(f"no {step} neighbouring free ports between {low} and {high}")


def _signalling(config: CentreConfig, start: int) -> list[Use]:
    return [use for use in uses(replace(config, ports=country.ports_of(Block(start, AUDIO_LOW)))) if use.key != resolve.AUDIO]


def _audio(config: CentreConfig, start: int) -> list[Use]:
    return [use for use in uses(replace(config, ports=country.ports_of(Block(LOW, start)))) if use.key == resolve.AUDIO]


def _fits(wanted: Sequence[Use], used: set[int]) -> bool:
    return all(resolve.fits(use, use.port, used) for use in wanted)


def names(found: Country, asked: Sequence[str]) -> list[str]:
    """Centres that `--centre` means: ["national"], ["province", NAME], [NAME] or ["all"]. Raises CommandError."""
    tier, name = asked[0], asked[-1]
    if tier == ALL and len(asked) == 1:
        return list(found.members)
    if tier == "national" and len(asked) == 1:
        name = found.nation
    member = found.members.get(name)
    if member is None or len(asked) > 2 or (len(asked) == 2 and member.tier != tier):
        there = ", ".join(f"{one.tier} {one.name}" for one in found.members.values())
        raise CommandError(f"no centre {' '.join(asked)} in {found.path}; there are: {there} (or all)")
    return [name]


def given(found: Country, name: str) -> Path:
    """The configuration of one centre, written into its state folder, with a certificate if the file names none."""
    config = found.centres[name]
    if not config.federation.certificate:
        try:
            pair, signer = (
                certificates.issue(found.base / "certificates", name),
                certificates.authority(found.base / "certificates"),
            )
        except certificates.CertificateError as error:
            raise CommandError(str(error)) from error
        pems = [str(path.absolute()) for path in (pair.certificate, pair.private_key, signer.certificate)]
        made = replace(config.federation, certificate=pems[0], private_key=pems[1], authority=pems[2])
        config = replace(config, federation=made)
    _borrow(found.base / SHARED, config.prompts)
    path = config.state / "given.json"
    provision.write_private(path, dump(config))
    return path


def _borrow(shared: Path, own: Path) -> None:
    """Prompts are spoken once for all centres that start together."""
    if shared.is_dir() and not own.exists():
        shutil.copytree(shared, own)


def up_all(found: Country, aloud: bool = True) -> int:
    """Start all centres, each detached, and wait until all are up: 0, or the first other status (then all are stopped again)."""
    paths = {name: given(found, name) for name in found.members}
    _publish(found, paths)
    words = [sys.executable, "-m", "ops", "up", "--detach", *(() if aloud else ("--quiet",))]
    started = [
        subprocess.Popen([*words, "--config", str(given(found, name)), "--state", str(found.base / name)], cwd=ROOT)
        for name in paths
    ]
    statuses = [one.wait() for one in started]
    return next((status for status in statuses if status), 0)


def _publish(found: Country, paths: dict[str, Path]) -> None:
    """Menu and prompts for all centres that take calls, made once."""
    first = next((path for name, path in paths.items() if found.centres[name].takes_calls), None)
    if first is None or (found.base / SHARED).is_dir():
        return
    words = [sys.executable, "-m", "ops", "publish", "--config", str(first), "--state", str(found.base)]
    made = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False)
    if made.returncode:
        raise CommandError(f"the menu could not be published: {made.stderr.strip()}")

"""Three provinces and the nation of the test's own, every process real, started the way a user starts them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ops.centre import Ports
from ops.country import AUDIO, PORTS
from tests.kit.centre import PROMPTS, ROOT, TIERLINE, Centre
from tests.kit.national_link import NationalLink, national_link
from tests.kit.ports import free_block

PROVINCES = {"hubei": ("湖北", ["hunan"]), "hunan": ("湖南", ["hubei", "guangdong"]), "guangdong": ("广东", ["hunan"])}
COMMON = f"""
[all.centre]
numbers = ["95588"]
[all.console]
change_first_passwords = false
[all.media]
flow = "{ROOT / "flows/service.toml"}"
[[all.trunk]]
name = "carrier-a"
addresses = ["127.0.0.2"]
"""
QUEUE = """
[[all.queue]]
id = "{id}"
skill = "{id}"
ring_s = 5
after_call_s = 0
ladder = [{{ after_s = 0, ring = "centre" }}, {{ after_s = 1, ring = "nation" }}]
"""


@dataclass
class Country:
    """Running centres by name."""

    base: Path
    link: NationalLink
    centres: dict[str, Centre] = field(default_factory=dict)


def _file(link: NationalLink, blocks: dict[str, int], audio: dict[str, int]) -> str:
    """The country file: per province two agents (…1 and …2) with all skills and a supervisor."""
    text = COMMON + "".join(QUEUE.format(id=queue) for queue in ("billing", "faults", "complaints"))
    text += f'[[centre]]\nname = "nation"\ntier = "national"\naddress = "{link.address}"\n'
    text += f"ports = {blocks['nation']}\naudio = {audio['nation']}\n"
    federation = link.target(blocks["nation"] + Ports().federation - Ports().sip)
    for number, (name, (province, neighbours)) in enumerate(PROVINCES.items(), 1):
        text += f'[[centre]]\nname = "{name}"\nprovince = "{province}"\nneighbours = {json.dumps(neighbours)}\n'
        text += f'ports = {blocks[name]}\naudio = {audio[name]}\n[centre.federation]\nnation = "{federation}"\npenalty_ms = 500\n'
        for seat in (f"{number}001", f"{number}002"):
            skills = "{ billing = 1, faults = 1, complaints = 1 }"
            text += f'[[centre.agent]]\nid = "{name}{seat[-1]}"\nname = "座席{seat}"\nseat = "{seat}"\nskills = {skills}\n'
        text += f'[[centre.agent]]\nid = "{name}-boss"\nname = "班长"\nrole = "supervisor"\n'
    return text


@asynccontextmanager
async def running(base: Path) -> AsyncIterator[Country]:
    """All four; AssertionError with what was printed if one does not come up. Ended whatever happens."""
    names = ["nation", *PROVINCES]
    blocks = {name: free_block(PORTS) for name in names}
    audio = {name: 34_000 + os.getpid() % 20 * 1000 + AUDIO * n for n, name in enumerate(names)}  # above the ports of other tests
    link = await national_link(free_block(1))
    country = Country(base, link)
    path = base / "country.toml"
    path.write_text(_file(link, blocks, audio), encoding="utf-8")
    if PROMPTS.is_dir():
        shutil.copytree(PROMPTS, base / "prompts")
    try:
        await asyncio.gather(*(_up(country, path, name) for name in names))
        yield country
    finally:
        await asyncio.gather(*(_down(country, path, name) for name in names))
        await link.close()


async def _up(country: Country, path: Path, name: str) -> None:
    words = [TIERLINE, "up", "--centre", name, "--country", str(path), "--state", str(country.base), "--detach"]
    if name == "nation":
        words = [*country.link.prefix, *words]
    status, said = await _run(*words)
    assert status == 0, said
    endpoints = json.loads((country.base / name / "endpoints.json").read_text())
    country.centres[name] = Centre(country.base / name, endpoints)


async def _down(country: Country, path: Path, name: str) -> None:
    words = (TIERLINE, "down", "--centre", name, "--country", str(path), "--state", str(country.base), "--drain", "1")
    status, said = await _run(*words)
    assert status in ((0,) if name in country.centres else (0, 3)), said  # 3: it never ran


async def _run(*words: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()

"""The country file: several centres in one place, for one machine, a laptop, a test. Each becomes a CentreConfig of its own.

    [all]         what every centre has: the tables of a centre's file ([all.centre], [[all.queue]] ..)
    [[centre]]    one centre: the keys of `Member`, and tables of its own ([[centre.agent]], [centre.media] ..)

Tables of a centre are merged into those of all key by key; lists are appended. Ports, realms, peers and who asks whom follow
from the members; whatever stands in the file itself wins. In production each centre has a file of its own (centre.toml).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ops import config, text_file
from ops.centre import CentreConfig, Ports
from ops.config import ConfigError, Source
from ops.config_checks import cross
from ops.config_lines import Keys, lines_of
from ops.inner import is_loopback

FIRST_PORT, PORTS = 7000, 400  # of a centre: signalling and control
FIRST_AUDIO, AUDIO = 30_000, 1000  # of a centre: RTP
CONSOLE = 380  # place of the console in the block; the others keep their distances of ops.centre.Ports


@dataclass(frozen=True, slots=True)
class Member:
    """A [[centre]] of the country file, but for its own tables."""

    name: str
    tier: str = "province"
    province: str = ""  # home area it serves, as home areas name it (湖北)
    realm: str = ""  # SIP domain of its seats; "": NAME.tierline
    address: str = "127.0.0.1"  # where all of it listens
    ports: int = 0  # first of its 400 ports; 0: by its place in the file
    audio: int = 0  # first of its 1000 audio ports; 0: by its place in the file
    neighbours: tuple[str, ...] = ()  # asked directly while the nation is away


@dataclass(frozen=True, slots=True)
class Block:
    """Where a centre's ports begin."""

    ports: int
    audio: int


@dataclass(frozen=True, slots=True)
class Country:
    """All centres, in the order of the file. `base`: their state folders are below it, by name."""

    path: Path
    base: Path
    members: dict[str, Member]
    blocks: dict[str, Block]
    centres: dict[str, CentreConfig] = field(default_factory=dict)

    @property
    def nation(self) -> str:
        """Name of the national centre, "" if there is none."""
        return next((name for name, one in self.members.items() if one.tier == "national"), "")


_OWN = tuple(one.name for one in fields(Member))


def load(path: Path, base: Path, moved: Mapping[str, Block] | None = None) -> Country:
    """The country in `path`. `moved`: other ports than the file's. Raises ConfigError with all mistakes of the first kind found."""
    try:
        text = text_file.read(path)
    except (OSError, ValueError) as error:
        raise ConfigError((f"{path}: cannot be read: {error}; examples/country.toml is one",)) from error
    data, lines = config.parse(text, path), lines_of(text)
    found = _members(path, data, lines)
    blocks = {one.name: Block(*_block(one, n)) for n, one in enumerate(found)} | dict(moved or {})
    _apart(path, lines, found, blocks)
    country = Country(path, base, {one.name: one for one in found}, blocks)
    for index, one in enumerate(found):
        country.centres[one.name] = _centre(country, one, data, lines, index)
    return country


def _members(path: Path, data: dict[str, Any], lines: dict[Keys, int]) -> list[Member]:
    strange = [key for key in data if key not in ("all", "centre")]
    rows = data.get("centre")
    if strange or not isinstance(rows, list) or not rows:
        what = f"{', '.join(strange)}: unknown key; " if strange else "no centre in it; "
        raise ConfigError((f"{_at(path, lines, *strange[:1])}: {what}write [all] and [[centre]], once for each",))
    _known(path, lines, rows)
    found = []
    for index, row in enumerate(rows):
        own = {key: value for key, value in row.items() if key in _OWN}
        found.append(config.tables(Member, own, Source(path, _of(lines, "centre", index))))
    names = [one.name for one in found]
    wrong = [
        f"{_at(path, lines, 'centre', n, 'name')}: centre {name} stands twice; give this one another name, or take it away"
        for n, name in enumerate(names)
        if name in names[:n]
    ]
    nations = [n for n, one in enumerate(found) if one.tier == "national"]
    wrong += [
        f"{_at(path, lines, 'centre', n, 'tier')}: a second national centre; {names[nations[0]]} is one: write province"
        for n in nations[1:]
    ]
    wrong += [
        f"{_at(path, lines, 'centre', n, 'neighbours')}: centre {one.name}: neighbour {other} is no other province; "
        f"there are: {', '.join(names)}"
        for n, one in enumerate(found)
        for other in one.neighbours
        if other not in names or other == one.name
    ]
    if wrong:
        raise ConfigError(tuple(wrong))
    return found


def _at(path: Path, lines: dict[Keys, int], *keys: str | int) -> str:
    """The file and the line of a key, of what is below it, or of the table that it is missing in."""
    for n in range(len(keys), 0, -1):
        below = [line for key, line in lines.items() if key[:n] == keys[:n]]
        if below:
            return f"{path}:{min(below)}"
    return str(path)


def _known(path: Path, lines: dict[Keys, int], rows: list[Any]) -> None:
    """No centre has a key that neither a member nor a centre's file knows."""
    theirs = [one.name for one in fields(CentreConfig) if one.name not in ("path", "state")]
    wrong = [
        f"{_at(path, lines, 'centre', n, key)}: {key}: unknown key; a [[centre]] knows: {', '.join(_OWN)}; and as tables: "
        f"{', '.join(name for name in theirs if name not in _OWN)}"
        for n, row in enumerate(rows)
        if isinstance(row, dict)
        for key in row
        if key not in _OWN and key not in theirs
    ]
    if wrong:
        raise ConfigError(tuple(wrong))


def _apart(path: Path, lines: dict[Keys, int], found: list[Member], blocks: Mapping[str, Block]) -> None:
    """No two centres of one address have a port in common."""
    pairs = [(n, one, other) for n, one in enumerate(found) for other in found[:n] if other.address == one.address]
    wrong = [text for n, one, other in pairs for text in _shared(_at(path, lines, "centre", n), one.name, other.name, blocks)]
    if wrong:
        raise ConfigError(tuple(wrong))


def _shared(where: str, one: str, other: str, blocks: Mapping[str, Block]) -> Iterator[str]:
    """The blocks that two centres have in part in common."""
    for key, length in (("ports", PORTS), ("audio", AUDIO)):
        ours, theirs = getattr(blocks[one], key), getattr(blocks[other], key)
        if abs(ours - theirs) < length:
            free = max(getattr(block, key) for block in blocks.values()) + length
            both = f"{key} {ours} to {ours + length - 1} are partly those of {other}, {theirs} to {theirs + length - 1}"
            yield f"{where}: centre {one}: {both}; write {key} = {free}"


def _block(one: Member, index: int) -> tuple[int, int]:
    return one.ports or FIRST_PORT + PORTS * index, one.audio or FIRST_AUDIO + AUDIO * index


def ports_of(block: Block) -> Ports:
    """All ports of a centre from its block."""
    base = Ports()
    moved = {one.name: getattr(base, one.name) - base.sip + block.ports for one in fields(Ports)}
    return Ports(**moved | {"console": block.ports + CONSOLE, "rtp_low": block.audio, "rtp_high": block.audio + AUDIO - 1})


def _centre(country: Country, one: Member, data: dict[str, Any], lines: dict[Keys, int], index: int) -> CentreConfig:
    own = {key: value for key, value in data["centre"][index].items() if key not in _OWN}
    shared = data.get("all", {})
    merged = _merge(_merge(_derived(country, one), shared), own)
    where = _of(lines, "all") | _of(lines, "centre", index, _lengths(merged, own))
    made = config.tables(CentreConfig, merged, Source(country.path, where), cross)
    return replace(made, path=country.path.absolute(), state=(country.base / one.name).absolute())


def _derived(country: Country, one: Member) -> dict[str, Any]:
    """What follows from the members."""
    here = {"address": one.address}
    inside = (
        here if is_loopback(one.address) else {}
    )  # else each machine needs certificates of its own: [centre.console] names them
    block = ports_of(country.blocks[one.name])
    nation = country.nation
    return {
        "centre": {"name": one.name, "tier": one.tier},
        "edge": here | {"realm": realm_of(one)},
        "router": inside,
        "media": here | {"rtp_address": one.address},
        "console": inside,
        "federation": here | {"nation": _federation(country, nation) if nation and nation != one.name else ""},
        "ports": {name.name: getattr(block, name.name) for name in fields(Ports)},
        "peer": [_peer(country, one, other) for other in country.members.values() if other.name != one.name],
    }


def realm_of(one: Member) -> str:
    """SIP domain of a centre's seats."""
    return one.realm or f"{one.name}.tierline"


def _federation(country: Country, name: str) -> str:
    return f"{country.members[name].address}:{ports_of(country.blocks[name]).federation}"


def _peer(country: Country, one: Member, other: Member) -> dict[str, Any]:
    return {
        "name": other.name,
        "tier": other.tier,
        "realm": realm_of(other),
        "edge": f"{other.address}:{ports_of(country.blocks[other.name]).sip}",
        "province": other.province,
        "neighbour": other.name in one.neighbours or one.name in other.neighbours,
        "federation": _federation(country, other.name),
    }


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Tables key by key, lists appended, anything else from `above`."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[key] = _merge(old, value)
        else:
            merged[key] = [*old, *value] if isinstance(old, list) and isinstance(value, list) else value
    return merged


def _lengths(merged: dict[str, Any], own: dict[str, Any]) -> dict[str, int]:
    """How far the items of a centre's own lists were moved by what stands before them."""
    return {key: len(merged[key]) - len(value) for key, value in own.items() if isinstance(value, list)}


def _of(lines: dict[Keys, int], *start: str | int | dict[str, int]) -> dict[Keys, int]:
    """The lines below a table, as if it were the file; a dict at the end moves the indices of lists."""
    shift = start[-1] if isinstance(start[-1], dict) else {}
    begin = tuple(one for one in start if not isinstance(one, dict))
    below = {keys[len(begin) :]: line for keys, line in lines.items() if keys[: len(begin)] == begin and len(keys) > len(begin)}
    return {_moved(keys, shift): line for keys, line in below.items()}


def _moved(keys: Keys, shift: dict[str, int]) -> Keys:
    if len(keys) > 1 and isinstance(keys[0], str) and isinstance(keys[1], int) and keys[0] in shift:
        return (keys[0], keys[1] + shift[keys[0]], *keys[2:])
    return keys

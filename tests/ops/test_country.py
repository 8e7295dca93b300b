"""A country file: what each centre becomes, what is wrong with it, and which ports it takes."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from ops import config, country
from ops.cli import CommandError
from ops.config import ConfigError
from ops.country import Block, Country
from ops.ports import clashes, uses
from ops.supervise import commands, files
from ops.supervise import country as centres
from ops.supervise.services import ROOT, services

EXAMPLE = ROOT / "examples" / "country.toml"


def example(base: Path) -> Country:
    return country.load(EXAMPLE, base)


def changed(folder: Path, *pairs: tuple[str, str]) -> Path:
    """The example with other words in it."""
    text = EXAMPLE.read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    path = folder / "country.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_is_a_country(tmp_path: Path) -> None:
    """Four centres, each with what all have and its own, no port taken twice, and each readable again from its JSON."""
    found = example(tmp_path)
    assert list(found.centres) == ["nation", "hubei", "hunan", "guangdong"]
    hubei = found.centres["hubei"]
    assert [queue.id for queue in hubei.queue] == ["billing", "faults", "complaints"]
    assert [agent.seat for agent in hubei.agent] == ["1001", "1002", ""]
    assert (hubei.federation.share, hubei.state) == (80, tmp_path / "hubei")
    taken = [(use.address, port) for one in found.centres.values() for use in uses(one) for port in use.ports]
    assert len(taken) == len(set(taken))
    for one in found.centres.values():
        assert not list(clashes(one))
        assert config.loads(config.dump(one), Path("x.json")) == one


def test_each_knows_the_others(tmp_path: Path) -> None:
    """Every centre has all others as peers with realm, edge and federation; provinces name the nation; neighbours are mutual."""
    found = example(tmp_path)
    nation = found.centres["nation"]
    for name, one in found.centres.items():
        assert {peer.name for peer in one.peer} == found.centres.keys() - {name}
        for peer in one.peer:
            other = found.centres[peer.name]
            assert (peer.realm, peer.edge) == (other.edge.realm, f"127.0.0.1:{other.ports.sip}")
            assert peer.federation == f"127.0.0.1:{other.ports.federation}"
    assert found.centres["hunan"].federation.nation == f"127.0.0.1:{nation.ports.federation}"
    assert nation.federation.nation == ""
    near = {name: {peer.name for peer in one.peer if peer.neighbour} for name, one in found.centres.items()}
    assert near == {"nation": set(), "hubei": {"hunan"}, "hunan": {"hubei", "guangdong"}, "guangdong": {"hunan"}}


def test_moved_blocks_are_known_to_all(tmp_path: Path) -> None:
    """Other ports for one centre are in its own configuration and in what the others know of it."""
    found = country.load(EXAMPLE, tmp_path, {"hunan": Block(12_000, 40_000)})
    assert (found.centres["hunan"].ports.sip, found.centres["hunan"].ports.rtp_low) == (12_000, 40_000)
    assert {peer.edge for peer in found.centres["hubei"].peer if peer.name == "hunan"} == {"127.0.0.1:12000"}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("share = 80", "shar = 80", r"country.toml:\d+: federation.shar: unknown key; did you mean share"),
        ("skills = { faults = 1, billing = 2 }", "skills = { fault = 1 }", r"country.toml:\d+: agent\[2\].skills: no queue asks"),
        (
            'neighbours = ["hunan"] ',
            'neighbours = ["henan"] ',
            r"country.toml:\d+: centre hubei: neighbour henan is no other province",
        ),
        ('name = "hunan"', 'name = "hubei"', r"country.toml:\d+: centre hubei stands twice"),
        ('province = "湖北"', "province = 7", r"country.toml:\d+: province: is a number"),
        ("[all.centre]", "[everything.centre]", r"country.toml:\d+: everything: unknown key"),
        ('province = "湖北"', 'tier = "national"', r"country.toml:\d+: a second national centre; nation is one: write province"),
        ("neighbours =", "neighbors =", r"country.toml:\d+: neighbors: unknown key; a .* knows: .*neighbours.* tables: .*queue"),
        (
            'name = "hubei"',
            'name = "hubei"\nports = 7500',
            r"country.toml:\d+: centre hunan: ports 7800 to 8199 are partly .*write ports",
        ),
        (
            'name = "hubei"',
            'name = "hubei"\naudio = 32500',
            r"country.toml:\d+: centre hunan: audio .* those of hubei.*write audio = ",
        ),
    ],
)
def test_mistakes_are_told(tmp_path: Path, old: str, new: str, told: str) -> None:
    """Each with what is wrong, and its line where it is about a key."""
    with pytest.raises(ConfigError, match=told):
        country.load(changed(tmp_path, (old, new)), tmp_path)


def test_the_line_is_right(tmp_path: Path) -> None:
    """A mistake in a centre's own list is told with the line where it stands, though other items come before it."""
    path = changed(tmp_path, ("skills = { faults = 1, billing = 2 }", "skills = { fault = 1 }"))
    with pytest.raises(ConfigError) as failed:
        country.load(path, tmp_path)
    line = 1 + path.read_text(encoding="utf-8").splitlines().index("skills = { fault = 1 }")
    assert f"{path}:{line}:" in str(failed.value)


def test_a_nation_without_seats_runs_no_edge(tmp_path: Path) -> None:
    """Redis, router and console are all it needs; with a seat it is a whole centre."""
    nation = example(tmp_path).centres["nation"]
    assert [service.name for service in services(nation, Path("x"))] == ["redis", "router1", "console"]
    path = changed(tmp_path, ('role = "supervisor"', 'seat = "9001"'))
    whole = country.load(path, tmp_path).centres["nation"]
    assert {"edge", "media1"} <= {service.name for service in services(whole, Path("x"))}


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (["national"], ["nation"]),
        (["province", "hunan"], ["hunan"]),
        (["hunan"], ["hunan"]),
        (["all"], ["nation", "hubei", "hunan", "guangdong"]),
    ],
)
def test_which_centre_is_meant(tmp_path: Path, asked: list[str], names: list[str]) -> None:
    """`--centre national`, `--centre province NAME`, a bare name, or all."""
    assert centres.names(example(tmp_path), asked) == names


@pytest.mark.parametrize("asked", [["province"], ["province", "nation"], ["national", "hubei"], ["nowhere"], ["a", "b", "c"]])
def test_no_such_centre(tmp_path: Path, asked: list[str]) -> None:
    """What there is is told."""
    with pytest.raises(CommandError, match="there are: national nation, province hubei"):
        centres.names(example(tmp_path), asked)


def test_ports_are_chosen_once_for_all(tmp_path: Path) -> None:
    """With --auto-ports a taken block moves for everybody, and who starts later reads the same choice."""
    first = centres.opened(EXAMPLE, tmp_path, auto_ports=True)
    later = centres.opened(EXAMPLE, tmp_path, auto_ports=False)
    assert first.blocks == later.blocks
    assert files.read(tmp_path / "ports.json").keys() == first.members.keys()
    spans = [range(block.ports, block.ports + country.PORTS) for block in first.blocks.values()]
    assert len({port for span in spans for port in span}) == country.PORTS * len(spans)


@pytest.mark.real
def test_a_centre_gets_a_certificate(tmp_path: Path) -> None:
    """What is handed to `up` names the centre's own pair and the authority of all, made below the base."""
    config_ = config.load(centres.given(example(tmp_path), "hunan"))
    federation = config_.federation
    for path in (federation.certificate, federation.private_key, federation.authority):
        assert Path(path).is_file()
        assert Path(path).parent == tmp_path / "certificates"


def test_status_and_down_find_the_centre(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing runs: both say so for the centre's own folder, with exit status 3."""
    args = argparse.Namespace(state=tmp_path, centre=["province", "hunan"], country=EXAMPLE, json=False, drain=None)
    assert commands.STATUS.run(args) == commands.NOT_RUNNING
    assert commands.DOWN.run(args) == commands.NOT_RUNNING
    told = capsys.readouterr()
    assert str(tmp_path / "hunan") in told.out
    assert str(tmp_path / "hunan") in told.err

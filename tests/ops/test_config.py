"""The configuration: what is right is read back equal, what is wrong is told with file, line, key and what to write."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from ops import centre
from ops.clock import SystemClock
from ops.config import ConfigError, dump, load, loads, parse
from ops.config_checks import RULES
from ops.config_lines import deep_key, lines_of
from ops.supervise.services import ROOT

HEAD = '[centre]\nname = "x"\n'

# (text after HEAD, line, key, words that must be in the message)
BAD = [
    ('[ports]\nsip = "5060"', 4, "ports.sip", "write sip = 5060 without quotes"),
    ("[ports]\nsip = true", 4, "ports.sip", "write a whole number like 5"),
    ("[ports]\nsip = 70000", 4, "ports.sip", "write a number from 1 to 65535"),
    ("[ports]\nspi = 5060", 4, "ports.spi", "unknown key; did you mean sip?"),
    ("[ports]\nzzzzzz = 1", 4, "ports.zzzzzz", "this table knows: sip, tls,"),
    ("[ports]\nredis = 5200", 4, "", "Redis would take 5200, but SIP of the media nodes (ports.media_sip) takes 5200"),
    ('[console]\naddress = "0.0.0.0"', 4, "console.address", "write certificate and private_key, or trusted_proxies"),
    ('[console]\naddress = "::"\ntrusted_proxies = ["10.0.0.1"]', 4, "console.address", "public_url"),
    ('[console]\ncertificate = "a.pem"', 3, "console", "belong together"),
    ('[router]\naddress = "10.0.0.1"', 4, "router.address", "needs certificates"),
    ("[ports]\nconsole = 5064\n[console]\naddress = '127.0.0.1'", 4, "ports.console", "metrics of the edge (ports.edge_http)"),
    ("[ports]\nrtp_low = 30000\nrtp_high = 30010", 5, "ports.rtp_high", "write at least 30099"),
    ("[router]\ninstances = 0", 4, "router.instances", "write a number from 1 to 16"),
    ('[media]\nrecord = "yes"', 4, "media.record", "write record = true without quotes"),
    ("[media]\nflow = 5", 4, "media.flow", 'write flow = "5" with quotes'),
    ('[edge]\naddress = "localhost"', 4, "edge.address", "is no IP address"),
    ('[edge]\ncertificate = "/a.pem"', 3, "edge", "belong together"),
    ('[console]\ndatabase = "mysql://x"', 4, "console.database", "postgresql+psycopg://"),
    ('[[trunk]]\nname = "a"\naddresses = ["127.0.0.2/24"]', 5, "trunk[1].addresses", 'write "127.0.0.0/24"'),
    ('[[trunk]]\nname = "a"\naddresses = "127.0.0.2"', 5, "trunk[1].addresses", 'write a list: addresses = ["text"]'),
    ('[[trunk]]\nname = "a"\naddresses = []', 5, "trunk[1].addresses", "write at least one"),
    ('[[trunk]]\nname = "a"', 3, "trunk[1]", "addresses is missing"),
    ('[trunk]\nname = "a"', 3, "trunk", "write [[trunk]] with two brackets"),
    (
        '[[trunk]]\nname = "a"\naddresses = ["127.0.0.2"]\n[[trunk]]\nname = "b"\naddresses = [\n "127.0.0.2",\n]',
        8,
        "trunk[2].addresses",
        "already belongs to trunk a",
    ),
    ('[[queue]]\nid = "a"\nskill = "s"\n[[queue]]\nid = "a"\nskill = "s"', 7, "queue[2].id", "is also the id of queue number 1"),
    ('[[queue]]\nid = "a"\nskill = "s"\nring = 4', 6, "queue[1].ring", "did you mean ring_s?"),
    (
        '[[queue]]\nid = "q"\nskill = "service"\n[[agent]]\nid = "a"\nname = "A"\nseat = "1"\nskills = { servise = 1 }',
        10,
        "agent[1].skills",
        'did you mean "service"?',
    ),
    ('[[agent]]\nid = "a"\nname = "A"\nseat = "1"\nskills = { x = 1 }', 7, "agent[1].skills", "queues ask for: none"),
    ('[[agent]]\nid = "a"\nname = "A"\nseat = "1"\nskills = { x = 12 }', 7, "agent[1].skills", "write 1 (best) to 9"),
    ('[[agent]]\nid = "a"\nname = "A"\nseat = "1"\nskills = ["x"]', 7, "agent[1].skills", "write names with whole numbers"),
    ('[[agent]]\nid = "a"\nname = "A"', 3, "agent[1]", 'write seat = "1001"'),
    ('[[agent]]\nid = "a"\nname = "A"\nrole = "supervizor"', 6, "agent[1].role", 'write "supervisor"'),
    (
        '[[agent]]\nid = "a"\nname = "A"\nseat = "1"\n[[agent]]\nid = "b"\nname = "B"\nseat = "1"',
        10,
        "agent[2].seat",
        "is also the seat of agent number 1",
    ),
    ('[[blacklist]]\nnumber = "13x"', 4, "blacklist[1].number", "write a number like"),
    ('[[blacklist]]\nnumber = "139*"\nuntil = "soon"', 5, "blacklist[1].until", "write one like"),
    ("[queues]\nx = 1", 3, "queues", "did you mean queue?"),
]


@pytest.mark.parametrize(("text", "line", "key", "words"), BAD, ids=[f"{key}-{words[:20]}" for _, _, key, words in BAD])
def test_bad_file_is_told_with_line_and_remedy(text: str, line: int, key: str, words: str) -> None:
    """Each kind of mistake names the file, its line, its key and what to write instead."""
    with pytest.raises(ConfigError) as caught:
        loads(HEAD + text, Path("c.toml"))
    (problem,) = [one for one in caught.value.problems if words in one]
    if key:
        assert problem.startswith(f"c.toml:{line}: {key}: "), problem


def test_all_mistakes_at_once_in_the_order_of_the_file() -> None:
    """Two mistakes in two tables are both told, by line."""
    with pytest.raises(ConfigError) as caught:
        loads(HEAD + '[router]\ninstances = 0\n[ports]\nsip = "x"', Path("c.toml"))
    assert [one.split(":")[1] for one in caught.value.problems] == ["4", "6"]


@pytest.mark.parametrize(
    ("text", "words"), [("[centre", "TOML cannot be parsed"), ("", "[centre]"), ('[centre]\nname = "A b"', "a short name")]
)
def test_what_is_no_centre_at_all(text: str, words: str) -> None:
    """Broken TOML, an empty file and a bad name are refused with the reason."""
    with pytest.raises(ConfigError, match=re.escape(words)):
        loads(text, Path("c.toml"))


@pytest.mark.parametrize("key", ["a." * 100_000 + "b", '"a" . ' * 50_000 + "b", "x = {" + "a." * 9 + "b"])
def test_keys_of_many_parts_are_refused_before_they_are_read(key: str) -> None:
    """A key of a hundred thousand parts, which took 13 GB of memory, is refused by its line; the same text in a string is text."""
    with pytest.raises(ConfigError, match=r"rules\.toml:2: a key of more than 8 parts"):
        parse(f"\n{key} = 1", Path("rules.toml"))
    assert parse('a = "b.c.d.e.f.g.h.i.j.k" # b.c.d.e.f.g.h.i.j.k', Path("rules.toml")) == {"a": "b.c.d.e.f.g.h.i.j.k"}


@pytest.mark.parametrize("text", ["a" * 1_000_000, '"' * 999_999, "'\n" * 500_000, '"' + "\\\\" * 500_000, "a " * 500_000])
def test_looking_for_such_keys_takes_one_pass(text: str) -> None:
    """A megabyte of whatever is looked through in under two seconds (0.1 s alone)."""
    begin = SystemClock().mono_ms()
    assert deep_key(text) == 0
    assert SystemClock().mono_ms() - begin < 2000


def test_missing_and_unreadable_files_are_told(tmp_path: Path) -> None:
    """No file, and a file that is no UTF-8, are errors of the configuration, not traces."""
    with pytest.raises(ConfigError, match="no such file"):
        load(tmp_path / "c.toml")
    (tmp_path / "c.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="UTF-8"):
        load(tmp_path / "c.toml")


def test_the_example_province_is_read_back_equal_from_its_resolved_form(tmp_path: Path) -> None:
    """dump and load are inverse for the file in the repository, relative places made absolute."""
    config = load(ROOT / "centre.toml")
    (tmp_path / "centre.json").write_text(dump(config))
    assert load(tmp_path / "centre.json") == config
    assert config.state.is_absolute() and config.path.is_absolute()


def test_the_example_province_tells_every_key() -> None:
    """A key added to ops/centre.py without a line in centre.toml is noticed."""
    text = (ROOT / "centre.toml").read_text()
    for kind in RULES:
        for field in fields(kind):
            assert re.search(rf"^(# )?{field.name} = ", text, re.M), f"{kind.__name__}.{field.name} is not in centre.toml"


def test_every_rule_belongs_to_a_field() -> None:
    """A rule for a field that was renamed would never run."""
    for kind, rules in RULES.items():
        assert rules.keys() <= {field.name for field in fields(kind)}, kind
    assert set(RULES) == {
        one
        for one in vars(centre).values()
        if isinstance(one, type) and one.__module__ == "ops.centre" and one is not centre.CentreConfig
    }


def test_lines_are_found_through_lists_strings_and_comments() -> None:
    """Values over several lines, quoted keys and brackets in comments and strings do not lead the finder astray."""
    text = 'a = [ # [no]\n  "x]", # ]\n  2,\n]\nb = """\n[not.a.table]\nc = 1\n"""\n'
    text += '["t u".v] # [w]\n"k e" = "[[x]]"\n[[l]]\nm=1\n[[l]]\nm = 2\n'
    lines = lines_of(text)
    assert {key: line for key, line in lines.items() if len(key) < 4} == {
        ("a",): 1,
        ("b",): 5,
        ("t u", "v"): 9,
        ("t u", "v", "k e"): 10,
        ("l",): 11,
        ("l", 0): 11,
        ("l", 0, "m"): 12,
        ("l", 1): 13,
        ("l", 1, "m"): 14,
    }


def test_a_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    """Notepad writes one before UTF-8: the file is the same centre."""
    plain, marked = tmp_path / "a" / "centre.toml", tmp_path / "b" / "centre.toml"
    text = (ROOT / "centre.toml").read_text(encoding="utf-8")
    for file, encoding in ((plain, "utf-8"), (marked, "utf-8-sig")):
        file.parent.mkdir()
        file.write_text(text, encoding=encoding)
    assert load(marked).queue == load(plain).queue

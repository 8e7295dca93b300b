"""Files as Windows editors and spreadsheets save them: what is read, and what is refused with words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from media.ivr import flow_reader
from ops import country, rulebook, text_file
from ops.config import ConfigError, load
from ops.supervise.services import ROOT

EXAMPLES: dict[str, Callable[[Path], object]] = {
    "centre.toml": load,
    "examples/country.toml": lambda path: country.load(path, path.parent).members,
    "flows/service.toml": flow_reader.load,
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_byte_order_mark_changes_nothing(name: str, tmp_path: Path) -> None:
    """Configuration, country and menu are read the same with the mark that Notepad writes before them."""
    made, path = (ROOT / name).read_bytes(), tmp_path / Path(name).name
    found = []
    for mark in (b"", b"\xef\xbb\xbf"):
        path.write_bytes(mark + made)
        found.append(EXAMPLES[name](path))
    assert found[0] == found[1]


@pytest.mark.parametrize("kind", ["toml", "json"])
def test_rules_with_a_mark(kind: str, tmp_path: Path) -> None:
    """A rule file with the mark is read, from the disk and as a text that a browser sends, and mistakes keep their lines."""
    book, path = rulebook.read(ROOT / "centre.toml"), tmp_path / f"r.{kind}"
    text = rulebook.to_json(book) if kind == "json" else rulebook.to_toml(book)
    path.write_text(text_file.MARK + text, encoding="utf-8")
    assert rulebook.read(path) == rulebook.reads(text_file.MARK + text, path) == book
    if kind == "toml":
        with pytest.raises(ConfigError, match=r"r.toml:1: versio: unknown key"):
            rulebook.reads(text_file.MARK + text.replace("version", "versio", 1), path)


@pytest.mark.parametrize(
    ("encoding", "words"), [("utf-16", "UTF-16"), ("gb18030", "GB18030"), ("latin-1", "save the file as UTF-8")]
)
def test_other_encodings_are_refused_with_what_to_do(encoding: str, words: str, tmp_path: Path) -> None:
    """A configuration in another encoding is never half read: the error names the line, the encoding, and what to do."""
    text = 'x = 1\nname = "é"' if encoding == "latin-1" else 'x = 1\nname = "账单"'
    path = tmp_path / "c.toml"
    path.write_bytes(text.encode(encoding))
    for read in (load, rulebook.read, EXAMPLES["examples/country.toml"]):
        with pytest.raises(ConfigError, match=words):
            read(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_tables_are_read_in_the_encodings_of_spreadsheets(encoding: str) -> None:
    """Excel in China saves CSV as GB18030, and Unicode text as UTF-16: both say what UTF-8 says."""
    assert text_file.decoded_table("工号,姓名\r\na1,王芳".encode(encoding)) == "工号,姓名\r\na1,王芳"


def test_a_name_twice_in_json() -> None:
    """JSON with the same name twice in an object is refused: the last one does not win."""
    with pytest.raises(ConfigError, match='"complaints" stands twice'):
        rulebook.from_json('{"agent":[{"id":"a","name":"A","skills":{"complaints":1,"complaints":5}}]}')

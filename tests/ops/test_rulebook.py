"""The rule book: both ways without loss, checked as a file is, differences and warnings told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops import centre as c
from ops import rulebook
from ops.config import ConfigError, load, loads
from ops.rule_changes import diff, shown, warnings
from ops.rulebook import RuleBook
from ops.supervise.services import ROOT

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=12)
IDS = st.lists(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,6}", fullmatch=True), min_size=1, max_size=4, unique=True)
TIMES = ("00:00", "08:30", "17:30", "23:59")


@st.composite
def books(draw: Any) -> RuleBook:
    """A book that passes all checks, with odd texts where texts are free."""
    queues = draw(IDS)
    rung = st.builds(c.Rung, after_s=st.just(0), ring=st.sampled_from(["city", "centre", "nation"]), level=st.integers(1, 9))
    ladder = st.lists(rung, max_size=1).map(tuple)
    hours = st.builds(c.Hours, st.sampled_from(["mon-fri", "sat,sun"]), st.sampled_from(TIMES), st.sampled_from(TIMES))
    holidays = (c.Holiday("2026-10-01", name=draw(TEXT)),)
    calendar = c.Calendar("cal", "Europe/Berlin", tuple(draw(st.lists(hours, max_size=3))), holidays)
    skills = st.dictionaries(st.sampled_from(queues), st.integers(1, 9), max_size=3)
    agents = (
        c.Agent(f"a{n}", draw(TEXT), seat=str(n), skills=draw(skills), city=draw(TEXT)) for n in range(draw(st.integers(0, 3)))
    )
    of_queue = st.builds(
        c.Queue, zh=TEXT, en=TEXT, ladder=ladder, calendar=st.sampled_from(["", "cal"]), id=st.none(), skill=st.none()
    )
    return RuleBook(
        draw(st.integers(0, 2**50)),
        draw(TEXT),
        draw(TEXT),
        draw(st.integers(0, 2**50)),
        queue=tuple(replace(draw(of_queue), id=name, skill=name) for name in queues),
        agent=tuple(agents),
        calendar=(calendar,),
        branch=(c.Branch("b", ("12345",), (draw(TEXT),), "cal", draw(TEXT)),),
        vip=(c.Vip("+86138*", draw(st.integers(1, 9)), draw(TEXT)),),
        blacklist=(c.Blacklisted("13800000001", draw(TEXT)),),
        not_ready=(c.NotReadyReason("x", draw(TEXT), draw(TEXT)),),
        shares=c.Shares(draw(st.integers(0, 100)), 5000, draw(st.booleans())),
    )


@settings(max_examples=40, deadline=None)
@given(books())
def test_both_ways_without_loss(book: RuleBook) -> None:
    """JSON and TOML read back as the equal object, with the same digest; so do the plain data with defaults in them."""
    assert rulebook.from_json(rulebook.to_json(book)) == book
    assert rulebook.reads(rulebook.to_toml(book), Path("x.toml")) == book
    assert rulebook.from_data(rulebook.plain(book, whole=True)) == book
    assert rulebook.sha256(rulebook.kept(rulebook.to_json(book))) == rulebook.sha256(book)
    assert diff(book, book) == ()


def test_the_file_of_a_centre_is_version_1() -> None:
    """The tables of the file, taken out and put back, are the same centre; the same file gives the same digest."""
    config = load(ROOT / "centre.toml")
    book = rulebook.seed(config)
    assert (book.version, book.who, book.why) == (1, "", "centre.toml") and book.queue == config.queue
    assert rulebook.into(book, config) == config
    assert rulebook.read(ROOT / "centre.toml") == book
    changed = replace(book, shares=c.Shares(40, 1, True))
    federation = rulebook.into(changed, config).federation
    assert (federation.share, federation.penalty_ms, federation.paused) == (40, 1, True)


HEAD = '[[queue]]\nid = "q"\nskill = "s"\n'
CAL = '[[calendar]]\nid = "c"\n'
HOURS = CAL + '[[calendar.hours]]\ndays = "{}"\nopen = "{}"\nclose = "17:00"'
SPAN = '{ date = "2026-10-01", open = "08:30", close = "12:00" }'
BRANCHES = '[[branch]]\nid = "a"\ncities = ["武汉"]\n[[branch]]\nid = "b"\ncities = ["武汉"]'
MORNING = '{ date = "2026-10-10", open = "08:30", close = "12:00" }'
BAD = [
    ('calendar = "office"', 4, "queue[1].calendar", 'there is no calendar "office"; calendars are: none'),
    ("[[queue.ladder]]\nafter_s = 5", 5, "queue[1].ladder[1].after_s", "write after_s = 0"),
    ("ladder = [{ after_s = 0 }, { after_s = 0 }]", 4, "queue[1].ladder[2].after_s", "write more than 0"),
    ("ladder = [{ level = 5 }, { after_s = 9, level = 2 }]", 4, "queue[1].ladder[2].level", "write level = 5 or more"),
    ('ladder = [{}, { after_s = 9, ring = "city" }]', 4, "queue[1].ladder[2].ring", 'write ring = "centre" or wider'),
    ('policy = "best"', 4, "queue[1].policy", 'write "highest_skill" or'),
    ('[[queue.ladder]]\nring = "town"', 5, "queue[1].ladder[1].ring", 'write "city" or "centre" or "nation"'),
    (CAL + 'zone = "Asia/Shanghi"', 6, "calendar[1].zone", '"Asia/Shanghai"'),
    (HOURS.format("mon", "8:30"), 8, "calendar[1].hours[1].open", '"08:30"'),
    (HOURS.format("weekdays", "08:30"), 7, "calendar[1].hours[1].days", "mon-fri"),
    (CAL + '[[calendar]]\nid = "d"\n[[calendar.holidays]]\ndate = "1.10."', 9, "calendar[2].holidays[1].date", "2026-10-01"),
    (CAL + 'holidays = [{ date = "2026-10-01", open = "08:00" }]', 6, "calendar[1].holidays[1]", "open and close belong"),
    (CAL + 'holidays = [{ date = "2026-10-01" }, { date = "2026-10-01" }]', 6, "calendar[1].holidays[2]", "stands twice; keep one"),
    (CAL + f"holidays = [{MORNING}, {MORNING}]", 6, "calendar[1].holidays[2]", "2026-10-10 08:30 stands twice"),
    (CAL + f'holidays = [{MORNING}, {{ date = "2026-10-10" }}]', 6, "calendar[1].holidays[2]", "both closed and open"),
    ('[[branch]]\nid = "a"\nnumbers = ["123", "124", "123"]', 6, "branch[1].numbers[3]", '"123" stands twice in the list'),
    (BRANCHES, 9, "branch[2].cities", "already belongs to branch a"),
    ('[[vip]]\nnumber = "138x"', 5, "vip[1].number", "write a number like"),
    ("[shares]\nshare = 101", 5, "shares.share", "write a number from 0 to 100"),
    ('zh = "a\\u0000b"', 4, "queue[1].zh", "write plain text in one line"),
    ('[[agent]]\nid = "a"\nname = "A"\nseat = "1"\nskills = { t = 1 }', 8, "agent[1].skills", "queues ask for: s"),
]


@pytest.mark.parametrize(("text", "line", "key", "words"), BAD, ids=[key for _, _, key, _ in BAD])
def test_mistakes_have_line_path_and_remedy(text: str, line: int, key: str, words: str) -> None:
    """In a file: file, line, key; as data of a program: the path of the field. The same words in a centre's own file."""
    with pytest.raises(ConfigError) as caught:
        rulebook.reads(HEAD + text, Path("r.toml"))
    assert [one for one in caught.value.problems if one.startswith(f"r.toml:{line}: {key}: ") and words in one], (
        caught.value.problems
    )
    assert any(found == key and words in told for found, told in caught.value.findings)
    if "shares" not in text:
        with pytest.raises(ConfigError) as caught:
            loads('[centre]\nname = "x"\n' + HEAD + text, Path("c.toml"))
        assert any(words in one for one in caught.value.problems)


SET_ASIDE = 'id = "o"\nskill = "o"\n[[queue]]\nid = "p"\nskill = "p"\nladder = [{ level = 9, ring = "centre" }, '


@pytest.mark.parametrize("rung", ['level = 2, skill = "o"', 'ring = "city", skill = "o"', 'level = 1, ring = "city", skill = "o"'])
def test_a_rung_for_another_skill_may_begin_anew(rung: str) -> None:
    """Seats set aside are asked by a rung of their own, which may ask fewer of them than the rung before asks of others."""
    text = f"[[queue]]\n{SET_ASIDE}{{ after_s = 9, {rung} }}]\n"
    assert rulebook.reads(text, Path("r.toml")).queue[1].ladder[1].skill == "o"
    with pytest.raises(ConfigError, match="takes fewer agents than the rung before"):
        rulebook.reads(text.replace(', skill = "o"', ""), Path("r.toml"))


@pytest.mark.parametrize("data", [None, [], "x", {"queue": 1}, {"queue": [1]}, {"queue": [{"id": 1}]}, {"vip": [[]]}])
def test_data_of_any_shape_is_refused_with_words(data: Any) -> None:
    """What is no rule book at all is told like any mistake, and never fails otherwise."""
    with pytest.raises(ConfigError):
        rulebook.from_data(data)


def test_too_long_and_too_deep(tmp_path: Path) -> None:
    """A document without end and one nested without end are refused; a file that is not there is told."""
    for text in ("x" * (rulebook.LONGEST + 1), "[" * 100_000, "{"):
        with pytest.raises(ConfigError):
            rulebook.from_json(text)
    with pytest.raises(ConfigError, match="cannot be read"):
        rulebook.read(tmp_path / "none.toml")


OLD = RuleBook(
    queue=(c.Queue("a", "a"), c.Queue("b", "b"), c.Queue("v", "v", vip_ladder=(c.Rung(0, skill="a"),))),
    agent=(c.Agent("x", "X", seat="1", skills={"a": 1, "b": 2}), c.Agent("y", "Y", seat="2", skills={"a": 1})),
)


def test_differences_are_told_row_by_row() -> None:
    """Rows that came, went, changed and changed places; one line each for people."""
    queues = (replace(OLD.queue[1], priority=5), OLD.queue[0], c.Queue("n", "a"))
    lines = [shown(change) for change in diff(OLD, replace(OLD, queue=queues, shares=c.Shares(50)))]
    assert lines[0] == "- queue v" and lines[1] == "~ queue b: priority: 0 -> 5" and lines[2].startswith("+ queue n: id n, skill a")
    assert lines[3:] == ["~ queue: order: [a, b, v] -> [b, a, n]", "~ shares: share: 100 -> 50"]


def test_warnings() -> None:
    """A queue that loses its last agent, one removed under calls, an agent taken out at work; not what was so before."""
    new = replace(OLD, queue=(*OLD.queue[:2], c.Queue("n", "n")), agent=OLD.agent[1:])
    found = [(one.code, one.row) for one in warnings(OLD, new, {"v": 2}, {"x"})]
    assert found == [("no_agents", "b"), ("no_agents", "n"), ("queue_waiting", "v"), ("agent_at_work", "x")]
    assert [(one.code, one.row) for one in warnings(OLD, new)] == [*found[:2], ("queue_removed", "v")]
    assert warnings(new, replace(new, not_ready=(c.NotReadyReason("z", "", ""),))) == ()


@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_a_file_with_a_byte_order_mark(tmp_path: Path, suffix: str) -> None:
    """Notepad and Excel write one before UTF-8: the file is the same rule book, and a mistake in it has its line."""
    book = rulebook.read(ROOT / "centre.toml")
    file = tmp_path / f"r.{suffix}"
    file.write_text((rulebook.to_toml if suffix == "toml" else rulebook.to_json)(book), encoding="utf-8-sig")
    assert rulebook.read(file) == book
    if suffix == "toml":
        file.write_text(HEAD + 'policy = "best"', encoding="utf-8-sig")
        with pytest.raises(ConfigError, match=r"r\.toml:4: queue\[1\]\.policy"):
            rulebook.read(file)


def test_a_holiday_may_have_several_spans() -> None:
    """A make-up workday with a lunch break is taken."""
    later = SPAN.replace("08:30", "14:00").replace("12:00", "17:30")
    (calendar,) = rulebook.reads(f"{HEAD}{CAL}holidays = [{SPAN}, {later}]", Path("r.toml")).calendar
    assert [one.open for one in calendar.holidays] == ["08:30", "14:00"]


@pytest.mark.parametrize("name", ["people.csv", "people.XLSX"])
def test_a_spreadsheet_is_told_as_one(tmp_path: Path, name: str) -> None:
    """Whoever gives a spreadsheet is told what to write, not where TOML failed."""
    file = tmp_path / name
    file.write_bytes(b"id,name\n\xff")
    with pytest.raises(ConfigError, match="spreadsheet cannot be read; write TOML or JSON"):
        rulebook.read(file)

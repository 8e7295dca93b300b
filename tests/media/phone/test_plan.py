"""Plans of callers: keys, files, and what is said about wrong ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from media.phone.place import NoCentre, Place, from_state
from media.phone.plan import BadPlan, Plan, Result, keys, load


def written(folder: Path, content: object) -> Path:
    path = folder / "plan.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_keys_and_pauses() -> None:
    """Keys are taken one by one, w in either case is a pause, letters are keys in upper case."""
    assert keys("1w2W*#a") == ["1", "w", "2", "w", "*", "#", "A"]
    assert keys("") == []


def test_wrong_key_is_named() -> None:
    """What is no key is named, with what may be written."""
    with pytest.raises(BadPlan, match=r"'x'.*0123456789"):
        keys("1x")


def test_a_plan_file_is_read(tmp_path: Path) -> None:
    """Fields have the names of the options, what is left out its default, and paths start at the file."""
    entry = {"at": 1, "from": "13800000001", "to": "95588", "digits": "1w2", "audio": "a.wav", "hangup_by": "agent", "record": None}
    assert load(written(tmp_path, [entry])) == [
        Plan("13800000001", "95588", at=1.0, digits="1w2", audio=tmp_path / "a.wav", hangup_by="agent")
    ]


GOOD = {"from": "1", "to": "2"}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "not JSON"),
        ({}, "want a list"),
        ([], "want a list"),
        ([GOOD, 7], "call 2: want an object"),
        ([{"from": "1"}], "call 1: 'to' is missing"),
        ([GOOD | {"from": None}], "call 1: 'from' is missing"),
        ([GOOD | {"wait": 3}], "no field 'wait'; there are: from, to, at"),
        ([GOOD | {"talk": "5"}], r'talk: want seconds, not "5"'),
        ([GOOD | {"talk": True}], "talk: want seconds"),
        ([GOOD | {"give_up": -1}], "give_up: want seconds"),
        ([GOOD | {"digits": 12}], "digits: want text in quotes"),
        ([GOOD | {"digits": "1 2"}], "is no key"),
        ([GOOD | {"hangup_by": "me"}], "'me' is none of caller, agent"),
    ],
)
def test_a_wrong_plan_says_where_and_what(tmp_path: Path, content: object, why: str) -> None:
    """A plan that cannot be carried out is refused with file, call and field."""
    with pytest.raises(BadPlan, match=why):
        load(written(tmp_path, content))


def test_a_missing_plan_is_named(tmp_path: Path) -> None:
    """A file that is not there is an error with its name."""
    with pytest.raises(BadPlan, match=r"none\.json"):
        load(tmp_path / "none.json")


def test_a_result_is_one_line_of_json() -> None:
    """A result has the fields of its plan under the same names, and no newline."""
    line = Result("n", "13800000001", "95588", "talked", 200, "caller", "").line()
    assert "\n" not in line
    assert json.loads(line) | {"from": "13800000001", "to": "95588", "result": "talked"} == json.loads(line)


def endpoints(folder: Path, **changes: object) -> Path:
    (folder / "credentials.json").write_text(json.dumps({"users": [], "seats": [{"seat": "8001", "password": "p", "realm": "r"}]}))
    data: dict[str, object] = {
        "sip": {"udp": "127.0.0.1:5060", "tcp": "127.0.0.1:5060"},
        "realm": "r",
        "numbers": ["95588"],
        "prompts": str(folder),
    }
    data |= {"credentials": str(folder / "credentials.json"), "trunks": {"a": ["127.0.0.2"], "b": ["127.1.0.0/16"]}} | changes
    (folder / "endpoints.json").write_text(json.dumps(data))
    return folder


def test_the_centre_is_found_by_its_state(tmp_path: Path) -> None:
    """Edge, trunks and seat passwords come from what `tierline up` wrote; of a network the first address is taken."""
    place = from_state(endpoints(tmp_path))
    assert (place.udp, place.number, place.passwords["8001"]) == ("127.0.0.1:5060", "95588", "p")
    assert (place.carrier_address(), place.carrier_address("b")) == ("127.0.0.2", "127.1.0.1")


def test_no_centre_says_what_to_do(tmp_path: Path) -> None:
    """A state folder without a centre, a broken one, and an unknown trunk are told with the way out."""
    with pytest.raises(NoCentre, match="tierline up --detach --state"):
        from_state(tmp_path)
    with pytest.raises(NoCentre, match="start the centre again"):
        from_state(endpoints(tmp_path, sip=None))
    with pytest.raises(NoCentre, match="no trunk 'c'; there are: a, b"):
        from_state(endpoints(tmp_path)).carrier_address("c")
    with pytest.raises(NoCentre, match="--bind"):
        Place("127.0.0.1:5060").carrier_address()

"""Call list, detail, recordings, CSV and audit over HTTP."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from console.api.calls import inside
from console.ledger.models import CallRow
from tests.console.desk import Browser, Desk
from tests.console.samples import CallFacts, abandoned, answered, called_back, day, refused
from tests.console.tables import rows
from tests.kit.wait import until_async

T0 = 1_760_000_000_000


async def filled(desk: Desk, made: list[CallFacts]) -> Browser:
    """A supervisor's browser once these calls are folded to their last fact."""
    boss = await desk.browser("boss")
    await desk.fact(*(fact for call in made for fact in call.facts))
    want = {call.call: call.at for call in made}

    def done() -> bool:
        found = {row["id"]: row["last_ms"] for row in rows(desk.app.ctx.database, CallRow)}
        return found.keys() == want.keys() and all(found[call] >= want[call] - 1000 for call in want)

    await until_async(done, 10, "calls stored")
    return boss


async def test_search(desk: Desk) -> None:
    """Each search field narrows the list to the calls that match, newest first."""
    made = list(day(T0, 10))
    boss = await filled(desk, made)
    everything = (await boss.get("/api/calls"))["calls"]
    assert [row["id"] for row in everything] == [call.call for call in reversed(made)]

    async def found(query: str) -> list[int]:
        ids = [row["id"] for row in (await boss.get(f"/api/calls?{query}"))["calls"]]
        return sorted(n for n, call in enumerate(made) if call.call in ids)

    assert await found("outcome=abandoned") == [3, 8] and await found("outcome=refused") == [4, 9]
    assert await found("outcome=open") == [] and await found("agent=a2") == [2, 7]
    assert await found("number=00000007") == [7] and await found("number=95500") == list(range(10))
    assert await found("queue=bills&outcome=answered") == [0, 1, 2, 5, 6, 7]
    assert await found(f"from={T0 + 40}&to={T0 + 81}") == [2, 3, 4]


FORMS: dict[str, tuple[str, ...]] = {
    "mobile": ("+8613871234567", "13871234567", "013871234567", "008613871234567", "8613871234567", "17951013871234567"),
    "city": ("02787654321", "+862787654321", "862787654321", "00862787654321"),
    "abroad": ("+442079460958", "00442079460958"),
}


@pytest.mark.parametrize("who", FORMS)
async def test_every_form_of_a_number_finds_every_call_of_it(desk: Desk, who: str) -> None:
    """However carriers wrote the number of a caller, and however it is typed, the search finds all calls of the number alone."""
    made = []
    for n, number in enumerate((*FORMS["mobile"], *FORMS["city"], *FORMS["abroad"])):
        one = answered(T0 + n, n)
        told = [replace(f, body={**f.body, "calling": number}) if "calling" in f.body else f for f in one.facts]
        one.facts = told
        made.append((one, number))
    boss = await filled(desk, [one for one, _ in made])
    want = sorted(one.call for one, number in made if number in FORMS[who])
    typed = {
        "mobile": (
            *FORMS["mobile"],
            "138 7123 4567",
            "138-7123-4567",
            "+86 (138) 7123-4567",
            "１３８７１２３４５６７",
            " 71234567 ",
        ),
        "city": (*FORMS["city"], "027-8765 4321", "(027) 87654321", "+86 27 8765 4321", "027 8765", "+86 27876"),
        "abroad": (*FORMS["abroad"], "+44 20 7946 0958", "0044-20-7946-0958", "+4420"),
    }
    for text in typed[who]:
        got = await boss.get(f"/api/calls?number={quote(text)}")
        assert sorted(row["id"] for row in got["calls"]) == want, text


async def test_callbacks_are_marked(desk: Desk) -> None:
    """List, detail and CSV tell what became of a wish to be called back: nothing yet, reached, given up; without one nothing."""
    waits = CallFacts(T0, 1).arrive().choose().enqueue().wish()
    missed = CallFacts(T0 + 1000, 2).arrive().choose().enqueue().wish().offer().dial().miss(last=True)
    made = {waits.call: "waiting", missed.call: "given_up"}
    others = [called_back(T0 + 2000), answered(T0 + 3000, 4)]
    made |= dict(zip((call.call for call in others), ("reached", ""), strict=True))
    boss = await filled(desk, [waits, missed, *others])
    listed = (await boss.get("/api/calls"))["calls"]
    assert {row["id"]: row["callback"] for row in listed} == made
    assert {row["id"]: row["result"] for row in listed if row["callback"]} == {
        waits.call: "",
        missed.call: "abandoned",
        others[0].call: "answered",
    }
    assert (await boss.get(f"/api/calls/{missed.call}"))["callback"] == "given_up"
    async with boss.http.get(f"{desk.url}/api/calls.csv?language=en") as answer:
        lines = csv.DictReader(io.StringIO((await answer.text()).lstrip("\ufeff")))
        told = {"waiting": "to be called back", "reached": "called back", "given_up": "not reached on callback", "": ""}
        assert {line["Call ID"]: line["Callback"] for line in lines} == {call: told[what] for call, what in made.items()}
    audit = await boss.get(f"/api/audit?from={T0}&to={T0 + 10**7}")
    assert {code for found in audit["findings"] for code in found["codes"]} == {"file_missing"}, "only what the sample leaves out"


async def test_pages_follow_each_other(desk: Desk) -> None:
    """`next` leads through the whole list without gap or repeat, also where calls share a millisecond."""
    made = [answered(T0 + n // 3, n) for n in range(11)]
    boss = await filled(desk, made)
    seen: list[str] = []
    after = ""
    while True:
        page = await boss.get(f"/api/calls?limit=4{after}")
        seen += [row["id"] for row in page["calls"]]
        if not page["next"]:
            break
        after = f"&before={page['next']}"
    assert len(seen) == 11 and set(seen) == {call.call for call in made}


async def test_detail_has_the_facts_in_order(desk: Desk) -> None:
    """A call's detail has segments, menu steps, recording and all its facts in the order they happened."""
    made = answered(T0)
    boss = await filled(desk, [made])
    await until_async(lambda: rows(desk.app.ctx.database, CallRow)[0]["recording"] == "filed", 5, "recording known")
    got = await boss.get(f"/api/calls/{made.call}")
    times = [fact["at_ms"] for fact in got["facts"]]
    assert times == sorted(times) and {fact["kind"] for fact in got["facts"]} >= {"edge_invite", "bridged", "recorded"}
    assert [part["kind"] for part in got["segments"]] == ["queue", "agent"] and got["menu"][0]["item"] == "bill"
    assert got["recordings"][0]["duration_ms"] == 30_000
    status, error = await boss.call("GET", "/api/calls/unknown")
    assert status == 404 and error["error"]["code"] == "unknown_call"


async def test_recording_in_ranges(desk: Desk) -> None:
    """A recording is served whole and in parts, HEAD tells its length, a part beyond its end is refused."""
    made = answered(T0)
    boss = await filled(desk, [made])
    path = desk.config.vault / str(next(fact.body["path"] for fact in made.facts if fact.kind == "recorded"))
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(range(256)) * 4)
    url = f"{desk.url}/api/calls/{made.call}/recordings/1"
    async with boss.http.get(url) as whole:
        assert whole.status == 200 and await whole.read() == path.read_bytes() and whole.content_type == "audio/wav"
        assert whole.headers["Accept-Ranges"] == "bytes" and "no-store" in whole.headers["Cache-Control"]
    async with boss.http.get(url, headers={"Range": "bytes=10-19"}) as part:
        assert part.status == 206 and await part.read() == bytes(range(10, 20))
        assert part.headers["Content-Range"] == "bytes 10-19/1024"
    async with boss.http.get(url, headers={"Range": "bytes=-4"}) as part:
        assert part.status == 206 and await part.read() == bytes([252, 253, 254, 255])
    async with boss.http.get(url, headers={"Range": "bytes=5000-"}) as beyond:
        assert beyond.status == 416
    async with boss.http.head(url) as head:
        assert head.status == 200 and head.headers["Content-Length"] == "1024"
    assert (await boss.call("GET", f"/api/calls/{made.call}/recordings/2"))[0] == 404


@pytest.mark.parametrize(
    "path", ["../secret.wav", "/etc/passwd", "a/../../secret.wav", "link.wav", "2026/x.txt", "nul\x00.wav", ""]
)
def test_paths_stay_in_the_vault(tmp_path: Path, path: str) -> None:
    """A path in a fact never leads out of the vault, not by dots, not by a link, and only to .wav."""
    vault = tmp_path / "vault"
    (vault / "2026").mkdir(parents=True)
    (tmp_path / "secret.wav").write_bytes(b"x")
    (vault / "2026" / "x.txt").write_bytes(b"x")
    (vault / "link.wav").symlink_to(tmp_path / "secret.wav")
    assert inside(vault, path) is None
    (vault / "2026" / "good.wav").write_bytes(b"x")
    assert inside(vault, "2026/good.wav") == (vault / "2026" / "good.wav").resolve()


async def test_audit_over_http(desk: Desk) -> None:
    """The audit counts clean calls, and names the one whose recording file is missing."""
    whole, gone, left, blocked = answered(T0, 1), answered(T0, 2), abandoned(T0, 3), refused(T0, 4)
    boss = await filled(desk, [whole, gone, left, blocked])

    def filed() -> bool:
        return len([row for row in rows(desk.app.ctx.database, CallRow) if row["recording"] == "filed"]) == 2

    await until_async(filed, 5, "recordings known")
    body: dict[str, Any] = next(fact.body for fact in whole.facts if fact.kind == "recorded")
    path = desk.config.vault / str(body["path"])
    path.parent.mkdir(parents=True)
    path.touch()
    os.truncate(path, body["bytes"])
    report = await boss.get(f"/api/audit?from={T0 - 1}&to={T0 + 1000}")
    assert (report["calls"], report["open"], report["unexplained"]) == (4, 0, 1)
    assert report["by_code"] == {"file_missing": 1} and report["findings"][0]["call"] == gone.call


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/calls?limit=0", "limit"),
        ("/api/calls?limit=x", "limit"),
        ("/api/calls?outcome=odd", "outcome"),
        ("/api/calls?from=-1", "from"),
        ("/api/calls?number=%27;", "number"),
        ("/api/calls?before=zz", "before"),
        ("/api/calls?odd=1", "odd"),
        ("/api/calls/x/recordings/0", "number"),
        ("/api/calls/x/recordings/one", "number"),
        ("/api/audit?from=5&to=1", "from"),
    ],
)
async def test_bad_fields_are_named(desk: Desk, path: str, field: str) -> None:
    """A wrong field in a query or path gets a 400 that names it."""
    boss = await desk.browser("boss")
    async with boss.http.get(desk.url + path) as response:
        got = await response.json()
        assert response.status == 400 and got["error"]["field"] == field, got

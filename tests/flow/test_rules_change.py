"""The rules are changed while the centre runs: real callers meet the new ones, nothing is started anew, nothing forgets them."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from typing import Any

from ops import rulebook
from tests.kit.centre import TIERLINE, Centre
from tests.kit.console import Person, login
from tests.kit.phones import Phones
from tests.kit.wait import until_async


async def change(boss: Person, why: str, **rows: Any) -> dict[str, Any]:
    """The next version, with rows replaced: queue=[...], agent=[...]."""
    now = await boss.get("/api/rules")
    return await boss.post("/api/rules", base=now["version"], why=why, book=now["book"] | rows)


def row(book: dict[str, Any], table: str, name: str, **fields: Any) -> list[dict[str, Any]]:
    return [one | (fields if one["id"] == name else {}) for one in book[table]]


async def tierline(centre: Centre, *words: str) -> tuple[int, str]:
    """`tierline rules ...` as a user types it."""
    command = [TIERLINE, "rules", "--state", str(centre.state), *words]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text, _ = await process.communicate()
    return process.returncode or 0, text.decode()


async def test_a_waiting_caller_gets_who_was_given_the_skill(centre: Centre, many: Phones) -> None:
    """A caller waits for a skill nobody has. A supervisor gives it to an agent at work: that seat rings at once. After a kill -9 of
    the router the new version still holds for the next caller."""
    async with login(centre, "1002") as agent, login(centre, "9001") as boss:
        first = (await boss.get("/api/rules"))["book"]
        seat = await many.seat("8002")
        await agent.ready()
        caller = await many.call(number="13800138051", digits="31")
        await boss.waiting_are(1)
        skills = {"billing": 2, "faults": 1}
        got = await change(boss, "help out", agent=row(first, "agent", "1002", skills=skills))
        assert got["in_force"] and got["passwords"] == []
        await caller.hears(seat.voice)
        assert (await agent.now())["skills"] == skills
        await caller.hang_up()
        await agent.state_is("ready")
        old = await centre.kill("router1")
        await centre.restarted("router1", old)
        await agent.state_is("ready")
        again = await many.call(number="13800138052", digits="31")
        await again.hears(seat.voice)
        await again.hang_up()
        await agent.state_is("ready")
        facts = [f.body for f in centre.facts(("rules_changed",))]
        assert facts[-1]["version"] == got["version"] and facts[-1]["who"] == "9001" and facts[-1]["why"] == "help out"
        await change(boss, "back", agent=first["agent"])
        assert "faults" not in (await agent.now())["skills"]


async def test_an_emergency_closing_turns_callers_away(centre: Centre, many: Phones) -> None:
    """Closed by one request, the next caller is not put in line and the ledger says why; opened again, calls are answered."""
    async with login(centre, "1001") as agent, login(centre, "9001") as boss:
        seat = await many.seat("8001")
        await agent.ready()
        await boss.post("/api/rules/closing", kind="queue", id="complaints", closed="水管爆裂")
        await many.call(number="13800138053", digits="32")

        def turned_away() -> bool:
            away = [f.body for f in centre.facts(("turned_away",))]
            return any(body["queue"] == "complaints" and body["reason"] == "REASON_EMERGENCY" for body in away)

        await until_async(turned_away, 15, "the caller is turned away")
        assert (await agent.now())["state"] == "ready"
        await boss.post("/api/rules/closing", kind="queue", id="complaints")
        caller = await many.call(number="13800138054", digits="32")
        await caller.hears(seat.voice)
        await caller.hang_up()
        await agent.state_is("ready")


async def test_the_command(centre: Centre, tmp_path: Path) -> None:
    """Export, edit, check, apply, compare, list; who was slower is refused with what changed since; mistakes have their line."""
    file = tmp_path / "rules.toml"
    assert (await tierline(centre, "export", str(file)))[0] == 0
    before = rulebook.read(file)
    file.write_text(
        file.read_text().replace('id = "billing"\nskill = "billing"', 'id = "billing"\nskill = "billing"\npriority = 3')
    )
    status, text = await tierline(centre, "check", str(file))
    assert status == 0 and "~ queue billing: priority: 0 -> 3" in text, text
    status, text = await tierline(centre, "apply", str(file), "--why", "season")
    assert status == 0 and f"version {before.version + 1} is in force" in text, text
    status, text = await tierline(centre, "apply", str(file), "--why", "again")
    assert status == 1 and "~ queue billing: priority: 0 -> 3" in text and f"is newer than {before.version}" in text, text
    file.write_text('[[queue]]\nid = "x"\nskil = "y"\n')
    status, text = await tierline(centre, "check", str(file))
    assert status == 1 and f"{file}:3: queue[1].skil: unknown key; did you mean skill?" in text, text
    status, text = await tierline(centre, "diff", str(centre.state.parent / "test.toml"))
    assert status == 0 and "~ queue billing: priority: 3 -> 0" in text, text
    status, text = await tierline(centre, "import", str(centre.state.parent / "test.toml"), "--why", "as installed")
    assert status == 0 and f"version {before.version + 2} is in force" in text, text
    status, text = await tierline(centre, "history")
    assert "by 9001: as installed" in text and "by 9001: season" in text and "from test.toml" in text, text
    status, text = await tierline(centre, "show")
    assert "in force" in text and "billing" in text and "open" in text, text

"""The pictures of README and docs, from a real centre with real calls: `python -m tests.flow.pictures`."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from tests.browser.pages import AgentPage, SupervisorPage, chromium
from tests.kit import centre as centres
from tests.kit import phones
from tests.kit.centre import ROOT, Centre
from tests.kit.console import login

IMAGES = ROOT / "docs" / "img"
READY = {"li": "1002", "zhang": "1003", "liu": "1004", "chen": "1005"}
CALLS = (("13912345678", "22"), ("13571234567", "31"), ("18612345678", "32"), ("13311112222", "0"), ("13755556666", "0"))


async def board(running: Centre) -> None:
    """A small busy moment: some talk, some wait, one is away; an agent's page in Chinese, the supervisor's in both languages."""
    async with AsyncExitStack() as stack:
        many = await stack.enter_async_context(phones.at(running.endpoints))
        browser = await stack.enter_async_context(chromium())
        agent = await AgentPage.open(browser, running.endpoints["console"], "zh", 1280, 640)
        await agent.login("wang", running.password("wang"))
        await many.seat("1001")
        await agent.page.click("#main-action")
        for user, seat in READY.items():
            person = await stack.enter_async_context(login(running, user))
            await many.seat(seat)
            if user == "chen":
                await person.post("/api/agent/not-ready", reason="break")
            else:
                await person.ready()
        for number, digits in CALLS:
            await many.call(number=number, digits=digits)
        await agent.page.wait_for_selector('.status[data-state="talking"]')
        await asyncio.sleep(4)  # so that the timers show something
        await agent.picture(IMAGES / "agent-zh.png")
        for language in ("en", "zh"):
            boss = await SupervisorPage.open(browser, running.endpoints["console"], language, 1280, 640)
            await boss.login("zhao", running.password("zhao"))
            await boss.page.wait_for_selector('tr[data-state="talking"]')
            await boss.picture(IMAGES / f"board-{language}.png")


def main() -> None:
    """Make them."""
    with tempfile.TemporaryDirectory() as folder:
        running = centres.start(Path(folder), (ROOT / "centre.toml").read_text().replace('"flows/', f'"{ROOT}/flows/'))
        try:
            asyncio.run(board(running))
        finally:
            centres.stop(running)


if __name__ == "__main__":
    main()
